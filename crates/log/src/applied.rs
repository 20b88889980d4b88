//! The result of the application of a frame: which batches are answered, and what later frames record.

use crate::frame::{Head, Judgement};
use crate::topic::Place;
use weir::Outcome;

/// A frame that was applied.
pub(crate) struct Applied {
    pub(crate) place: Place,
    /// What the frame says of its author.
    pub(crate) head: Head,
    /// When the log took the frame, by the clock of the log; none if it has no clock of its own.
    pub(crate) logged_at_ms: Option<i64>,
    /// Whether this was the first landing of the frame. Later ones answer no batch.
    pub(crate) is_first: bool,
    pub(crate) has_rows: bool,
    pub(crate) judgement: Judgement,
    /// The ticket and the outcome of each part.
    pub(crate) parts: Vec<(u64, Outcome)>,
    /// What the frame has recorded of earlier frames; nothing if it is void.
    pub(crate) recorded: Vec<(Place, Judgement)>,
    /// The author of the frame, if it has read another log.
    pub(crate) suspect: Option<Suspect>,
}

/// Where the applier is. Later frames name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) applied: Place,
    pub(crate) chain: u64,
    pub(crate) log_ms: i64,
}

/// An author that names another chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) author: u64,
    /// The place of the frame.
    pub(crate) place: Place,
    /// The place whose chain value differs.
    pub(crate) named: Place,
    /// Log time at the frame.
    pub(crate) log_ms: i64,
}
