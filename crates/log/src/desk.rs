//! What the threads of a log share: batches come in, frames go out, and applied frames answer the batches.

use crate::agreement::Agreement;
use crate::answers::{Answers, BarrierAsker};
use crate::applied::{Applied, Tip};
use crate::clock_offset::ClockOffset;
use crate::figures::{Counts, Figures};
use crate::frame::{FRAME_VERSION, Head, Judgement, PeerHead};
use crate::order::{Order, Sealed, Submission};
use crate::outcomes::{Noted, Outcomes, Recorded};
use crate::peers::Peers;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, wait};
use crate::topic::{Allowed, Lost, NotPlaced, Place};
use std::time::Duration;
use weir::Clock;

/// How far a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The frames of earlier processes are read. Batches are refused.
    Replaying {
        /// The newest place that is applied.
        place: Place,
        /// Log time there, in milliseconds; `i64::MIN` before the first frame.
        log_ms: i64,
    },
    /// Batches are taken.
    Ready,
    /// The log cannot be read any more. Batches are refused; queries go on.
    Failed(Lost),
}

pub(crate) struct Desk {
    /// Random bits: the author of the frames of this process.
    pub(crate) node: u64,
    /// Whether other nodes append to the log, too.
    is_shared: bool,
    clock: Box<dyn Clock>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    order: Order,
    outcomes: Outcomes,
    /// Whether the other nodes judge like this one; none if there are no other nodes.
    agreement: Option<Agreement>,
    peers: Peers,
    /// The version of the frames that all nodes read.
    frame_version: u8,
    /// Whether the engine has no room for more events.
    has_no_room: bool,
    tip: Tip,
    /// The newest place that is applied. The tip may name an older one.
    applied: Place,
    reference_done: Place,
    table: u64,
    /// The generation that the log has put in force: the newest one that a frame which counts has named.
    table_in_force: u64,
    /// Frames before this place are not needed any more.
    trim_before: Place,
    has_rows: bool,
    progress: Progress,
    clock_offset: ClockOffset,
    counts: Counts,
    /// The logs that are not replayed yet.
    unready_logs: usize,
    is_closing: bool,
    /// Whether all of the last outcomes are recorded, and no frame follows.
    is_done: bool,
}

/// What the ordering thread does next.
pub(crate) struct Work {
    pub(crate) frame: Sealed,
    pub(crate) trim_before: Place,
}

impl Desk {
    /// `depth` frames may wait for their places at once. Batches are taken when `logs` logs are [ready](Self::ready).
    /// `is_shared` means that other nodes append to the log of batches, too.
    pub(crate) fn new(node: u64, depth: usize, is_shared: bool, logs: usize, clock: Box<dyn Clock>) -> Self {
        let tip = Tip { applied: Place(0), chain: 0, log_ms: i64::MIN };
        let state = State {
            order: Order::new(depth, is_shared, clock.now_ms()),
            outcomes: Outcomes::new(is_shared.then_some(node)),
            agreement: is_shared.then(Agreement::new),
            peers: Peers::default(),
            frame_version: 1,
            has_no_room: false,
            tip,
            applied: Place(0),
            reference_done: Place(0),
            table: 0,
            table_in_force: 0,
            trim_before: Place(0),
            has_rows: false,
            progress: Progress::Replaying { place: tip.applied, log_ms: tip.log_ms },
            clock_offset: ClockOffset::default(),
            counts: Counts::default(),
            unready_logs: logs,
            is_closing: false,
            is_done: false,
        };
        Self { node, is_shared, clock, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, wakes the threads that wait for a change, and gives the answers without the lock.
    fn update<T>(&self, change: impl FnOnce(&mut State, &mut Answers) -> T) -> T {
        let mut answers = Answers::default();
        let result = change(&mut self.lock(), &mut answers);
        self.changed.notify_all();
        answers.give();
        result
    }

    /// Takes a batch, which is answered exactly once. Returns its ticket.
    pub(crate) fn submit(&self, submission: Submission) -> u64 {
        let now_ms = self.clock.now_ms();
        self.update(|state, answers| state.order.submit(submission, now_ms, answers))
    }

    /// What the nodes of the log may write by now.
    pub(crate) fn set_allowed(&self, allowed: Allowed) {
        let mut state = self.lock();
        state.frame_version = allowed.frame_version;
        state.order.set_event_types(allowed.event_types);
    }

    /// Says whether the engine has no room for more events.
    pub(crate) fn set_no_room(&self, has_no_room: bool) {
        self.lock().has_no_room = has_no_room;
    }

    /// An author has read another log, although the log is what this process has read.
    pub(crate) fn note_suspect(&self) {
        self.lock().counts.suspect_frames += 1;
    }

    /// Answers when this process has applied all that is in the log now. A log that is not shared is always applied.
    pub(crate) fn barrier(&self, asker: BarrierAsker) {
        if !self.is_shared {
            return asker(Ok(()));
        }
        let now_ms = self.clock.now_ms();
        self.update(|state, answers| state.order.ask(asker, now_ms, answers));
    }

    /// Answers a batch now, unless it has its answer.
    pub(crate) fn give_up(&self, ticket: u64) {
        self.update(|state, answers| state.order.give_up(ticket, answers));
    }

    /// The next frame, if one is due now.
    #[cfg(test)]
    pub(crate) fn next_frame(&self) -> Option<Work> {
        let mut answers = Answers::default();
        let work = self.next_work(&mut self.lock(), &mut answers);
        answers.give();
        work
    }

    /// Waits for the next frame; none if there will be none.
    pub(crate) fn wait_for_frame(&self) -> Option<Work> {
        loop {
            let mut answers = Answers::default();
            let mut state = self.lock();
            let work = self.next_work(&mut state, &mut answers);
            if work.is_some() || state.is_done {
                drop(state);
                self.changed.notify_all();
                answers.give();
                return work;
            }
            if answers.is_empty() {
                let patience_ms = state.order.patience_ms(self.clock.now_ms());
                drop(wait(&self.changed, state, Duration::from_millis(patience_ms.unsigned_abs())));
            } else {
                drop(state);
                answers.give();
            }
        }
    }

    fn next_work(&self, state: &mut State, answers: &mut Answers) -> Option<Work> {
        if state.progress != Progress::Ready {
            state.is_done = state.is_closing || matches!(state.progress, Progress::Failed(_));
            return None;
        }
        let Tip { applied, chain, log_ms } = state.tip;
        let (reading_ms, reference_done, table) = (self.clock.now_ms(), state.reference_done, state.table);
        let (node, peer) = (self.node, state.peer_head());
        let head = Head { node, number: 0, reading_ms, applied, chain, log_ms, reference_done, table, peer };
        let frame = state.order.next_frame(head, &mut state.outcomes, state.has_rows, answers);
        state.is_done = state.is_closing && state.order.is_idle() && state.outcomes.are_recorded();
        frame.map(|frame| Work { frame, trim_before: state.trim_before })
    }

    /// The log has placed a frame, or has said why it has not.
    pub(crate) fn placed(&self, number: u64, result: Result<Place, NotPlaced>) {
        self.update(|state, answers| state.order.placed(number, result, &mut state.outcomes, answers));
    }

    /// Takes the capacity that a part of a frame of `node` has.
    pub(crate) fn take_reservation(&self, node: u64, ticket: u64, rows: usize) -> weir::Reservation {
        if node == self.node { self.lock().order.take_reservation(ticket, rows) } else { weir::Reservation::default() }
    }

    /// A frame was applied; `is_judged` means that it had no recorded judgement. Its batches get their answers.
    /// Returns the log time from which on a replay would judge frames.
    ///
    /// # Errors
    /// The frame has recorded another judgement of an earlier frame than this process has made.
    pub(crate) fn applied(&self, applied: Applied, is_judged: bool, tip: Tip) -> Result<Option<i64>, Lost> {
        self.update(|state, answers| {
            (state.tip, state.applied) = (tip, applied.place);
            if let Progress::Replaying { place, log_ms } = &mut state.progress {
                (*place, *log_ms) = (applied.place, tip.log_ms);
                state.counts.judged_in_replay += u64::from(is_judged && applied.has_rows);
            }
            let Applied { place, head, has_rows, .. } = applied;
            state.compare(&applied, self.node)?;
            let is_own = head.node == self.node && applied.is_first;
            if is_own {
                state.note_clock_offset(&applied);
            }
            let is_void = applied.judgement == Judgement::Void;
            if !is_void {
                state.table_in_force = state.table_in_force.max(head.table);
            }
            if is_judged {
                state.counts.void_frames += u64::from(is_void);
                let noted = Noted { author: head.node, has_rows, log_ms: tip.log_ms };
                state.outcomes.note(place, applied.judgement, noted);
            }
            if is_own {
                if is_void {
                    state.outcomes.offer_again();
                }
                let table = state.table_in_force;
                state.order.applied(head.number, is_void, table, applied.parts, answers);
            }
            Ok(state.outcomes.judged_from_ms())
        })
    }

    /// Frames before `before` are not needed any more. `has_rows` means that some later ones have rows, which will not
    /// be needed at a later log time.
    pub(crate) fn set_needed(&self, before: Place, has_rows: bool) {
        let mut state = self.lock();
        state.trim_before = state.trim_before.max(before);
        state.has_rows = has_rows;
    }

    /// The reference log is applied up to this place, and this is the newest generation. Returns the number of the
    /// generation that the log has put in force.
    pub(crate) fn set_reference(&self, done: Place, table: u64) -> u64 {
        let mut state = self.lock();
        (state.reference_done, state.table) = (done, table);
        state.table_in_force
    }

    /// The generation of this number is in force here.
    pub(crate) fn set_table(&self, table: u64) {
        let mut answers = Answers::default();
        self.lock().order.set_table(table, &mut answers);
        answers.give();
    }

    /// The end of one log is reached. After the last one, batches are taken.
    pub(crate) fn ready(&self) {
        self.update(|state, _| {
            state.unready_logs -= 1;
            if state.unready_logs == 0 && !state.is_closing && matches!(state.progress, Progress::Replaying { .. }) {
                state.progress = Progress::Ready;
                state.order.open();
            }
        });
    }

    /// The log cannot be read any more. All batches are answered.
    pub(crate) fn fail(&self, lost: Lost) {
        self.update(|state, answers| {
            state.progress = Progress::Failed(lost);
            state.order.give_up_all(answers);
        });
    }

    /// Takes no more batches. The threads end when all are answered and their outcomes are recorded.
    pub(crate) fn close(&self) {
        self.update(|state, _| {
            state.is_closing = true;
            state.order.close();
        });
    }

    /// Waits until the last outcomes are recorded, for at most about `patience`. Returns whether they are.
    pub(crate) fn wait_until_done(&self, patience: Duration) -> bool {
        let step = Duration::from_millis(20);
        for _ in 0..=patience.as_millis() / step.as_millis() {
            let state = self.lock();
            if state.is_done {
                return true;
            }
            drop(wait(&self.changed, state, step));
        }
        false
    }

    pub(crate) fn is_done(&self) -> bool {
        self.lock().is_done
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.lock().progress, Progress::Failed(_))
    }

    pub(crate) fn progress(&self) -> Progress {
        self.lock().progress.clone()
    }

    pub(crate) fn figures(&self) -> Figures {
        let now_ms = self.clock.now_ms();
        let state = self.lock();
        let (waiting_batches, waiting_rows) = state.order.waiting();
        let counts = &state.counts;
        let log_ms = state.tip.log_ms;
        Figures {
            applied: state.applied,
            waiting_batches,
            waiting_rows,
            lag_ms: state.order.lag_ms(now_ms),
            void_frames: counts.void_frames,
            judgements_compared: counts.judgements_compared,
            judged_in_replay: counts.judged_in_replay,
            waiting_barriers: state.order.waiting_barriers(),
            clock_offset_ms: state.clock_offset.ms(),
            is_clock_off: state.clock_offset.is_too_large(),
            judgements_disputed: counts.judgements_disputed,
            differing_frames: counts.differing_frames,
            suspect_frames: counts.suspect_frames,
            peers: state.peers.len(log_ms),
            version_read_by_all: state
                .peers
                .version_read_by_all(log_ms)
                .map_or(FRAME_VERSION, |least| least.min(FRAME_VERSION)),
            is_peer_full: state.peers.is_any_full(log_ms),
        }
    }
}

impl State {
    /// What this process says of itself to the other nodes; none if they may not understand it.
    fn peer_head(&self) -> Option<PeerHead> {
        let agreement = self.agreement.as_ref().filter(|_| self.frame_version >= 2)?;
        let (judgements, has_no_room) = (agreement.hash(), self.has_no_room);
        Some(PeerHead { judgements, reads_version: FRAME_VERSION, has_no_room })
    }

    /// Compares the judgements of this process with what a frame says. `node` is this process.
    fn compare(&mut self, applied: &Applied, node: u64) -> Result<(), Lost> {
        let Applied { place, head, judgement, recorded, .. } = applied;
        for (place, recorded) in recorded {
            let compared = self.outcomes.recorded(*place, recorded);
            self.counts.judgements_compared += u64::from(compared != Recorded::Again);
            match (&mut self.agreement, compared) {
                (_, Recorded::Same) | (None, Recorded::Again) => {}
                (None, Recorded::Different) => {
                    return Err(Lost::judged_differently(*place, "the log has recorded"));
                }
                (Some(agreement), Recorded::Again) => agreement.recorded_again(*place, recorded, head.node)?,
                (Some(agreement), Recorded::Different) => {
                    self.counts.judgements_disputed += 1;
                    agreement.differs(*place, recorded, head.node);
                }
            }
        }
        let Some(agreement) = &mut self.agreement else { return Ok(()) };
        agreement.judged(*place, judgement);
        if *judgement == Judgement::Void || head.node == node {
            return Ok(());
        }
        if let Some(peer) = head.peer {
            let is_same = agreement.heard(head.node, head.applied, peer.judgements)?;
            self.counts.differing_frames += u64::from(!is_same);
        }
        self.peers.note(head, self.tip.log_ms);
        self.decide_refusing();
        Ok(())
    }

    /// Refuses batches while another node has no room, or while the clock of this node is too far off.
    fn decide_refusing(&mut self) {
        self.order.set_refusing(self.clock_offset.is_too_large() || self.peers.is_any_full(self.tip.log_ms));
    }

    /// A frame of this process was applied.
    fn note_clock_offset(&mut self, applied: &Applied) {
        if let Some(logged_at_ms) = applied.logged_at_ms {
            self.clock_offset.note(applied.head.reading_ms, logged_at_ms);
            self.decide_refusing();
        }
    }
}
