//! The judgements of this process that the log has not recorded yet.
//!
//! In a log of several nodes, the author of a frame records its judgement. Only if it has not done so for a while, the
//! others do: it may be gone. So a node that judges wrongly does not speak for the frames of others.

use crate::frame::{FrameBuilder, Judgement};
use crate::limits::AUTHOR_RECORDS_MS;
use crate::topic::Place;
use std::collections::BTreeMap;

/// Judgements between the application of a frame and the application of a later frame that records them.
pub(crate) struct Outcomes {
    /// This node, in a log of several nodes.
    node: Option<u64>,
    unrecorded: BTreeMap<Place, Unrecorded>,
    /// The number of unrecorded frames that have rows, and that this node waits for when it stops.
    with_rows: usize,
    /// Log time at the newest frame.
    log_ms: i64,
}

struct Unrecorded {
    judgement: Judgement,
    noted: Noted,
    /// Whether a frame on its way records it.
    is_offered: bool,
}

/// What is noted of a frame beside its judgement.
#[derive(Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) author: u64,
    pub(crate) has_rows: bool,
    /// Log time after the frame.
    pub(crate) log_ms: i64,
}

/// How the record of a place compares with the judgement of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// The place was recorded before, or it was not judged here.
    Again,
    Same,
    Different,
}

impl Outcomes {
    /// `node` is this node in a log of several nodes. In a log of one process, it records all.
    pub(crate) fn new(node: Option<u64>) -> Self {
        Self { node, unrecorded: BTreeMap::new(), with_rows: 0, log_ms: i64::MIN }
    }

    /// Notes the judgement of a frame that no frame has recorded yet.
    pub(crate) fn note(&mut self, place: Place, judgement: Judgement, noted: Noted) {
        self.with_rows += usize::from(noted.has_rows && self.is_own(noted));
        self.log_ms = self.log_ms.max(noted.log_ms);
        self.unrecorded.insert(place, Unrecorded { judgement, noted, is_offered: false });
    }

    fn is_own(&self, noted: Noted) -> bool {
        self.node.is_none_or(|node| node == noted.author)
    }

    /// The log time from which on a replay judges frames, if it starts now; none if it judges none.
    pub(crate) fn judged_from_ms(&self) -> Option<i64> {
        self.unrecorded.values().next().map(|unrecorded| unrecorded.noted.log_ms)
    }

    /// Notes that a frame has recorded a judgement. The first record of a place holds for ever.
    pub(crate) fn recorded(&mut self, place: Place, judgement: &Judgement) -> Recorded {
        let Some(unrecorded) = self.unrecorded.remove(&place) else { return Recorded::Again };
        self.with_rows -= usize::from(unrecorded.noted.has_rows && self.is_own(unrecorded.noted));
        if unrecorded.judgement == *judgement { Recorded::Same } else { Recorded::Different }
    }

    /// Whether the next frame of this node may record it.
    fn is_next(&self, unrecorded: &Unrecorded) -> bool {
        let is_old = unrecorded.noted.log_ms.saturating_add(AUTHOR_RECORDS_MS) < self.log_ms;
        !unrecorded.is_offered && (is_old || self.is_own(unrecorded.noted))
    }

    /// Whether a frame with rows is not recorded, and no frame on its way records it.
    pub(crate) fn are_due(&self) -> bool {
        self.with_rows > 0
            && self.unrecorded.values().any(|unrecorded| unrecorded.noted.has_rows && self.is_next(unrecorded))
    }

    /// Whether each frame with rows is recorded that this node waits for when it stops.
    pub(crate) fn are_recorded(&self) -> bool {
        self.with_rows == 0
    }

    /// The first place that the next frame records; none if it records nothing.
    fn next(&self) -> Option<Place> {
        self.unrecorded.iter().find(|(_, unrecorded)| self.is_next(unrecorded)).map(|(place, _)| *place)
    }

    /// Puts successive judgements into a frame, as far as they fit.
    pub(crate) fn offer(&mut self, start: impl FnOnce(Place) -> FrameBuilder) -> FrameBuilder {
        let first = self.next().unwrap_or(Place(0));
        let (mut frame, mut next) = (start(first), first);
        while let Some(unrecorded) = self.unrecorded.get(&next) {
            if !self.is_next(unrecorded) || !frame.record(&unrecorded.judgement) {
                break;
            }
            self.unrecorded.entry(next).and_modify(|unrecorded| unrecorded.is_offered = true);
            next.0 += 1;
        }
        frame
    }

    /// A frame on its way may be lost, so what it has recorded is offered again.
    pub(crate) fn offer_again(&mut self) {
        self.unrecorded.values_mut().for_each(|unrecorded| unrecorded.is_offered = false);
    }
}
