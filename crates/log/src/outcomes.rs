//! The judgements of this process that the log has not recorded yet.

use crate::frame::{FrameBuilder, Judgement};
use crate::topic::{Lost, Place};
use std::collections::BTreeMap;

/// Judgements between the application of a frame and the application of a later frame that records them.
#[derive(Default)]
pub(crate) struct Outcomes {
    unrecorded: BTreeMap<Place, Noted>,
    /// The places before this one are in frames on their way.
    offered_before: Place,
    /// The number of unrecorded frames that have rows.
    with_rows: usize,
}

struct Noted {
    judgement: Judgement,
    has_rows: bool,
    log_ms: i64,
}

impl Outcomes {
    /// Notes the judgement of a frame that no frame has recorded yet, and its log time.
    pub(crate) fn note(&mut self, place: Place, judgement: Judgement, has_rows: bool, log_ms: i64) {
        self.with_rows += usize::from(has_rows);
        self.unrecorded.insert(place, Noted { judgement, has_rows, log_ms });
    }

    /// The log time from which on a replay judges frames, if it starts now; none if it judges none.
    pub(crate) fn judged_from_ms(&self) -> Option<i64> {
        self.unrecorded.values().next().map(|noted| noted.log_ms)
    }

    /// Notes that a frame has recorded a judgement. The first record of a place holds for ever. Returns whether this
    /// process has judged that place, too.
    ///
    /// # Errors
    /// This process has judged otherwise.
    pub(crate) fn recorded(&mut self, place: Place, judgement: &Judgement) -> Result<bool, Lost> {
        let Some(noted) = self.unrecorded.remove(&place) else { return Ok(false) };
        self.with_rows -= usize::from(noted.has_rows);
        if noted.judgement == *judgement {
            return Ok(true);
        }
        Err(Lost(format!("the frame at place {} was judged differently here than the log has recorded", place.0)))
    }

    /// Whether a frame with rows is not recorded, and no frame on its way records it.
    pub(crate) fn are_due(&self) -> bool {
        self.with_rows > 0 && self.unrecorded.range(self.offered_before..).any(|(_, noted)| noted.has_rows)
    }

    /// Whether each frame with rows is recorded.
    pub(crate) fn are_recorded(&self) -> bool {
        self.with_rows == 0
    }

    /// The first place that the next frame records.
    pub(crate) fn next(&self) -> Place {
        self.unrecorded.range(self.offered_before..).next().map_or(self.offered_before, |(place, _)| *place)
    }

    /// Puts successive judgements into a frame that begins with that of [`next`](Self::next), as far as they fit.
    pub(crate) fn offer(&mut self, frame: &mut FrameBuilder) {
        let mut next = self.next();
        for (place, noted) in self.unrecorded.range(next..) {
            if *place != next || !frame.record(&noted.judgement) {
                break;
            }
            next.0 += 1;
        }
        self.offered_before = next;
    }

    /// A frame on its way may be lost, so what it has recorded is offered again.
    pub(crate) fn offer_again(&mut self) {
        self.offered_before = Place(0);
    }
}
