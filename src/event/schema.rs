//! What the events of a request must look like.

use super::error::DecodeError;
use super::kinds::Kinds;

/// What an event must look like.
pub(crate) struct Schema {
    pub(super) kinds: Kinds,
    pub(super) batch_events_max: usize,
}

impl Schema {
    /// Events of these types, of which an event's kind is the index, and at most so many in a request.
    pub(crate) fn new(event_types: impl IntoIterator<Item = impl Into<Box<str>>>, batch_events_max: usize) -> Self {
        Self { kinds: Kinds::new(event_types), batch_events_max }
    }

    /// Refuses a request of `events` events where that is more than it may hold.
    pub(super) fn limit(&self, events: usize) -> Result<(), DecodeError> {
        let max = self.batch_events_max;
        if events > max { Err(DecodeError::TooManyEvents { max }) } else { Ok(()) }
    }
}
