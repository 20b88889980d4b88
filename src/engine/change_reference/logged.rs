//! Changes of the reference table that have their place in a log.

use super::Engine;
use super::successors::{Admission, Request, Successors, parse_bytes_max};
use crate::json::{self, Node};
use crate::reference::{Change, Generation, Preconditions, ReferenceCopy, ReferenceError};
use std::sync::Arc;

impl Engine {
    /// Checks, before a change is logged, what does not depend on the table in force: that there is memory for the
    /// change, that the body is JSON, and that a whole table is valid and not from the future. A change that is logged
    /// is not refused if memory is short. The body is overwritten.
    ///
    /// # Errors
    /// When the change is refused.
    pub fn check_change(&self, change: Change, body: &mut [u8], received_at_ms: i64) -> Result<(), ReferenceError> {
        let table_bytes = self.table_bytes_max(change, &self.reference.current());
        let bytes = parse_bytes_max(body.len()).saturating_add(table_bytes);
        let _reservation = self.reserve(Admission::Checked, bytes)?;
        let check = |nodes: &[Node<'_>]| match change {
            Change::Replace => self.reference.check_table(nodes, &self.keys, received_at_ms),
            Change::Merge => Ok(()),
        };
        json::with_nodes(body, &mut json::Scratch::default(), check).map_err(ReferenceError::Malformed)?
    }

    /// [`change_reference`](Self::change_reference) for a change that is logged. The result depends on the changes
    /// before it alone: one thread calls this, in the order of the log.
    ///
    /// # Errors
    /// When the change is refused, but never as overloaded; the table stays as it was.
    pub fn apply_change(
        &self,
        change: Change,
        body: Vec<u8>,
        preconditions: &Preconditions,
        received_at_ms: i64,
    ) -> Result<Arc<Generation>, ReferenceError> {
        let request = Request { admission: Admission::Logged, change, preconditions, received_at_ms };
        Successors::read(self, request, body, |successors| self.publish_next(|base| successors.of(base)))
    }

    /// Puts a copied generation in force, with its number and its times. A copy that is not newer than the generation
    /// in force changes nothing.
    ///
    /// # Errors
    /// The copy is not a table with the configured attributes.
    pub fn restore_reference(&self, copy: &ReferenceCopy) -> Result<(), ReferenceError> {
        let restored = |base: &Generation| Ok(self.reference.restored(base, copy)?.map(|restored| (restored, ())));
        self.publish_next::<_, ReferenceError>(restored).map(drop)
    }

    /// A copy of the generation in force; none before the first table. O(users).
    #[must_use]
    pub fn copy_reference(&self) -> Option<ReferenceCopy> {
        Generation::copy(&self.reference.current())
    }
}
