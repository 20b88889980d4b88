//! Frames, in the order of the log, into an engine.

use crate::applied::{Applied, Tip};
use crate::frame::{Frame, Judgement, RowRules};
use crate::limits::{NODE_KEPT_MS, TRIM_MARKS_MAX};
use crate::topic::{Entry, Lost, Place};
use crate::walk::{Step, Walk};
use std::collections::VecDeque;
use std::sync::Arc;
use weir::{Engine, Outcome, Refusal, Reservation, Rows};

/// Applies frames. All replicas that apply the same frames judge them alike.
pub(crate) struct Applier {
    engine: Arc<Engine>,
    walk: Walk,
    /// The last frame that has rows and counts.
    last_rows: Place,
    marks: VecDeque<Mark>,
    rows: Rows,
}

/// Some successive frames.
struct Mark {
    /// The first of them, which counts.
    first: Place,
    /// Log time after it.
    first_ms: i64,
    /// Log time after the last of them, or a later reading of a void frame among them.
    last_ms: i64,
}

impl Applier {
    /// An applier of the frames of a log, into an engine that has nothing of the log yet.
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        engine.follow_log();
        Self {
            walk: Walk::new(RowRules::new(engine.config())),
            engine,
            last_rows: Place(0),
            marks: VecDeque::new(),
            rows: Rows::default(),
        }
    }

    pub(crate) fn rules(&self) -> RowRules {
        self.walk.rules()
    }

    pub(crate) fn tip(&self) -> Tip {
        self.walk.tip()
    }

    /// A number for the entry at a place; none if the place is too old.
    pub(crate) fn link_at(&self, place: Place) -> Option<u64> {
        self.walk.link_at(place)
    }

    /// Applies the next frame. Without a recorded judgement it is judged. `reserved` returns the capacity that a part
    /// of a frame of the given node has; it is asked at the first landing only.
    ///
    /// # Errors
    /// The entry is no frame, or its author has read another log.
    pub(crate) fn apply(
        &mut self,
        entry: &Entry,
        recorded: Option<&Judgement>,
        mut reserved: impl FnMut(u64, u64, usize) -> Reservation,
    ) -> Result<Applied, Lost> {
        let Step { frame, is_first, is_void, suspect } = self.walk.step(entry, recorded)?;
        let (judgement, parts) = if is_void {
            self.mark_void(entry, &frame);
            let refused = |rows| Outcome::refused_all(rows, Refusal::Overloaded);
            (Judgement::Void, frame.parts.iter().map(|part| (part.ticket, refused(part.len()))).collect())
        } else {
            self.advance_log_time(entry.place, &frame);
            match recorded {
                Some(Judgement::Refused(refused)) => {
                    (Judgement::Refused(refused.clone()), self.restore(&frame, refused))
                }
                _ => self.judge(&frame, |ticket, rows| reserved(frame.head.node, ticket, rows)),
            }
        };
        let recorded = if is_void { vec![] } else { owned_judgements(&frame) };
        let (place, head, logged_at_ms) = (entry.place, frame.head, entry.logged_at_ms);
        let has_rows = !frame.parts.is_empty();
        Ok(Applied { place, head, logged_at_ms, is_first, has_rows, judgement, parts, recorded, suspect })
    }

    /// The engine's log time rises before anything of the frame is claimed.
    fn advance_log_time(&mut self, place: Place, frame: &Frame<'_>) {
        let log_ms = self.walk.log_ms();
        self.engine.advance_log_time(log_ms);
        if !frame.parts.is_empty() {
            self.last_rows = place;
        }
        self.mark(place);
    }

    fn judge(
        &mut self,
        frame: &Frame<'_>,
        mut reserved: impl FnMut(u64, usize) -> Reservation,
    ) -> (Judgement, Vec<(u64, Outcome)>) {
        let (mut refused, mut parts, mut before) = (vec![], vec![], 0);
        for part in &frame.parts {
            part.read_rows(&mut self.rows);
            let reservation = reserved(part.ticket, part.len());
            let outcome = self.engine.apply(&self.rows, part.received_at_ms, reservation);
            refused.extend(outcome.refused().iter().map(|(row, refusal)| (before + row, *refusal)));
            before += part.len() as u32;
            parts.push((part.ticket, outcome));
        }
        (Judgement::Refused(refused), parts)
    }

    fn restore(&mut self, frame: &Frame<'_>, refused: &[(u32, Refusal)]) -> Vec<(u64, Outcome)> {
        let (mut refused, mut parts, mut before) = (refused.iter().peekable(), vec![], 0);
        for part in &frame.parts {
            let rows = part.len() as u32;
            let mut outcome = Outcome::accepted(part.len());
            while let Some((row, refusal)) = refused.next_if(|(row, _)| *row < before + rows) {
                outcome.refuse(row - before, *refusal);
            }
            part.read_rows(&mut self.rows);
            self.engine.restore(&self.rows, &outcome, part.received_at_ms, self.walk.log_ms());
            before += rows;
            parts.push((part.ticket, outcome));
        }
        parts
    }

    /// Notes log time after a frame that counts, about as often as there is room for in the reach.
    fn mark(&mut self, place: Place) {
        let log_ms = self.walk.log_ms();
        let span_ms = log_ms.saturating_sub(self.engine.reach_ms(log_ms));
        let step_ms = (span_ms / (TRIM_MARKS_MAX as i64 / 2)).max(1);
        match self.marks.back_mut() {
            Some(mark) if log_ms < mark.first_ms.saturating_add(step_ms) => mark.last_ms = mark.last_ms.max(log_ms),
            _ => self.marks.push_back(Mark { first: place, first_ms: log_ms, last_ms: log_ms }),
        }
        if self.marks.len() > TRIM_MARKS_MAX {
            self.marks.pop_front();
        }
    }

    /// A void frame may have a reading ahead of log time. A copy that lands later is void because it is a copy, and
    /// only a reader of the first landing knows that. So the first landing stays until the reading is behind log time.
    fn mark_void(&mut self, entry: &Entry, frame: &Frame<'_>) {
        if let (Some(mark), Some(logged_at_ms)) = (self.marks.back_mut(), entry.logged_at_ms) {
            // A copy of a frame that is further ahead would be void for that.
            let copied_until_ms = frame.head.reading_ms.min(logged_at_ms.saturating_add(NODE_KEPT_MS));
            mark.last_ms = mark.last_ms.max(copied_until_ms);
        }
    }

    /// The first place that a replay still needs. Its frame counts, and it has raised log time. So a replay from there
    /// knows log time exactly, and recognises every copy of an earlier frame as behind log time.
    ///
    /// From log time `judged_from_ms` on it judges frames, and it needs all that these frames are judged by.
    pub(crate) fn needed_from(&mut self, judged_from_ms: Option<i64>) -> Place {
        let reach_ms = self.engine.reach_ms(judged_from_ms.unwrap_or(self.walk.log_ms()));
        while self.marks.pop_front_if(|mark| mark.last_ms < reach_ms).is_some() {}
        self.marks.front().map_or(Place(0), |mark| mark.first)
    }

    /// Whether the log from `before` on has rows. A later log time lets them be trimmed.
    pub(crate) fn has_rows_from(&self, before: Place) -> bool {
        self.last_rows > Place(0) && self.last_rows >= before
    }
}

pub(crate) fn owned_judgements(frame: &Frame<'_>) -> Vec<(Place, Judgement)> {
    frame.judgements().map(|(place, judgement)| (place, judgement.clone())).collect()
}
