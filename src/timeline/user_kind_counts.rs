//! One second's events as (user, kind, count) entries.

use crate::prefetch::prefetch;

/// The list is not compacted before it has this many new entries.
const COMPACT_MIN: usize = 1 << 16;

/// A list of fewer entries does not become a grid.
const GRID_MIN: usize = 1 << 12;

/// The most cells that a grid may have for each entry that it replaces. A cell has a quarter of the size of an entry,
/// so a grid occupies at most twice the memory of the list.
const GRID_CELLS_PER_ENTRY: usize = 8;

/// A grid does not grow before the list has this part of the grid's cells. So an event costs O(1) copies of cells,
/// although a grid has no spare ones.
const GRID_GROWTH_PART: usize = 32;

/// A cell of the grid. Hardly any user has more events of a kind in a second; further events go to the list.
pub(crate) type GridCount = u16;

/// How many events of one kind a user has, in 64 bits. Entries sort by user, then by kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UserKindCount(u64);

const COUNT_BITS: u32 = 24;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

impl UserKindCount {
    fn new(user: u32, kind: u8, count: u64) -> Self {
        debug_assert!(count <= COUNT_MAX);
        Self(u64::from(user) << 32 | u64::from(kind) << COUNT_BITS | count)
    }

    #[inline]
    pub(crate) fn user(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    pub(crate) fn kind(self) -> u8 {
        (self.0 >> COUNT_BITS) as u8
    }

    #[inline]
    pub(crate) fn count(self) -> u64 {
        self.0 & COUNT_MAX
    }
}

/// The events of a second by user and kind.
///
/// A second with few events is a list of entries. The first part of the list is compacted: sorted, with at most a few
/// entries for each user and kind. The rest is in order of arrival.
///
/// A busy second is a grid of all users and kinds, where another event is one increment. The list becomes a grid when
/// the grid is hardly larger than the list. Events without a cell in the grid still go to the list, and so do events of
/// a cell that has reached its maximum.
#[derive(Clone)]
pub(crate) struct UserKindCounts {
    kinds: usize,
    /// Counts of the users from index 0 up to some index, `kinds` for each user.
    grid: Vec<GridCount>,
    list: Vec<UserKindCount>,
    /// The length of the compacted part of the list.
    compacted: usize,
    /// The length of the list at which it is looked at again.
    check_at: usize,
}

impl UserKindCounts {
    /// No events yet; later ones have one of `kinds` kinds.
    pub(crate) fn new(kinds: usize) -> Self {
        Self { kinds, grid: Vec::new(), list: Vec::new(), compacted: 0, check_at: GRID_MIN }
    }

    /// Prefetches the counts of a user.
    #[inline]
    pub(crate) fn prefetch(&self, user: u32) {
        prefetch(self.grid.as_ptr().wrapping_add(user as usize * self.kinds));
    }

    /// Adds one event. O(log n) amortised over the events of the list, O(1) in the grid.
    #[inline]
    pub(crate) fn add(&mut self, user: u32, kind: u8) {
        debug_assert!(usize::from(kind) < self.kinds, "kind {kind} of {}", self.kinds);
        if let Some(count) = self.grid.get_mut(user as usize * self.kinds + usize::from(kind))
            && let Some(sum) = count.checked_add(1)
        {
            *count = sum;
            return;
        }
        self.push(UserKindCount::new(user, kind, 1));
    }

    /// Adds the events of an entry for a user, who has another index here.
    #[allow(dead_code, reason = "only snapshots use it")]
    pub(crate) fn add_entry(&mut self, user: u32, entry: UserKindCount) {
        self.push(UserKindCount::new(user, entry.kind(), entry.count()));
    }

    fn push(&mut self, entry: UserKindCount) {
        self.list.push(entry);
        if self.list.len() >= self.check_at {
            self.shrink_list();
        }
    }

    /// Compacts and frees the unused memory, once no event can enter the second any more. A grid becomes a list again
    /// if that is smaller.
    pub(crate) fn seal(&mut self) {
        let used_cells = self.grid.iter().filter(|count| **count > 0).count();
        if used_cells * size_of::<UserKindCount>() < size_of_val(&*self.grid) {
            let mut list = Vec::with_capacity(used_cells + self.list.len());
            list.extend(self.iter());
            (self.list, self.grid) = (list, Vec::new());
        }
        self.compact();
        self.list.shrink_to_fit();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = UserKindCount> + '_ {
        let users = self.grid.chunks_exact(self.kinds).zip(0..);
        let cells =
            users.flat_map(|(counts, user)| counts.iter().zip(0..).map(move |(count, kind)| (user, kind, *count)));
        let non_zero = cells.filter(|(.., count)| *count > 0);
        non_zero
            .map(|(user, kind, count)| UserKindCount::new(user, kind, count.into()))
            .chain(self.list.iter().copied())
    }

    /// The users of the grid who have counts, and their counts by kind.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &[GridCount])> {
        let rows = (0..).zip(self.grid.chunks_exact(self.kinds));
        rows.filter(|(_, counts)| counts.iter().any(|count| *count > 0))
    }

    /// The entries that are not in the grid.
    pub(crate) fn list(&self) -> &[UserKindCount] {
        &self.list
    }

    /// Memory that the counts occupy.
    pub(crate) fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<UserKindCount>() + self.grid.capacity() * size_of::<GridCount>()
    }

    /// The most memory that the counts occupy while more are added. When a list moves into a grid, the list, the grid
    /// before and the new grid exist at the same time: each occupies at most twice the memory of the entries that it
    /// stands for. A list that doubles needs less.
    pub(crate) fn growing_bytes(&self) -> usize {
        let entries = self.grid.len() / GRID_CELLS_PER_ENTRY + self.list.len();
        self.bytes().max(4 * entries * size_of::<UserKindCount>())
    }

    /// Entries, not events.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    /// Moves the list into the grid if the grid is then small enough. Compacts what is left if that is much.
    #[cold]
    fn shrink_list(&mut self) {
        let users = self.list.iter().map(|entry| entry.user() as usize + 1).max().unwrap_or(0);
        let entries = self.grid.len() / GRID_CELLS_PER_ENTRY + self.list.len();
        if users * self.kinds <= entries * GRID_CELLS_PER_ENTRY {
            self.fill_grid(users);
        }
        if self.list.len() >= self.compact_at() {
            self.compact();
        }
        let check_at = (2 * self.list.len()).max(self.grid.len() / GRID_GROWTH_PART).max(GRID_MIN);
        self.check_at = check_at.min(self.compact_at());
    }

    /// The length of the list at which it is compacted.
    fn compact_at(&self) -> usize {
        self.compacted + self.compacted.max(COMPACT_MIN)
    }

    /// Moves the list into a grid for at least `users` users.
    fn fill_grid(&mut self, users: usize) {
        let cells = self.grid.len().max(users * self.kinds);
        self.grid.reserve_exact(cells - self.grid.len());
        self.grid.resize(cells, 0);
        self.compacted = 0;
        self.list.retain_mut(|entry| {
            let count = &mut self.grid[entry.user() as usize * self.kinds + usize::from(entry.kind())];
            let sum = u64::from(*count) + entry.count();
            *count = GridCount::try_from(sum).unwrap_or(GridCount::MAX);
            let rest = sum - u64::from(*count);
            *entry = UserKindCount::new(entry.user(), entry.kind(), rest);
            rest > 0
        });
        self.list.shrink_to_fit();
    }

    fn compact(&mut self) {
        // A stable sort recognises the compacted part as sorted and merges the rest into it.
        self.list.sort();
        self.list.dedup_by(|next, kept| {
            let sum = kept.count() + next.count();
            let mergeable = kept.0 >> COUNT_BITS == next.0 >> COUNT_BITS && sum <= COUNT_MAX;
            if mergeable {
                *kept = UserKindCount::new(kept.user(), kept.kind(), sum);
            }
            mergeable
        });
        self.compacted = self.list.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn entries(counts: &UserKindCounts) -> Vec<(u32, u8, u64)> {
        counts.iter().map(|entry| (entry.user(), entry.kind(), entry.count())).collect()
    }

    fn of(kinds: usize, events: impl IntoIterator<Item = (u32, u8)>) -> UserKindCounts {
        let mut counts = UserKindCounts::new(kinds);
        events.into_iter().for_each(|(user, kind)| counts.add(user, kind));
        counts
    }

    fn sums(counts: &UserKindCounts) -> BTreeMap<(u32, u8), u64> {
        let mut sums = BTreeMap::new();
        counts.iter().for_each(|entry| *sums.entry((entry.user(), entry.kind())).or_default() += entry.count());
        sums
    }

    /// Users whose grid would be too large.
    fn far_apart(users: u32) -> impl Iterator<Item = (u32, u8)> {
        (0..users).map(|user| (user * 100, 0))
    }

    #[test]
    fn an_entry_holds_the_largest_user_kind_and_count() {
        let entry = UserKindCount::new(u32::MAX, u8::MAX, COUNT_MAX);
        assert_eq!((entry.user(), entry.kind(), entry.count()), (u32::MAX, u8::MAX, COUNT_MAX));
    }

    #[test]
    fn sealing_merges_by_user_and_kind() {
        let mut counts = of(2, [(2, 1), (1, 0), (2, 1), (2, 0), (1, 0), (1, 0)]);
        counts.seal();
        assert_eq!(entries(&counts), [(1, 0, 3), (2, 0, 1), (2, 1, 2)]);
        counts.add(2, 0);
        counts.seal();
        assert_eq!(entries(&counts), [(1, 0, 3), (2, 0, 2), (2, 1, 2)]);
    }

    #[test]
    fn few_users_occupy_little_memory_with_any_number_of_events() {
        let counts = of(1, (0..100_000).map(|i| (i % 10, 0)));
        assert_eq!((counts.grid.len(), counts.list.len()), (10, 0));
        let mut counts = of(1, (0..1_000_000).map(|i| (i % 10, 0)));
        assert!(counts.list.len() <= COMPACT_MIN + 10, "{}", counts.list.len());
        counts.seal();
        assert_eq!((counts.len(), sums(&counts)), (20, (0..10).map(|user| ((user, 0), 100_000)).collect()));
        let mut counts = of(1, (0..1_000_000).map(|i| (i % 10 * 1_000_000, 0)));
        assert!(counts.grid.is_empty() && counts.list.len() <= COMPACT_MIN + 10, "{}", counts.list.len());
        counts.seal();
        assert_eq!(entries(&counts), (0..10).map(|i| (i * 1_000_000, 0, 100_000)).collect::<Vec<_>>());
    }

    #[test]
    fn the_tail_is_compacted_when_it_is_as_long_as_the_compacted_part() {
        let mut counts = of(1, far_apart(COMPACT_MIN as u32));
        assert_eq!((counts.list.len(), counts.compacted), (COMPACT_MIN, COMPACT_MIN));
        counts.add(0, 0);
        assert_eq!((counts.list.len(), counts.compacted), (COMPACT_MIN + 1, COMPACT_MIN), "the tail has one entry");
        (2..COMPACT_MIN).for_each(|_| counts.add(0, 0));
        assert_eq!((counts.list.len(), counts.compacted), (2 * COMPACT_MIN - 1, COMPACT_MIN));
        counts.add(100, 0);
        assert_eq!((counts.list.len(), counts.compacted), (COMPACT_MIN, COMPACT_MIN));
    }

    #[test]
    fn a_grid_replaces_a_list_of_an_eighth_of_its_cells() {
        let events = GRID_MIN as u32;
        let with_users = |users: u32| of(2, (0..events).map(|i| (if i == 7 { users - 1 } else { 0 }, 1)));
        let just = with_users(4 * events);
        assert_eq!((just.grid.len(), just.list.len(), just.compacted), (8 * GRID_MIN, 0, 0));
        assert_eq!(entries(&just), [(0, 1, u64::from(events) - 1), (4 * events - 1, 1, 1)]);
        let mut more = with_users(4 * events + 1);
        assert_eq!((more.grid.len(), more.list.len(), more.check_at), (0, GRID_MIN, 2 * GRID_MIN));
        (0..events).for_each(|_| more.add(0, 0));
        assert_eq!((more.grid.len(), more.list.len(), more.check_at), (8 * GRID_MIN + 2, 0, GRID_MIN));
    }

    #[test]
    fn users_beyond_the_grid_go_to_the_list_until_the_grid_grows() {
        let mut counts = of(1, (0..GRID_MIN as u32).map(|i| (i % 10, 0)));
        counts.add(10, 0);
        counts.add(9, 0);
        assert_eq!((counts.grid.len(), counts.list.len()), (10, 1));
        (1..GRID_MIN).for_each(|_| counts.add(11, 0));
        assert_eq!((counts.grid.len(), counts.list.len()), (12, 0));
        counts.seal();
        assert_eq!(entries(&counts)[9..], [(9, 0, 410), (10, 0, 1), (11, 0, 4_095)]);
    }

    #[test]
    fn a_full_count_continues_in_a_second_entry() {
        let sealed = |first, second| {
            let list = vec![UserKindCount::new(1, 0, first), UserKindCount::new(1, 0, second)];
            let mut counts = UserKindCounts { list, ..UserKindCounts::new(1) };
            counts.seal();
            entries(&counts)
        };
        assert_eq!(sealed(COUNT_MAX - 1, 1), [(1, 0, COUNT_MAX)]);
        assert_eq!(sealed(COUNT_MAX, 1), [(1, 0, 1), (1, 0, COUNT_MAX)]);
    }

    #[test]
    fn a_full_count_of_the_grid_continues_in_the_list() {
        let full = u64::from(GridCount::MAX);
        let mut counts = UserKindCounts { grid: vec![0, GridCount::MAX - 1], ..UserKindCounts::new(1) };
        (0..3).for_each(|_| counts.add(1, 0));
        assert_eq!(entries(&counts), [(1, 0, full), (1, 0, 1), (1, 0, 1)]);
        counts.fill_grid(1);
        assert_eq!(entries(&counts), [(1, 0, full), (1, 0, 1), (1, 0, 1)]);
        counts.seal();
        assert_eq!(entries(&counts), [(1, 0, full), (1, 0, 2)], "the grid is smaller than a list");
        let mut counts = UserKindCounts { grid: vec![0, GridCount::MAX, 0, 0, 0], ..UserKindCounts::new(1) };
        counts.add(1, 0);
        counts.seal();
        assert_eq!((counts.grid.len(), entries(&counts)), (0, vec![(1, 0, full + 1)]));
    }

    #[test]
    fn a_grid_grows_to_eight_cells_for_each_new_entry() {
        for (last_user, cells) in [(16 * GRID_MIN - 1, 16 * GRID_MIN), (16 * GRID_MIN, 8 * GRID_MIN)] {
            let mut counts = of(1, (0..GRID_MIN).map(|i| (if i == 7 { 8 * GRID_MIN as u32 - 1 } else { 0 }, 0)));
            assert_eq!(counts.grid.len(), 8 * GRID_MIN);
            (0..GRID_MIN).for_each(|_| counts.add(last_user as u32, 0));
            assert_eq!(counts.grid.len(), cells, "user {last_user}");
        }
    }

    #[test]
    fn the_rows_are_those_of_users_with_events() {
        let counts = UserKindCounts { grid: vec![0, 3, 0, 0, 5, 0], ..UserKindCounts::new(2) };
        let rows: Vec<_> = counts.rows().collect();
        assert_eq!(rows, [(0, [0, 3].as_slice()), (2, [5, 0].as_slice())]);
    }

    #[test]
    fn the_memory_is_that_of_the_list_and_the_grid_or_four_times_that_of_their_entries() {
        let mut counts = UserKindCounts { grid: vec![1; 800], ..UserKindCounts::new(1) };
        counts.list.reserve_exact(3);
        counts.list.extend([UserKindCount::new(900, 0, 1); 3]);
        assert_eq!((counts.bytes(), counts.growing_bytes()), (3 * 8 + 800 * 2, 4 * (100 + 3) * 8));
        let mut counts = UserKindCounts::new(1);
        counts.list.reserve_exact(1_000);
        counts.add(1, 0);
        assert_eq!((counts.bytes(), counts.growing_bytes()), (8_000, 8_000));
    }

    #[test]
    fn a_sealed_grid_becomes_a_list_only_if_the_list_is_smaller() {
        // An entry of a list takes as much as four cells.
        for (cells, is_grid) in [(7, true), (8, true), (9, false)] {
            let grid = (0..cells).map(|cell| GridCount::from(cell < 2)).collect();
            let mut counts = UserKindCounts { grid, ..UserKindCounts::new(1) };
            counts.seal();
            assert_eq!((counts.grid.is_empty(), counts.len()), (!is_grid, 2), "{cells} cells");
        }
    }

    #[test]
    fn a_grid_that_grows_has_no_spare_cells_and_copies_few() {
        const EVENTS: u32 = 1_000_000;
        let (mut counts, mut copied_cells) = (UserKindCounts::new(1), 0);
        for user in 0..EVENTS {
            let before = counts.grid.len();
            counts.add(user, 0);
            if counts.grid.len() != before {
                assert_eq!(counts.grid.capacity(), counts.grid.len());
                copied_cells += before;
            }
        }
        let copied_per_event = copied_cells / EVENTS as usize;
        assert!(counts.grid.len() > EVENTS as usize / 2 && copied_per_event <= 40, "{copied_per_event} cells");
    }

    #[test]
    fn a_sealed_second_occupies_no_more_than_was_counted_before() {
        let events = GRID_MIN as u32;
        for users in [1, 100, events, 2 * events, 8 * events - 1] {
            // Each user of every 1st, 4th or 5th index, and then all of the events again.
            for (every, times) in [(1, 1), (1, 3), (4, 1), (5, 2)] {
                let of_users = (0..users.max(events)).map(|i| (i % users, 0)).filter(|(user, _)| user % every == 0);
                let mut counts = of(1, std::iter::repeat_n(of_users, times).flatten());
                let (counted_bytes, before) = (counts.growing_bytes(), sums(&counts));
                counts.seal();
                let bytes = counts.bytes();
                assert!(bytes <= counted_bytes, "{users} {every} {times}: {bytes} bytes, {counted_bytes} counted");
                assert!(sums(&counts) == before);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn every_event_is_counted_once(
            kinds in 1..=3_u8,
            parts in prop::collection::vec((1..200_000_u32, 1..200_000_usize, any::<bool>()), 1..4),
        ) {
            let (mut counts, mut expected) = (UserKindCounts::new(kinds.into()), BTreeMap::new());
            for (users, events, is_sealed) in parts {
                for i in 0..events as u32 {
                    let (user, kind) = (i.wrapping_mul(0x9e37_79b9) % users, (i % u32::from(kinds)) as u8);
                    counts.add(user, kind);
                    *expected.entry((user, kind)).or_insert(0) += 1;
                }
                if is_sealed {
                    counts.seal();
                }
                prop_assert!(sums(&counts) == expected);
            }
        }
    }
}
