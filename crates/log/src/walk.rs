//! What follows from the frames of a log alone, without an engine: which frames count, their chain, and log time.

use crate::applied::{Suspect, Tip};
use crate::chain::{Chain, frame_link};
use crate::frame::{Frame, Judgement, Part, RowRules};
use crate::landings::{Landings, is_frame_timely};
use crate::topic::{Entry, Lost, Place};

/// A reading of all frames of a log in their order, from its first place on. All readers of the same frames decide
/// alike.
pub(crate) struct Walk {
    rules: RowRules,
    applied: Place,
    chain: Chain,
    landings: Landings,
    /// Log time: the greatest clock reading of any frame that counts.
    log_ms: i64,
}

/// A frame, and whether it counts.
pub(crate) struct Step<'a> {
    pub(crate) frame: Frame<'a>,
    /// Whether this is the first landing of the frame.
    pub(crate) is_first: bool,
    /// Whether nothing of the frame counts.
    pub(crate) is_void: bool,
    /// Whether the author has read another log, in a log of several nodes.
    pub(crate) suspect: Option<Suspect>,
}

impl Walk {
    pub(crate) fn new(rules: RowRules) -> Self {
        let (applied, chain) = (Place(0), Chain::new(Place(0)));
        Self { rules, applied, chain, landings: Landings::default(), log_ms: i64::MIN }
    }

    pub(crate) fn rules(&self) -> RowRules {
        self.rules
    }

    pub(crate) fn log_ms(&self) -> i64 {
        self.log_ms
    }

    pub(crate) fn tip(&self) -> Tip {
        // Place 0 stands for a chain value that is not known yet: it is never checked.
        let chain = self.chain.value();
        let applied = if chain.is_some() { self.applied } else { Place(0) };
        Tip { applied, chain: chain.unwrap_or(0), log_ms: self.log_ms }
    }

    /// Reads the next frame. A recorded judgement holds; without one the log up to here decides whether the frame
    /// counts. A frame that counts raises log time.
    ///
    /// # Errors
    /// The entry is no frame, its author has read another log, or its record does not fit.
    pub(crate) fn step<'a>(&mut self, entry: &'a Entry, recorded: Option<&Judgement>) -> Result<Step<'a>, Lost> {
        let frame = decode(entry, self.rules)?;
        let is_first = !frame.is_foreign() && self.landings.is_first(&frame.head, self.log_ms);
        if entry.place.0 > self.applied.0 + 1 {
            // The beginning of the log was removed.
            self.chain = Chain::new(Place(entry.place.0 - 1));
        }
        self.chain.push(frame_link(&frame, entry.bytes.len()));
        self.applied = entry.place;
        let is_void = match recorded {
            Some(judgement) => *judgement == Judgement::Void,
            None => !is_first || !is_frame_timely(&frame, entry.logged_at_ms, self.log_ms),
        };
        let mut suspect = None;
        if !is_void {
            self.raise_log_time(&frame);
            suspect = self.suspect(entry.place, &frame);
        }
        if let Some(Suspect { named: Place(named), .. }) = suspect.filter(|_| !entry.is_of_shared_log()) {
            let at = entry.place.0;
            return Err(Lost::log(format!(
                "the frame at place {at} follows another log: it names another chain at {named}"
            )));
        }
        check_record(entry.place, &frame, recorded)?;
        Ok(Step { frame, is_first, is_void, suspect })
    }

    /// Whether the author of a frame has read another log up to the place that it names.
    fn suspect(&mut self, place: Place, frame: &Frame<'_>) -> Option<Suspect> {
        let (author, named) = (frame.head.node, frame.head.applied);
        let is_other = named >= place || (named > Place(0) && !self.chain.agrees(named, frame.head.chain));
        is_other.then_some(Suspect { author, place, named, log_ms: self.log_ms })
    }

    /// A number for the entry at a place; none if the place is too old.
    pub(crate) fn link_at(&self, place: Place) -> Option<u64> {
        self.chain.link_at(place)
    }

    fn raise_log_time(&mut self, frame: &Frame<'_>) {
        let readings = frame.parts.iter().map(|part| part.received_at_ms);
        let newest_ms = readings.chain([frame.head.reading_ms, frame.head.log_ms]).max().unwrap_or(i64::MIN);
        self.log_ms = self.log_ms.max(newest_ms);
    }
}

/// The rows that are recorded as refused are rows of the frame.
fn check_record(place: Place, frame: &Frame<'_>, recorded: Option<&Judgement>) -> Result<(), Lost> {
    let rows: usize = frame.parts.iter().map(Part::len).sum();
    match recorded {
        Some(Judgement::Refused(refused)) if refused.last().is_some_and(|(row, _)| *row as usize >= rows) => {
            Err(Lost::log(format!("the frame at place {} has a record of rows that it does not have", place.0)))
        }
        _ => Ok(()),
    }
}

/// Whether another program has put the entry into the log.
pub(crate) fn is_foreign(entry: &Entry) -> bool {
    entry.is_of_shared_log() && !Frame::is_intact(&entry.bytes)
}

/// Decodes the frame of an entry. What another program has put into the log stands for a frame of which nothing counts.
pub(crate) fn decode(entry: &Entry, rules: RowRules) -> Result<Frame<'_>, Lost> {
    if is_foreign(entry) {
        return Ok(Frame::foreign(&entry.bytes));
    }
    Frame::decode(&entry.bytes, rules)
        .map_err(|error| Lost::log(format!("place {} has no frame: {}", entry.place.0, error.0)))
}
