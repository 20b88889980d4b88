//! One second's events, as who did what how often.

use crate::prefetch::prefetch;

/// Below this many entries nothing is compacted.
const COMPACT_MIN: usize = 1 << 16;

/// A grid takes no more than so many cells for each entry it stands for; so it takes at most twice the room.
const GRID_CELLS_PER_ENTRY: usize = 4;

/// A user's events of one kind, packed so that entries of one user, and of one kind of it, sort together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run(u64);

const COUNT_BITS: u32 = 24;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

impl Run {
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

/// Who did what how often.
///
/// While few events have come: a list of runs, of which the first part is compacted (sorted, at most a few entries for
/// each user and kind) and the rest is in order of arrival. Once there are so many that a grid of all users and kinds
/// is hardly larger than the list: that grid, where another event is one increment, and the list for what has no cell in it.
#[derive(Clone)]
pub(crate) struct Runs {
    kinds: usize,
    /// Counts, `kinds` of them for each user, up to some user.
    grid: Vec<u32>,
    runs: Vec<Run>,
    compacted: usize,
}

impl Runs {
    /// No events yet, of so many kinds to come.
    pub(crate) fn new(kinds: usize) -> Self {
        Self { kinds, grid: Vec::new(), runs: Vec::new(), compacted: 0 }
    }

    /// Asks for what an event of this user will be added to.
    #[inline]
    pub(crate) fn expect(&self, user: u32) {
        prefetch(self.grid.as_ptr().wrapping_add(user as usize * self.kinds));
    }

    /// Adds one event; O(1), and O(log n) more when the tail has outgrown the compacted part, spread over the events.
    #[inline]
    pub(crate) fn push(&mut self, user: u32, kind: u8) {
        // A count that is full goes on in the list.
        if let Some(count) = self.grid.get_mut(user as usize * self.kinds + usize::from(kind))
            && u64::from(*count) < COUNT_MAX
        {
            *count += 1;
            return;
        }
        self.runs.push(Run::new(user, kind, 1));
        if self.runs.len() - self.compacted >= self.compacted.max(COMPACT_MIN) {
            self.make_room();
        }
    }

    /// Compacts and gives back what is not used: for a second that gets no more events.
    pub(crate) fn seal(&mut self) {
        if !self.grid.is_empty() {
            self.runs = self.iter().collect();
            self.grid = Vec::new();
        }
        self.compact();
        self.runs.shrink_to_fit();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        let users = self.grid.chunks_exact(self.kinds).zip(0..);
        let counts =
            users.flat_map(|(counts, user)| counts.iter().zip(0..).map(move |(count, kind)| (user, kind, *count)));
        let counted = counts.filter(|(.., count)| *count > 0);
        counted.map(|(user, kind, count)| Run::new(user, kind, count.into())).chain(self.runs.iter().copied())
    }

    /// What the entries take.
    pub(crate) fn bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Run>() + self.grid.capacity() * size_of::<u32>()
    }

    /// What they take while there come more, at the worst: list or grid move into one of twice the size.
    pub(crate) fn growing_bytes(&self) -> usize {
        self.bytes().max(3 * (size_of_val(&*self.runs) + size_of_val(&*self.grid)))
    }

    /// Entries, not events.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    #[cold]
    fn make_room(&mut self) {
        let users = self.runs.iter().map(|run| run.user() as usize + 1).max().unwrap_or(0);
        let entries = self.grid.len() / GRID_CELLS_PER_ENTRY + self.runs.len();
        if users * self.kinds <= entries * GRID_CELLS_PER_ENTRY {
            self.fill_grid(users);
        } else {
            self.compact();
        }
    }

    /// Moves the list into a grid of at least so many users.
    fn fill_grid(&mut self, users: usize) {
        let cells = self.grid.len().max(users * self.kinds);
        self.grid.resize(cells, 0);
        self.compacted = 0;
        for run in std::mem::take(&mut self.runs) {
            let count = &mut self.grid[run.user() as usize * self.kinds + usize::from(run.kind())];
            let sum = u64::from(*count) + run.count();
            *count = sum.min(COUNT_MAX) as u32;
            if sum > COUNT_MAX {
                self.runs.push(Run::new(run.user(), run.kind(), sum - COUNT_MAX));
            }
        }
    }

    fn compact(&mut self) {
        // A stable sort takes the compacted part as the sorted run that it is.
        self.runs.sort();
        self.runs.dedup_by(|next, kept| {
            let sum = kept.count() + next.count();
            let mergeable = kept.0 >> COUNT_BITS == next.0 >> COUNT_BITS && sum <= COUNT_MAX;
            if mergeable {
                *kept = Run::new(kept.user(), kept.kind(), sum);
            }
            mergeable
        });
        self.compacted = self.runs.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn listed(runs: &Runs) -> Vec<(u32, u8, u64)> {
        runs.iter().map(|run| (run.user(), run.kind(), run.count())).collect()
    }

    fn of(kinds: usize, events: impl IntoIterator<Item = (u32, u8)>) -> Runs {
        let mut runs = Runs::new(kinds);
        events.into_iter().for_each(|(user, kind)| runs.push(user, kind));
        runs
    }

    /// Users that a grid would take too much room for.
    fn far_apart(users: u32) -> impl Iterator<Item = (u32, u8)> {
        (0..users).map(|user| (user * 100, 0))
    }

    #[test]
    fn a_run_holds_the_largest_user_kind_and_count() {
        let run = Run::new(u32::MAX, u8::MAX, COUNT_MAX);
        assert_eq!((run.user(), run.kind(), run.count()), (u32::MAX, u8::MAX, COUNT_MAX));
    }

    #[test]
    fn sealing_merges_by_user_and_kind() {
        let mut runs = of(2, [(2, 1), (1, 0), (2, 1), (2, 0), (1, 0), (1, 0)]);
        runs.seal();
        assert_eq!(listed(&runs), [(1, 0, 3), (2, 0, 1), (2, 1, 2)]);
        runs.push(2, 0);
        runs.seal();
        assert_eq!(listed(&runs), [(1, 0, 3), (2, 0, 2), (2, 1, 2)]);
    }

    #[test]
    fn few_users_take_little_room_however_many_events() {
        let runs = of(1, (0..1_000_000).map(|i| (i % 10, 0)));
        assert_eq!((runs.grid.len(), runs.runs.len()), (10, 0));
        let mut runs = of(1, (0..1_000_000).map(|i| (i % 10 * 1_000_000, 0)));
        assert!(runs.grid.is_empty() && runs.runs.len() <= COMPACT_MIN + 10, "{}", runs.runs.len());
        runs.seal();
        assert_eq!(listed(&runs), (0..10).map(|i| (i * 1_000_000, 0, 100_000)).collect::<Vec<_>>());
    }

    #[test]
    fn the_tail_is_compacted_when_it_is_as_long_as_the_compacted_part() {
        let mut runs = of(1, far_apart(COMPACT_MIN as u32));
        assert_eq!((runs.runs.len(), runs.compacted), (COMPACT_MIN, COMPACT_MIN));
        runs.push(0, 0);
        assert_eq!((runs.runs.len(), runs.compacted), (COMPACT_MIN + 1, COMPACT_MIN), "the tail has just begun");
        (2..COMPACT_MIN).for_each(|_| runs.push(0, 0));
        assert_eq!((runs.runs.len(), runs.compacted), (2 * COMPACT_MIN - 1, COMPACT_MIN));
        runs.push(100, 0);
        assert_eq!((runs.runs.len(), runs.compacted), (COMPACT_MIN, COMPACT_MIN));
    }

    #[test]
    fn a_grid_takes_the_place_of_a_list_that_is_a_quarter_of_it() {
        let entries = COMPACT_MIN as u32;
        let runs = |users: u32| of(2, (0..entries).map(|i| (if i == 7 { users - 1 } else { 0 }, 1)));
        let just = runs(2 * entries);
        assert_eq!((just.grid.len(), just.runs.len(), just.compacted), (4 * COMPACT_MIN, 0, 0));
        assert_eq!(listed(&just), [(0, 1, u64::from(entries) - 1), (2 * entries - 1, 1, 1)]);
        let more = runs(2 * entries + 1);
        assert_eq!((more.grid.len(), more.runs.len()), (0, 2));
    }

    #[test]
    fn users_beyond_the_grid_are_listed_until_it_grows() {
        let mut runs = of(1, (0..COMPACT_MIN as u32).map(|i| (i % 10, 0)));
        runs.push(10, 0);
        runs.push(9, 0);
        assert_eq!((runs.grid.len(), runs.runs.len()), (10, 1));
        (1..COMPACT_MIN).for_each(|_| runs.push(11, 0));
        assert_eq!((runs.grid.len(), runs.runs.len()), (12, 0));
        runs.seal();
        assert!(runs.grid.is_empty());
        assert_eq!(listed(&runs)[9..], [(9, 0, 6_554), (10, 0, 1), (11, 0, 65_535)]);
    }

    #[test]
    fn a_full_count_goes_on_in_a_second_run() {
        let sealed = |first, second| {
            let runs = vec![Run::new(1, 0, first), Run::new(1, 0, second)];
            let mut runs = Runs { runs, ..Runs::new(1) };
            runs.seal();
            listed(&runs)
        };
        assert_eq!(sealed(COUNT_MAX - 1, 1), [(1, 0, COUNT_MAX)]);
        assert_eq!(sealed(COUNT_MAX, 1), [(1, 0, 1), (1, 0, COUNT_MAX)]);
    }

    #[test]
    fn a_full_count_of_a_grid_goes_on_in_the_list() {
        let mut runs = Runs { grid: vec![0, COUNT_MAX as u32 - 1], ..Runs::new(1) };
        (0..3).for_each(|_| runs.push(1, 0));
        assert_eq!(listed(&runs), [(1, 0, COUNT_MAX), (1, 0, 1), (1, 0, 1)]);
        runs.fill_grid(1);
        assert_eq!(listed(&runs), [(1, 0, COUNT_MAX), (1, 0, 1), (1, 0, 1)]);
        runs.seal();
        assert_eq!(listed(&runs), [(1, 0, 2), (1, 0, COUNT_MAX)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn every_event_is_counted_once(
            kinds in 1..=3_u8,
            parts in prop::collection::vec((1..200_000_u32, 1..200_000_usize, any::<bool>()), 1..4),
        ) {
            let (mut runs, mut counts) = (Runs::new(kinds.into()), BTreeMap::new());
            for (users, events, is_sealed) in parts {
                for i in 0..events as u32 {
                    let (user, kind) = (i.wrapping_mul(0x9e37_79b9) % users, (i % u32::from(kinds)) as u8);
                    runs.push(user, kind);
                    *counts.entry((user, kind)).or_insert(0) += 1;
                }
                if is_sealed {
                    runs.seal();
                }
                let mut sums = BTreeMap::new();
                runs.iter().for_each(|run| *sums.entry((run.user(), run.kind())).or_insert(0) += run.count());
                prop_assert!(sums == counts);
            }
        }
    }
}
