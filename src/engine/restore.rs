//! Replaces the timelines by restored ones, for tests.

use super::Engine;
use crate::timeline::Timeline;

impl Engine {
    /// Restores each timeline from a snapshot of itself. No answer changes.
    pub(crate) fn restore_timelines(&self) {
        let restore = |(): &mut (), timeline: &mut Timeline| {
            let snapshot = timeline.snapshot();
            timeline.restore(&snapshot);
        };
        drop(self.read_at_new_cut(|_| (), restore));
    }
}
