//! The metrics of the log, and of its journal or its cluster.

use crate::histogram::HistogramSnapshot;
use crate::http::exposition::writer::Writer;
use crate::log::{EventLog, LogSnapshot, LogState, StoreStatus};
use std::fmt;
#[cfg(feature = "cluster")]
use weir_log::jetstream;
use weir_log::journal;

/// The state of a log at one moment.
pub(super) struct LogMetrics {
    snapshot: LogSnapshot,
    frame_bytes: u64,
    log: HistogramSnapshot,
    apply: HistogramSnapshot,
    append: HistogramSnapshot,
    barrier: HistogramSnapshot,
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
            barrier: durations.barrier.read(),
            commit: durations.commit.read(),
        })
    }

    /// The stages that only an engine with a log has.
    pub(super) fn stages(&self) -> [(&'static str, HistogramSnapshot); 2] {
        [("log", self.log.clone()), ("apply", self.apply.clone())]
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let LogSnapshot { figures, store, replay_done_ratio, .. } = &self.snapshot;
        writer.gauge("weir_log_place", "Newest place in the log of batches.", store.place() as f64)?;
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
        let help = "Part of the log that was replayed after the start.";
        writer.gauge("weir_log_replay_done_ratio", help, *replay_done_ratio)?;
        match store {
            StoreStatus::Journal(journal) => self.write_journal(journal, writer),
            #[cfg(feature = "cluster")]
            StoreStatus::Cluster(cluster) => self.write_cluster(cluster, writer),
        }
    }

    /// 1 if the log takes entries, else 0.
    fn is_ready(&self) -> f64 {
        u8::from(self.snapshot.state == LogState::Ready).into()
    }

    fn write_journal(&self, journal: &journal::Status, writer: &mut Writer<'_>) -> fmt::Result {
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
        writer.gauge("weir_journal_ready", "1 if the journal takes entries, else 0.", self.is_ready())
    }

    #[cfg(feature = "cluster")]
    fn write_cluster(&self, cluster: &jetstream::Status, writer: &mut Writer<'_>) -> fmt::Result {
        let LogSnapshot { state, figures, age_ms, .. } = &self.snapshot;
        let jetstream::Status { is_connected, frames, reference } = cluster;
        let help = "Age of the newest entry of the log that this node has applied.";
        writer.gauge("weir_log_age_seconds", help, *age_ms as f64 / 1e3)?;
        if let Some(clock_offset_ms) = figures.clock_offset_ms {
            let help = "How far the clock of the log is ahead of the clock of this node.";
            writer.gauge("weir_log_clock_offset_seconds", help, clock_offset_ms as f64 / 1e3)?;
        }
        let help = "Time from a read's question to the answer that this node is up to date.";
        writer.histogram("weir_log_barrier_seconds", help, &self.barrier)?;
        let help = "Reads that wait until this node is up to date.";
        writer.gauge("weir_log_waiting_reads", help, figures.waiting_barriers as f64)?;
        let both = |figure: fn(&jetstream::StreamStatus) -> u64| figure(frames) + figure(reference);
        writer.counter("weir_log_resent", "Entries that were sent more than once.", both(|of| of.resent))?;
        let help = "New consumers after silence, a gap or a failure.";
        writer.counter("weir_log_reader_restarts", help, both(|of| of.reader_restarts))?;
        writer.gauge("weir_log_peers", "Other nodes that were heard in the last seconds.", figures.peers as f64)?;
        let help = "Frames that the log has recorded otherwise than this node has judged them.";
        writer.counter("weir_log_disputed", help, figures.judgements_disputed)?;
        let help = "Frames whose authors have read another log than this node.";
        writer.counter("weir_log_suspect", help, figures.suspect_frames)?;
        let help = "1 if another node has no capacity for more events, else 0.";
        writer.gauge("weir_cluster_peer_full", help, u8::from(figures.is_peer_full).into())?;
        writer.gauge("weir_cluster_bytes", "Bytes of the batches in the log of the cluster.", frames.bytes as f64)?;
        if let Some(max_bytes) = frames.max_bytes {
            writer.gauge("weir_cluster_limit_bytes", "Limit of the bytes of the batches.", max_bytes as f64)?;
        }
        let help = "1 if the node is connected to a NATS server, else 0.";
        writer.gauge("weir_cluster_connected", help, u8::from(*is_connected).into())?;
        let failed = matches!(state, LogState::Failed(..));
        let help = "1 if the node cannot go on before a restart, else 0.";
        writer.gauge("weir_cluster_failed", help, u8::from(failed).into())?;
        writer.gauge("weir_cluster_ready", "1 if the node takes events, else 0.", self.is_ready())
    }
}
