//! Settings of the HTTP interface.

use crate::limits;
use crate::min_rate::Timeouts;
use std::time::Duration;

/// Settings of the HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Bytes of a body, as sent and after decompression.
    pub max_body_bytes: usize,
    /// Bytes of memory for the bodies in flight, for what is made of them while they are read, and for the answers to
    /// batches until they are taken. A body that could never be read in it is too large.
    pub max_bodies_bytes: usize,
    /// Connections at once.
    pub max_connections: usize,
    /// Live streams of figures at once.
    pub max_streams: usize,
    /// How long clients may take.
    pub timeouts: Timeouts,
    /// How long a task that is ready may wait for a worker of the runtime before fewer batches are let in.
    pub max_queue_delay: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            max_body_bytes: limits::BODY_BYTES_DEFAULT,
            max_bodies_bytes: limits::BODIES_BYTES_DEFAULT,
            max_connections: limits::CONNECTIONS_DEFAULT,
            max_streams: limits::STREAMS_DEFAULT,
            timeouts: Timeouts::default(),
            max_queue_delay: limits::QUEUE_DELAY_MAX,
        }
    }
}

impl HttpConfig {
    /// Bytes of memory for large answers to questions until they are taken, beside that for bodies: so whoever sends keeps
    /// nobody from reading.
    pub(crate) fn max_answers_bytes(&self) -> usize {
        self.max_bodies_bytes / 4
    }
}
