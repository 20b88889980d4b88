//! One second's events, as who did what how often.

/// Below this many entries nothing is compacted.
const COMPACT_MIN: usize = 1 << 16;

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

/// Runs: a compacted part (sorted, at most a few entries for each user and kind), and a tail in order of arrival.
#[derive(Default)]
pub(crate) struct Runs {
    runs: Vec<Run>,
    compacted: usize,
}

impl Runs {
    /// Adds one event; O(1), and O(log n) more when the tail has outgrown the compacted part, spread over the events.
    #[inline]
    pub(crate) fn push(&mut self, user: u32, kind: u8) {
        self.runs.push(Run::new(user, kind, 1));
        if self.runs.len() - self.compacted >= self.compacted.max(COMPACT_MIN) {
            self.compact();
        }
    }

    /// Compacts and gives back what is not used: for a second that gets no more events.
    pub(crate) fn seal(&mut self) {
        self.compact();
        self.runs.shrink_to_fit();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        self.runs.iter().copied()
    }

    /// Entries, not events.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
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

    fn listed(runs: &Runs) -> Vec<(u32, u8, u64)> {
        runs.iter().map(|run| (run.user(), run.kind(), run.count())).collect()
    }

    #[test]
    fn a_run_holds_the_largest_user_kind_and_count() {
        let run = Run::new(u32::MAX, u8::MAX, COUNT_MAX);
        assert_eq!((run.user(), run.kind(), run.count()), (u32::MAX, u8::MAX, COUNT_MAX));
    }

    #[test]
    fn sealing_merges_by_user_and_kind() {
        let mut runs = Runs::default();
        for (user, kind) in [(2, 1), (1, 0), (2, 1), (2, 0), (1, 0), (1, 0)] {
            runs.push(user, kind);
        }
        runs.seal();
        assert_eq!(listed(&runs), [(1, 0, 3), (2, 0, 1), (2, 1, 2)]);
        runs.push(2, 0);
        runs.seal();
        assert_eq!(listed(&runs), [(1, 0, 3), (2, 0, 2), (2, 1, 2)]);
    }

    #[test]
    fn few_users_take_little_room_however_many_events() {
        let mut runs = Runs::default();
        for i in 0..1_000_000_u32 {
            runs.push(i % 10, 0);
        }
        assert!(runs.len() <= COMPACT_MIN + 10, "{}", runs.len());
        assert_eq!(runs.iter().map(Run::count).sum::<u64>(), 1_000_000);
    }

    #[test]
    fn the_tail_is_compacted_when_it_is_as_long_as_the_compacted_part() {
        let mut runs = Runs::default();
        (0..COMPACT_MIN as u32).for_each(|user| runs.push(user, 0));
        assert_eq!((runs.len(), runs.compacted), (COMPACT_MIN, COMPACT_MIN));
        runs.push(0, 0);
        assert_eq!((runs.len(), runs.compacted), (COMPACT_MIN + 1, COMPACT_MIN), "the tail has just begun");
        (2..COMPACT_MIN).for_each(|_| runs.push(0, 0));
        assert_eq!((runs.len(), runs.compacted), (2 * COMPACT_MIN - 1, COMPACT_MIN));
        runs.push(0, 0);
        assert_eq!((runs.len(), runs.compacted), (COMPACT_MIN, COMPACT_MIN));
    }

    #[test]
    fn a_full_count_goes_on_in_a_second_run() {
        let sealed = |first, second| {
            let mut runs = Runs { runs: vec![Run::new(1, 0, first), Run::new(1, 0, second)], compacted: 0 };
            runs.seal();
            listed(&runs)
        };
        assert_eq!(sealed(COUNT_MAX - 1, 1), [(1, 0, COUNT_MAX)]);
        assert_eq!(sealed(COUNT_MAX, 1), [(1, 0, 1), (1, 0, COUNT_MAX)]);
    }
}
