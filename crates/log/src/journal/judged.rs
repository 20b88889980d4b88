//! The frames of a journal with what became of them, without an engine.

use weir::EngineConfig;

use super::error::JournalError;
use super::read_only::ReadOnlyJournal;
use super::store::Topic;
use crate::frame::{Frame, Judgement, RowRules};
use crate::replay::Replay;
use crate::topic::{Entry, Lost};
use crate::walk::{Step, Walk};

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
    let walk = Walk::new(RowRules::new(config));
    let mut visitor = Visitor { journal, walk, replay: Replay::default(), visit };
    for entry in journal.entries(Topic::Frames) {
        visitor.replay.read(entry?, visitor.walk.rules()).map_err(|lost| journal.damaged(lost.why))?;
        visitor.visit_held(false)?;
    }
    visitor.visit_held(true)
}

struct Visitor<'a, V> {
    journal: &'a ReadOnlyJournal,
    walk: Walk,
    replay: Replay,
    visit: V,
}

impl<V: FnMut(&Judged<'_>) -> Result<(), JournalError>> Visitor<'_, V> {
    fn visit_held(&mut self, is_end: bool) -> Result<(), JournalError> {
        while let Some((entry, judgement)) = self.replay.next(is_end) {
            let judged = self.judged(&entry, judgement).map_err(|lost| self.journal.damaged(lost.why))?;
            (self.visit)(&judged)?;
        }
        Ok(())
    }

    fn judged<'e>(&mut self, entry: &'e Entry, judgement: Option<Judgement>) -> Result<Judged<'e>, Lost> {
        let Step { frame, is_void, .. } = self.walk.step(entry, judgement.as_ref())?;
        Ok(Judged { frame, judgement, is_void, log_ms: self.walk.log_ms() })
    }
}
