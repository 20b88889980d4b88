//! The generations that a change makes of others.

use crate::engine::Engine;
use crate::json::{self, Node};
use crate::limits;
use crate::memory::Reservation;
use crate::reference::{Candidate, Change, Generation, Preconditions, ReferenceError};
use std::sync::Arc;

/// Whether a change is refused if there is not enough memory for it.
#[derive(Clone, Copy)]
pub(super) enum Admission {
    Checked,
    /// The change has its place in a log, and every engine that follows the log has to make it.
    Logged,
}

/// A change without its body.
pub(super) struct Request<'a> {
    pub(super) admission: Admission,
    pub(super) change: Change,
    pub(super) preconditions: &'a Preconditions,
    pub(super) received_at_ms: i64,
}

/// A change that is read. It makes a successor of any generation.
pub(super) struct Successors<'a> {
    engine: &'a Engine,
    request: Request<'a>,
    body: &'a [Node<'a>],
    /// A whole table does not depend on the one before it, so it is read once. A patch is read against each base.
    whole_table: Option<Candidate>,
}

/// The most memory that parsing a body takes.
pub(super) fn parse_bytes_max(body_bytes: usize) -> usize {
    body_bytes.saturating_mul(limits::REFERENCE_BYTES_PER_BODY_BYTE)
}

impl Successors<'_> {
    /// Reads the body of a change, and calls `with` while it is read.
    ///
    /// # Errors
    /// The change is refused, by its body or by `with`.
    pub(super) fn read<R>(
        engine: &Engine,
        request: Request<'_>,
        mut body: Vec<u8>,
        with: impl FnOnce(&Successors<'_>) -> Result<R, ReferenceError>,
    ) -> Result<R, ReferenceError> {
        let _parse_reservation = engine.reserve(request.admission, parse_bytes_max(body.len()))?;
        let with_body = |body: &[Node<'_>]| {
            let whole_table = match request.change {
                Change::Replace => Some(engine.reference.read_table(body, &engine.keys)?),
                Change::Merge => None,
            };
            with(&Successors { engine, request, body, whole_table })
        };
        json::with_nodes(&mut body, &mut json::Scratch::default(), with_body).map_err(ReferenceError::Malformed)?
    }

    /// The successor of `base`, and its memory until it is counted. None when `base` has the same table with the same
    /// timestamp.
    ///
    /// # Errors
    /// The change is refused.
    pub(super) fn of(&self, base: &Generation) -> Result<Option<(Arc<Generation>, Reservation<'_>)>, ReferenceError> {
        let Self { engine, request, .. } = self;
        let reservation = engine.reserve(request.admission, engine.table_bytes_max(request.change, base))?;
        let candidate = match &self.whole_table {
            Some(table) => table.clone(),
            None => engine.reference.read_patch(self.body, base, &engine.keys)?,
        };
        let successor = engine.reference.successor(base, candidate, request.preconditions, request.received_at_ms)?;
        Ok(successor.map(|successor| (successor, reservation)))
    }
}
