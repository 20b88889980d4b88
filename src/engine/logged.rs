//! Ingest in two halves, with a log between them: first the batch gets its place in the log, then its ids are claimed.

use super::by_partition::ByPartition;
use super::ingest::Columns;
use super::{Engine, Stage};
use crate::clock::second_of;
use crate::error::Overloaded;
use crate::event::Batch;
use crate::permits::Permits;
use crate::rows::{Outcome, Rows};
use crate::sync::{Ordering, Padded};
use std::fmt;
use std::sync::Arc;

/// Log time before the first entry of a log.
const BEFORE_LOG_MS: i64 = i64::MIN + 1;

/// Capacity for the events of a batch while the batch waits for its place in a log. Dropping it releases the capacity.
#[derive(Default)]
pub struct Reservation {
    backlog: Option<Arc<Padded<Permits>>>,
    events: usize,
}

impl Reservation {
    /// The number of events that there is capacity for.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events
    }

    /// Takes the capacity of the next `events` events out of this reservation, or all that there is.
    #[must_use]
    pub fn split(&mut self, events: usize) -> Self {
        let events = events.min(self.events);
        self.events -= events;
        Self { backlog: self.backlog.clone(), events }
    }

    /// Leaves the capacity to the caller, who releases it.
    fn into_events(mut self) -> usize {
        std::mem::take(&mut self.events)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(backlog) = &self.backlog {
            backlog.release(self.events);
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("events", &self.events).finish_non_exhaustive()
    }
}

impl Engine {
    /// The first half of [`ingest`](Self::ingest): checks the timestamps of the batch against `received_at_ms`, and
    /// reserves capacity. Returns the rows that are still pending, for the log. Claims nothing.
    ///
    /// # Errors
    /// [`Overloaded`] when there is no room; the batch is as it was.
    pub fn prepare(&self, batch: &mut Batch, received_at_ms: i64) -> Result<(Rows, Reservation), Overloaded> {
        // Log time moves only by the log, so the capacity for ids is judged at the log time that there is.
        self.admit(batch.len(), self.log_ms.load(Ordering::Relaxed))?;
        batch.judge_skew(received_at_ms, self.config.max_skew_ms());
        let rows = Rows::pending(batch);
        self.backlog.release(batch.len() - rows.len());
        let reservation = Reservation { backlog: Some(Arc::clone(&self.backlog)), events: rows.len() };
        Ok((rows, reservation))
    }

    /// The second half of [`ingest`](Self::ingest), which cannot fail: claims the ids of the rows, and counts the
    /// accepted events. Rows without a reservation are never refused for a full backlog; this thread folds instead.
    ///
    /// One thread calls it, in the order of the log. It first calls [`advance_log_time`](Self::advance_log_time) with
    /// the log time of the rows, which is not before `received_at_ms`. Then the outcomes depend on the log alone.
    pub fn apply(&self, rows: &Rows, received_at_ms: i64, reserved: Reservation) -> Outcome {
        self.fold_when_behind();
        self.clock.observe(received_at_ms);
        let mut columns = Columns::take();
        columns.claims.clear();
        let claim = || self.dedup.claim(&rows.event_keys, received_at_ms, &mut columns.claims);
        let ((), claim) = self.stages.measured(claim);
        let outcome = Outcome::of_claims(&columns.claims);
        let publish = || self.publish_rows(rows, outcome.accepted_rows(), reserved, &mut columns.events);
        let ((), append) = self.stages.measured(publish);
        columns.keep();
        self.stages.report(Stage::Claim, claim);
        self.stages.report(Stage::Append, append);
        outcome
    }

    /// Does again what [`apply`](Self::apply) did with these rows before a restart, or on another machine: nothing is
    /// judged. The ids of the accepted rows are remembered with their time, and their events are counted if they are
    /// still within the retention. Log time advances to `log_ms` first.
    ///
    /// # Panics
    /// If the outcome is not that of these rows.
    pub fn restore(&self, rows: &Rows, outcome: &Outcome, received_at_ms: i64, log_ms: i64) {
        assert_eq!(rows.len(), outcome.rows(), "the outcome is that of other rows");
        self.fold_when_behind();
        self.advance_log_time(log_ms);
        let mut columns = Columns::take();
        columns.keys.clear();
        columns.keys.extend(outcome.accepted_rows().map(|row| rows.event_keys[row]));
        self.dedup.remember(&columns.keys, received_at_ms);
        let oldest_secs = second_of(self.clock.now_ms()) - i64::from(self.config.retention_secs) + 1;
        let retained = outcome.accepted_rows().filter(|row| rows.seconds[*row] >= oldest_secs);
        self.publish_rows(rows, retained, Reservation::default(), &mut columns.events);
        columns.keep();
    }

    /// From now on [`sweep`](Self::sweep) goes by log time instead of the clock. An engine that follows a log calls
    /// this before its first sweep: a log that is replayed is behind the clock.
    pub fn follow_log(&self) {
        self.log_ms.fetch_max(BEFORE_LOG_MS, Ordering::Relaxed);
    }

    /// Advances log time to `log_ms`, and forgets the event ids that are due to be forgotten then. It waits for other
    /// threads if they are in the way; [`ingest`](Self::ingest) does not wait. So if another thread ingests or sweeps
    /// at the same time, an id may be remembered for longer than it has to be. A log, a replay or a simulation calls
    /// this before each batch, with the time of the batch: then the verdicts never depend on concurrent sweeps.
    ///
    /// It also [follows the log](Self::follow_log).
    pub fn advance_log_time(&self, log_ms: i64) {
        self.clock.observe(log_ms);
        // Relaxed: a sweep that reads an earlier time forgets less.
        self.log_ms.fetch_max(log_ms.max(BEFORE_LOG_MS), Ordering::Relaxed);
        self.dedup.advance_log_time(log_ms);
    }

    /// The earliest log time whose batches still matter when log time is `log_ms`: an engine that restores everything
    /// from there on gives the same verdicts and answers from then on.
    #[must_use]
    pub fn reach_ms(&self, log_ms: i64) -> i64 {
        // A batch of log time t has events up to t + skew. One second is for the part of a second that has begun.
        let window_ms = (i64::from(self.config.retention_secs) + 1) * 1_000 + self.config.max_skew_ms();
        self.dedup.reach(log_ms).min(log_ms.saturating_sub(window_ms))
    }

    /// Publishes the events of some rows, which take their capacity from `reserved` as far as it goes.
    fn publish_rows(
        &self,
        rows: &Rows,
        of_rows: impl Iterator<Item = usize> + Clone,
        reserved: Reservation,
        events: &mut ByPartition,
    ) {
        events.set(self.partitions.len(), of_rows.map(|row| (rows.seconds[row], rows.records[row])));
        let (count, reserved) = (events.len(), reserved.into_events());
        // Counted before they are published, because a fold may release them at once.
        self.backlog.add(count.saturating_sub(reserved));
        self.publish(events);
        self.backlog.release(reserved.saturating_sub(count));
    }

    /// Folds about a slice of records if there are many. If the backlog is full, it waits for the timelines and folds
    /// all of it: what is in the log has to be applied.
    fn fold_when_behind(&self) {
        self.fold_if_backlogged();
        if self.backlog.is_exhausted() {
            self.advance();
            self.partitions.iter().for_each(|partition| self.fold_in_slices(partition));
        }
    }
}
