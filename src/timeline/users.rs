//! Who has been seen within the retention.

use crate::key::UserKey;
use crate::timeline::chunked::Chunked;
use crate::timeline::free::FreeIndices;
use crate::timeline::index::KeyIndex;

/// Before every second.
pub(crate) const NEVER: i64 = i64::MIN;

/// The users, by an index that is reused only once nothing refers to it.
pub(crate) struct Users {
    indices: KeyIndex,
    states: Chunked<User>,
    /// Each user's group under the timeline's generation; apart from `states` because re-enrichment reads only this.
    groups: Chunked<u32>,
    /// The lowest is reused first, so that the highest gather and [`trim`](Self::trim) can give them back.
    free: FreeIndices,
}

struct User {
    key: UserKey,
    /// The last second up to the clock that has an event of theirs; the one in whose `last_seen` they are counted.
    last_seen: i64,
    /// The last second that has an event of theirs, those ahead of the clock among them; [`NEVER`] for a free index.
    last_any: i64,
}

impl Users {
    pub(crate) fn new() -> Self {
        Self { indices: KeyIndex::new(), states: Chunked::new(), groups: Chunked::new(), free: FreeIndices::new() }
    }

    /// The user's index, if they are known.
    #[inline]
    pub(crate) fn find(&self, key: UserKey) -> Option<u32> {
        self.indices.find(key.hash64(), |user| self.states[user].key == key)
    }

    /// [`find`](Self::find) of many at once, into the first of `found`; `expect` is told of each index that is likely to
    /// be found.
    ///
    /// Where a step leads is not known before the memory has answered, so the step before is taken for all of them first
    /// and the memory asked for: then all wait together.
    #[inline]
    pub(crate) fn find_all<const N: usize>(
        &self,
        keys: impl Iterator<Item = UserKey> + Clone,
        found: &mut [Option<u32>; N],
        expect: impl Fn(u32),
    ) {
        keys.clone().for_each(|key| self.indices.prefetch(key.hash64()));
        for (found, key) in found.iter_mut().zip(keys.clone()) {
            *found = self.indices.guess(key.hash64());
            if let Some(user) = *found {
                self.states.prefetch(user);
                self.groups.prefetch(user);
                expect(user);
            }
        }
        for (found, key) in found.iter_mut().zip(keys) {
            if found.is_some_and(|user| self.states[user].key != key) {
                *found = self.find(key);
            }
        }
    }

    /// Takes note that a known user has an event in `second`.
    #[inline]
    pub(crate) fn renew(&mut self, user: u32, second: i64) {
        let state = &mut self.states[user];
        state.last_any = state.last_any.max(second);
    }

    /// The index of a user who has an event in `second`; a new one gets its group from `group_of`.
    pub(crate) fn enter(&mut self, key: UserKey, second: i64, group_of: impl FnOnce(UserKey) -> u32) -> u32 {
        if let Some(user) = self.find(key) {
            self.renew(user, second);
            return user;
        }
        let state = User { key, last_seen: NEVER, last_any: second };
        let group = group_of(key);
        let user = match self.free.take_lowest() {
            Some(user) => {
                (self.states[user], self.groups[user]) = (state, group);
                user
            }
            None => {
                self.groups.push(group);
                self.states.push(state)
            }
        };
        self.indices.insert(key.hash64(), user);
        user
    }

    /// Takes note that the user was seen in `second`, which is not ahead of the clock, and returns the second in which
    /// they were seen last before; none when that is not earlier.
    #[inline]
    pub(crate) fn see(&mut self, user: u32, second: i64) -> Option<i64> {
        let state = &mut self.states[user];
        (state.last_seen < second).then(|| std::mem::replace(&mut state.last_seen, second))
    }

    /// `second`, which has an event of the user, leaves the retention, and so did all before it: the user leaves with
    /// it, unless a later second has an event of theirs too.
    pub(crate) fn expire(&mut self, user: u32, second: i64) {
        let state = &mut self.states[user];
        if state.last_any == NEVER {
            return; // left with an earlier run of this second
        }
        if state.last_seen <= second {
            state.last_seen = NEVER;
        }
        if state.last_any <= second {
            state.last_any = NEVER;
            self.indices.remove(state.key.hash64(), user);
            self.free.insert(user);
        }
    }

    /// Gives back the highest indices as far as they are free. Nothing refers to a free index, but a second that is
    /// being expired may still name it: so this comes after.
    pub(crate) fn trim(&mut self) {
        while let Some(last) = self.states.len().checked_sub(1)
            && self.free.take(last)
        {
            self.states.pop();
            self.groups.pop();
        }
    }

    #[inline]
    pub(crate) fn group(&self, user: u32) -> u32 {
        self.groups[user]
    }

    /// The group of every index; O(indices), at the speed of a copy.
    pub(crate) fn groups(&self) -> Vec<u32> {
        self.groups.to_vec()
    }

    /// Users who have an event within the retention or ahead of the clock.
    pub(crate) fn len(&self) -> usize {
        (self.states.len() - self.free.len()) as usize
    }

    /// Indices, free ones among them.
    pub(crate) fn indices(&self) -> usize {
        self.states.len() as usize
    }

    /// What the users take, and what the next of them may make it take at once; O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.indices.bytes(self.len()) + self.states.bytes() + self.groups.bytes() + self.free.bytes()
    }

    /// The keys of the indices from `from` on, at most `most`; a free index shows its last key.
    pub(crate) fn keys(&self, from: u32, most: u32) -> Vec<UserKey> {
        (from..self.states.len().min(from.saturating_add(most))).map(|user| self.states[user].key).collect()
    }

    /// Gives every user a group, from `prepared` where that was computed for the user who has this index now, else from
    /// `group_of`, and tells for each one who was seen: the second in which last, and the group.
    pub(crate) fn regroup(
        &mut self,
        prepared: &[(UserKey, u32)],
        group_of: impl Fn(UserKey) -> u32,
        mut seen: impl FnMut(i64, u32),
    ) {
        for user in 0..self.states.len() {
            let state = &self.states[user];
            if state.last_any == NEVER {
                continue;
            }
            let group = match prepared.get(user as usize) {
                Some((key, group)) if *key == state.key => *group,
                _ => group_of(state.key),
            };
            self.groups[user] = group;
            if state.last_seen != NEVER {
                seen(state.last_seen, group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::HashKeys;

    fn key(n: u32) -> UserKey {
        HashKeys::from_seed(&[3; 32]).user(&n.to_string())
    }

    #[test]
    fn a_user_keeps_the_index_until_the_last_second_with_an_event_has_left() {
        let mut users = Users::new();
        let user = users.enter(key(1), 10, |_| 4);
        assert_eq!(users.see(user, 10), Some(NEVER));
        assert_eq!(users.enter(key(1), 20, |_| unreachable!()), user); // ahead of the clock
        users.expire(user, 10);
        assert_eq!(users.len(), 1);
        assert_eq!(users.enter(key(2), 11, |_| 5), user + 1, "the index is not free");
        assert_eq!(users.see(user, 20), Some(NEVER), "nothing to move: second 10 has left");
        users.expire(user, 20);
        users.expire(user, 20);
        assert_eq!((users.len(), users.free.len()), (1, 1));
        assert_eq!(users.enter(key(3), 21, |_| 6), user, "now it is");
        assert_eq!((users.group(user), users.group(user + 1)), (6, 5));
    }

    #[test]
    fn last_seen_only_grows() {
        let mut users = Users::new();
        let user = users.enter(key(1), 10, |_| 0);
        assert_eq!(users.see(user, 10), Some(NEVER));
        assert_eq!(users.see(user, 9), None);
        assert_eq!(users.see(user, 10), None);
        assert_eq!(users.see(user, 12), Some(10));
    }

    #[test]
    fn regrouping_trusts_prepared_groups_only_for_the_same_user() {
        let mut users = Users::new();
        for n in 0..4 {
            let user = users.enter(key(n), 10, |_| 0);
            if n < 3 {
                users.see(user, 10);
            }
        }
        let prepared = [(key(0), 7), (key(9), 7)];
        let mut seen = vec![];
        users.regroup(&prepared, |_| 1, |second, group| seen.push((second, group)));
        assert_eq!((0..4).map(|user| users.group(user)).collect::<Vec<_>>(), [7, 1, 1, 1]);
        assert_eq!(seen, [(10, 7), (10, 1), (10, 1)]);
    }

    #[test]
    fn users_that_have_left_take_no_room() {
        let mut users = Users::new();
        for n in 0..100_000 {
            users.enter(key(n), 10, |_| 0);
        }
        assert!(users.indices.cells() >= 100_000);
        for user in 0..100_000 {
            users.expire(user, 10);
        }
        assert_eq!(users.len(), 0);
        assert!(users.indices.cells() <= 256 * 16, "{}", users.indices.cells());
        assert_eq!(users.keys(99_999, 10).len(), 1);
    }

    #[test]
    fn many_are_found_at_once() {
        let mut users = Users::new();
        (0..1_000).for_each(|n| _ = users.enter(key(n), 10, |_| 0));
        let mut found = [None; 4];
        users.find_all([999, 2_000, 0].map(key).into_iter(), &mut found, |_| {});
        assert_eq!(found, [Some(999), None, Some(0), None]);
        // A likely index that is another user's.
        users.states[999].key = key(3_000);
        users.find_all([999].map(key).into_iter(), &mut found, |_| {});
        assert_eq!(found[0], None);
    }

    #[test]
    fn the_lowest_free_index_is_reused_first_and_the_highest_are_given_back() {
        let mut users = Users::new();
        for n in 0..10 {
            users.enter(key(n), if n == 6 { 11 } else { 10 }, |_| 0);
        }
        for user in [9, 2, 4, 1, 8, 7, 0, 3, 5, 6] {
            users.expire(user, 10);
        }
        users.trim();
        assert_eq!((users.states.len(), users.groups.len(), users.free.len(), users.len()), (7, 7, 6, 1));
        assert_eq!(users.keys(0, 100).len(), 7);
        assert_eq!([users.enter(key(20), 12, |_| 0), users.enter(key(21), 12, |_| 0)], [0, 1]);
        users.expire(6, 11);
        users.trim();
        assert_eq!((users.states.len(), users.free.len(), users.len()), (2, 0, 2));
        assert_eq!(users.enter(key(22), 12, |_| 0), 2);
    }
}
