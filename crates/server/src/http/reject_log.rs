//! The log of the most recently rejected events.

use crate::limits;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use weir::{Batch, Verdict};

/// The most recently rejected events: the first [`limits::REJECTS_OF_BATCH_MAX`] of each batch, and at most
/// [`limits::REJECTS_KEPT`] in all.
#[derive(Debug, Default)]
pub(super) struct RejectLog(Mutex<Entries>);

/// The content of the log.
#[derive(Debug, Default)]
struct Entries {
    /// Oldest first.
    recent: VecDeque<Reject>,
    /// The number of all rejected events since the start of the server.
    total: u64,
}

/// A rejected event.
#[derive(Clone, Debug)]
pub(super) struct Reject {
    /// When the body of the request was complete, in milliseconds since the Unix epoch.
    pub(super) received_at_ms: i64,
    /// The position of the event in its batch, from 0 on.
    pub(super) index: usize,
    /// None unless the event has a valid, unrepeated id.
    pub(super) event_id: Option<Box<str>>,
    /// Why the event was rejected.
    pub(super) verdict: Verdict,
}

impl RejectLog {
    /// Adds the rejected events of a batch. `rejected` is the number of all of them.
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
        // The entries are made before the lock is taken, because other requests wait for the lock.
        let new: Vec<_> = (0..batch.len()).filter(is_rejected).take(limits::REJECTS_OF_BATCH_MAX).map(reject).collect();
        let mut entries = self.entries();
        entries.total += rejected as u64;
        let excess = (entries.recent.len() + new.len()).saturating_sub(limits::REJECTS_KEPT);
        // The old entries are freed after the lock is released, for the same reason.
        let old = entries.recent.drain(..excess).collect::<Vec<_>>();
        entries.recent.extend(new);
        drop(entries);
        drop(old);
    }

    /// The `limit` newest entries, newest first, and the number of all rejected events.
    pub(super) fn latest(&self, limit: usize) -> (Vec<Reject>, u64) {
        let entries = self.entries();
        (entries.recent.iter().rev().take(limit).cloned().collect(), entries.total)
    }

    /// The content. A panic cannot leave it inconsistent, so a poisoned lock is used.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
