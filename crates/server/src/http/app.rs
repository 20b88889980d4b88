//! What the handlers share.

use crate::http::admission::Admission;
use crate::http::body_memory::BodyMemory;
use crate::http::config::HttpConfig;
use crate::http::gate::Gate;
use crate::http::instruments::Instruments;
use crate::http::problem::Overload;
use crate::http::reject_log::RejectLog;
use crate::http::streams::Streams;
use crate::limits;
use crate::tokens::{Tokens, TokensInForce};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use weir::Engine;

/// What the handlers share.
pub struct App {
    pub(crate) engine: Arc<Engine>,
    pub(super) config: HttpConfig,
    pub(super) tokens: TokensInForce,
    /// Whether the server is about to stop.
    pub(super) draining: watch::Sender<bool>,
    pub(super) instruments: Arc<Instruments>,
    /// Places for connections.
    pub(crate) places: Arc<Semaphore>,
    /// How far behind the runtime is.
    pub(super) admission: Admission,
    /// Memory for bodies, and for the answers to batches.
    pub(super) bodies: BodyMemory,
    /// Memory for the answers to queries.
    pub(super) answers: BodyMemory,
    /// Batches too large for a runtime worker.
    pub(super) ingest: Gate,
    /// Queries that sum seconds up.
    pub(super) reads: Gate,
    /// Queries that look at every run.
    pub(super) scans: Gate,
    /// Changes of the reference table.
    pub(super) changes: Gate,
    pub(super) streams: Streams,
    pub(super) reject_log: RejectLog,
}

impl App {
    /// The interface of `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, config: HttpConfig) -> Self {
        let instruments = Arc::new(Instruments::new(engine.now_ms()));
        // An engine that has an observer keeps it, and shows its stages there.
        engine.set_observer(Arc::clone(&instruments.stages) as _);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            engine,
            tokens: TokensInForce::default(),
            draining: watch::Sender::new(false),
            instruments,
            places: Arc::new(Semaphore::new(config.max_connections)),
            admission: Admission::new(config.max_wait),
            bodies: BodyMemory::new(config.max_bodies_bytes),
            answers: BodyMemory::new(config.max_answers_bytes()),
            ingest: Gate::new(cores, limits::WAITING_PER_TURN),
            reads: Gate::new(limits::READS_AT_ONCE, limits::READS_WAITING_PER_TURN),
            scans: Gate::new(limits::SCANS_AT_ONCE, limits::WAITING_PER_TURN),
            changes: Gate::new(limits::REFERENCE_CHANGES_AT_ONCE, limits::WAITING_PER_TURN),
            streams: Streams::new(config.max_streams),
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
        self.config.max_connections - self.places.available_permits()
    }

    /// A connection was refused for want of a place.
    pub(crate) fn refused_connection(&self) {
        self.instruments.refused(Overload::Connections);
    }

    /// From now on the server says that it is not ready.
    pub(crate) fn start_draining(&self) {
        self.draining.send_replace(true);
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}
