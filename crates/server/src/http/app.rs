//! The shared state of all handlers.

use crate::http::adaptive_limit::AdaptiveLimit;
use crate::http::body_memory::BodyMemory;
use crate::http::concurrency_limiter::ConcurrencyLimiter;
use crate::http::config::HttpConfig;
use crate::http::ingest_pacer::IngestPacer;
use crate::http::intake::Intake;
use crate::http::live_streams::LiveStreams;
use crate::http::problem::Overload;
use crate::http::query_limiter::QueryLimiter;
use crate::http::reject_log::RejectLog;
use crate::http::server_metrics::ServerMetrics;
use crate::limits;
use crate::log::EventLog;
use crate::tokens::{ActiveTokens, Tokens};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use weir::{ConfigError, Engine, EngineConfig, SystemClock};

/// The HTTP API of one engine: the shared state of all its handlers. [`serve_app`](crate::serve_app) serves it.
pub struct App {
    pub(crate) engine: Arc<Engine>,
    /// How batches and changes reach the engine.
    pub(super) intake: Intake,
    pub(super) config: HttpConfig,
    pub(super) tokens: ActiveTokens,
    /// Whether the server is shutting down.
    pub(super) draining: watch::Sender<bool>,
    pub(super) server_metrics: Arc<ServerMetrics>,
    /// One permit for each connection that may be open.
    pub(crate) connection_permits: Arc<Semaphore>,
    /// Bounds the batches in flight by the time that a batch waits.
    pub(super) adaptive_limit: AdaptiveLimit,
    /// The pace of the batches that the workers of the runtime ingest themselves.
    pub(super) ingest_pacer: IngestPacer,
    /// The memory budget of request bodies, and of the responses to batches.
    pub(super) bodies: BodyMemory,
    /// The memory budget of the responses to queries.
    pub(super) responses: BodyMemory,
    /// Limits batches that are too large for a runtime worker.
    pub(super) ingest_limiter: ConcurrencyLimiter,
    /// Limits queries that add up the totals of seconds.
    pub(super) query_limiter: QueryLimiter,
    /// Limits queries that scan every run of their window.
    pub(super) scan_limiter: QueryLimiter,
    /// Limits changes of the reference table.
    pub(super) change_limiter: ConcurrencyLimiter,
    pub(super) streams: LiveStreams,
    pub(super) reject_log: RejectLog,
}

impl App {
    /// The HTTP API of `engine`. The engine reports the durations of its stages to the app, unless it has an observer
    /// already.
    #[must_use]
    pub fn new(engine: Arc<Engine>, config: HttpConfig) -> Self {
        Self::with_log(engine, config, None)
    }

    /// The HTTP API while a log is opened. It has no data, and answers that it is not ready because of `work`.
    pub(crate) fn opening(
        mut config: EngineConfig,
        http: HttpConfig,
        tokens: Tokens,
        work: &'static str,
    ) -> Result<Self, ConfigError> {
        // The table of ids takes memory in advance, and here it has no ids.
        config.dedup_capacity = None;
        let engine = Arc::new(Engine::new(config, SystemClock)?);
        let app = Self { intake: Intake::Opening(work), ..Self::new(engine, http) };
        app.set_tokens(tokens);
        Ok(app)
    }

    /// [`new`](Self::new) for an engine that follows a log, if there is one.
    #[must_use]
    pub(crate) fn with_log(engine: Arc<Engine>, config: HttpConfig, log: Option<EventLog>) -> Self {
        let intake = log.map_or(Intake::Direct, |log| Intake::Logged(Box::new(log)));
        let server_metrics = Arc::new(ServerMetrics::new(intake.now_ms(&engine)));
        // An engine that already has an observer keeps it. Then the exposition shows no stages.
        engine.set_observer(Arc::clone(&server_metrics.stages) as _);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            engine,
            intake,
            tokens: ActiveTokens::default(),
            draining: watch::Sender::new(false),
            server_metrics,
            connection_permits: Arc::new(Semaphore::new(config.max_connections)),
            adaptive_limit: AdaptiveLimit::new(config.max_queue_delay),
            ingest_pacer: IngestPacer::new(runtime_workers().unwrap_or(cores)),
            bodies: BodyMemory::new(config.max_bodies_bytes),
            responses: BodyMemory::new(config.max_responses_bytes()),
            ingest_limiter: ConcurrencyLimiter::new(cores, limits::BATCHES_QUEUED_PER_PERMIT),
            query_limiter: QueryLimiter::new(limits::CONCURRENT_QUERIES, limits::QUERIES_QUEUED_PER_PERMIT),
            scan_limiter: QueryLimiter::new(limits::CONCURRENT_SCANS, limits::SCANS_QUEUED_PER_PERMIT),
            change_limiter: ConcurrencyLimiter::new(limits::CONCURRENT_REFERENCE_CHANGES, limits::QUEUED_PER_PERMIT),
            streams: LiveStreams::new(config.max_streams),
            reject_log: RejectLog::default(),
            config,
        }
    }

    /// The settings of this app.
    #[must_use]
    pub fn config(&self) -> &HttpConfig {
        &self.config
    }

    /// Sets the tokens that requests need from now on. A new app has no tokens, so every role is open to everyone. Live
    /// streams end, unless the tokens are the same as before.
    pub fn set_tokens(&self, tokens: Tokens) {
        self.tokens.replace(tokens);
    }

    /// The current tokens.
    pub(crate) fn tokens(&self) -> Tokens {
        self.tokens.get()
    }

    /// The time, by the clock by which requests are received.
    pub(super) fn now_ms(&self) -> i64 {
        self.intake.now_ms(&self.engine)
    }

    /// The number of open connections.
    pub(super) fn connections(&self) -> usize {
        self.config.max_connections - self.connection_permits.available_permits()
    }

    /// Counts a connection that was rejected because too many are open.
    pub(crate) fn count_rejected_connection(&self) {
        self.server_metrics.count_overload(Overload::Connections);
    }

    /// Starts the shutdown: the server is not ready any more, and live streams end.
    pub(crate) fn start_draining(&self) {
        self.draining.send_replace(true);
    }

    /// Stops the log, if there is one.
    pub(crate) async fn stop_log(&self) {
        if let Some(log) = self.intake.log() {
            log.stop().await;
        }
    }

    /// A receiver of whether the server is shutting down.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

/// The number of workers of the runtime that this is called on. None outside of a runtime.
fn runtime_workers() -> Option<usize> {
    Handle::try_current().ok().map(|runtime| runtime.metrics().num_workers())
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir::ManualClock;

    #[test]
    fn a_pass_of_batches_is_bounded_by_the_workers_of_the_runtime() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
        let pass_bytes = || {
            let engine = Arc::new(Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap());
            App::new(engine, HttpConfig::default()).ingest_pacer.pass_bytes()
        };
        assert_eq!(runtime.block_on(async { pass_bytes() }), 3 * limits::INLINE_USUAL_BODY_BYTES);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(pass_bytes(), cores * limits::INLINE_USUAL_BODY_BYTES, "an app that is made outside of a runtime");
    }
}
