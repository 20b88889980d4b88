//! The reader of the reference log, which also writes it: changes one at a time, and bases between them.

use super::entry::{Base, LoggedChange, ReferenceEntry, decode, is_intact};
use super::queue::{ChangeAnswer, ChangeAsker, ChangeSubmission, NotChanged};
use crate::answers::NotLogged;
use crate::frame::Head;
use crate::landings::Landings;
use crate::limits::{CHANGE_BYTES_PER_BASE_MAX, HELD_CHANGE_BYTES_MAX, PATCHES_PER_BASE_MAX, PREPARED_GENERATIONS_MAX};
use crate::sync::{Mutex, PoisonError};
use crate::topic::{Entry, Follow, Log, Lost, NotPlaced, Place, Placed};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use weir::{Change, Engine, ReferenceCopy};

/// Generation 0. A base with it stands for changes that were all refused.
const NO_TABLE: ReferenceCopy =
    ReferenceCopy { number: 0, ts_ms: 0, received_at_ms: 0, groups: Vec::new(), users: Vec::new() };

/// The number of an entry of this process, and its place.
type Placement = (u64, Result<Place, NotPlaced>);

pub(crate) struct ReferenceReader {
    node: u64,
    engine: Arc<Engine>,
    log: Box<dyn Log>,
    follow: Box<dyn Follow>,
    applied: Place,
    landings: Landings,
    newest_ms: i64,
    last_number: u64,
    /// Whether other nodes append to the log, too. Then a generation comes into force only when the log of frames says
    /// so, once this process has read what was there at its start.
    is_shared: bool,
    is_live: bool,
    /// The own change that is in the log or on its way.
    outstanding: Option<(u64, ChangeAsker)>,
    /// The own changes that have their answer.
    answered: Vec<(ChangeAsker, ChangeAnswer)>,
    results: Arc<Mutex<Vec<Placement>>>,
    /// The changes of a log without its beginning, until a base was read that stands for all that is missing.
    held: Option<Held>,
    since_base: SinceBase,
    /// The number of the base that is on its way, or not applied yet.
    base_on_its_way: Option<u64>,
    /// Where the last base found no place. It is made again after the next change.
    base_refused_at: Option<Place>,
}

/// Changes that have a meaning only after a base.
struct Held {
    /// The first place that the log still has, and that is not forgotten.
    first: Place,
    changes: VecDeque<Entry>,
    bytes: usize,
}

impl Held {
    /// Whether `base` stands for all that the log no longer has, and for all that is forgotten. A late copy of an old
    /// base does not: the places between it and the first one are trimmed.
    fn continues(&self, base: &Base) -> bool {
        self.first.0 <= base.as_of.0 + 1
    }

    /// Holds a change. The oldest ones are forgotten if there are too many: a base stands for most changes before it.
    fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes.len();
        self.changes.push_back(entry);
        while self.bytes > HELD_CHANGE_BYTES_MAX {
            let Some(forgotten) = self.changes.pop_front() else { break };
            self.bytes -= forgotten.bytes.len();
            self.first = Place(forgotten.place.0 + 1);
        }
    }
}

/// What the log has after the last base.
#[derive(Default)]
struct SinceBase {
    changes: usize,
    bytes: usize,
    has_table: bool,
    /// Whether a change found no room. A base makes room: what precedes it is trimmed.
    is_room_needed: bool,
}

impl SinceBase {
    /// A whole table waits for a pause: another one may follow at once.
    fn is_base_due(&self, is_pause: bool) -> bool {
        (self.has_table && is_pause)
            || self.changes >= PATCHES_PER_BASE_MAX
            || self.bytes >= CHANGE_BYTES_PER_BASE_MAX
            || (self.is_room_needed && self.changes > 0)
    }
}

impl ReferenceReader {
    /// A reader of a log from its beginning, into an engine that has nothing of it yet.
    pub(crate) fn new(node: u64, engine: Arc<Engine>, mut log: Box<dyn Log>) -> Self {
        Self {
            node,
            engine,
            follow: log.follow(Place(0)),
            is_shared: log.is_shared(),
            is_live: false,
            answered: Vec::new(),
            log,
            applied: Place(0),
            landings: Landings::default(),
            newest_ms: i64::MIN,
            last_number: 0,
            outstanding: None,
            results: Arc::default(),
            held: None,
            since_base: SinceBase::default(),
            base_on_its_way: None,
            base_refused_at: None,
        }
    }

    /// The newest place that is applied.
    pub(crate) fn applied(&self) -> Place {
        self.applied
    }

    /// The number of the newest generation.
    pub(crate) fn table(&self) -> u64 {
        self.engine.newest_reference().number()
    }

    /// Puts prepared generations in force up to this number. Returns the number of the generation in force.
    pub(crate) fn publish(&self, number: u64) -> u64 {
        self.engine.publish_prepared(number);
        self.engine.reference().number()
    }

    /// Whether too many generations wait until they come into force.
    pub(crate) fn is_full(&self) -> bool {
        self.engine.prepared_generations() >= PREPARED_GENERATIONS_MAX
    }

    /// The own changes that were answered since the last call.
    pub(crate) fn take_answered(&mut self) -> Vec<(ChangeAsker, ChangeAnswer)> {
        std::mem::take(&mut self.answered)
    }

    /// Whether a change of this process has no answer yet, or a base has no place.
    pub(crate) fn is_busy(&self) -> bool {
        self.outstanding.is_some() || self.base_on_its_way.is_some()
    }

    /// Puts a change into the log, while [no other one](Self::is_busy) is on its way.
    pub(crate) fn append(&mut self, submission: ChangeSubmission) {
        let ChangeSubmission { change, body, preconditions, received_at_ms, asker } = submission;
        self.last_number += 1;
        let (node, number) = (self.node, self.last_number);
        let entry = LoggedChange { node, number, received_at_ms, change, preconditions, body: &body };
        let bytes = entry.encode();
        self.outstanding = Some((number, asker));
        let placed = self.placed(number);
        self.log.append(bytes, placed);
    }

    /// Puts a base into the log if one is due, while [nothing](Self::is_busy) is on its way. So the base stands for
    /// all changes before it. `is_pause` means that no change waits.
    pub(crate) fn append_base(&mut self, is_pause: bool) {
        let is_due = self.since_base.is_base_due(is_pause) && self.base_refused_at != Some(self.applied);
        // A base has what the changes before it have made, so it waits until all of that is in force.
        if !is_due || self.engine.prepared_generations() > 0 {
            return;
        }
        let copy = self.engine.copy_reference().unwrap_or(NO_TABLE);
        self.last_number += 1;
        self.base_on_its_way = Some(self.last_number);
        let base = Base { as_of: self.applied, copy, landings: self.landings.clone() };
        let placed = self.placed(self.last_number);
        self.log.append_necessary(base.encode(), placed);
    }

    /// Notes what becomes of an entry of this process.
    fn placed(&self, number: u64) -> Placed {
        let results = Arc::clone(&self.results);
        Box::new(move |result| results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result)))
    }

    /// Reads an entry, if there is one within `patience`; returns whether there was one.
    ///
    /// # Errors
    /// Entries are missing, or an entry is none of this log.
    pub(crate) fn read(&mut self, patience: Duration) -> Result<bool, Lost> {
        let entry = self.follow.next(patience)?;
        let was_there = entry.is_some();
        if let Some(entry) = entry.as_ref().filter(|entry| is_foreign(entry)) {
            self.follow.confirm(entry)?;
        }
        if let Some(entry) = entry.filter(|entry| entry.place > self.applied) {
            self.take(entry)?;
        }
        self.take_results();
        Ok(was_there)
    }

    /// Whether all that was in the log at the start has been read; none if only the lack of entries shows it.
    pub(crate) fn has_caught_up(&self) -> Option<bool> {
        self.follow.has_caught_up()
    }

    /// There is no further entry now, and changes are appended from here on.
    ///
    /// # Errors
    /// The log has neither its beginning nor a base.
    pub(crate) fn end_of_log(&mut self) -> Result<(), Lost> {
        self.is_live = self.is_shared;
        if self.held.is_some() { Err(no_base()) } else { Ok(()) }
    }

    /// A change without a place is answered; a base without one is made again later.
    fn take_results(&mut self) {
        let results = std::mem::take(&mut *self.results.lock().unwrap_or_else(PoisonError::into_inner));
        for (number, result) in results {
            if let Err(error) = result {
                if self.base_on_its_way.take_if(|base| *base == number).is_some() {
                    self.base_refused_at = Some(self.applied);
                } else {
                    self.since_base.is_room_needed |= error == NotPlaced::Full;
                }
                let reason = match error {
                    NotPlaced::Full => NotLogged::Overloaded,
                    NotPlaced::Unknown => NotLogged::Unavailable,
                };
                self.answer(number, Err(NotChanged::NotLogged(reason)));
            }
        }
    }

    fn answer(&mut self, number: u64, answer: ChangeAnswer) {
        if let Some((_, asker)) = self.outstanding.take_if(|(outstanding, _)| *outstanding == number) {
            self.answered.push((asker, answer));
        }
    }

    /// The log has failed. What is on its way has no sure answer.
    pub(crate) fn give_up(&mut self) {
        let outstanding = self.outstanding.take().map(|(_, asker)| asker);
        let answered = self.answered.drain(..).map(|(asker, _)| asker);
        let unsure = || Err(NotChanged::NotLogged(NotLogged::Unavailable));
        outstanding.into_iter().chain(answered).for_each(|asker| asker(unsure()));
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// Entries are missing, or the entry is none of this log.
    pub(super) fn take(&mut self, entry: Entry) -> Result<(), Lost> {
        let is_next = entry.place.0 == self.applied.0 + 1;
        let before = std::mem::replace(&mut self.applied, entry.place);
        if !is_next {
            if before > Place(0) {
                return Err(Lost::log(format!("the reference log skips from {} to {}", before.0, entry.place.0)));
            }
            self.held = Some(Held { first: entry.place, changes: VecDeque::new(), bytes: 0 });
        }
        match self.held.take() {
            Some(held) => self.begin(held, entry),
            None => self.apply(&entry),
        }
    }

    /// Takes an entry of a log without its beginning: a base to begin with, or a change that waits for one.
    fn begin(&mut self, mut held: Held, entry: Entry) -> Result<(), Lost> {
        if is_foreign(&entry) {
            self.held = Some(held);
            return Ok(());
        }
        match decode_at(entry.place, &entry.bytes)? {
            ReferenceEntry::Base(base) if held.continues(&base) => {
                let newest_ms = base.landings.nodes.values().map(|landed| landed.heard_ms).max();
                self.newest_ms = newest_ms.unwrap_or(i64::MIN);
                self.apply_base(entry.place, &base)?;
                self.landings = base.landings;
                let mut later = held.changes.iter().filter(|held| held.place > base.as_of);
                return later.try_for_each(|held| self.apply(held));
            }
            ReferenceEntry::Base(_) => {}
            ReferenceEntry::Change(_) => held.push(entry),
        }
        self.held = Some(held);
        Ok(())
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Lost> {
        if is_foreign(entry) {
            return Ok(());
        }
        match decode_at(entry.place, &entry.bytes)? {
            ReferenceEntry::Change(change) => self.apply_change(&change, entry.bytes.len()),
            ReferenceEntry::Base(base) => self.apply_base(entry.place, &base)?,
        }
        Ok(())
    }

    fn apply_base(&mut self, place: Place, base: &Base) -> Result<(), Lost> {
        let invalid = |error| Lost::log(format!("place {} of the reference log: {error}", place.0));
        // A live reader has made all changes that the base stands for.
        if !self.is_live {
            self.engine.restore_reference(&base.copy).map_err(invalid)?;
        }
        (self.since_base, self.base_on_its_way) = (SinceBase::default(), None);
        self.log.trim(Place(base.as_of.0 + 1));
        Ok(())
    }

    fn apply_change(&mut self, change: &LoggedChange<'_>, bytes: usize) {
        let &LoggedChange { node, number, received_at_ms, .. } = change;
        self.since_base.changes += 1;
        self.since_base.bytes += bytes;
        let head = Head { node, number, reading_ms: received_at_ms, ..Head::default() };
        let is_first = self.landings.is_first(&head, self.newest_ms);
        self.newest_ms = self.newest_ms.max(received_at_ms);
        if !is_first {
            return;
        }
        let before = self.table();
        let (engine, body, preconditions) = (&self.engine, change.body.to_vec(), &change.preconditions);
        let result = if self.is_live {
            engine.prepare_change(change.change, body, preconditions, received_at_ms)
        } else {
            engine.apply_change(change.change, body, preconditions, received_at_ms)
        };
        let is_changed = result.as_ref().is_ok_and(|generation| generation.number() > before);
        // In a log of several nodes, the author of a table copies it. If it cannot, the bounds of changes do.
        let is_copied_here = !self.is_shared || node == self.node;
        self.since_base.has_table |= is_changed && is_copied_here && change.change == Change::Replace;
        if node == self.node {
            self.answer(number, result.map_err(NotChanged::Refused));
        }
    }
}

/// Whether another program has put the entry into the log. It changes nothing.
fn is_foreign(entry: &Entry) -> bool {
    entry.is_of_shared_log() && !is_intact(&entry.bytes)
}

fn no_base() -> Lost {
    Lost::log("the reference log has neither its beginning nor a copy of the table")
}

fn decode_at(place: Place, bytes: &[u8]) -> Result<ReferenceEntry<'_>, Lost> {
    decode(bytes)
        .map_err(|error| Lost::log(format!("place {} of the reference log has no entry of it: {error}", place.0)))
}
