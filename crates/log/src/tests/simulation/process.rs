//! A node of a cluster: the shipped desk, readers and engine, one step at a time on one thread.

use super::stream::{Handle, OVERTAKEN, Stream};
use crate::desk::{Desk, Progress};
use crate::limits::TRIM_AFTER_MS;
use crate::logged::note;
use crate::order::Submission;
use crate::reader::Reader;
use crate::reference::{ChangeSubmission, ReferenceReader};
use crate::suspect::Suspects;
use crate::topic::{Follow, Log, Lost, Place};
use crate::walk::is_foreign;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use weir::{Clock, Engine, EngineConfig, ManualClock, Secret};

pub(super) struct Process {
    pub(super) id: u64,
    pub(super) engine: Arc<Engine>,
    pub(super) desk: Arc<Desk>,
    pub(super) clock: Arc<ManualClock>,
    reader: Reader,
    log: Handle,
    follow: Box<dyn Follow>,
    suspects: Suspects,
    reference: ReferenceReader,
    is_reference_live: bool,
    changes: VecDeque<ChangeSubmission>,
}

/// A clock that has passed the time in which nothing is trimmed, except at its first reading.
struct LongUp(Mutex<i64>);

impl Clock for LongUp {
    fn now_ms(&self) -> i64 {
        std::mem::replace(&mut self.0.lock().unwrap(), TRIM_AFTER_MS)
    }
}

/// Why a process cannot go on.
pub(super) enum Stopped {
    /// The log was trimmed before the process has read it. It starts again.
    Overtaken,
    Lost(Lost),
}

impl From<Lost> for Stopped {
    fn from(lost: Lost) -> Self {
        if lost.why == OVERTAKEN { Self::Overtaken } else { Self::Lost(lost) }
    }
}

impl Process {
    /// A process that starts now. `id` is different for each start.
    pub(super) fn start(id: u64, config: EngineConfig, frames: &Stream, reference: &Stream, now_ms: i64) -> Self {
        let secret = Secret::from_bytes([7; 32]);
        // Queries see log time, and no clock of this machine.
        let engine = Arc::new(Engine::with_secret(config, ManualClock::new(0), &secret).unwrap());
        let clock = Arc::new(ManualClock::new(now_ms));
        let mut log = frames.handle(id);
        let desk = Arc::new(Desk::new(id, log.depth(), log.is_shared(), 2, Box::new(Arc::clone(&clock))));
        desk.set_allowed(log.allowed());
        let reader = Reader::new(Arc::clone(&desk), Arc::clone(&engine), Box::new(LongUp(Mutex::new(0))));
        let follow = log.follow(Place(0));
        let reference = ReferenceReader::new(id, Arc::clone(&engine), Box::new(reference.handle(id)));
        let (suspects, changes) = (Suspects::default(), VecDeque::new());
        Self { id, engine, desk, clock, reader, log, follow, suspects, reference, is_reference_live: false, changes }
    }

    pub(super) fn submit(&self, submission: Submission) -> u64 {
        self.desk.submit(submission)
    }

    pub(super) fn change(&mut self, submission: ChangeSubmission) {
        self.changes.push_back(submission);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.desk.progress() == Progress::Ready
    }

    /// Says whether the engine has no room for more events.
    pub(super) fn say_no_room(&mut self, has_no_room: bool) -> Result<(), Stopped> {
        self.desk.set_no_room(has_no_room);
        Ok(())
    }

    /// Makes all frames that are due.
    pub(super) fn order(&mut self) -> Result<(), Stopped> {
        while let Some(work) = self.desk.next_frame() {
            self.log.trim(work.trim_before);
            let (desk, number) = (Arc::clone(&self.desk), work.frame.number);
            let placed = Box::new(move |result| desk.placed(number, result));
            if work.frame.is_necessary {
                self.log.append_necessary(work.frame.bytes, placed);
            } else {
                self.log.append(work.frame.bytes, placed);
            }
        }
        Ok(())
    }

    /// Reads up to `entries` entries of the log of batches.
    pub(super) fn read(&mut self, entries: usize) -> Result<(), Stopped> {
        for _ in 0..entries {
            let Some(entry) = self.follow.next(Duration::ZERO)? else { break };
            if is_foreign(&entry) {
                self.follow.confirm(&entry)?;
            }
            self.reader.read(entry)?;
            if let Some(suspect) = self.reader.take_suspect() {
                self.suspects.check(suspect, &self.reader, &mut *self.follow)?;
                self.desk.note_suspect();
            }
        }
        if self.follow.has_caught_up() == Some(true) { Ok(self.reader.end_of_log()?) } else { Ok(()) }
    }

    /// Reads up to `entries` changes of the reference table, and appends one if none is on its way.
    pub(super) fn change_reference(&mut self, entries: usize) -> Result<(), Stopped> {
        for _ in 0..entries {
            if self.reference.is_full() || !self.reference.read(Duration::ZERO)? {
                break;
            }
        }
        if !self.is_reference_live && self.reference.has_caught_up() == Some(true) {
            self.reference.end_of_log()?;
            self.is_reference_live = true;
            note(&self.desk, &mut self.reference);
            self.desk.ready();
        }
        if !self.is_reference_live {
            return Ok(());
        }
        note(&self.desk, &mut self.reference);
        if !self.reference.is_busy() {
            self.reference.append_base(self.changes.is_empty());
        }
        if !self.reference.is_busy()
            && let Some(submission) = self.changes.pop_front()
        {
            self.reference.append(submission);
        }
        Ok(())
    }
}
