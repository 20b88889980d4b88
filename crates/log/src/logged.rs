//! The threads of a log.

use crate::answers::{BarrierAsker, NotLogged};
use crate::desk::{Desk, Progress};
use crate::figures::Figures;
use crate::limits::STOP_MS_MAX;
use crate::order::Submission;
use crate::reader::Reader;
use crate::reference::{ChangeSubmission, Changes, Next, NotChanged, ReferenceReader};
use crate::suspect::Suspects;
use crate::topic::{Follow, Log, Lost, Place};
use crate::walk::is_foreign;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use weir::{Clock, Engine};

/// How long the reader waits for the next entry before it looks whether it is to stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// An engine's logs, and their threads: `weir-order` puts frames into the log, `weir-apply` applies them, and
/// `weir-reference` does both for changes of the reference table.
///
/// A drop stops the threads. It waits until the last outcomes are recorded, but for no longer than two seconds if the
/// log does not answer.
pub struct Logged {
    desk: Arc<Desk>,
    changes: Arc<Changes>,
    threads: Vec<JoinHandle<()>>,
}

/// The number of a batch, with which it can be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl Logged {
    /// Starts the threads. They first replay what the logs have of earlier processes; see [`progress`](Self::progress).
    /// One log has the batches, the other one the changes of the reference table.
    ///
    /// The engine has nothing of the logs yet, and its maintenance has not started. From now on, events and changes
    /// reach it only by [`submit`](Self::submit) and [`change_reference`](Self::change_reference). `uptime` is a clock
    /// that cannot be set, such as [`Uptime`](crate::Uptime): nothing is trimmed in its first ten minutes.
    ///
    /// # Errors
    /// If the system cannot create a thread.
    ///
    /// # Panics
    /// If the system provides no random numbers.
    pub fn start(
        engine: &Arc<Engine>,
        mut log: Box<dyn Log>,
        reference_log: Box<dyn Log>,
        clock: impl Clock + 'static,
        uptime: impl Clock + 'static,
    ) -> io::Result<Self> {
        let node = getrandom::u64().expect("the operating system provides random bytes");
        let desk = Arc::new(Desk::new(node, log.depth(), log.is_shared(), 2, Box::new(clock)));
        let changes = Arc::new(Changes::new());
        let reference = ReferenceReader::new(node, Arc::clone(engine), reference_log);
        let follow = log.follow(Place(0));
        let reader = Reader::new(Arc::clone(&desk), Arc::clone(engine), Box::new(uptime));
        // From here on a drop ends the threads that there are.
        let mut logged = Self { desk: Arc::clone(&desk), changes: Arc::clone(&changes), threads: Vec::new() };
        logged.spawn("weir-apply", {
            let desk = Arc::clone(&desk);
            move || read(&desk, reader, follow)
        })?;
        logged.spawn("weir-reference", {
            let desk = Arc::clone(&desk);
            move || change(&desk, &changes, reference)
        })?;
        let engine = Arc::clone(engine);
        logged.spawn("weir-order", move || order(&desk, &engine, log))?;
        Ok(logged)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }

    /// Takes a prepared batch. Its asker is called exactly once, perhaps before this returns.
    #[must_use = "the ticket is needed to give the batch up"]
    pub fn submit(&self, submission: Submission) -> Ticket {
        Ticket(self.desk.submit(submission))
    }

    /// Answers a batch now, unless it has its answer: refused if nothing of it can be in the log.
    pub fn give_up(&self, Ticket(ticket): Ticket) {
        self.desk.give_up(ticket);
    }

    /// Asks for an answer when this process has applied all that has a place in the log now: then a query shows every
    /// event that any node has acknowledged before. The asker is called exactly once, perhaps before this returns. With
    /// a log on this machine it is called at once.
    ///
    /// All that ask within a few milliseconds share one frame. An asker without an answer after two seconds gets
    /// [`NotLogged::Unavailable`].
    pub fn barrier(&self, asker: BarrierAsker) {
        self.desk.barrier(asker);
    }

    /// Takes a change of the reference table. Its asker is called exactly once, perhaps before this returns.
    pub fn change_reference(&self, submission: ChangeSubmission) {
        self.changes.submit(submission);
    }

    /// The figures of the log of batches.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.desk.figures()
    }

    /// How far the logs are.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.desk.progress()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.changes.close();
        self.desk.close();
        let is_done = self.desk.wait_until_done(Duration::from_millis(STOP_MS_MAX));
        if !is_done {
            self.desk.fail(Lost::log("the log did not answer before the end of the process"));
        }
        for thread in self.threads.drain(..) {
            // A thread that waits for a log that does not answer is left alone.
            if is_done || thread.is_finished() {
                // A panic of the thread was already reported, and a drop cannot return an error.
                let _ = thread.join();
            }
        }
    }
}

/// Puts frames into the log until there will be none.
fn order(desk: &Arc<Desk>, engine: &Engine, mut log: Box<dyn Log>) {
    let mut trimmed_before = Place(0);
    loop {
        // A node of a cluster makes a frame twice a second at least, so this is looked at as often.
        let mut allowed = log.allowed();
        if allowed.event_types >= engine.config().event_types.len() {
            // No row has another type, so no row is looked at.
            allowed.event_types = usize::MAX;
        }
        desk.set_allowed(allowed);
        desk.set_no_room(engine.is_over_memory());
        let Some(work) = desk.wait_for_frame() else { return };
        if work.trim_before > trimmed_before {
            trimmed_before = work.trim_before;
            log.trim(trimmed_before);
        }
        let (desk, number) = (Arc::clone(desk), work.frame.number);
        let placed = Box::new(move |result| desk.placed(number, result));
        if work.frame.is_necessary {
            log.append_necessary(work.frame.bytes, placed);
        } else {
            log.append(work.frame.bytes, placed);
        }
    }
}

/// Applies the entries of the log until the last outcomes are recorded.
fn read(desk: &Desk, mut reader: Reader, mut follow: Box<dyn Follow>) {
    let mut suspects = Suspects::default();
    let mut step = || match follow.next(PATIENCE)? {
        Some(entry) => {
            if is_foreign(&entry) {
                follow.confirm(&entry)?;
            }
            reader.read(entry)?;
            if let Some(suspect) = reader.take_suspect() {
                suspects.check(suspect, &reader, &mut *follow)?;
                desk.note_suspect();
            }
            if follow.has_caught_up() == Some(true) { reader.end_of_log() } else { Ok(()) }
        }
        None if follow.has_caught_up() == Some(false) => Ok(()),
        None => reader.end_of_log(),
    };
    while !desk.is_done() {
        if let Err(lost) = step() {
            return desk.fail(lost);
        }
    }
}

/// Puts changes of the reference table into their log and applies them, until there will be none.
fn change(desk: &Desk, changes: &Changes, mut reader: ReferenceReader) {
    if let Err(lost) = try_change(desk, changes, &mut reader) {
        desk.fail(lost);
    }
    reader.give_up();
    changes.fail();
}

fn try_change(desk: &Desk, changes: &Changes, reader: &mut ReferenceReader) -> Result<(), Lost> {
    loop {
        let was_there = reader.read(PATIENCE)?;
        if reader.has_caught_up().unwrap_or(!was_there) {
            break;
        }
        if desk.is_done() || desk.has_failed() {
            return Ok(());
        }
    }
    reader.end_of_log()?;
    note(desk, reader);
    changes.open();
    desk.ready();
    loop {
        while reader.is_busy() && !desk.has_failed() {
            read_change(reader, PATIENCE)?;
            note(desk, reader);
        }
        note(desk, reader);
        if desk.has_failed() {
            return Ok(());
        }
        reader.append_base(false);
        if reader.is_busy() {
            continue;
        }
        match changes.next(PATIENCE) {
            Next::Change(submission) if desk.has_failed() => {
                (submission.asker)(Err(NotChanged::NotLogged(NotLogged::Overloaded)));
                return Ok(());
            }
            Next::Change(submission) => reader.append(submission),
            Next::Idle => {
                reader.append_base(true);
                while read_change(reader, Duration::ZERO)? {}
            }
            Next::Closed => return Ok(()),
        }
    }
}

/// Reads a change, unless too many of them wait until they come into force.
fn read_change(reader: &mut ReferenceReader, patience: Duration) -> Result<bool, Lost> {
    if reader.is_full() {
        thread::sleep(patience);
        return Ok(false);
    }
    reader.read(patience)
}

/// Tells how far the reference log is applied, puts in force what the log of frames says, and answers the changes of
/// this process: an answer names a generation, so it waits until that is in force on every node that is asked later.
pub(crate) fn note(desk: &Desk, reader: &mut ReferenceReader) {
    let table_in_force = desk.set_reference(reader.applied(), reader.table());
    desk.set_table(reader.publish(table_in_force));
    for (asker, answer) in reader.take_answered() {
        let unsure = NotChanged::NotLogged(NotLogged::Unavailable);
        desk.barrier(Box::new(move |released| asker(if released.is_ok() { answer } else { Err(unsure) })));
    }
}
