//! The metrics of the log and of its journal.

use crate::histogram::HistogramSnapshot;
use crate::http::exposition::writer::Writer;
use crate::log::{EventLog, LogSnapshot, LogState};
use std::fmt;

/// The state of a log at one moment.
pub(super) struct LogMetrics {
    snapshot: LogSnapshot,
    frame_bytes: u64,
    log: HistogramSnapshot,
    apply: HistogramSnapshot,
    append: HistogramSnapshot,
    commit: HistogramSnapshot,
}

impl LogMetrics {
    /// The state of a log; none once it is stopped.
    pub(super) fn of(log: &EventLog) -> Option<Self> {
        let durations = log.durations();
        Some(Self {
            snapshot: log.snapshot()?,
            frame_bytes: durations.frame_bytes(),
            log: durations.log.read(),
            apply: durations.apply.read(),
            append: durations.append.read(),
            commit: durations.commit.read(),
        })
    }

    /// The stages that only an engine with a log has.
    pub(super) fn stages(&self) -> [(&'static str, HistogramSnapshot); 2] {
        [("log", self.log.clone()), ("apply", self.apply.clone())]
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let LogSnapshot { state, figures, journal, replay_done_ratio } = &self.snapshot;
        writer.gauge("weir_log_place", "Newest place in the log of batches.", journal.frames.last.0 as f64)?;
        writer.gauge("weir_log_applied_place", "Newest place that is applied.", figures.applied.0 as f64)?;
        let help = "Time that the oldest frame without its application has been on its way.";
        writer.gauge("weir_log_lag_seconds", help, figures.lag_ms as f64 / 1e3)?;
        let help = "Rows of batches that wait for their place or for their application.";
        writer.gauge("weir_log_waiting_rows", help, figures.waiting_rows as f64)?;
        writer.histogram("weir_log_append_seconds", "Time from a frame's append to its place.", &self.append)?;
        writer.counter("weir_log_frame_bytes", "Bytes of appended frames.", self.frame_bytes)?;
        writer.counter("weir_log_void", "Frames of which nothing counts.", figures.void_frames)?;
        let help = "Frames whose recorded outcome was compared with the outcome of this process.";
        writer.counter("weir_log_outcomes_compared", help, figures.judgements_compared)?;
        let help = "Frames that the replay has judged, because the log had not recorded their outcome.";
        writer.gauge("weir_log_replay_judged_frames", help, figures.judged_in_replay as f64)?;
        let help = "Part of the journal that was replayed after the start.";
        writer.gauge("weir_log_replay_done_ratio", help, *replay_done_ratio)?;
        writer.gauge("weir_journal_bytes", "Bytes of the entries in the journal.", journal.live_bytes() as f64)?;
        writer.gauge("weir_journal_limit_bytes", "Limit of the bytes of the entries.", journal.max_bytes as f64)?;
        if let Some(file_bytes) = journal.file_bytes {
            writer.gauge("weir_journal_file_bytes", "What the journal's file takes on the disk.", file_bytes as f64)?;
        }
        if let Some(free_bytes) = journal.free_bytes {
            let help = "Free bytes of the journal's disk when the journal last checked.";
            writer.gauge("weir_journal_free_bytes", help, free_bytes as f64)?;
        }
        writer.histogram("weir_journal_commit_seconds", "Time of a commit with its fsync.", &self.commit)?;
        let takes_entries = u8::from(*state == LogState::Ready);
        writer.gauge("weir_journal_ready", "1 if the journal takes entries, else 0.", takes_entries.into())
    }
}
