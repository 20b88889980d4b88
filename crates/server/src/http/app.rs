//! What the handlers share.

use crate::http::adaptive_limit::AdaptiveLimit;
use crate::http::body_memory::BodyMemory;
use crate::http::concurrency_limiter::ConcurrencyLimiter;
use crate::http::config::HttpConfig;
use crate::http::live_streams::LiveStreams;
use crate::http::problem::Overload;
use crate::http::reject_log::RejectLog;
use crate::http::server_metrics::ServerMetrics;
use crate::limits;
use crate::tokens::{ActiveTokens, Tokens};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use weir::Engine;

/// What the handlers share.
pub struct App {
    pub(crate) engine: Arc<Engine>,
    pub(super) config: HttpConfig,
    pub(super) tokens: ActiveTokens,
    /// Whether the server is about to stop.
    pub(super) draining: watch::Sender<bool>,
    pub(super) server_metrics: Arc<ServerMetrics>,
    /// Places for connections.
    pub(crate) connection_permits: Arc<Semaphore>,
    /// How far behind the runtime is.
    pub(super) adaptive_limit: AdaptiveLimit,
    /// Memory for bodies, and for the answers to batches.
    pub(super) bodies: BodyMemory,
    /// Memory for the answers to queries.
    pub(super) answers: BodyMemory,
    /// Batches too large for a runtime worker.
    pub(super) ingest_limiter: ConcurrencyLimiter,
    /// Queries that sum seconds up.
    pub(super) query_limiter: ConcurrencyLimiter,
    /// Queries that look at every run.
    pub(super) scan_limiter: ConcurrencyLimiter,
    /// Changes of the reference table.
    pub(super) change_limiter: ConcurrencyLimiter,
    pub(super) streams: LiveStreams,
    pub(super) reject_log: RejectLog,
}

impl App {
    /// The interface of `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, config: HttpConfig) -> Self {
        let server_metrics = Arc::new(ServerMetrics::new(engine.now_ms()));
        // An engine that has an observer keeps it, and shows its stages there.
        engine.set_observer(Arc::clone(&server_metrics.stages) as _);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            engine,
            tokens: ActiveTokens::default(),
            draining: watch::Sender::new(false),
            server_metrics,
            connection_permits: Arc::new(Semaphore::new(config.max_connections)),
            adaptive_limit: AdaptiveLimit::new(config.max_queue_delay),
            bodies: BodyMemory::new(config.max_bodies_bytes),
            answers: BodyMemory::new(config.max_answers_bytes()),
            ingest_limiter: ConcurrencyLimiter::new(cores, limits::QUEUED_PER_PERMIT),
            query_limiter: ConcurrencyLimiter::new(limits::CONCURRENT_QUERIES, limits::QUERIES_QUEUED_PER_PERMIT),
            scan_limiter: ConcurrencyLimiter::new(limits::CONCURRENT_SCANS, limits::QUEUED_PER_PERMIT),
            change_limiter: ConcurrencyLimiter::new(limits::CONCURRENT_REFERENCE_CHANGES, limits::QUEUED_PER_PERMIT),
            streams: LiveStreams::new(config.max_streams),
            reject_log: RejectLog::default(),
            config,
        }
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &HttpConfig {
        &self.config
    }

    /// Makes these the tokens that are asked for, from the next request on; live streams end, unless they are the same as
    /// before. At first there are none.
    pub fn set_tokens(&self, tokens: Tokens) {
        self.tokens.replace(tokens);
    }

    /// The tokens in force.
    pub(crate) fn tokens(&self) -> Tokens {
        self.tokens.get()
    }

    /// Connections that are open.
    pub(super) fn connections(&self) -> usize {
        self.config.max_connections - self.connection_permits.available_permits()
    }

    /// A connection was refused for want of a place.
    pub(crate) fn refused_connection(&self) {
        self.server_metrics.refused(Overload::Connections);
    }

    /// From now on the server says that it is not ready.
    pub(crate) fn start_draining(&self) {
        self.draining.send_replace(true);
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}
