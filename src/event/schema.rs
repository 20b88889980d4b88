//! Which events a request may hold, and how many.

use super::error::DecodeError;
use super::kinds::Kinds;

/// The configured event types, and the largest number of events in a request.
pub(crate) struct Schema {
    pub(super) kinds: Kinds,
    pub(super) batch_events_max: usize,
}

impl Schema {
    /// Accepts events of these types, and at most `batch_events_max` events in a request. The kind of an event is the
    /// index of its type.
    pub(crate) fn new(event_types: impl IntoIterator<Item = impl Into<Box<str>>>, batch_events_max: usize) -> Self {
        Self { kinds: Kinds::new(event_types), batch_events_max }
    }

    /// Refuses a request of `events` events if that is more than a request may hold.
    pub(super) fn check_event_count(&self, events: usize) -> Result<(), DecodeError> {
        let max = self.batch_events_max;
        if events > max { Err(DecodeError::TooManyEvents { max }) } else { Ok(()) }
    }
}
