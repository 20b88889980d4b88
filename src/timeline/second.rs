//! One second of the timeline.

use crate::reference::Generation;
use crate::timeline::counters::Counters;
use crate::timeline::live_second::LiveSecond;
use crate::timeline::user_kind_counts::{UserKindCount, UserKindCounts};
use crate::timeline::users::Users;
use std::sync::Arc;

/// The events of one second.
pub(crate) struct Second {
    /// The second, counted from the Unix epoch.
    pub(crate) secs: i64,
    /// Shared with excerpts that are read without the timeline's lock; copied before a change while they exist.
    pub(crate) counts: Arc<UserKindCounts>,
    /// Whether the counts were compacted because no event can enter the second any more.
    pub(crate) is_sealed: bool,
    /// Events by (group, kind) under generation `totals_generation`. Events that arrive under a newer generation are
    /// only in `counts` until the totals are recounted.
    totals: Counters,
    totals_generation: u64,
    /// By group under the timeline's generation: the users whose last second this is.
    pub(crate) last_seen: Counters,
}

/// The numbering of the (group, kind) counters: the kinds of group 0 come first.
#[derive(Clone, Copy)]
pub(crate) struct CounterLayout {
    pub(crate) groups: usize,
    pub(crate) kinds: usize,
}

impl CounterLayout {
    pub(crate) fn of(generation: &Generation, kinds: usize) -> Self {
        Self { groups: generation.groups(), kinds }
    }

    /// The number of counters.
    pub(crate) fn len(self) -> usize {
        self.groups * self.kinds
    }

    #[inline]
    pub(crate) fn index(self, group: u32, kind: u8) -> u32 {
        debug_assert!((group as usize) < self.groups, "group {group} of {}", self.groups);
        debug_assert!(usize::from(kind) < self.kinds, "kind {kind} of {}", self.kinds);
        group * self.kinds as u32 + u32::from(kind)
    }
}

impl Second {
    pub(crate) fn new(secs: i64, layout: CounterLayout, generation: u64) -> Box<Self> {
        Box::new(Self {
            secs,
            counts: Arc::new(UserKindCounts::new(layout.kinds)),
            is_sealed: false,
            totals: Counters::new(layout.len()),
            totals_generation: generation,
            last_seen: Counters::new(layout.groups),
        })
    }

    /// Opens the second for events that are grouped under this generation.
    pub(crate) fn open(&mut self, layout: CounterLayout, generation: u64) -> OpenSecond<'_> {
        let totals = (self.totals_generation == generation).then_some(&mut self.totals);
        OpenSecond {
            second: LiveSecond::new(self.secs),
            counts: Arc::make_mut(&mut self.counts),
            totals,
            layout,
            last_seen: &mut self.last_seen,
        }
    }

    /// Compacts the counts: no event can enter the second any more.
    pub(crate) fn seal(&mut self) {
        Arc::make_mut(&mut self.counts).seal();
        self.is_sealed = true;
    }

    /// Whether the totals are of another generation than this one.
    #[inline]
    pub(crate) fn is_outdated(&self, generation: u64) -> bool {
        self.totals_generation != generation
    }

    /// Counts the totals again from the counts, under the timeline's generation.
    pub(crate) fn recount(&mut self, users: &Users, layout: CounterLayout, generation: u64) {
        self.totals = Counters::new(layout.len());
        self.totals_generation = generation;
        for (user, counts) in self.counts.rows() {
            self.totals.add_row(layout.index(users.group(user), 0), counts);
        }
        for entry in self.counts.list() {
            self.totals.add(layout.index(users.group(entry.user()), entry.kind()), entry.count());
        }
    }

    pub(crate) fn totals(&self) -> &Counters {
        &self.totals
    }

    /// Memory that the second occupies; until it is sealed, the most that it occupies while it grows.
    pub(crate) fn bytes(&self) -> usize {
        let Self { counts, totals, last_seen, .. } = self;
        if self.is_sealed {
            counts.bytes() + totals.bytes() + last_seen.bytes()
        } else {
            counts.growing_bytes() + totals.growing_bytes() + last_seen.growing_bytes()
        }
    }

    /// Memory that a second occupies before its first event.
    pub(crate) fn initial_bytes(layout: CounterLayout) -> usize {
        let counters_bytes = Counters::initial_bytes(layout.len()) + Counters::initial_bytes(layout.groups);
        // The counts are behind an `Arc`, which has two reference counts.
        size_of::<Self>() + size_of::<UserKindCounts>() + 2 * size_of::<usize>() + counters_bytes
    }
}

/// A second that events are being added to.
pub(crate) struct OpenSecond<'a> {
    pub(crate) second: LiveSecond,
    pub(crate) counts: &'a mut UserKindCounts,
    /// None if the totals are of an older generation: the next query that reads them recounts them.
    totals: Option<&'a mut Counters>,
    layout: CounterLayout,
    pub(crate) last_seen: &'a mut Counters,
}

impl OpenSecond<'_> {
    /// Adds one event to the totals.
    #[inline]
    pub(crate) fn add_total(&mut self, group: u32, kind: u8) {
        if let Some(totals) = &mut self.totals {
            totals.add(self.layout.index(group, kind), 1);
        }
    }

    /// Adds the events of an entry of another second's counts.
    #[allow(dead_code, reason = "only snapshots use it")]
    pub(crate) fn add_entry(&mut self, user: u32, group: u32, entry: UserKindCount) {
        self.counts.add_entry(user, entry);
        if let Some(totals) = &mut self.totals {
            totals.add(self.layout.index(group, entry.kind()), entry.count());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::HashKeys;

    #[test]
    fn a_new_second_is_counted_with_its_counts() {
        for groups in [1, 1_000] {
            let layout = CounterLayout { groups, kinds: 3 };
            let second = Second::new(10, layout, 4);
            // An `Arc` allocates two reference counts with its value.
            let arc_bytes = 2 * size_of::<usize>() + size_of_val(&*second.counts);
            let allocated_bytes = size_of_val(&*second) + arc_bytes + second.bytes();
            assert_eq!(Second::initial_bytes(layout), allocated_bytes, "{groups} groups");
        }
    }

    #[test]
    fn a_second_has_the_memory_of_its_counts_its_totals_and_its_last_seen_users() {
        let layout = CounterLayout { groups: 1_000, kinds: 3 };
        let mut second = Second::new(10, layout, 4);
        let mut open = second.open(layout, 4);
        for index in 0..1_000 {
            open.counts.add(index, 0);
            open.add_total(index, 1);
            open.last_seen.add(index, 1);
        }
        let (counts, totals, last_seen) = (&second.counts, &second.totals, &second.last_seen);
        let growing_bytes = [counts.growing_bytes(), totals.growing_bytes(), last_seen.growing_bytes()];
        assert!(growing_bytes.iter().all(|bytes| *bytes > 1_000), "{growing_bytes:?}");
        assert_eq!(second.bytes(), growing_bytes.iter().sum::<usize>());
        second.seal();
        let sealed_bytes = [second.counts.bytes(), second.totals.bytes(), second.last_seen.bytes()];
        assert!(sealed_bytes.iter().all(|bytes| *bytes > 1_000), "{sealed_bytes:?}");
        assert_eq!(second.bytes(), sealed_bytes.iter().sum::<usize>());
    }

    #[test]
    fn the_totals_of_a_busy_second_are_recounted_from_its_grid() {
        let mut users = Users::new();
        let keys = HashKeys::random();
        let layout = CounterLayout { groups: 2, kinds: 3 };
        let mut second = Second::new(10, layout, 4);
        let open = second.open(layout, 4);
        for n in 0..10_000_u32 {
            let group = |_| n % 5 / 4;
            let user = users.note_event(keys.user(&(n % 5).to_string()), LiveSecond::new(10), group).index();
            open.counts.add(user, (n % 3) as u8);
        }
        assert!(second.counts.rows().count() == 5 && second.counts.list().len() < 10_000);
        second.recount(&users, layout, 5);
        let mut sums = vec![0; layout.len()];
        second.totals().add_to(&mut sums);
        assert_eq!(sums.iter().sum::<u64>(), 10_000);
        assert_eq!([sums[..3].iter().sum::<u64>(), sums[3..].iter().sum()], [8_000, 2_000]);
    }

    #[test]
    fn totals_are_recounted_when_the_generation_has_changed() {
        let mut users = Users::new();
        let user = users.note_event(HashKeys::random().user("u"), LiveSecond::new(10), |_| 1).index();
        let layout = CounterLayout { groups: 2, kinds: 3 };
        let mut second = Second::new(10, layout, 4);
        let totals = |second: &mut Second, generation| {
            if second.is_outdated(generation) {
                second.recount(&users, layout, generation);
            }
            let mut sums = vec![0; layout.len()];
            second.totals().add_to(&mut sums);
            sums
        };
        let add = |second: &mut Second, generation, group, kind| {
            let mut open = second.open(layout, generation);
            open.counts.add(user, kind);
            open.add_total(group, kind);
        };
        add(&mut second, 4, 0, 2);
        assert_eq!(totals(&mut second, 4), [0, 0, 1, 0, 0, 0], "as they were added");
        add(&mut second, 5, 1, 0);
        assert_eq!(totals(&mut second, 5), [0, 0, 0, 1, 0, 1], "recounted");
        second.counts = Arc::new(UserKindCounts::new(layout.kinds));
        add(&mut second, 5, 1, 2);
        assert_eq!(totals(&mut second, 5), [0, 0, 0, 1, 0, 2], "not recounted again");
    }
}
