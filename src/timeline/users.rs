//! The users who have been seen within the retention.

use crate::key::UserKey;
use crate::timeline::free_indices::FreeIndices;
use crate::timeline::key_index::KeyIndex;
use crate::timeline::segmented_vec::SegmentedVec;

/// No second: it is before every other.
pub(crate) const NEVER: i64 = i64::MIN;

/// The users by index. An index is reused only when nothing refers to it any more.
pub(crate) struct Users {
    indices: KeyIndex,
    states: SegmentedVec<User>,
    /// Each user's group under the timeline's generation. It is kept apart from `states` because recounts read only
    /// this.
    groups: SegmentedVec<u32>,
    /// The lowest free index is reused first. So free indices gather at the end, where [`trim`](Self::trim) removes
    /// them.
    free: FreeIndices,
}

struct User {
    key: UserKey,
    /// The last second up to the clock in which they have an event. They are counted in the `last_seen` of that second.
    last_seen: i64,
    /// The last second in which they have an event, seconds ahead of the clock included; [`NEVER`] for a free index.
    last_event: i64,
}

impl Users {
    pub(crate) fn new() -> Self {
        Self {
            indices: KeyIndex::new(),
            states: SegmentedVec::new(),
            groups: SegmentedVec::new(),
            free: FreeIndices::new(),
        }
    }

    /// The user's index, if the user is known.
    #[inline]
    pub(crate) fn find(&self, key: UserKey) -> Option<u32> {
        self.indices.find(key.hash64(), |user| self.states[user].key == key)
    }

    /// [`find`](Self::find) for many keys at once. The results are the first elements of `found`. `prefetch` is called
    /// with each index that will probably be found.
    ///
    /// Each step of a lookup needs memory whose address the step before has read. So each step is done for all keys
    /// before the next step, and prefetches its memory: the waits overlap.
    #[inline]
    pub(crate) fn find_all<const N: usize>(
        &self,
        keys: impl Iterator<Item = UserKey> + Clone,
        found: &mut [Option<u32>; N],
        prefetch: impl Fn(u32),
    ) {
        keys.clone().for_each(|key| self.indices.prefetch(key.hash64()));
        for (found, key) in found.iter_mut().zip(keys.clone()) {
            *found = self.indices.probable_index(key.hash64());
            if let Some(user) = *found {
                self.states.prefetch(user);
                self.groups.prefetch(user);
                prefetch(user);
            }
        }
        for (found, key) in found.iter_mut().zip(keys) {
            if found.is_some_and(|user| self.states[user].key != key) {
                *found = self.find(key);
            }
        }
    }

    /// Records that a known user has an event in second `secs`.
    #[inline]
    pub(crate) fn note_event(&mut self, user: u32, secs: i64) {
        let state = &mut self.states[user];
        debug_assert_ne!(state.last_event, NEVER, "user index {user} is in use");
        state.last_event = state.last_event.max(secs);
    }

    /// The index of a user who has an event in second `secs`. A new user gets the group that `group_of` returns.
    pub(crate) fn get_or_insert(&mut self, key: UserKey, secs: i64, group_of: impl FnOnce(UserKey) -> u32) -> u32 {
        if let Some(user) = self.find(key) {
            self.note_event(user, secs);
            return user;
        }
        let state = User { key, last_seen: NEVER, last_event: secs };
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

    /// Makes second `secs`, which is not ahead of the clock, the user's last second if it is later than that. Returns
    /// the last second until now in that case.
    #[inline]
    pub(crate) fn advance_last_seen(&mut self, user: u32, secs: i64) -> Option<i64> {
        let state = &mut self.states[user];
        debug_assert!(secs <= state.last_event, "the user has an event in second {secs}");
        (state.last_seen < secs).then(|| std::mem::replace(&mut state.last_seen, secs))
    }

    /// Second `secs`, in which the user has an event, leaves the retention; all earlier seconds have left it before.
    /// The user is removed unless they have an event in a later second.
    pub(crate) fn expire(&mut self, user: u32, secs: i64) {
        let state = &mut self.states[user];
        if state.last_event == NEVER {
            return; // removed with an earlier entry of this second
        }
        if state.last_seen <= secs {
            state.last_seen = NEVER;
        }
        if state.last_event <= secs {
            state.last_event = NEVER;
            self.indices.remove(state.key.hash64(), user);
            self.free.insert(user);
        }
    }

    /// Removes the highest indices as far as they are free. The second that is being expired may still name a free
    /// index, so this must come after [`expire`](Self::expire) of all its users.
    pub(crate) fn trim(&mut self) {
        while let Some(last) = self.states.len().checked_sub(1)
            && self.free.remove(last)
        {
            self.states.pop();
            self.groups.pop();
        }
        debug_assert_eq!(self.states.len(), self.groups.len());
    }

    #[inline]
    pub(crate) fn group(&self, user: u32) -> u32 {
        self.groups[user]
    }

    /// A copy of the group of every index; O(indices).
    pub(crate) fn groups(&self) -> Vec<u32> {
        self.groups.to_vec()
    }

    /// Users who have an event within the retention or ahead of the clock.
    pub(crate) fn len(&self) -> usize {
        (self.states.len() - self.free.len()) as usize
    }

    /// Indices, the free ones included.
    pub(crate) fn indices(&self) -> usize {
        self.states.len() as usize
    }

    /// Memory that the users occupy, together with what the next new user may allocate at once; O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.indices.bytes(self.len()) + self.states.bytes() + self.groups.bytes() + self.free.bytes()
    }

    /// The keys of the indices from `from` on, at most `max` keys. For a free index it is the key of its last user.
    pub(crate) fn keys(&self, from: u32, max: u32) -> Vec<UserKey> {
        (from..self.states.len().min(from.saturating_add(max))).map(|user| self.states[user].key).collect()
    }

    /// Gives every user a new group. It is the prepared one if that was computed for the user who has the index now,
    /// and otherwise what `group_of` returns. Calls `on_seen` with the last second and the new group of each user who
    /// has a last second.
    pub(crate) fn regroup(
        &mut self,
        prepared: &[(UserKey, u32)],
        group_of: impl Fn(UserKey) -> u32,
        mut on_seen: impl FnMut(i64, u32),
    ) {
        for user in 0..self.states.len() {
            let state = &self.states[user];
            if state.last_event == NEVER {
                continue;
            }
            let group = match prepared.get(user as usize) {
                Some((key, group)) if *key == state.key => *group,
                _ => group_of(state.key),
            };
            self.groups[user] = group;
            if state.last_seen != NEVER {
                on_seen(state.last_seen, group);
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
    fn a_user_keeps_the_index_until_their_last_second_with_an_event_expires() {
        let mut users = Users::new();
        let user = users.get_or_insert(key(1), 10, |_| 4);
        assert_eq!(users.advance_last_seen(user, 10), Some(NEVER));
        assert_eq!(users.get_or_insert(key(1), 20, |_| unreachable!()), user); // ahead of the clock
        users.expire(user, 10);
        assert_eq!(users.len(), 1);
        assert_eq!(users.get_or_insert(key(2), 11, |_| 5), user + 1, "the index of user 1 is not free");
        assert_eq!(users.advance_last_seen(user, 20), Some(NEVER), "second 10 has expired");
        users.expire(user, 20);
        users.expire(user, 20);
        assert_eq!((users.len(), users.free.len()), (1, 1));
        assert_eq!(users.get_or_insert(key(3), 21, |_| 6), user, "the index is free now");
        assert_eq!((users.group(user), users.group(user + 1)), (6, 5));
    }

    #[test]
    fn last_seen_only_grows() {
        let mut users = Users::new();
        let user = users.get_or_insert(key(1), 10, |_| 0);
        assert_eq!(users.advance_last_seen(user, 10), Some(NEVER));
        assert_eq!(users.advance_last_seen(user, 9), None);
        assert_eq!(users.advance_last_seen(user, 10), None);
        users.note_event(user, 12);
        assert_eq!(users.advance_last_seen(user, 12), Some(10));
    }

    #[test]
    fn regrouping_uses_a_prepared_group_only_for_the_same_user() {
        let mut users = Users::new();
        for n in 0..4 {
            let user = users.get_or_insert(key(n), 10, |_| 0);
            if n < 3 {
                users.advance_last_seen(user, 10);
            }
        }
        let prepared = [(key(0), 7), (key(9), 7)];
        let mut seen = vec![];
        users.regroup(&prepared, |_| 1, |second, group| seen.push((second, group)));
        assert_eq!((0..4).map(|user| users.group(user)).collect::<Vec<_>>(), [7, 1, 1, 1]);
        assert_eq!(seen, [(10, 7), (10, 1), (10, 1)]);
    }

    #[test]
    fn removed_users_occupy_no_cells() {
        let mut users = Users::new();
        for n in 0..100_000 {
            users.get_or_insert(key(n), 10, |_| 0);
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
    fn many_keys_are_found_at_once() {
        let mut users = Users::new();
        (0..1_000).for_each(|n| _ = users.get_or_insert(key(n), 10, |_| 0));
        let mut found = [None; 4];
        users.find_all([999, 2_000, 0].map(key).into_iter(), &mut found, |_| {});
        assert_eq!(found, [Some(999), None, Some(0), None]);
        // The probable index of this key belongs to another key.
        users.states[999].key = key(3_000);
        users.find_all([999].map(key).into_iter(), &mut found, |_| {});
        assert_eq!(found[0], None);
    }

    #[test]
    fn the_lowest_free_index_is_reused_first_and_the_highest_are_removed() {
        let mut users = Users::new();
        for n in 0..10 {
            users.get_or_insert(key(n), if n == 6 { 11 } else { 10 }, |_| 0);
        }
        for user in [9, 2, 4, 1, 8, 7, 0, 3, 5, 6] {
            users.expire(user, 10);
        }
        users.trim();
        assert_eq!((users.states.len(), users.groups.len(), users.free.len(), users.len()), (7, 7, 6, 1));
        assert_eq!(users.keys(0, 100).len(), 7);
        assert_eq!([users.get_or_insert(key(20), 12, |_| 0), users.get_or_insert(key(21), 12, |_| 0)], [0, 1]);
        users.expire(6, 11);
        users.trim();
        assert_eq!((users.states.len(), users.free.len(), users.len()), (2, 0, 2));
        assert_eq!(users.get_or_insert(key(22), 12, |_| 0), 2);
    }
}
