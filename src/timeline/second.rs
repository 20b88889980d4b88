//! One second of the timeline.

use crate::reference::Generation;
use crate::timeline::cells::Cells;
use crate::timeline::runs::Runs;
use crate::timeline::users::Users;
use std::sync::Arc;

/// What one second holds.
pub(crate) struct Second {
    pub(crate) second: i64,
    /// Shared with whoever looks at them outside of the timeline's lock; copied then before they are changed.
    pub(crate) runs: Arc<Runs>,
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
    pub(crate) fn cell(self, group: u32, kind: u8) -> u32 {
        group * self.kinds as u32 + u32::from(kind)
    }
}

impl Second {
    pub(crate) fn new(second: i64, shape: Shape, generation: u64) -> Self {
        Self {
            second,
            runs: Arc::new(Runs::new(shape.kinds)),
            sealed: false,
            totals: Cells::new(shape.cells()),
            totals_generation: generation,
            last_seen: Cells::new(shape.groups),
        }
    }

    /// Opens the second for events, to be grouped under this generation.
    pub(crate) fn open(&mut self, shape: Shape, generation: u64) -> Open<'_> {
        let totals = (self.totals_generation == generation).then_some(&mut self.totals);
        Open { runs: Arc::make_mut(&mut self.runs), totals, shape, last_seen: &mut self.last_seen }
    }

    /// Compacts the runs: no event can enter the second any more.
    pub(crate) fn seal(&mut self) {
        Arc::make_mut(&mut self.runs).seal();
        self.sealed = true;
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

/// A second that events are added to.
pub(crate) struct Open<'a> {
    pub(crate) runs: &'a mut Runs,
    /// None when they are of an older generation: then they are left to their next reader.
    totals: Option<&'a mut Cells>,
    shape: Shape,
    pub(crate) last_seen: &'a mut Cells,
}

impl Open<'_> {
    /// Adds one event.
    #[inline]
    pub(crate) fn add(&mut self, user: u32, group: u32, kind: u8) {
        self.runs.push(user, kind);
        if let Some(totals) = &mut self.totals {
            totals.add(self.shape.cell(group, kind), 1);
        }
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
        second.open(shape, 4).add(user, 0, 2);
        assert_eq!(totals(&mut second, 4), [0, 0, 1, 0, 0, 0], "as they were added");
        second.open(shape, 5).add(user, 1, 0);
        assert_eq!(totals(&mut second, 5), [0, 0, 0, 1, 0, 1], "from the runs");
        second.runs = Arc::new(Runs::new(shape.kinds));
        second.open(shape, 5).add(user, 1, 2);
        assert_eq!(totals(&mut second, 5), [0, 0, 0, 1, 0, 2], "as they stand");
    }
}
