//! How far the clock of this node is from the clock of the log.

use crate::limits::{CLOCK_OFFSET_MS_MAX, CLOCK_OFFSETS_KEPT};
use std::collections::VecDeque;

/// The last own frames: how much later the log has taken each one, by its clock, than this node has made it.
#[derive(Default)]
pub(crate) struct ClockOffset(VecDeque<i64>);

impl ClockOffset {
    /// The log has taken a frame of this node.
    pub(crate) fn note(&mut self, reading_ms: i64, logged_at_ms: i64) {
        self.0.push_back(logged_at_ms.saturating_sub(reading_ms));
        if self.0.len() > CLOCK_OFFSETS_KEPT {
            self.0.pop_front();
        }
    }

    /// The offset of the log's clock from the one of this node. Each frame was some time on its way, so the least is
    /// nearest to it.
    pub(crate) fn ms(&self) -> Option<i64> {
        self.0.iter().min().copied()
    }

    /// Whether the clock of this node is too far off to take batches.
    pub(crate) fn is_too_large(&self) -> bool {
        self.ms().is_some_and(|ms| ms.saturating_abs() > CLOCK_OFFSET_MS_MAX)
    }
}
