//! Changes that wait for their place in the reference log.

use crate::answers::NotLogged;
use crate::limits::{PRECONDITION_GENERATIONS_MAX, WAITING_CHANGE_BYTES_MAX, WAITING_CHANGES_MAX};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, wait};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use weir::{Change, Generation, Generations, Preconditions, ReferenceError};

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotChanged {
    /// It has its place in the log, and was refused there.
    Refused(ReferenceError),
    /// It has no place in the log, as far as this process knows.
    NotLogged(NotLogged),
}

/// What became of a change: the generation in force after it, or why it was not made.
pub type ChangeAnswer = Result<Arc<Generation>, NotChanged>;

/// Takes the answer. It is called once, on any thread, and must not wait.
pub type ChangeAsker = Box<dyn FnOnce(ChangeAnswer) + Send>;

/// A change of the reference table.
pub struct ChangeSubmission {
    /// How the body changes the table.
    pub change: Change,
    /// The body, as it came.
    pub body: Vec<u8>,
    /// When the change may be made.
    pub preconditions: Preconditions,
    /// The clock reading of the request, in milliseconds.
    pub received_at_ms: i64,
    /// Who waits for the answer.
    pub asker: ChangeAsker,
}

impl fmt::Debug for ChangeSubmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeSubmission").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// The changes that no one has taken yet.
pub(crate) struct Changes {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: VecDeque<ChangeSubmission>,
    bytes: usize,
    is_open: bool,
    is_closing: bool,
}

/// What the thread of the reference log does next.
pub(crate) enum Next {
    Change(ChangeSubmission),
    /// There is none yet.
    Idle,
    /// There will be none.
    Closed,
}

impl Changes {
    /// Takes no change before it is [opened](Self::open).
    pub(crate) fn new() -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, is_open: false, is_closing: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a change, or refuses it.
    pub(crate) fn submit(&self, submission: ChangeSubmission) {
        let mut state = self.lock();
        let bytes = state.bytes.saturating_add(submission.body.len());
        let fits = bytes <= WAITING_CHANGE_BYTES_MAX && state.waiting.len() < WAITING_CHANGES_MAX;
        let is_taken = state.is_open && (state.waiting.is_empty() || fits) && has_few_generations(&submission);
        if is_taken {
            state.bytes = bytes;
            state.waiting.push_back(submission);
            drop(state);
            self.changed.notify_all();
        } else {
            drop(state);
            (submission.asker)(Err(NotChanged::NotLogged(NotLogged::Overloaded)));
        }
    }

    /// The next change. Waits for at most `patience`.
    pub(crate) fn next(&self, patience: Duration) -> Next {
        let mut state = self.lock();
        if state.waiting.is_empty() && !state.is_closing && !patience.is_zero() {
            state = wait(&self.changed, state, patience);
        }
        match state.waiting.pop_front() {
            Some(submission) => {
                state.bytes -= submission.body.len();
                Next::Change(submission)
            }
            None if state.is_closing => Next::Closed,
            None => Next::Idle,
        }
    }

    /// From now on changes are taken.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        state.is_open = !state.is_closing;
    }

    /// Takes no more changes.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        (state.is_open, state.is_closing) = (false, true);
        drop(state);
        self.changed.notify_all();
    }

    /// Refuses all changes: the log has failed. Nothing of those that wait was taken.
    pub(crate) fn fail(&self) {
        self.close();
        let waiting = std::mem::take(&mut self.lock().waiting);
        waiting.into_iter().for_each(|waiting| (waiting.asker)(Err(NotChanged::NotLogged(NotLogged::Overloaded))));
    }
}

/// Whether the preconditions can be encoded.
fn has_few_generations(submission: &ChangeSubmission) -> bool {
    let Preconditions { if_match, if_none_match } = &submission.preconditions;
    [if_match, if_none_match].into_iter().flatten().all(|generations| match generations {
        Generations::OneOf(numbers) => numbers.len() <= PRECONDITION_GENERATIONS_MAX,
        _ => true,
    })
}
