//! The answers to those who wait for the log.

use weir::Outcome;

/// Why a batch has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLogged {
    /// There is no room for the batch. Nothing of it was taken.
    Overloaded,
    /// The log did not answer, or it failed. Some of the batch may have been taken. When it is sent again, the
    /// answer shows what was.
    Unavailable,
}

/// What became of a batch.
pub type Answer = Result<Outcome, NotLogged>;

/// Takes the answer. It is called once, on any thread, and must not wait.
pub type Asker = Box<dyn FnOnce(Answer) + Send>;

/// Takes the answer of a barrier. It is called once, on any thread, and must not wait.
pub type BarrierAsker = Box<dyn FnOnce(Result<(), NotLogged>) + Send>;

/// Answers that are given after the lock is released.
#[derive(Default)]
#[must_use]
pub(crate) struct Answers {
    batches: Vec<(Asker, Answer)>,
    barriers: Vec<(BarrierAsker, Result<(), NotLogged>)>,
}

impl Answers {
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.barriers.is_empty()
    }

    pub(crate) fn give(self) {
        self.batches.into_iter().for_each(|(asker, answer)| asker(answer));
        self.barriers.into_iter().for_each(|(asker, answer)| asker(answer));
    }

    pub(crate) fn push(&mut self, asker: Asker, answer: Answer) {
        self.batches.push((asker, answer));
    }

    pub(crate) fn push_barrier(&mut self, asker: BarrierAsker, answer: Result<(), NotLogged>) {
        self.barriers.push((asker, answer));
    }
}
