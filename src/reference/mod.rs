//! The reference table of users, in generations.
//!
//! A generation is immutable. A change is read, and then validated against the generation in force: by its timestamp
//! and by the request's preconditions. One compare-and-swap makes it the next generation. A change that loses this race
//! is validated again, against the winner, so no generation is ever replaced unseen. The loop is in
//! [`Engine::change_reference`]; its steps are here.
//!
//! [`Engine::change_reference`]: crate::Engine::change_reference

mod copy;
mod error;
mod generation;
mod parse;
mod precondition;
mod prepared;
pub(crate) mod publication;
mod published;
mod table;

pub use copy::ReferenceCopy;
pub use error::ReferenceError;
pub use generation::Generation;
pub use precondition::{Generations, Preconditions};
pub(crate) use published::{PublishedGeneration, UserGroups};

use crate::json::Node;
use crate::key::HashKeys;
pub(crate) use generation::Candidate;
use parse::TableReader;
use prepared::PreparedGenerations;
use publication::Publication;
use std::sync::Arc;

/// How a body changes the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The body is the new table.
    Replace,
    /// The body is a JSON merge patch (RFC 7396) of the table in force.
    Merge,
}

/// The store of the generation in force. Readers never wait, and changes are lock-free.
pub(crate) struct Reference {
    current: Publication<PublishedGeneration>,
    prepared: PreparedGenerations,
    max_skew_ms: i64,
}

impl Reference {
    pub(crate) fn new(attributes: &[String], max_skew_ms: i64) -> Self {
        let zero = PublishedGeneration::new(Arc::new(Generation::zero(attributes)), Vec::new());
        Self { current: Publication::new(zero), prepared: PreparedGenerations::default(), max_skew_ms }
    }

    /// The generation in force.
    pub(crate) fn current(&self) -> Arc<Generation> {
        Arc::clone(self.current.current().generation())
    }

    /// The generation in force, with its prepared groups.
    pub(crate) fn published(&self) -> Arc<PublishedGeneration> {
        self.current.current()
    }

    /// The generations that are made and not in force yet.
    pub(crate) fn prepared(&self) -> &PreparedGenerations {
        &self.prepared
    }

    /// Reads a body that is a whole table.
    pub(crate) fn read_table(&self, body: &[Node<'_>], keys: &HashKeys) -> Result<Candidate, ReferenceError> {
        let current = self.current();
        Ok(TableReader { attributes: current.attributes(), keys, base: None }.read(body)?)
    }

    /// Checks a body that is a whole table, as far as the table in force does not matter.
    pub(crate) fn check_table(
        &self,
        body: &[Node<'_>],
        keys: &HashKeys,
        received_at_ms: i64,
    ) -> Result<(), ReferenceError> {
        self.check_clock(&self.read_table(body, keys)?, received_at_ms)
    }

    /// Reads a body that is a merge patch, and applies it to the table of `base`.
    pub(crate) fn read_patch(
        &self,
        body: &[Node<'_>],
        base: &Generation,
        keys: &HashKeys,
    ) -> Result<Candidate, ReferenceError> {
        Ok(TableReader { attributes: base.attributes(), keys, base: Some(base.table()) }.read(body)?)
    }

    /// Validates `candidate` against `base`. Returns the generation that it becomes, or none when `base` has the same
    /// table with the same timestamp: then the request is a retry, and `base` answers it.
    pub(crate) fn successor(
        &self,
        base: &Generation,
        candidate: Candidate,
        preconditions: &Preconditions,
        received_at_ms: i64,
    ) -> Result<Option<Arc<Generation>>, ReferenceError> {
        self.check_clock(&candidate, received_at_ms)?;
        preconditions.check(base.number())?;
        if is_unchanged(base, &candidate)? {
            return Ok(None);
        }
        Ok(Some(Arc::new(base.successor(candidate, received_at_ms))))
    }

    /// The generation that `copy` is of, if it is newer than `base`; otherwise none.
    pub(crate) fn restored(
        &self,
        base: &Generation,
        copy: &ReferenceCopy,
    ) -> Result<Option<Arc<Generation>>, ReferenceError> {
        if copy.number <= base.number() {
            return Ok(None);
        }
        Ok(Some(Arc::new(base.restored(copy)?)))
    }

    /// Publishes `successor`, which was validated against `base`, together with the groups of the known users.
    ///
    /// # Errors
    /// The publication in force, if it is no longer `base`. The change must be validated against it.
    pub(crate) fn try_publish(
        &self,
        base: &Arc<PublishedGeneration>,
        successor: Arc<Generation>,
        groups: Vec<UserGroups>,
    ) -> Result<Arc<Generation>, Arc<PublishedGeneration>> {
        let published = self.current.try_publish(base, PublishedGeneration::new(successor, groups))?;
        Ok(Arc::clone(published.generation()))
    }

    /// A table from the future would lock out every client whose clock is right.
    fn check_clock(&self, candidate: &Candidate, received_at_ms: i64) -> Result<(), ReferenceError> {
        let ahead_ms = candidate.ts_ms.saturating_sub(received_at_ms);
        if ahead_ms > self.max_skew_ms {
            return Err(ReferenceError::TimestampInFuture { ahead_ms, max_skew_ms: self.max_skew_ms });
        }
        Ok(())
    }
}

/// Whether `candidate` has the table and the timestamp of `base`. It is an error if it is neither the same nor newer.
fn is_unchanged(base: &Generation, candidate: &Candidate) -> Result<bool, ReferenceError> {
    let Some(current_ts_ms) = base.ts_ms() else { return Ok(false) };
    let same_table = || Arc::ptr_eq(&candidate.table, base.table()) || candidate.table.same_content(base.table());
    if candidate.ts_ms > current_ts_ms {
        Ok(false)
    } else if candidate.ts_ms == current_ts_ms && same_table() {
        Ok(true)
    } else {
        Err(ReferenceError::Stale { current_ts_ms, current: base.number() })
    }
}

#[cfg(test)]
impl Reference {
    /// Publishes a valid whole table, while no other change is made.
    pub(crate) fn put(&self, body: &str, keys: &HashKeys, groups: Vec<UserGroups>) -> Arc<Generation> {
        let base = self.published();
        let (mut body, mut scratch) = (body.as_bytes().to_vec(), crate::json::Scratch::default());
        let candidate = crate::json::with_nodes(&mut body, &mut scratch, |nodes| self.read_table(nodes, keys));
        let candidate = candidate.expect("JSON").expect("a table");
        let successor = self.successor(base.generation(), candidate, &Preconditions::default(), i64::MAX);
        let successor = successor.expect("newer").expect("another table");
        self.try_publish(&base, successor, groups).unwrap_or_else(|_| panic!("another change came between"))
    }
}
