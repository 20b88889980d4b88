//! The cut of an answer: one moment and one reference generation, the same in all partitions.

use super::partition::{Partition, lock_or_abort, try_lock_or_abort};
use super::{Cut, Engine, Stage};
use crate::clock::second_of;
use crate::limits;
use crate::reference::UserGroups;
use crate::sync::MutexGuard;
use crate::timeline::Timeline;
use crate::window::Drained;
use std::sync::Arc;

impl Engine {
    /// Reads each timeline, all at one new cut, each with nothing left to fold. Returns the cut, which stays locked,
    /// and the answer, which `begin` has begun.
    ///
    /// An answer has all records that were published before the call, because each timeline folds them during the call.
    /// If the clock jumps meanwhile, a writer may take the slot of a second whose records are not folded yet. Then the
    /// answer begins again: at the time after the jump, that second is over.
    pub(super) fn read_at_new_cut<A>(
        &self,
        begin: impl Fn(&Cut) -> A,
        read: impl Fn(&mut A, &mut Timeline),
    ) -> (MutexGuard<'_, Cut>, A) {
        let mut cut = self.lock_cut();
        loop {
            let prepared = self.renew(&mut cut);
            let (mut answer, mut far_ahead_secs) = (begin(&cut), None);
            self.visit_at(&cut, &prepared, |partition, timeline| {
                let drained = self.fold(partition, timeline, u64::MAX);
                far_ahead_secs = far_ahead_secs.into_iter().chain(drained.far_ahead_secs).min();
                read(&mut answer, timeline);
                if self.memory.is_limited() {
                    self.memory.add_timeline_bytes(timeline.take_growth());
                }
            });
            // At the new cut the second is live, so this ends.
            let latest_secs = || second_of(self.clock.now_ms()) + i64::from(self.config.max_skew_secs);
            if far_ahead_secs.is_none_or(|secs| secs > latest_secs()) {
                return (cut, answer);
            }
        }
    }

    /// Advances all timelines to the clock, and switches them to the generation in force.
    pub(super) fn advance(&self) {
        let mut cut = self.lock_cut();
        let prepared = self.renew(&mut cut);
        self.visit_at(&cut, &prepared, |_, _| {});
    }

    /// Makes the cut a new one. The clock and the generation are read under the lock, so neither goes back from cut to
    /// cut. Returns the groups that were prepared for a newer generation.
    fn renew(&self, cut: &mut Cut) -> Vec<UserGroups> {
        cut.now_ms = cut.now_ms.max(self.clock.now_ms());
        let published = self.reference.published();
        if published.generation().number() <= cut.generation.number() {
            return Vec::new();
        }
        cut.generation = Arc::clone(published.generation());
        published.take_groups()
    }

    /// Calls `visit` with each timeline when it has reached the cut.
    fn visit_at(&self, cut: &Cut, prepared: &[UserGroups], mut visit: impl FnMut(&Partition, &mut Timeline)) {
        for (index, partition) in self.partitions.iter().enumerate() {
            let mut timeline = partition.lock();
            self.advance_to(cut, partition, &mut timeline);
            timeline.switch_generation(&cut.generation, prepared.get(index).map_or(&[], Vec::as_slice));
            visit(partition, &mut timeline);
        }
    }

    /// Advances a timeline to the moment of the cut.
    fn advance_to(&self, cut: &Cut, partition: &Partition, timeline: &mut Timeline) {
        let dropped = timeline.advance(&partition.window, cut.now_ms);
        self.release_folded(timeline, dropped as usize);
    }

    /// Folds about a slice of records while there are many, from partition `first` on. Waits for nothing: it leaves out
    /// what another thread holds or waits for.
    pub(super) fn fold_backlog(&self, first: usize) {
        let mut cut = try_lock_or_abort(&self.cut);
        if let Some(cut) = &mut cut {
            cut.now_ms = cut.now_ms.max(self.clock.now_ms());
        }
        let mut left = limits::FOLD_SLICE as u64;
        let first = first % self.partitions.len();
        for partition in self.partitions[first..].iter().chain(&self.partitions[..first]) {
            if left == 0 || !self.is_backlogged() {
                return;
            }
            let Some(mut timeline) = partition.try_lock() else { continue };
            if let Some(cut) = &cut {
                self.advance_to(cut, partition, &mut timeline);
            }
            left = left.saturating_sub(self.fold(partition, &mut timeline, left).records);
        }
    }

    pub(super) fn lock_cut(&self) -> MutexGuard<'_, Cut> {
        lock_or_abort(&self.cut)
    }

    /// Folds up to about `limit` records of a partition.
    pub(super) fn fold(&self, partition: &Partition, timeline: &mut Timeline, limit: u64) -> Drained {
        let start_ms = self.clock.now_ms();
        let fold = || timeline.fold(&partition.window, limit);
        let drained = self.stages.timed_if(Stage::Fold, |drained| drained.records > 0, fold);
        if !drained.has_more {
            partition.note_full_fold(start_ms);
        }
        self.release_folded(timeline, drained.records as usize);
        drained
    }

    /// Folds the records of a partition, one slice at a time so that queries can run in between.
    pub(super) fn fold_in_slices(&self, partition: &Partition) {
        // Enough slices for the current backlog. Records that are published meanwhile are left to the next tick, so
        // this one ends.
        for _ in 0..=self.backlog.in_use() / limits::FOLD_SLICE {
            if !self.fold(partition, &mut partition.lock(), limits::FOLD_SLICE as u64).has_more {
                break;
            }
        }
    }
}
