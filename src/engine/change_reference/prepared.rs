//! Changes of the reference table that come into force later than they are made: when a log says so.

use super::{Admission, Engine, parse_bytes_max};
use crate::json::{self, Node};
use crate::reference::{Change, Generation, Preconditions, ReferenceError};
use std::sync::Arc;

impl Engine {
    /// [`apply_change`](Self::apply_change), but the new generation is not in force before
    /// [`publish_prepared`](Self::publish_prepared). The next change is judged against it all the same. One thread
    /// makes the changes and publishes them.
    ///
    /// # Errors
    /// When the change is refused, but never as overloaded.
    pub fn prepare_change(
        &self,
        change: Change,
        mut body: Vec<u8>,
        preconditions: &Preconditions,
        received_at_ms: i64,
    ) -> Result<Arc<Generation>, ReferenceError> {
        let _parse_reservation = self.reserve(Admission::Logged, parse_bytes_max(body.len()))?;
        let prepare = |nodes: &[Node<'_>]| {
            let base = self.newest_reference();
            let _table_reservation = self.reserve(Admission::Logged, self.table_bytes_max(change, &base))?;
            let candidate = match change {
                Change::Replace => self.reference.read_table(nodes, &self.keys)?,
                Change::Merge => self.reference.read_patch(nodes, &base, &self.keys)?,
            };
            let successor = self.reference.successor(&base, candidate, preconditions, received_at_ms)?;
            let Some(successor) = successor else { return Ok(base) };
            self.reference.prepared().push(Arc::clone(&successor));
            self.refresh_usage();
            Ok(successor)
        };
        json::with_nodes(&mut body, &mut json::Scratch::default(), prepare).map_err(ReferenceError::Malformed)?
    }

    /// Puts the newest prepared generation up to `number` in force, if there is one.
    pub fn publish_prepared(&self, number: u64) {
        let Some(generation) = self.reference.prepared().take_up_to(number) else { return };
        let mut base = self.reference.published();
        while base.generation().number() < generation.number() {
            match self.publish_generation(&base, Arc::clone(&generation)) {
                Ok(_) => break,
                Err(newer) => base = newer,
            }
        }
    }

    /// The newest generation: the newest prepared one, or the one in force.
    #[must_use]
    pub fn newest_reference(&self) -> Arc<Generation> {
        self.reference.prepared().newest().unwrap_or_else(|| self.reference.current())
    }

    /// The number of generations that are prepared and not in force.
    #[must_use]
    pub fn prepared_generations(&self) -> usize {
        self.reference.prepared().len()
    }
}
