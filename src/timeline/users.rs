//! The users of a partition who have been seen within the retention.

use crate::key::UserKey;
use crate::timeline::free_indices::FreeIndices;
use crate::timeline::live_second::LiveSecond;
use crate::timeline::segmented_vec::SegmentedVec;
use crate::timeline::user_cells::{Position, UserCell, UserCells};
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

    /// The keys of the indices from `from` on, at most `max` keys; [`UserKey::ZERO`] for a free index.
    pub(crate) fn keys(&self, from: u32, max: u32) -> Vec<UserKey> {
        let indices = from..self.groups.len().min(from.saturating_add(max));
        indices.map(|user| self.cells.key(user).unwrap_or(UserKey::ZERO)).collect()
    }

    /// Gives every user a new group. It is the prepared one if that was computed for the user who has the index now,
    /// and otherwise what `group_of` returns. Calls `on_seen` with the last second and the new group of each user who
    /// has a last second.
    pub(crate) fn regroup(
        &mut self,
        prepared: &[(UserKey, u32)],
        group_of: impl Fn(UserKey) -> u32,
        mut on_seen: impl FnMut(LiveSecond, u32),
    ) {
        let indices = self.groups.len();
        for user in 0..indices {
            if user + PREFETCH_AHEAD < indices {
                self.cells.prefetch_index(user + PREFETCH_AHEAD);
            }
            if !self.cells.has_cell(user) {
                continue;
            }
            let cell = self.cells.cell(user);
            cell.group = match prepared.get(user as usize) {
                Some((key, group)) if *key == cell.key => *group,
                _ => group_of(cell.key),
            };
            if cell.last_seen != LiveSecond::NEVER {
                on_seen(cell.last_seen, cell.group);
            }
            self.groups[user] = cell.group;
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

    #[test]
    fn regrouping_uses_a_prepared_group_only_for_the_same_user() {
        let mut users = Users::new();
        for n in 0..5 {
            let user = note(&mut users, n, 10, 0);
            if n < 3 {
                users.cell(user).advance_last_seen(second(10));
            }
        }
        users.expire(4, second(10));
        let prepared = [(key(0), 7), (key(9), 7)];
        let mut seen = vec![];
        users.regroup(&prepared, |_| 1, |second, group| seen.push((second, group)));
        assert_eq!((0..4).map(|user| users.group(user)).collect::<Vec<_>>(), [7, 1, 1, 1]);
        assert_eq!((0..4).map(|user| users.cell(user).group).collect::<Vec<_>>(), [7, 1, 1, 1]);
        assert_eq!(seen, [(second(10), 7), (second(10), 1), (second(10), 1)]);
    }

    #[test]
    fn removed_users_occupy_no_cells() {
        let mut users = Users::new();
        (0..100_000).for_each(|n| _ = note(&mut users, n, 10, 0));
        assert!(users.cells.cells() >= 100_000);
        (0..100_000).for_each(|user| users.expire(user, second(10)));
        assert_eq!(users.len(), 0);
        assert_eq!(users.cells.cells(), Users::new().cells.cells());
        assert_eq!(users.keys(99_999, 10), [UserKey::ZERO]);
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
        assert_eq!(users.keys(0, 100).len(), 7);
        assert_eq!([note(&mut users, 20, 12, 0), note(&mut users, 21, 12, 0)], [0, 1]);
        users.expire(6, second(11));
        users.trim();
        assert_eq!((users.indices(), users.free.len(), users.len()), (2, 0, 2));
        assert_eq!(note(&mut users, 22, 12, 0), 2);
    }
}
