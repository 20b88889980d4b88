//! Replaces the timelines by restored ones, for tests.

use super::Engine;

impl Engine {
    /// Restores each timeline from a snapshot of itself. No answer changes.
    pub(crate) fn restore_timelines(&self) {
        drop(self.read_at_new_cut(|_, timeline| {
            let snapshot = timeline.snapshot();
            timeline.restore(&snapshot);
        }));
    }
}
