//! Changes of the reference table that come into force later than they are made: when a log says so.

use super::Engine;
use super::successors::{Admission, Request, Successors};
use crate::reference::{Change, Generation, Preconditions, ReferenceError};
use std::convert::Infallible;
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
        body: Vec<u8>,
        preconditions: &Preconditions,
        received_at_ms: i64,
    ) -> Result<Arc<Generation>, ReferenceError> {
        let request = Request { admission: Admission::Logged, change, preconditions, received_at_ms };
        Successors::read(self, request, body, |successors| {
            let base = self.newest_reference();
            let Some((successor, _reservation)) = successors.of(&base)? else { return Ok(base) };
            self.reference.prepared().push(Arc::clone(&successor));
            self.refresh_usage();
            Ok(successor)
        })
    }

    /// Puts the newest prepared generation up to `number` in force, if there is one.
    pub fn publish_prepared(&self, number: u64) {
        let Some(generation) = self.reference.prepared().take_up_to(number) else { return };
        let newer = |base: &Generation| base.number() < generation.number();
        let Ok(_) = self.publish_next::<_, Infallible>(|base| Ok(newer(base).then(|| (Arc::clone(&generation), ()))));
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
