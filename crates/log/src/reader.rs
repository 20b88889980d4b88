//! The reader of a log: a replay up to the end, and from then on each frame as it comes.

use crate::applied::Suspect;
use crate::apply::Applier;
use crate::desk::Desk;
use crate::frame::{Judgement, RowRules};
use crate::limits::TRIM_AFTER_MS;
use crate::replay::Replay;
use crate::topic::{Entry, Lost, Place};
use std::sync::Arc;
use weir::{Clock, Engine};

pub(crate) struct Reader {
    desk: Arc<Desk>,
    applier: Applier,
    /// None once the end of the log was reached.
    replay: Option<Replay>,
    last: Place,
    uptime: Box<dyn Clock>,
    started_ms: i64,
    /// The author of a frame that was applied, if it has read another log.
    suspect: Option<Suspect>,
}

impl Reader {
    /// A reader of a log from its beginning, into an engine that has nothing of it yet. `uptime` is a clock that
    /// cannot be set.
    pub(crate) fn new(desk: Arc<Desk>, engine: Arc<Engine>, uptime: Box<dyn Clock>) -> Self {
        let started_ms = uptime.now_ms();
        Self {
            desk,
            applier: Applier::new(engine),
            replay: Some(Replay::default()),
            last: Place(0),
            uptime,
            started_ms,
            suspect: None,
        }
    }

    /// Takes the next entry of the log.
    ///
    /// # Errors
    /// Entries are missing, an entry is no frame, or it contradicts what was read before.
    pub(crate) fn read(&mut self, entry: Entry) -> Result<(), Lost> {
        if entry.place <= self.last {
            return Ok(()); // a follower may repeat entries after an interruption
        }
        if self.last > Place(0) && entry.place.0 != self.last.0 + 1 {
            return Err(Lost::log(format!("the log skips from place {} to {}", self.last.0, entry.place.0)));
        }
        self.last = entry.place;
        let Some(replay) = &mut self.replay else { return self.apply(&entry, None) };
        replay.read(entry, self.applier.rules())?;
        self.apply_held(false)
    }

    /// There is no further entry now.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub(crate) fn end_of_log(&mut self) -> Result<(), Lost> {
        if self.replay.is_some() {
            self.apply_held(true)?;
            self.replay = None;
            self.desk.ready();
        }
        Ok(())
    }

    /// The last suspect since the last call.
    pub(crate) fn take_suspect(&mut self) -> Option<Suspect> {
        self.suspect.take()
    }

    /// A number for the entry at a place; none if the place is too old.
    pub(crate) fn link_at(&self, place: Place) -> Option<u64> {
        self.applier.link_at(place)
    }

    pub(crate) fn rules(&self) -> RowRules {
        self.applier.rules()
    }

    fn apply_held(&mut self, is_end: bool) -> Result<(), Lost> {
        while let Some((entry, judgement)) = self.replay.as_mut().and_then(|replay| replay.next(is_end)) {
            self.apply(&entry, judgement.as_ref())?;
        }
        Ok(())
    }

    fn apply(&mut self, entry: &Entry, judgement: Option<&Judgement>) -> Result<(), Lost> {
        let desk = &self.desk;
        let reserved = |node, ticket, rows| desk.take_reservation(node, ticket, rows);
        let applied = self.applier.apply(entry, judgement, reserved)?;
        self.suspect = applied.suspect.or(self.suspect);
        let judged_from_ms = desk.applied(applied, judgement.is_none(), self.applier.tip())?;
        // A process that has started with a wrong clock forgets nothing before an operator can stop it.
        let is_settled = self.uptime.now_ms().saturating_sub(self.started_ms) >= TRIM_AFTER_MS;
        let needed_from = if is_settled { self.applier.needed_from(judged_from_ms) } else { Place(0) };
        desk.set_needed(needed_from, self.applier.has_rows_from(needed_from));
        Ok(())
    }
}
