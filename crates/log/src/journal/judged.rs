//! The frames of a journal with what became of them, without an engine.

use weir::EngineConfig;

use super::error::JournalError;
use super::read_only::ReadOnlyJournal;
use super::store::Topic;
use crate::apply::decode;
use crate::chain::Chain;
use crate::frame::{Frame, Judgement, Part, RowRules};
use crate::landings::{Landings, is_frame_timely};
use crate::replay::Replay;
use crate::topic::{Entry, Lost, Place};

/// A frame, and what became of it.
pub(super) struct Judged<'a> {
    pub(super) frame: Frame<'a>,
    /// None if no later frame has recorded it.
    pub(super) judgement: Option<Judgement>,
    /// Whether nothing of the frame counts.
    pub(super) is_void: bool,
    /// Log time after the frame.
    pub(super) log_ms: i64,
}

/// Reads all frames of a journal in their order. Checks that they are frames of an engine with these settings, that
/// their authors have read the same frames, and that all but the last ones are recorded.
///
/// # Errors
/// The first fault, with its place. Or what `visit` returns.
pub(super) fn for_each_frame(
    journal: &ReadOnlyJournal,
    config: &EngineConfig,
    visit: impl FnMut(&Judged<'_>) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let first = journal.span(Topic::Frames).first;
    let mut walk = Walk {
        journal,
        rules: RowRules::new(config),
        replay: Replay::default(),
        chain: Chain::new(Place(first.0.saturating_sub(1))),
        landings: Landings::default(),
        log_ms: i64::MIN,
        visit,
    };
    for entry in journal.entries(Topic::Frames) {
        walk.replay.read(entry?, walk.rules).map_err(|lost| journal.damaged(lost.0))?;
        walk.visit_held(false)?;
    }
    walk.visit_held(true)
}

struct Walk<'a, V> {
    journal: &'a ReadOnlyJournal,
    rules: RowRules,
    replay: Replay,
    chain: Chain,
    landings: Landings,
    log_ms: i64,
    visit: V,
}

impl<V: FnMut(&Judged<'_>) -> Result<(), JournalError>> Walk<'_, V> {
    fn visit_held(&mut self, is_end: bool) -> Result<(), JournalError> {
        while let Some((entry, judgement)) = self.replay.next(is_end) {
            let judged = self.judged(&entry, judgement).map_err(|lost| self.journal.damaged(lost.0))?;
            (self.visit)(&judged)?;
        }
        Ok(())
    }

    /// Decides as the applier of frames does, but for the rows of a frame that is not recorded.
    fn judged<'e>(&mut self, entry: &'e Entry, judgement: Option<Judgement>) -> Result<Judged<'e>, Lost> {
        let frame = decode(entry, self.rules)?;
        let is_first = self.landings.is_first(&frame.head, self.log_ms);
        self.chain.push(&frame, entry.bytes.len());
        let is_void = match &judgement {
            Some(judgement) => *judgement == Judgement::Void,
            None => !is_first || !is_frame_timely(&frame, self.log_ms),
        };
        let lost = |what| Err(Lost(format!("the frame at place {} {what}", entry.place.0)));
        if !is_void {
            let Place(named) = frame.head.applied;
            if named >= entry.place.0 || (named > 0 && !self.chain.agrees(Place(named), frame.head.chain)) {
                return lost("follows another log");
            }
            let readings = frame.parts.iter().map(|part| part.received_at_ms);
            self.log_ms = readings.chain([frame.head.reading_ms, frame.head.log_ms, self.log_ms]).max().unwrap_or(0);
        }
        let rows: usize = frame.parts.iter().map(Part::len).sum();
        if let Some(Judgement::Refused(refused)) = &judgement
            && refused.last().is_some_and(|(row, _)| *row as usize >= rows)
        {
            return lost("has a record of rows that it does not have");
        }
        Ok(Judged { frame, judgement, is_void, log_ms: self.log_ms })
    }
}
