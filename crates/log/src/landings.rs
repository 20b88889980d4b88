//! Which frames count: each one at its first landing, if its clock readings are near each other and near log time.
//!
//! A writer that got no answer sends a frame again, so a frame may be in the log twice. All readers see the same log,
//! and decide by it alone.

use crate::frame::{Frame, Head};
use crate::limits::{
    AHEAD_OF_FRAME_MS_MAX, BEHIND_FRAME_MS_MAX, BEHIND_LOG_TIME_MS_MAX, LANDINGS_KEPT, NODE_KEPT_MS, NODES_MAX,
};
use std::collections::BTreeMap;

/// Whether a reading may be in a frame that the log took at this time, at this log time.
pub(crate) fn is_timely(received_at_ms: i64, logged_at_ms: i64, log_ms: i64) -> bool {
    let ahead_ms = received_at_ms.saturating_sub(logged_at_ms);
    (-BEHIND_FRAME_MS_MAX..=AHEAD_OF_FRAME_MS_MAX).contains(&ahead_ms)
        && received_at_ms >= log_ms.saturating_sub(BEHIND_LOG_TIME_MS_MAX)
}

/// Whether all readings of a frame are timely. The log time that it names is not ahead of what that allows. In a log on
/// one machine, the reading of the frame is the time at which the log took it.
pub(crate) fn is_frame_timely(frame: &Frame<'_>, logged_at_ms: Option<i64>, log_ms: i64) -> bool {
    let reading_ms = frame.head.reading_ms;
    let logged_at_ms = logged_at_ms.unwrap_or(reading_ms);
    if frame.head.log_ms > logged_at_ms.saturating_add(BEHIND_LOG_TIME_MS_MAX) {
        return false;
    }
    let mut readings = frame.parts.iter().map(|part| part.received_at_ms).chain([reading_ms]);
    readings.all(|received_at_ms| is_timely(received_at_ms, logged_at_ms, log_ms))
}

/// The frames of each node that have landed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Landings {
    pub(crate) nodes: BTreeMap<u64, Landed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Landed {
    pub(crate) greatest: u64,
    /// Bit `n`: whether the frame that is `n` before the greatest one has landed.
    pub(crate) last: u64,
    /// Log time at the last landing, or the reading of that frame if it is later.
    pub(crate) heard_ms: i64,
}

impl Landings {
    /// Notes a landing; returns whether it is the first one of this frame. A frame that is far behind later ones of
    /// its node counts as one that has landed.
    pub(crate) fn is_first(&mut self, head: &Head, log_ms: i64) -> bool {
        let (node, number, heard_ms) = (head.node, head.number, log_ms.max(head.reading_ms));
        self.forget_old_nodes(node, log_ms);
        let landed = self.nodes.entry(node).or_insert(Landed { greatest: number, last: 0, heard_ms });
        landed.heard_ms = heard_ms;
        if let Some(ahead) = number.checked_sub(landed.greatest) {
            landed.last = if ahead < LANDINGS_KEPT { landed.last << ahead } else { 0 };
            landed.greatest = number;
        }
        let behind = landed.greatest - number;
        let bit = if behind < LANDINGS_KEPT { 1 << behind } else { 0 };
        let is_first = bit != 0 && landed.last & bit == 0;
        landed.last |= bit;
        is_first
    }

    /// Makes room for a node. All readers forget the same nodes, because the log alone decides.
    fn forget_old_nodes(&mut self, node: u64, log_ms: i64) {
        if self.nodes.contains_key(&node) {
            return;
        }
        self.nodes.retain(|_, landed| landed.heard_ms >= log_ms.saturating_sub(NODE_KEPT_MS));
        if self.nodes.len() >= NODES_MAX {
            let oldest = self.nodes.iter().min_by_key(|(node, landed)| (landed.heard_ms, **node));
            if let Some(oldest) = oldest.map(|(node, _)| *node) {
                self.nodes.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_once_in_any_order_within_the_window() {
        let mut landings = Landings::default();
        let mut is_first = |node, number| landings.is_first(&Head { node, number, ..Head::default() }, 0);
        let landed = [5, 6, 5, 3, 6, 3, 69, 6, 5, 7, 70, 4_000, 3_999, 70, 3_999];
        let first = landed.map(|number| is_first(1, number));
        let expected =
            [true, true, false, true, false, false, true, false, false, true, true, true, true, false, false];
        assert_eq!(first, expected);
        assert!(is_first(2, 5), "each node has its own numbers");
    }

    #[test]
    fn nodes_are_forgotten_when_a_copy_would_be_behind_log_time() {
        let mut landings = Landings::default();
        let head = |node, reading_ms| Head { node, number: 1, reading_ms, ..Head::default() };
        assert!(landings.is_first(&head(1, 0), i64::MIN), "the first frame of a log comes before log time");
        assert!(landings.is_first(&head(2, NODE_KEPT_MS), 0));
        assert!(landings.is_first(&head(3, 0), NODE_KEPT_MS));
        assert!(!landings.is_first(&head(1, 0), NODE_KEPT_MS));
        let later_ms = 2 * NODE_KEPT_MS + 1;
        assert!(landings.is_first(&head(4, later_ms), later_ms));
        assert_eq!(landings.nodes.len(), 1);
        (0..2 * NODES_MAX as u64).for_each(|node| _ = landings.is_first(&head(node, later_ms), later_ms));
        assert_eq!(landings.nodes.len(), NODES_MAX);
    }

    #[test]
    fn readings_are_timely_up_to_the_millisecond() {
        let now_ms = 1_000_000;
        assert!(is_timely(now_ms + 5_000, now_ms, 0) && !is_timely(now_ms + 5_001, now_ms, 0));
        assert!(is_timely(now_ms - 30_000, now_ms, 0) && !is_timely(now_ms - 30_001, now_ms, 0));
        assert!(is_timely(now_ms, now_ms, now_ms + 60_000) && !is_timely(now_ms, now_ms, now_ms + 60_001));
        assert!(is_timely(i64::MIN, i64::MIN, i64::MIN) && !is_timely(i64::MAX, i64::MIN, i64::MIN));
    }
}
