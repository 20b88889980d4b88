//! Snapshots of seconds, for questions that need the entries of each second and not only its totals.
//!
//! Such questions are about the distinct users of some types, or of seconds that do not end now. Under the timeline's
//! lock, a snapshot only shares the counts of its seconds and copies the groups of the users. It is read without the
//! lock. A fold into a second that a snapshot still shares copies its counts first.

use crate::reference::Generation;
use crate::timeline::aggregates::{Aggregates, WindowAggregates};
use crate::timeline::query::KindSet;
use crate::timeline::second::CounterLayout;
use crate::timeline::user_kind_counts::UserKindCounts;
use std::sync::Arc;

/// Seconds of the timeline at one moment.
pub(crate) struct TimelineSnapshot {
    pub(crate) now_ms: i64,
    pub(crate) generation: Arc<Generation>,
    pub(crate) layout: CounterLayout,
    /// The first of the seconds.
    pub(crate) start_secs: i64,
    /// The seconds of the window without a gap; none for a second without events.
    pub(crate) seconds: Vec<Option<Arc<UserKindCounts>>>,
    /// The group of every user index.
    pub(crate) groups: Vec<u32>,
}

impl TimelineSnapshot {
    /// The aggregates of all its seconds; O(entries + groups x kinds).
    pub(crate) fn aggregate(self, kinds: KindSet) -> WindowAggregates {
        let mut scan = self.scan(self.seconds.len(), kinds);
        scan.next();
        let aggregates = scan.aggregates;
        WindowAggregates { now_ms: self.now_ms, generation: self.generation, aggregates }
    }

    /// Starts a scan that aggregates `step_secs` seconds at a time.
    pub(crate) fn scan(&self, step_secs: usize, kinds: KindSet) -> Scan<'_> {
        Scan {
            snapshot: self,
            step_secs,
            kinds,
            steps: 0,
            last_steps: vec![0; self.groups.len()],
            is_clear: true,
            aggregates: Aggregates::zero(self.layout),
        }
    }
}

/// A scan of a snapshot, step by step.
pub(crate) struct Scan<'a> {
    snapshot: &'a TimelineSnapshot,
    step_secs: usize,
    kinds: KindSet,
    /// Steps done. The first step has the number 1.
    steps: u32,
    /// For each user, the number of the last step in which they were counted; 0 for none.
    last_steps: Vec<u32>,
    /// Whether all aggregates are zero.
    is_clear: bool,
    aggregates: Aggregates,
}

impl Scan<'_> {
    /// The first second of the next step, and its aggregates unless they are all zero. O(entries + groups x kinds), or
    /// O(1) for each second of a step without events.
    pub(crate) fn next(&mut self) -> Option<(i64, Option<&mut Aggregates>)> {
        let TimelineSnapshot { layout, start_secs, seconds, groups, .. } = self.snapshot;
        let from = self.steps as usize * self.step_secs;
        let seconds = seconds.get(from..).filter(|seconds| !seconds.is_empty())?;
        let seconds = &seconds[..self.step_secs.min(seconds.len())];
        self.steps += 1;
        if !std::mem::replace(&mut self.is_clear, true) {
            self.aggregates.clear();
        }
        let entries = seconds.iter().flatten().flat_map(|counts| counts.iter());
        for entry in entries.filter(|entry| self.kinds.contains(entry.kind())) {
            let group = groups[entry.user() as usize];
            self.is_clear = false;
            self.aggregates.events[layout.index(group, entry.kind()) as usize] += entry.count();
            let last_step = &mut self.last_steps[entry.user() as usize];
            if *last_step != self.steps {
                *last_step = self.steps;
                self.aggregates.uniques[group as usize] += 1;
            }
        }
        debug_assert!(self.aggregates.uniques.iter().sum::<u64>() <= self.aggregates.events.iter().sum());
        Some((start_secs + from as i64, (!self.is_clear).then_some(&mut self.aggregates)))
    }
}
