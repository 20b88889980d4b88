//! The settings of the HTTP API.

use crate::http::cors::CorsOrigins;
use crate::http::hosts::AllowedHosts;
use crate::limits;
use crate::min_rate::Timeouts;
use std::time::Duration;
use weir_api::Consistency;

/// The settings of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// The size limit of a request body in bytes, as sent and after decompression.
    pub max_body_bytes: usize,
    /// The memory budget in bytes of the request bodies in flight. It also covers their decoding, and the responses to
    /// batches until they are sent. A body that needs more than the whole budget is too large.
    pub max_bodies_bytes: usize,
    /// The most open connections.
    pub max_connections: usize,
    /// The most concurrent live streams.
    pub max_streams: usize,
    /// How long clients may take to send and to receive.
    pub timeouts: Timeouts,
    /// The queueing delay above which fewer batches are admitted. The delay is how long a ready task waits for a worker
    /// of the runtime.
    pub max_queue_delay: Duration,
    /// The hosts that requests may name without a token, in addition to those of the listen address.
    pub allowed_hosts: AllowedHosts,
    /// The origins whose web pages may post events and read.
    pub cors_origins: CorsOrigins,
    /// How fresh the answers to reads are that do not say it. It makes a difference only in a cluster.
    pub reads: Consistency,
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
            allowed_hosts: AllowedHosts::default(),
            cors_origins: CorsOrigins::default(),
            reads: Consistency::default(),
        }
    }
}

impl HttpConfig {
    /// The memory budget in bytes of large query responses until they are sent. It is separate from the budget for
    /// bodies, so that ingestion does not block queries.
    pub(crate) fn max_responses_bytes(&self) -> usize {
        self.max_bodies_bytes / 4
    }
}
