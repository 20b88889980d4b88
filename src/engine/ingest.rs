//! Ingest: from the bytes of a body to records in the window.

use super::by_partition::ByPartition;
use super::{Engine, Stage};
use crate::clock::second_of;
use crate::dedup::Claim;
use crate::error::Overloaded;
use crate::event::{self, Batch, DecodeError, Decoder, Format, Tally, Verdict};
use crate::key::EventKey;
use crate::window::Appended;
use crate::{json, limits, sync};
use std::cell::{Cell, RefCell};

thread_local! {
    /// Reused from batch to batch.
    static DECODER: RefCell<Decoder> = RefCell::default();
    static COLUMNS: Cell<Columns> = Cell::default();
}

/// The data that one stage of ingest passes to the next.
#[derive(Default)]
pub(super) struct Columns {
    /// Rows of the batch: first the pending rows, then the accepted ones.
    rows: Vec<usize>,
    /// The keys of the pending rows, and the results of their claims.
    pub(super) keys: Vec<EventKey>,
    pub(super) claims: Vec<Claim>,
    /// The events of the accepted rows.
    pub(super) events: ByPartition,
}

impl Columns {
    /// The columns that this thread has kept.
    pub(super) fn take() -> Self {
        COLUMNS.take()
    }

    /// Keeps the columns for the next batch, unless a large batch has made them large.
    pub(super) fn keep(self) {
        let Self { rows, keys, claims, .. } = &self;
        let most_rows = rows.capacity().max(keys.capacity()).max(claims.capacity());
        if most_rows <= limits::BATCH_ROWS_KEPT_MAX {
            COLUMNS.set(self);
        }
    }
}

impl Engine {
    /// Decodes a body, and validates it as far as that needs no clock. Changes nothing. One pass, O(bytes).
    ///
    /// # Errors
    /// When the body as a whole cannot be taken.
    pub fn decode(&self, body: Vec<u8>, format: Format) -> Result<Batch, DecodeError> {
        let decode = || DECODER.with_borrow_mut(|decoder| decoder.decode(body, format, &self.schema, &self.keys));
        self.stages.timed(Stage::Decode, decode)
    }

    /// [`decode`](Self::decode) for a body of which every event has the usual shape. It takes at most some tens of
    /// nanoseconds for each event. Any other body is returned.
    ///
    /// # Errors
    /// The unchanged body, if an event does not have the usual shape.
    pub fn try_decode_fast(&self, body: Vec<u8>, format: Format) -> Result<Batch, Vec<u8>> {
        let decode = || Decoder::try_decode_fast(body, format, &self.schema, &self.keys);
        self.stages.timed_if(Stage::Decode, Result::is_ok, decode)
    }

    /// Refuses a body of too many short events, for which [`decode`](Self::decode) would take much memory.
    /// `decode` makes the same check first. It is of use to a caller that reserves
    /// [`decode_memory_bytes_max`](Self::decode_memory_bytes_max) before. O(bytes), in little memory. The body stays as
    /// it is.
    ///
    /// # Errors
    /// The error of `decode`.
    pub fn check_event_count(&self, body: &mut [u8], format: Format) -> Result<(), DecodeError> {
        match format {
            Format::Json => event::check_event_count(body, &self.schema),
            Format::Ndjson => Ok(()),
        }
    }

    /// The most memory that [`decode`](Self::decode) needs in addition to the body and the batch; O(bytes). With
    /// [`Format::Json`] it also holds for [`change_reference`](Self::change_reference), in addition to the body and the
    /// table.
    #[must_use]
    pub fn decode_memory_bytes_max(&self, body: &[u8], format: Format) -> usize {
        match format {
            Format::Json => json::scratch_bytes(body),
            Format::Ndjson => body.split(|byte| *byte == b'\n').map(json::scratch_bytes).max().unwrap_or(0),
        }
    }

    /// Checks the timestamps of the batch against `received_at_ms`, claims its ids, and counts the accepted events.
    /// Every event gets its verdict. A batch that was ingested before keeps its verdicts, and nothing of it is counted
    /// again.
    ///
    /// The same batches in the same order with the same times give the same verdicts and the same answers. If
    /// [`sweep`](Self::sweep) runs on another thread meanwhile, call [`advance_log_time`](Self::advance_log_time)
    /// before each batch.
    ///
    /// If there are many unfolded records, this thread first folds some of them. [`try_ingest`](Self::try_ingest) never
    /// does.
    ///
    /// # Errors
    /// [`Overloaded`] when there is no room; nothing of the batch was taken.
    pub fn ingest(&self, batch: &mut Batch, received_at_ms: i64) -> Result<Tally, Overloaded> {
        self.fold_if_backlogged();
        self.try_ingest(batch, received_at_ms)
    }

    /// [`ingest`](Self::ingest) without folding, for threads that may only be occupied for microseconds, such as the
    /// workers of an asynchronous runtime. While [`is_backlogged`](Self::is_backlogged), call [`ingest`](Self::ingest)
    /// on another thread instead.
    ///
    /// # Errors
    /// [`Overloaded`] when there is no room; nothing of the batch was taken.
    pub fn try_ingest(&self, batch: &mut Batch, received_at_ms: i64) -> Result<Tally, Overloaded> {
        self.admit(batch.len(), received_at_ms)?;
        // Nothing below can fail. Between the claim of an id and the append of its event there is no early return.
        self.clock.observe(received_at_ms);
        batch.judge_skew(received_at_ms, self.config.max_skew_ms());
        let mut columns = Columns::take();
        let ((), claim) = self.stages.measured(|| self.claim(batch, received_at_ms, &mut columns));
        let ((), append) = self.stages.measured(|| self.append(batch, &mut columns));
        self.backlog.release(batch.len() - columns.rows.len());
        columns.keep();
        self.stages.report(Stage::Claim, claim);
        self.stages.report(Stage::Append, append);
        Ok(batch.tally())
    }

    /// Whether the backlog of unfolded records is so large that a writer should fold some of them.
    #[must_use]
    pub fn is_backlogged(&self) -> bool {
        self.backlog.in_use() > self.config.writer_fold_events()
    }

    /// Reserves room for `events` records. If there is none, it refuses them before any id is claimed.
    pub(super) fn admit(&self, events: usize, received_at_ms: i64) -> Result<(), Overloaded> {
        if !self.dedup.has_capacity(events, received_at_ms) || !self.backlog.try_acquire(events) {
            return Err(Overloaded);
        }
        if !self.memory.admits(|| self.backlog.in_use()) {
            self.backlog.release(events);
            return Err(Overloaded);
        }
        Ok(())
    }

    /// Claims the ids of the pending events, which become accepted, duplicate or overloaded. Leaves the rows of those
    /// that become accepted in `columns`.
    fn claim(&self, batch: &mut Batch, now_ms: i64, columns: &mut Columns) {
        let Columns { rows, keys, claims, .. } = columns;
        rows.clear();
        rows.extend((0..batch.len()).filter(|row| batch.verdicts[*row] == Verdict::Pending));
        keys.clear();
        keys.extend(rows.iter().map(|row| batch.event_keys[*row]));
        claims.clear();
        self.dedup.claim(keys, now_ms, claims);
        for (row, claim) in rows.iter().zip(claims) {
            batch.verdicts[*row] = match claim {
                Claim::Inserted => Verdict::Accepted,
                Claim::Duplicate => Verdict::Duplicate,
                Claim::Full => Verdict::Overloaded,
            };
        }
        rows.retain(|row| batch.verdicts[*row] == Verdict::Accepted);
    }

    /// Publishes the events of the rows.
    fn append(&self, batch: &Batch, columns: &mut Columns) {
        let Columns { rows, events, .. } = columns;
        events.set(self.partitions.len(), rows.iter().map(|row| (second_of(batch.ts_ms[*row]), batch.records[*row])));
        self.publish(events);
    }

    /// Publishes events: one append for each second and partition.
    pub(super) fn publish(&self, events: &mut ByPartition) {
        for (partition, events) in self.partitions.iter().zip(events.of_partitions()) {
            if events.is_empty() {
                continue;
            }
            let mut appends = partition.window.begin_appends();
            for of_second in events.chunk_by(|(a, _), (b, _)| a == b) {
                let records = of_second.iter().map(|(_, record)| *record).collect();
                if appends.append(of_second[0].0, records) == Appended::Expired {
                    self.backlog.release(of_second.len());
                }
            }
        }
    }

    /// Folds about a slice of records if there are many.
    pub(super) fn fold_if_backlogged(&self) {
        if self.is_backlogged() {
            self.fold_backlog(sync::thread_number());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_the_columns_of_a_usual_batch_only() {
        let kept = |columns: Columns| {
            columns.keep();
            let Columns { rows, keys, claims, .. } = Columns::take();
            (rows.capacity(), keys.capacity(), claims.capacity())
        };
        let most = limits::BATCH_ROWS_KEPT_MAX;
        let usual = Columns {
            rows: Vec::with_capacity(most),
            keys: Vec::with_capacity(most),
            claims: Vec::with_capacity(most),
            ..Columns::default()
        };
        assert_eq!(kept(usual), (most, most, most));
        assert_eq!(kept(Columns { rows: Vec::with_capacity(most + 1), ..Columns::default() }), (0, 0, 0));
        assert_eq!(kept(Columns { keys: Vec::with_capacity(most + 1), ..Columns::default() }), (0, 0, 0));
        assert_eq!(kept(Columns { claims: Vec::with_capacity(most + 1), ..Columns::default() }), (0, 0, 0));
    }
}
