//! The reference table of users, in generations.
//!
//! A generation is immutable. A change is read against the generation in force, judged by that generation's timestamp and
//! by the request's preconditions, and becomes the next generation by one compare-and-swap. Whoever loses that race is
//! judged again, against the winner: nothing is ever overwritten unseen. Whoever holds a generation keeps it as it is.

mod error;
mod generation;
mod parse;
mod precondition;
pub(crate) mod publication;
mod table;
#[cfg(test)]
mod tests;

pub use error::ReferenceError;
pub use generation::Generation;
pub use precondition::{Preconditions, Tags};

use crate::json;
use crate::key::HashKeys;
use generation::Draft;
use parse::Reader;
use publication::Publication;
use std::sync::Arc;

/// What a change comes to; an error ends it.
pub(crate) enum Step<'a> {
    /// A table is made, for a patch from the one of `base`. Again after a lost race, with what was made then gone.
    Draft { base: &'a Generation },
    /// A candidate may become the current generation.
    Publish { candidate: &'a Generation },
}

/// How a body changes the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is the new table.
    Replace,
    /// It is a JSON merge patch (RFC 7396) of the one in force.
    Merge,
}

/// The store: the current generation, replaced atomically. Readers never wait; changes are lock-free.
pub(crate) struct Reference {
    current: Publication<Generation>,
    max_skew_ms: i64,
}

impl Reference {
    pub(crate) fn new(attributes: &[String], max_skew_ms: i64) -> Self {
        Self { current: Publication::new(Generation::zero(attributes)), max_skew_ms }
    }

    pub(crate) fn current(&self) -> Arc<Generation> {
        self.current.current()
    }

    /// Applies `body`, and calls `before` each step. Answers with the generation that holds what was asked for: a new one, or the current one when `ts` and content are its own.
    pub(crate) fn change(
        &self,
        change: Change,
        mut body: Vec<u8>,
        preconditions: &Preconditions,
        received_at_ms: i64,
        keys: &HashKeys,
        before: impl FnMut(Step<'_>) -> Result<(), ReferenceError>,
    ) -> Result<Arc<Generation>, ReferenceError> {
        let judge = |draft: &Draft, current: &Generation| {
            self.judge_clock(draft, received_at_ms)?;
            preconditions.check(current.number())?;
            judge_succession(draft, current)
        };
        let current = self.current();
        let attributes = current.attributes();
        json::with_nodes(&mut body, &mut json::Scratch::default(), |nodes| match change {
            Change::Replace => {
                let draft = Reader { attributes, keys, base: None }.read(nodes)?;
                self.publish(|_| Ok(draft.clone()), judge, received_at_ms, before)
            }
            Change::Merge => {
                let draft = |current: &Generation| {
                    let reader = Reader { attributes, keys, base: Some(current.table()) };
                    Ok(reader.read(nodes)?)
                };
                self.publish(draft, judge, received_at_ms, before)
            }
        })
        .map_err(ReferenceError::Malformed)?
    }

    /// Drafts, judges and publishes until the generation that the candidate was judged against is the one that it replaces.
    fn publish(
        &self,
        draft: impl Fn(&Generation) -> Result<Draft, ReferenceError>,
        judge: impl Fn(&Draft, &Generation) -> Result<Succession, ReferenceError>,
        received_at_ms: i64,
        mut before: impl FnMut(Step<'_>) -> Result<(), ReferenceError>,
    ) -> Result<Arc<Generation>, ReferenceError> {
        self.current.publish(|current| {
            before(Step::Draft { base: current })?;
            let draft = draft(current)?;
            if judge(&draft, current)? == Succession::Unchanged {
                return Ok(None);
            }
            let candidate = current.successor(draft, received_at_ms);
            before(Step::Publish { candidate: &candidate })?;
            Ok(Some(candidate))
        })
    }

    /// A table from the future would lock out everyone whose clock is right.
    fn judge_clock(&self, draft: &Draft, received_at_ms: i64) -> Result<(), ReferenceError> {
        let ahead_ms = draft.ts_ms.saturating_sub(received_at_ms);
        if ahead_ms > self.max_skew_ms {
            return Err(ReferenceError::TimestampInFuture { ahead_ms, max_skew_ms: self.max_skew_ms });
        }
        Ok(())
    }
}

/// What a draft would be to the generation in force.
#[derive(PartialEq, Eq)]
enum Succession {
    /// The same table with the same timestamp.
    Unchanged,
    /// A newer one.
    Next,
}

fn judge_succession(draft: &Draft, current: &Generation) -> Result<Succession, ReferenceError> {
    let Some(current_ts_ms) = current.ts_ms() else { return Ok(Succession::Next) };
    let same_table = || Arc::ptr_eq(&draft.table, current.table()) || draft.table.same_content(current.table());
    if draft.ts_ms > current_ts_ms {
        Ok(Succession::Next)
    } else if draft.ts_ms == current_ts_ms && same_table() {
        Ok(Succession::Unchanged)
    } else {
        Err(ReferenceError::Stale { current_ts_ms, current: current.number() })
    }
}
