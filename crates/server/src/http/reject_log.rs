//! The log of the events that were refused last.

use crate::limits;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use weir::{Batch, Verdict};

/// The events that were refused last, of every batch the first ones.
#[derive(Debug, Default)]
pub(super) struct RejectLog(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    /// Oldest first.
    recent: VecDeque<Reject>,
    /// All that were refused since the start.
    total: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Reject {
    pub(super) received_at_ms: i64,
    pub(super) index: usize,
    pub(super) event_id: Option<Box<str>>,
    pub(super) verdict: Verdict,
}

impl RejectLog {
    /// Takes note of what was refused of a batch: `rejected` events in all.
    pub(super) fn record(&self, batch: &Batch, received_at_ms: i64, rejected: usize) {
        if rejected == 0 {
            return;
        }
        let is_rejected = |index: &usize| !matches!(batch.verdict(*index), Verdict::Accepted | Verdict::Duplicate);
        let reject = |index| Reject {
            received_at_ms,
            index,
            event_id: batch.event_id(index).map(Into::into),
            verdict: batch.verdict(index),
        };
        // Made before the lock is taken, which others wait for.
        let new: Vec<_> = (0..batch.len()).filter(is_rejected).take(limits::REJECTS_OF_BATCH_MAX).map(reject).collect();
        let mut entries = self.entries();
        entries.total += rejected as u64;
        let excess = (entries.recent.len() + new.len()).saturating_sub(limits::REJECTS_KEPT);
        let old = entries.recent.drain(..excess).collect::<Vec<_>>();
        entries.recent.extend(new);
        drop(entries);
        drop(old);
    }

    /// The last `limit` of them, newest first, and the number of all.
    pub(super) fn latest(&self, limit: usize) -> (Vec<Reject>, u64) {
        let entries = self.entries();
        (entries.recent.iter().rev().take(limit).cloned().collect(), entries.total)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
