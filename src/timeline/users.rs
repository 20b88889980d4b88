//! The users of a partition who have been seen within the retention.

use crate::key::UserKey;
use crate::timeline::free_indices::FreeIndices;
use crate::timeline::live_second::LiveSecond;
use crate::timeline::segmented_vec::SegmentedVec;
use crate::timeline::user_cells::{Position, UserCell, UserCells, order_of};
use crate::timeline::user_kind_counts::UserKindCounts;

/// Users whose cells are prefetched before the first of them is used.
const PREFETCH_AHEAD: u32 = 16;

/// The users by key and by index. An index is reused only when nothing refers to it any more.
pub(crate) struct Users {
    cells: UserCells,
    /// A copy of each user's group, by index. It is small because recounts and scans read only this.
    groups: SegmentedVec<u32>,
    /// The lowest free index is reused first. So free indices gather at the end, where [`trim`](Self::trim) removes
    /// them.
    free: FreeIndices,
}

impl Users {
    pub(crate) fn new() -> Self {
        Self { cells: UserCells::new(), groups: SegmentedVec::new(), free: FreeIndices::new() }
    }

    /// Prefetches what [`note_event`](Self::note_event) will read.
    #[inline]
    pub(crate) fn prefetch(&self, key: UserKey) {
        self.cells.prefetch(key);
    }

    /// Records an event of a user in a second; returns the user's cell. A new user gets the group that `group_of`
    /// returns.
    #[inline]
    pub(crate) fn note_event(
        &mut self,
        key: UserKey,
        second: LiveSecond,
        group_of: impl FnOnce(UserKey) -> u32,
    ) -> &mut UserCell {
        let position = match self.cells.position(key) {
            Some(position) => position,
            None => self.insert(key, second, group_of(key)),
        };
        let user = self.cells.at(position);
        user.note_event(second);
        user
    }

    #[cold]
    fn insert(&mut self, key: UserKey, second: LiveSecond, group: u32) -> Position {
        let user = match self.free.take_lowest() {
            Some(user) => {
                self.groups[user] = group;
                user
            }
            None => self.groups.push(group),
        };
        self.cells.insert(UserCell::new(key, user, group, second))
    }

    /// The cell of a user index that is in use.
    #[inline]
    pub(crate) fn cell(&mut self, user: u32) -> &mut UserCell {
        self.cells.cell(user)
    }

    /// Second `second`, in which the user has an event, leaves the retention; all earlier seconds have left it before.
    /// The user is removed unless they have an event in a later second.
    pub(crate) fn expire(&mut self, user: u32, second: LiveSecond) {
        if self.free.contains(user) {
            return; // removed with an earlier entry of this second
        }
        let cell = self.cells.cell(user);
        if cell.last_seen == second {
            cell.last_seen = LiveSecond::NEVER;
        }
        if !second.is_before(cell.last_event) {
            self.cells.remove(user);
            self.free.insert(user);
        }
    }

    /// Removes the highest indices as far as they are free. The second that is being expired may still name a free
    /// index, so this must come after [`expire`](Self::expire) of all its users.
    pub(crate) fn trim(&mut self) {
        while let Some(last) = self.groups.len().checked_sub(1)
            && self.free.remove(last)
        {
            self.groups.pop();
            self.cells.pop_index();
        }
        debug_assert_eq!(self.groups.len(), self.cells.indices());
    }

    /// Calls `visit` with the index of each entry of a second.
    pub(crate) fn for_each_of(&mut self, counts: &UserKindCounts, mut visit: impl FnMut(&mut Self, u32)) {
        let mut ahead = counts.iter().skip(PREFETCH_AHEAD as usize);
        for entry in counts.iter() {
            if let Some(ahead) = ahead.next() {
                self.cells.prefetch_index(ahead.user());
            }
            visit(self, entry.user());
        }
    }

    #[cfg(test)]
    pub(crate) fn group_of_known(&mut self, key: UserKey) -> Option<u32> {
        let position = self.cells.position(key)?;
        Some(self.cells.at(position).group)
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
        (self.groups.len() - self.free.len()) as usize
    }

    /// Indices, the free ones included.
    pub(crate) fn indices(&self) -> usize {
        self.groups.len() as usize
    }

    /// Memory that the users occupy, together with what the next new user may allocate at once; O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.cells.bytes(self.len()) + self.groups.bytes() + self.free.bytes()
    }

    /// The key of every index; [`UserKey::ZERO`] for a free index.
    pub(crate) fn keys_by_index(&self) -> Vec<UserKey> {
        (0..self.groups.len()).map(|user| self.cells.key(user).unwrap_or(UserKey::ZERO)).collect()
    }

    /// The keys of the users for [`regroup`](Self::regroup), by sub-table, from a sub-table on: as many sub-tables as
    /// have about `max` users. None after the last one.
    pub(crate) fn keys_by_table(&self, from: usize, max: usize) -> Vec<Vec<UserKey>> {
        let mut users = 0;
        let tables = self.cells.tables().iter().skip(from).take_while(|table| {
            let is_wanted = users < max;
            users += table.len();
            is_wanted
        });
        tables.map(|table| table.in_order().collect()).collect()
    }

    /// Gives every user a new group. It is the prepared one, or what `group_of` returns for a user who has none.
    /// `prepared` has the groups of the keys of [`keys_by_table`](Self::keys_by_table) at some earlier time. Calls
    /// `on_seen` with the last second and the new group of each user who has a last second.
    pub(crate) fn regroup(
        &mut self,
        prepared: &[Vec<(UserKey, u32)>],
        group_of: impl Fn(UserKey) -> u32,
        mut on_seen: impl FnMut(LiveSecond, u32),
    ) {
        for (index, table) in self.cells.tables_mut().iter_mut().enumerate() {
            let mut prepared = PreparedGroups::new(prepared.get(index).map_or(&[], Vec::as_slice));
            for (cell, is_in_order) in table.cells_mut() {
                let group = if is_in_order { prepared.take(cell.key) } else { None };
                cell.group = group.unwrap_or_else(|| group_of(cell.key));
                self.groups[cell.index()] = cell.group;
                if cell.last_seen != LiveSecond::NEVER {
                    on_seen(cell.last_seen, cell.group);
                }
            }
        }
    }
}

/// The prepared groups of a sub-table that may still be used. They are nearly in the order of the cells, so both are
/// read once from start to end.
struct PreparedGroups<'a> {
    rest: &'a [(UserKey, u32)],
    /// A bit for each of the next groups that is used already.
    used: u32,
}

/// A user is searched among this number of prepared groups. Few users change places with one that is farther away.
const PREPARED_SEARCHED: usize = u32::BITS as usize;

impl<'a> PreparedGroups<'a> {
    fn new(groups: &'a [(UserKey, u32)]) -> Self {
        Self { rest: groups, used: 0 }
    }

    /// The group of a user, if it is among the next ones. Drops groups that are far behind the user.
    fn take(&mut self, key: UserKey) -> Option<u32> {
        loop {
            let next = &self.rest[..PREPARED_SEARCHED.min(self.rest.len())];
            if let Some(at) = next.iter().position(|(of, _)| *of == key) {
                let group = next[at].1;
                self.used |= 1 << at;
                self.drop_first(self.used.trailing_ones());
                return Some(group);
            }
            let (last, _) = next.last()?;
            if order_of(*last) >= order_of(key) {
                return None;
            }
            self.drop_first(1);
        }
    }

    fn drop_first(&mut self, groups: u32) {
        self.rest = &self.rest[groups as usize..];
        self.used = self.used.checked_shr(groups).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::HashKeys;

    fn key(n: u32) -> UserKey {
        HashKeys::from_seed(&[3; 32]).user(&n.to_string())
    }

    fn second(secs: i64) -> LiveSecond {
        LiveSecond::new(secs)
    }

    /// Records an event; returns the index of the user.
    fn note(users: &mut Users, n: u32, secs: i64, group: u32) -> u32 {
        users.note_event(key(n), second(secs), |_| group).index()
    }

    #[test]
    fn a_user_keeps_the_index_until_their_last_second_with_an_event_expires() {
        let mut users = Users::new();
        let user = note(&mut users, 1, 10, 4);
        assert_eq!(users.cell(user).advance_last_seen(second(10)), Some(LiveSecond::NEVER));
        let ahead = users.note_event(key(1), second(20), |_| unreachable!());
        assert_eq!(ahead.index(), user);
        users.expire(user, second(10));
        assert_eq!(users.len(), 1);
        assert_eq!(note(&mut users, 2, 11, 5), user + 1, "the index of user 1 is not free");
        assert_eq!(users.cell(user).advance_last_seen(second(20)), Some(LiveSecond::NEVER), "second 10 has expired");
        users.expire(user, second(20));
        users.expire(user, second(20));
        assert_eq!((users.len(), users.free.len()), (1, 1));
        assert_eq!(note(&mut users, 3, 21, 6), user, "the index is free now");
        assert_eq!((users.group(user), users.group(user + 1)), (6, 5));
        assert_eq!((users.cell(user).group, users.cell(user + 1).group), (6, 5));
    }

    #[test]
    fn last_seen_only_grows() {
        let mut users = Users::new();
        let user = note(&mut users, 1, 10, 0);
        assert_eq!(users.cell(user).advance_last_seen(second(10)), Some(LiveSecond::NEVER));
        assert_eq!(users.cell(user).advance_last_seen(second(9)), None);
        assert_eq!(users.cell(user).advance_last_seen(second(10)), None);
        note(&mut users, 1, 12, 0);
        assert_eq!(users.cell(user).advance_last_seen(second(12)), Some(second(10)));
    }

    /// The groups of the users as prepared for [`Users::regroup`].
    fn prepare(users: &Users, group: u32) -> Vec<Vec<(UserKey, u32)>> {
        let tables = users.keys_by_table(0, usize::MAX).into_iter();
        tables.map(|keys| keys.into_iter().map(|key| (key, group)).collect()).collect()
    }

    #[test]
    fn regrouping_gives_every_user_a_group() {
        let mut users = Users::new();
        for n in 0..5 {
            let user = note(&mut users, n, 10, 0);
            if n < 3 {
                users.cell(user).advance_last_seen(second(10));
            }
        }
        users.expire(4, second(10));
        let mut seen = vec![];
        users.regroup(&[], |key_of| if key_of == key(0) { 7 } else { 1 }, |second, group| seen.push((second, group)));
        assert_eq!((0..4).map(|user| users.group(user)).collect::<Vec<_>>(), [7, 1, 1, 1]);
        assert_eq!((0..4).map(|user| users.cell(user).group).collect::<Vec<_>>(), [7, 1, 1, 1]);
        seen.sort_unstable_by_key(|(_, group)| *group);
        assert_eq!(seen, [(second(10), 1), (second(10), 1), (second(10), 7)]);
    }

    #[test]
    fn prepared_groups_are_dropped_when_all_before_them_are_used() {
        let groups = [0, 1, 2, 3].map(|n| (key(n), n));
        let mut prepared = PreparedGroups::new(&groups);
        assert_eq!((prepared.take(key(1)), prepared.rest.len()), (Some(1), 4));
        assert_eq!((prepared.take(key(2)), prepared.rest.len()), (Some(2), 4));
        assert_eq!((prepared.take(key(0)), prepared.rest.len()), (Some(0), 1));
        assert_eq!((prepared.take(key(3)), prepared.rest.len()), (Some(3), 0));
        assert_eq!(prepared.take(key(4)), None);
    }

    #[test]
    fn almost_all_prepared_groups_are_used_after_users_have_come_and_gone() {
        const USERS: u32 = 20_000;
        for change in [-1, 0, 1] {
            let mut users = Users::new();
            (0..USERS).for_each(|n| _ = note(&mut users, n, 10, 0));
            let prepared = prepare(&users, 7);
            match change {
                -1 => (0..USERS / 2).for_each(|n| users.expire(n, second(10))),
                1 => (USERS..4 * USERS).for_each(|n| _ = note(&mut users, n, 10, 0)),
                _ => {}
            }
            let known = if change < 0 { USERS / 2 } else { USERS };
            let looked_up = std::cell::Cell::new(0);
            let group_of = |_| {
                looked_up.set(looked_up.get() + 1);
                7
            };
            users.regroup(&prepared, group_of, |_, _| {});
            let used = users.len() as u32 - looked_up.get();
            assert!(used > known / 100 * 80 && used <= known, "{change}: {used} of {known}");
            assert!((0..USERS).rev().take(known as usize).all(|user| users.group(user) == 7));
        }
    }

    #[test]
    fn keys_come_by_sub_table_a_slice_at_a_time() {
        let mut users = Users::new();
        (0..10_000).for_each(|n| _ = note(&mut users, n, 10, 0));
        let all = users.keys_by_table(0, usize::MAX);
        let (mut tables, mut parts) = (vec![], 0);
        loop {
            let part = users.keys_by_table(tables.len(), 1_000);
            if part.is_empty() {
                break;
            }
            assert!(part.iter().map(Vec::len).sum::<usize>() < 1_200);
            tables.extend(part);
            parts += 1;
        }
        assert_eq!(tables, all);
        assert!((9..=10).contains(&parts), "{parts}");
        assert_eq!(users.keys_by_table(0, all[0].len() + all[1].len()).len(), 2, "no more are wanted");
        let (mut in_order, mut by_index) = (all.concat(), users.keys_by_index());
        assert!(in_order.len() > 9_900, "{}", in_order.len());
        in_order.sort_unstable_by_key(|key| key.record(0));
        in_order.dedup();
        by_index.sort_unstable_by_key(|key| key.record(0));
        assert!(in_order.iter().all(|key| by_index.binary_search_by_key(&key.record(0), |key| key.record(0)).is_ok()));
    }

    #[test]
    fn removed_users_occupy_no_cells() {
        let mut users = Users::new();
        (0..100_000).for_each(|n| _ = note(&mut users, n, 10, 0));
        assert!(users.cells.cells() >= 100_000);
        (0..100_000).for_each(|user| users.expire(user, second(10)));
        assert_eq!(users.len(), 0);
        assert_eq!(users.cells.cells(), Users::new().cells.cells());
        assert_eq!(users.keys_by_index()[99_999], UserKey::ZERO);
    }

    #[test]
    fn the_memory_is_that_of_the_cells_the_groups_and_the_free_indices() {
        let mut users = Users::new();
        (0..1_000).for_each(|n| _ = note(&mut users, n, 10, 0));
        (0..500).for_each(|user| users.expire(user, second(10)));
        let parts_bytes = [users.cells.bytes(500), users.groups.bytes(), users.free.bytes()];
        assert!(parts_bytes.iter().all(|bytes| *bytes > 1), "{parts_bytes:?}");
        assert_eq!(users.bytes(), parts_bytes.iter().sum::<usize>());
    }

    #[test]
    fn the_lowest_free_index_is_reused_first_and_the_highest_are_removed() {
        let mut users = Users::new();
        for n in 0..10 {
            note(&mut users, n, if n == 6 { 11 } else { 10 }, 0);
        }
        for user in [9, 2, 4, 1, 8, 7, 0, 3, 5, 6] {
            users.expire(user, second(10));
        }
        users.trim();
        assert_eq!((users.indices(), users.free.len(), users.len()), (7, 6, 1));
        assert_eq!(users.keys_by_index().len(), 7);
        assert_eq!([note(&mut users, 20, 12, 0), note(&mut users, 21, 12, 0)], [0, 1]);
        users.expire(6, second(11));
        users.trim();
        assert_eq!((users.indices(), users.free.len(), users.len()), (2, 0, 2));
        assert_eq!(note(&mut users, 22, 12, 0), 2);
    }
}
