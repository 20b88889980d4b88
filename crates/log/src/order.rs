//! What waits for a place in the log, and who waits for an answer.
//!
//! Batches are grouped by backpressure: while frames are on their way, the next group gathers. There is no timer. A
//! batch that is larger than a frame becomes several parts. At most one part of a batch is without a place at a time,
//! so the parts keep their order.
//!
//! Every batch that is submitted is answered exactly once: when its last part is applied, when it is refused, or when
//! the log has not said whether it took a part.

use crate::answers::{Answer, Answers, Asker, BarrierAsker, NotLogged};
use crate::barriers::Barriers;
use crate::frame::{FrameBuilder, Head};
use crate::landings::is_timely;
use crate::limits::{
    HEARTBEAT_MS, IDLE_FRAME_MS, RECORD_AFTER_MS, UNAPPLIED_FRAMES_MAX, UNPLACED_MS_MAX, UNSENT_MS_MAX,
    WAITING_BATCHES_MAX, WAITING_BYTES_MAX, WAITING_ROWS_MAX,
};
use crate::outcomes::Outcomes;
use crate::topic::{NotPlaced, Place};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use weir::{Outcome, Refusal, Reservation, Rows};

/// The bytes of a row that waits.
const ROW_BYTES: usize = 40;

/// A batch that has been prepared.
pub struct Submission {
    /// The pending rows of the batch.
    pub rows: Rows,
    /// The capacity for these rows.
    pub reservation: Reservation,
    /// The clock reading of the batch, in milliseconds.
    pub received_at_ms: i64,
    /// Who waits for the answer.
    pub asker: Asker,
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

/// A batch without an answer.
struct Job {
    rows: Rows,
    received_at_ms: i64,
    reservation: Reservation,
    asker: Asker,
    /// The time at which it was submitted.
    since_ms: i64,
    /// The rows that were put into frames.
    framed: usize,
    /// Whether a part of it waits for its place.
    has_unplaced_part: bool,
    /// The rows that go into the log. Fewer than all if a later part found no room.
    wanted: usize,
    /// The outcome of the rows that are applied.
    outcome: Outcome,
}

/// A frame that is not applied yet.
struct Flight {
    parts: Vec<(u64, usize)>,
    since_ms: i64,
    is_placed: bool,
}

/// A frame that is ready for the log.
pub(crate) struct Sealed {
    pub(crate) number: u64,
    /// Whether it has no rows. Such a frame moves log time or records outcomes, and without that nothing is trimmed.
    pub(crate) is_necessary: bool,
    pub(crate) bytes: Arc<[u8]>,
}

/// The batches and frames of this process.
pub(crate) struct Order {
    /// The frames that may wait for their places at once.
    depth: usize,
    /// Whether other nodes append to the log, too. Then each node writes heartbeats.
    is_shared: bool,
    barriers: Barriers,
    /// Whether no batch is taken for now.
    is_refusing: bool,
    /// The number of event types that all nodes know.
    event_types: usize,
    jobs: BTreeMap<u64, Job>,
    /// The batches that have rows outside of frames.
    queue: VecDeque<u64>,
    flights: BTreeMap<u64, Flight>,
    rows: usize,
    last_ticket: u64,
    last_number: u64,
    last_frame_ms: i64,
    /// Whether the log had no room for the last rows.
    is_full: bool,
    is_closed: bool,
}

impl Order {
    /// An order that takes no batch before it is [opened](Self::open).
    pub(crate) fn new(depth: usize, is_shared: bool, now_ms: i64) -> Self {
        Self {
            depth,
            is_shared,
            barriers: Barriers::default(),
            is_refusing: false,
            event_types: usize::MAX,
            jobs: BTreeMap::new(),
            queue: VecDeque::new(),
            flights: BTreeMap::new(),
            rows: 0,
            last_ticket: 0,
            last_number: 0,
            last_frame_ms: now_ms,
            is_full: false,
            is_closed: true,
        }
    }

    /// Takes a batch, or refuses it. Returns its ticket, with which it can be given up.
    pub(crate) fn submit(&mut self, submission: Submission, now_ms: i64, answers: &mut Answers) -> u64 {
        let Submission { rows, reservation, received_at_ms, asker } = submission;
        self.last_ticket += 1;
        if rows.is_empty() {
            answers.push(asker, Ok(Outcome::default()));
        } else if !self.has_room(rows.len(), now_ms) || self.has_type_to_come(&rows) {
            answers.push(asker, Err(NotLogged::Overloaded));
        } else {
            self.rows += rows.len();
            self.queue.push_back(self.last_ticket);
            let job = Job {
                wanted: rows.len(),
                rows,
                received_at_ms,
                reservation,
                asker,
                since_ms: now_ms,
                framed: 0,
                has_unplaced_part: false,
                outcome: Outcome::default(),
            };
            self.jobs.insert(self.last_ticket, job);
        }
        self.last_ticket
    }

    fn has_room(&self, rows: usize, now_ms: i64) -> bool {
        let rows = self.rows.saturating_add(rows);
        let fits = rows <= WAITING_ROWS_MAX && rows.saturating_mul(ROW_BYTES) <= WAITING_BYTES_MAX;
        let has_room = self.jobs.is_empty() || (fits && self.jobs.len() < WAITING_BATCHES_MAX);
        !self.is_closed && !self.is_refusing && !self.is_stalled(now_ms) && has_room
    }

    /// Whether a row has an event type that not all nodes know yet.
    fn has_type_to_come(&self, rows: &Rows) -> bool {
        let known = self.event_types;
        known < *weir::limits::EVENT_TYPES.end() && (0..rows.len()).any(|row| usize::from(rows.row(row).1[0]) >= known)
    }

    /// Whether a frame waits too long for its place.
    fn is_stalled(&self, now_ms: i64) -> bool {
        let oldest = self.flights.values().find(|flight| !flight.is_placed);
        oldest.is_some_and(|flight| now_ms.saturating_sub(flight.since_ms) > UNPLACED_MS_MAX)
    }

    /// Takes a barrier, or refuses it.
    pub(crate) fn ask(&mut self, asker: BarrierAsker, now_ms: i64, answers: &mut Answers) {
        if self.is_closed || self.is_stalled(now_ms) {
            answers.push_barrier(asker, Err(NotLogged::Unavailable));
        } else {
            self.barriers.ask(asker, now_ms, answers);
        }
    }

    /// The generation of this number is in force here.
    pub(crate) fn set_table(&mut self, table: u64, answers: &mut Answers) {
        self.barriers.set_table(table, answers);
    }

    /// Says whether batches are refused for now.
    pub(crate) fn set_refusing(&mut self, is_refusing: bool) {
        self.is_refusing = is_refusing;
    }

    /// Says how many event types all nodes know, counted from the first one.
    pub(crate) fn set_event_types(&mut self, event_types: usize) {
        self.event_types = event_types;
    }

    /// How long no frame is due unless something happens, in milliseconds.
    pub(crate) fn patience_ms(&self, now_ms: i64) -> i64 {
        let heartbeat_ms = self.last_frame_ms.saturating_add(HEARTBEAT_MS).saturating_sub(now_ms);
        let heartbeat_ms = if self.is_shared { heartbeat_ms } else { i64::MAX };
        let barrier_ms = self.barriers.due_in_ms(now_ms).unwrap_or(i64::MAX);
        heartbeat_ms.min(barrier_ms).clamp(1, RECORD_AFTER_MS / 4)
    }

    /// The next frame, if one is due: `head` says what its author has applied, and its reading is the present time.
    pub(crate) fn next_frame(
        &mut self,
        mut head: Head,
        outcomes: &mut Outcomes,
        may_be_idle: bool,
        answers: &mut Answers,
    ) -> Option<Sealed> {
        self.refuse_late_batches(&head, answers);
        self.barriers.refuse_late(head.reading_ms, answers);
        let unplaced = self.flights.values().filter(|flight| !flight.is_placed).count();
        // While the clock is far behind log time, any frame would be void.
        let is_void = !is_timely(head.reading_ms, head.reading_ms, head.log_ms);
        if is_void || unplaced >= self.depth || self.flights.len() >= UNAPPLIED_FRAMES_MAX {
            return None;
        }
        let has_rows = self.queue.iter().any(|ticket| !self.jobs[ticket].has_unplaced_part);
        // A full log has room again when log time has left old rows behind. Batches that wait for that are refused, so
        // only frames without rows move log time then.
        let is_short_of_room = self.is_full && has_rows;
        let idle_after_ms = if is_short_of_room { RECORD_AFTER_MS } else { IDLE_FRAME_MS };
        let is_due =
            self.is_due_without_rows(head.reading_ms, outcomes.are_due(), may_be_idle.then_some(idle_after_ms));
        if !has_rows && !is_due {
            return None;
        }
        self.last_number += 1;
        head.number = self.last_number;
        let mut frame = outcomes.offer(|first| FrameBuilder::new(&head, first));
        let parts = if is_short_of_room && is_due { vec![] } else { self.fill(&mut frame) };
        let is_necessary = parts.is_empty();
        // A full log would refuse barriers with the rows.
        if is_necessary || !is_short_of_room {
            self.last_frame_ms = head.reading_ms;
            self.barriers.join(head.number, head.reading_ms);
        }
        self.flights.insert(head.number, Flight { parts, since_ms: head.reading_ms, is_placed: false });
        Some(Sealed { number: head.number, is_necessary, bytes: frame.finish() })
    }

    /// Whether a frame is due even if no rows wait. `idle_after_ms` is the time after which an idle log needs one.
    fn is_due_without_rows(&self, now_ms: i64, is_record_due: bool, idle_after_ms: Option<i64>) -> bool {
        let idle_ms = now_ms.saturating_sub(self.last_frame_ms);
        // A clock that was set back does not delay the heartbeat.
        let is_heartbeat_due = self.is_shared && !self.is_closed && !(0..HEARTBEAT_MS).contains(&idle_ms);
        self.barriers.due_in_ms(now_ms) == Some(0)
            || (is_record_due && (idle_ms >= RECORD_AFTER_MS || self.is_closed))
            || is_heartbeat_due
            || idle_after_ms.is_some_and(|idle_after_ms| idle_ms >= idle_after_ms)
    }

    /// Puts rows into a frame, in the order of submission. A batch that does not fit takes half of the room if others
    /// wait, and goes behind them. So a single event does not wait behind all parts of a large batch.
    fn fill(&mut self, frame: &mut FrameBuilder) -> Vec<(u64, usize)> {
        let mut parts = vec![];
        for _ in 0..self.queue.len() {
            let room = frame.rows_left();
            if room == 0 {
                break;
            }
            let Some(ticket) = self.queue.pop_front() else { break };
            let job = self.jobs.get_mut(&ticket).expect("a queued batch has no answer");
            let left = job.wanted - job.framed;
            if job.has_unplaced_part {
                self.queue.push_back(ticket);
                continue;
            }
            let share = if left > room && !self.queue.is_empty() { room.div_ceil(2) } else { room };
            let rows = left.min(share);
            frame.push(ticket, job.received_at_ms, &job.rows, job.framed..job.framed + rows);
            job.framed += rows;
            job.has_unplaced_part = true;
            parts.push((ticket, rows));
            if rows < left {
                self.queue.push_back(ticket);
            }
        }
        parts
    }

    /// Refuses batches that no reader of the log would count in a frame of this reading, and batches that have waited
    /// too long.
    fn refuse_late_batches(&mut self, head: &Head, answers: &mut Answers) {
        let late: Vec<u64> = self.queue.iter().copied().filter(|ticket| self.is_late(*ticket, head)).collect();
        for ticket in late {
            self.truncate(ticket, answers);
        }
    }

    fn is_late(&self, ticket: u64, head: &Head) -> bool {
        let job = &self.jobs[&ticket];
        let is_unsent = job.framed == 0 && head.reading_ms.saturating_sub(job.since_ms) > UNSENT_MS_MAX;
        let is_valid_reading = is_timely(head.reading_ms, head.reading_ms, head.log_ms);
        is_unsent || !is_valid_reading || !is_timely(job.received_at_ms, head.reading_ms, head.log_ms)
    }

    /// The log has placed a frame, or has said why it has not.
    pub(crate) fn placed(
        &mut self,
        number: u64,
        result: Result<Place, NotPlaced>,
        outcomes: &mut Outcomes,
        answers: &mut Answers,
    ) {
        // A frame that is applied already has its place.
        let Some(flight) = self.flights.get_mut(&number) else { return };
        flight.is_placed = true;
        let Err(error) = result else {
            let parts = flight.parts.clone();
            parts.into_iter().for_each(|(ticket, _)| self.part_is_placed(ticket));
            return;
        };
        outcomes.offer_again();
        self.barriers.unplaced(number);
        let flight = self.flights.remove(&number).expect("the frame was found above");
        self.is_full |= error == NotPlaced::Full && !flight.parts.is_empty();
        for (ticket, rows) in flight.parts {
            self.part_is_placed(ticket);
            match error {
                NotPlaced::Unknown => self.finish(ticket, Err(NotLogged::Unavailable), answers),
                NotPlaced::Full => {
                    if let Some(job) = self.jobs.get_mut(&ticket) {
                        job.framed -= rows;
                    }
                    self.truncate(ticket, answers);
                }
            }
        }
    }

    fn part_is_placed(&mut self, ticket: u64) {
        if let Some(job) = self.jobs.get_mut(&ticket) {
            job.has_unplaced_part = false;
        }
    }

    /// The rows of a batch that are in no frame stay out of the log: they are overloaded. Without a row in a frame, so
    /// is the batch as a whole.
    fn truncate(&mut self, ticket: u64, answers: &mut Answers) {
        let Some(job) = self.jobs.get_mut(&ticket) else { return };
        if job.framed == 0 {
            return self.finish(ticket, Err(NotLogged::Overloaded), answers);
        }
        job.wanted = job.framed;
        self.queue.retain(|queued| *queued != ticket);
        self.answer_if_applied(ticket, answers);
    }

    /// Takes the capacity for some rows of a batch; none if the batch has its answer.
    pub(crate) fn take_reservation(&mut self, ticket: u64, rows: usize) -> Reservation {
        self.jobs.get_mut(&ticket).map(|job| job.reservation.split(rows)).unwrap_or_default()
    }

    /// The first landing of a frame of this process was applied, with these outcomes of its parts. Up to it, the log
    /// has put the generation `table` in force.
    pub(crate) fn applied(
        &mut self,
        number: u64,
        is_void: bool,
        table: u64,
        parts: Vec<(u64, Outcome)>,
        answers: &mut Answers,
    ) {
        self.flights.remove(&number);
        self.is_full &= parts.is_empty();
        self.barriers.applied(number, is_void, table, answers);
        for (ticket, outcome) in parts {
            if let Some(job) = self.jobs.get_mut(&ticket) {
                job.has_unplaced_part = false;
                job.outcome.append(&outcome);
                self.answer_if_applied(ticket, answers);
            }
        }
    }

    fn answer_if_applied(&mut self, ticket: u64, answers: &mut Answers) {
        let job = &self.jobs[&ticket];
        if job.outcome.rows() == job.wanted {
            let mut outcome = job.outcome.clone();
            outcome.append(&Outcome::refused_all(job.rows.len() - job.wanted, Refusal::Overloaded));
            self.finish(ticket, Ok(outcome), answers);
        }
    }

    /// Answers a batch now, unless it has its answer: it is refused if no row of it was in a frame.
    pub(crate) fn give_up(&mut self, ticket: u64, answers: &mut Answers) {
        let is_unsent = self.jobs.get(&ticket).is_some_and(|job| job.framed == 0);
        let reason = if is_unsent { NotLogged::Overloaded } else { NotLogged::Unavailable };
        self.finish(ticket, Err(reason), answers);
    }

    fn finish(&mut self, ticket: u64, answer: Answer, answers: &mut Answers) {
        if let Some(job) = self.jobs.remove(&ticket) {
            self.rows -= job.rows.len();
            self.queue.retain(|queued| *queued != ticket);
            answers.push(job.asker, answer);
        }
    }

    /// The batches that have no answer, and their rows.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.jobs.len(), self.rows)
    }

    /// The number of barriers that have no answer.
    pub(crate) fn waiting_barriers(&self) -> usize {
        self.barriers.len()
    }

    /// How long the oldest frame that is not applied has been on its way; 0 if there is none.
    pub(crate) fn lag_ms(&self, now_ms: i64) -> i64 {
        self.flights.values().next().map_or(0, |oldest| now_ms.saturating_sub(oldest.since_ms).max(0))
    }

    /// From now on batches are taken.
    pub(crate) fn open(&mut self) {
        self.is_closed = false;
    }

    /// Takes no more batches.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Answers all batches: the log has failed.
    pub(crate) fn give_up_all(&mut self, answers: &mut Answers) {
        self.barriers.give_up_all(answers);
        self.is_closed = true;
        self.flights.clear();
        for ticket in self.jobs.keys().copied().collect::<Vec<_>>() {
            self.give_up(ticket, answers);
        }
    }

    /// Whether nothing waits, neither for its place nor for its application.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.flights.is_empty() && self.barriers.len() == 0
    }
}
