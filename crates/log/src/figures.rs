//! The figures of a log, for its operator.

use crate::topic::Place;

/// The figures of a log since the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The newest place that is applied.
    pub applied: Place,
    /// Batches that have no answer yet.
    pub waiting_batches: usize,
    /// The rows of these batches.
    pub waiting_rows: usize,
    /// How long the oldest own frame that is not applied has been on its way, in milliseconds; 0 if there is none.
    pub lag_ms: i64,
    /// Frames that were judged, and of which nothing counts.
    pub void_frames: u64,
    /// Frames whose recorded judgement was compared with the judgement of this process.
    pub judgements_compared: u64,
    /// Frames with rows that the replay has judged, because no frame has recorded their judgement.
    pub judged_in_replay: u64,
    /// Barriers that have no answer yet.
    pub waiting_barriers: usize,
    /// How far the clock of the log is ahead of the clock of this process, in milliseconds. None if the log has no
    /// clock of its own, or if no frame of this process is applied.
    pub clock_offset_ms: Option<i64>,
    /// Whether that offset is too large to take batches.
    pub is_clock_off: bool,
    /// Frames that the log has recorded differently than this process has judged them. Above 0, one node is wrong.
    pub judgements_disputed: u64,
    /// Frames whose authors have judged an earlier frame differently than this process. Above 0, one node is wrong.
    pub differing_frames: u64,
    /// Frames whose authors have read another log, although the log is what this process has read.
    pub suspect_frames: u64,
    /// Other nodes that were heard in the last seconds.
    pub peers: usize,
    /// The newest version of a frame that this process and all these nodes read.
    pub version_read_by_all: u8,
    /// Whether one of these nodes has no room for more events. Then no batch is taken.
    pub is_peer_full: bool,
}

/// Counts what is applied.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) void_frames: u64,
    pub(crate) judgements_compared: u64,
    pub(crate) judged_in_replay: u64,
    pub(crate) judgements_disputed: u64,
    pub(crate) differing_frames: u64,
    pub(crate) suspect_frames: u64,
}
