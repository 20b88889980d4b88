//! Excerpts of the timelines, for questions that need the entries of each second and not only its totals.
//!
//! Such questions are about the distinct users of some types, or of seconds that do not end now. Under a timeline's
//! lock, an excerpt only shares the counts of its seconds and copies the groups of the users. It is read without the
//! lock. A fold into a second that an excerpt still shares copies its counts first.

use crate::reference::Generation;
use crate::timeline::aggregates::{Aggregates, WindowAggregates};
use crate::timeline::query::KindSet;
use crate::timeline::second::CounterLayout;
use crate::timeline::user_kind_counts::UserKindCounts;
use std::sync::Arc;

/// Seconds of one timeline.
pub(crate) struct Excerpt {
    /// The seconds of the window without a gap; none for a second without events.
    pub(crate) seconds: Vec<Option<Arc<UserKindCounts>>>,
    /// The group of every user index.
    pub(crate) groups: Vec<u32>,
}

/// A window at one moment.
pub(crate) struct WindowExcerpt {
    pub(crate) now_ms: i64,
    pub(crate) generation: Arc<Generation>,
    pub(crate) layout: CounterLayout,
    /// The first of the seconds.
    pub(crate) start_secs: i64,
    /// The length of the window, in seconds.
    pub(crate) window_secs: u32,
    /// The seconds, by partition.
    pub(crate) partitions: Vec<Excerpt>,
}

impl WindowExcerpt {
    /// The aggregates of all its seconds; O(entries + groups x kinds).
    pub(crate) fn aggregate(self, kinds: KindSet) -> WindowAggregates {
        let mut scan = self.scan(self.window_secs, kinds);
        scan.next();
        let aggregates = scan.aggregates;
        WindowAggregates { now_ms: self.now_ms, generation: self.generation, aggregates }
    }

    /// Starts a scan that aggregates `step_secs` seconds at a time.
    pub(crate) fn scan(&self, step_secs: u32, kinds: KindSet) -> Scan<'_> {
        Scan {
            excerpt: self,
            step_secs,
            kinds,
            steps: 0,
            last_steps: self.partitions.iter().map(|partition| vec![0; partition.groups.len()]).collect(),
            is_clear: true,
            aggregates: Aggregates::zero(self.layout),
        }
    }
}

/// A scan of an excerpt, step by step.
pub(crate) struct Scan<'a> {
    excerpt: &'a WindowExcerpt,
    step_secs: u32,
    kinds: KindSet,
    /// Steps done. The first step has the number 1.
    steps: u32,
    /// For each partition and user, the number of the last step in which the user was counted; 0 for none.
    last_steps: Vec<Vec<u32>>,
    /// Whether all aggregates are zero.
    is_clear: bool,
    aggregates: Aggregates,
}

impl Scan<'_> {
    /// The first second of the next step, and its aggregates unless they are all zero. O(entries + groups x kinds), or
    /// O(partitions) for each second of a step without events.
    pub(crate) fn next(&mut self) -> Option<(i64, Option<&mut Aggregates>)> {
        let WindowExcerpt { start_secs, window_secs, partitions, .. } = self.excerpt;
        let from = self.steps * self.step_secs;
        if from >= *window_secs {
            return None;
        }
        let to = (from + self.step_secs).min(*window_secs);
        self.steps += 1;
        if !std::mem::replace(&mut self.is_clear, true) {
            self.aggregates.clear();
        }
        for (index, partition) in partitions.iter().enumerate() {
            for counts in partition.seconds[from as usize..to as usize].iter().flatten() {
                self.add(index, partition, counts);
            }
        }
        debug_assert!(self.aggregates.uniques.iter().sum::<u64>() <= self.aggregates.events.iter().sum());
        Some((start_secs + i64::from(from), (!self.is_clear).then_some(&mut self.aggregates)))
    }

    /// Adds a second of a partition.
    fn add(&mut self, index: usize, partition: &Excerpt, counts: &UserKindCounts) {
        let last_steps = &mut self.last_steps[index];
        for entry in counts.iter().filter(|entry| self.kinds.contains(entry.kind())) {
            let group = partition.groups[entry.user() as usize];
            self.is_clear = false;
            self.aggregates.events[self.excerpt.layout.index(group, entry.kind()) as usize] += entry.count();
            let last_step = &mut last_steps[entry.user() as usize];
            if *last_step != self.steps {
                *last_step = self.steps;
                self.aggregates.uniques[group as usize] += 1;
            }
        }
    }
}
