//! One second of the timeline.

use crate::reference::Generation;
use crate::timeline::cells::Cells;
use crate::timeline::runs::Runs;
use crate::timeline::users::Users;

/// What one second holds.
pub(crate) struct Second {
    pub(crate) second: i64,
    pub(crate) runs: Runs,
    /// Whether the runs were compacted for good.
    pub(crate) sealed: bool,
    /// Events by (group, kind) under generation `totals_generation`; behind the runs unless that is the timeline's.
    totals: Cells,
    totals_generation: u64,
    /// Users whose last second this is, by group under the timeline's generation.
    pub(crate) last_seen: Cells,
}

/// How (group, kind) pairs are numbered: the kinds of group 0 first.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) groups: usize,
    pub(crate) kinds: usize,
}

impl Shape {
    pub(crate) fn of(generation: &Generation, kinds: usize) -> Self {
        Self { groups: generation.groups(), kinds }
    }

    pub(crate) fn cells(self) -> usize {
        self.groups * self.kinds
    }

    #[inline]
    fn cell(self, group: u32, kind: u8) -> u32 {
        group * self.kinds as u32 + u32::from(kind)
    }
}

impl Second {
    pub(crate) fn new(second: i64, shape: Shape, generation: u64) -> Self {
        Self {
            second,
            runs: Runs::new(shape.kinds),
            sealed: false,
            totals: Cells::new(shape.cells()),
            totals_generation: generation,
            last_seen: Cells::new(shape.groups),
        }
    }

    /// Adds one event. Totals of an older generation are left to their next reader.
    #[inline]
    pub(crate) fn add(&mut self, user: u32, group: u32, kind: u8, shape: Shape, generation: u64) {
        self.runs.push(user, kind);
        if self.totals_generation == generation {
            self.totals.add(shape.cell(group, kind), 1);
        }
    }

    /// Whether the totals are not of this generation.
    #[inline]
    pub(crate) fn is_behind(&self, generation: u64) -> bool {
        self.totals_generation != generation
    }

    /// Counts the totals anew from the runs, under the timeline's generation.
    pub(crate) fn recount(&mut self, users: &Users, shape: Shape, generation: u64) {
        self.totals = Cells::new(shape.cells());
        self.totals_generation = generation;
        for run in self.runs.iter() {
            self.totals.add(shape.cell(users.group(run.user()), run.kind()), run.count());
        }
    }

    /// The totals as they stand.
    pub(crate) fn totals(&self) -> &Cells {
        &self.totals
    }

    /// What the second takes, while it grows at the worst.
    pub(crate) fn bytes(&self) -> usize {
        let Self { runs, totals, last_seen, .. } = self;
        if self.sealed {
            runs.bytes() + totals.bytes() + last_seen.bytes()
        } else {
            runs.growing_bytes() + totals.growing_bytes() + last_seen.growing_bytes()
        }
    }

    /// What a second's counters take from the start.
    pub(crate) fn cells_bytes_of_empty(shape: Shape) -> usize {
        Cells::bytes_of_empty(shape.cells()) + Cells::bytes_of_empty(shape.groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::HashKeys;

    #[test]
    fn totals_are_counted_anew_from_the_runs() {
        let mut users = Users::new();
        let user = users.enter(HashKeys::random().user("u"), 10, |_| 1);
        let shape = Shape { groups: 2, kinds: 3 };
        let mut second = Second::new(10, shape, 4);
        let totals = |second: &mut Second, generation| {
            if second.is_behind(generation) {
                second.recount(&users, shape, generation);
            }
            let mut sums = vec![0; shape.cells()];
            second.totals().add_to(&mut sums);
            sums
        };
        second.add(user, 0, 2, shape, 4);
        assert_eq!(totals(&mut second, 4), [0, 0, 1, 0, 0, 0], "as they were added");
        second.add(user, 1, 0, shape, 5);
        assert_eq!(totals(&mut second, 5), [0, 0, 0, 1, 0, 1], "from the runs");
        second.runs = Runs::new(shape.kinds);
        second.add(user, 1, 2, shape, 5);
        assert_eq!(totals(&mut second, 5), [0, 0, 0, 1, 0, 2], "as they stand");
    }
}
