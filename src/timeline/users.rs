//! Who has been seen within the retention.

use crate::key::UserKey;
use crate::timeline::chunked::Chunked;
use crate::timeline::free::FreeIndices;
use hashbrown::HashTable;

/// Before every second.
pub(crate) const NEVER: i64 = i64::MIN;

/// Sub-tables by key prefix: each is small when it rehashes, so no single event pays for the growth of all.
const TABLES: usize = 256;

/// The users, by an index that is reused only once nothing refers to it.
pub(crate) struct Users {
    tables: Box<[HashTable<u32>]>,
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
        Self {
            tables: (0..TABLES).map(|_| HashTable::new()).collect(),
            states: Chunked::new(),
            groups: Chunked::new(),
            free: FreeIndices::new(),
        }
    }

    /// The user's index, if they are known.
    #[inline]
    pub(crate) fn find(&self, key: UserKey) -> Option<u32> {
        let hash = key.hash64();
        self.tables[table_of(hash)].find(hash, |user| self.states[*user].key == key).copied()
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
        let hash = key.hash64();
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
        let states = &self.states;
        self.tables[table_of(hash)].insert_unique(hash, user, |user| states[*user].key.hash64());
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
            let hash = state.key.hash64();
            if let Ok(entry) = self.tables[table_of(hash)].find_entry(hash, |other| *other == user) {
                entry.remove();
            }
            self.free.insert(user);
            self.shrink(table_of(hash));
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

    /// Users who have an event within the retention or ahead of the clock.
    pub(crate) fn len(&self) -> usize {
        (self.states.len() - self.free.len()) as usize
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

    /// Gives memory back once a sub-table is far larger than its users need.
    fn shrink(&mut self, table: usize) {
        let states = &self.states;
        let table = &mut self.tables[table];
        if table.capacity() > 64 && table.len() < table.capacity() / 8 {
            table.shrink_to(table.len() * 2, |user| states[*user].key.hash64());
        }
    }
}

/// hashbrown takes the low bits for the bucket and the top seven for the tag; the ones between are free.
fn table_of(hash: u64) -> usize {
    (hash >> 40) as usize % TABLES
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
    fn tables_shrink_when_their_users_have_left() {
        let mut users = Users::new();
        for n in 0..100_000 {
            users.enter(key(n), 10, |_| 0);
        }
        let capacity = |users: &Users| users.tables.iter().map(HashTable::capacity).sum::<usize>();
        assert!(capacity(&users) >= 100_000);
        assert!(users.tables.iter().all(|table| table.len() < 2 * 100_000 / TABLES), "each has about its share");
        for user in 0..100_000 {
            users.expire(user, 10);
        }
        assert_eq!(users.len(), 0);
        assert!(capacity(&users) <= TABLES * 64, "{}", capacity(&users));
        assert_eq!(users.keys(99_999, 10).len(), 1);
    }

    #[test]
    fn a_table_shrinks_to_twice_its_users_when_they_fill_less_than_an_eighth_of_it() {
        /// The capacities before and after a table that was made for `most` users and has `left` of them shrinks.
        fn shrunk(most: usize, left: u32) -> (usize, usize) {
            let mut users = Users::new();
            let of_table_0 = (0..100_000).map(key).filter(|key| table_of(key.hash64()) == 0);
            users.tables[0].reserve(most, |_| unreachable!("it is empty"));
            of_table_0.take(left as usize).for_each(|key| _ = users.enter(key, 10, |_| 0));
            let before = users.tables[0].capacity();
            users.shrink(0);
            (before, users.tables[0].capacity())
        }
        let (before, after) = shrunk(448, 20);
        assert_eq!(before, 448);
        assert!((40..80).contains(&after), "{after}");
        assert_eq!(shrunk(448, 55).1, 112);
        assert_eq!(shrunk(448, 56), (448, 448));
        assert_eq!(shrunk(448, 0).1, 0);
        assert_eq!(shrunk(56, 1), (56, 56), "a small one stays");
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
