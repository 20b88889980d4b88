//! The HTTP interface: one file per resource, over an engine that knows nothing of it.

mod accept;
mod admission;
mod auth;
mod body;
mod coding;
mod dashboard;
mod events;
mod exposition;
mod gate;
mod header;
mod health;
mod instruments;
mod media_type;
mod metrics;
mod openapi;
#[doc(hidden)]
pub mod parsers;
mod problem;
mod query;
mod reference;
mod rejected;
mod series;
mod status;
mod stream;
mod window_query;

use crate::engine::Engine;
use crate::limits;
use crate::pace::Patience;
use crate::process;
use admission::Admission;
use axum::Router;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use gate::Gate;
use instruments::Instruments;
use problem::{Overload, Problem};
use rejected::Rejects;
use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use stream::Streams;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use auth::{Role, Tokens};
pub(crate) use body::RequestBody;

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
    pub patience: Patience,
    /// How long a task that is ready may wait for a worker of the runtime before fewer batches are let in.
    pub max_wait: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            max_body_bytes: limits::BODY_BYTES_DEFAULT,
            max_bodies_bytes: limits::BODIES_BYTES_DEFAULT,
            max_connections: limits::CONNECTIONS_DEFAULT,
            max_streams: limits::STREAMS_DEFAULT,
            patience: Patience::default(),
            max_wait: limits::QUEUE_WAIT_MAX,
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

/// What the handlers share.
pub struct App {
    pub(crate) engine: Arc<Engine>,
    config: HttpConfig,
    tokens: auth::Guard,
    /// Whether the server is about to stop.
    draining: watch::Sender<bool>,
    instruments: Arc<Instruments>,
    /// Places for connections.
    pub(crate) places: Arc<Semaphore>,
    /// How far behind the runtime is.
    admission: Admission,
    /// Bytes of bodies that may still be taken in.
    bodies: Arc<Semaphore>,
    /// Bytes of answers to questions that may still be held until they are taken.
    answers: Arc<Semaphore>,
    /// Batches too large for a runtime worker.
    ingest: Gate,
    /// Queries that sum seconds up.
    reads: Gate,
    /// Queries that look at every run.
    scans: Gate,
    /// Changes of the reference table.
    changes: Gate,
    streams: Streams,
    rejects: Rejects,
    /// The OpenAPI document.
    description: Bytes,
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
            description: openapi::describe(routes().get_openapi(), engine.config()),
            engine,
            tokens: auth::Guard::default(),
            draining: watch::Sender::new(false),
            instruments,
            places: Arc::new(Semaphore::new(config.max_connections)),
            admission: Admission::new(config.max_wait),
            bodies: Arc::new(Semaphore::new(config.max_bodies_bytes.min(Semaphore::MAX_PERMITS))),
            answers: Arc::new(Semaphore::new(config.max_answers_bytes().min(Semaphore::MAX_PERMITS))),
            ingest: Gate::new(cores, limits::WAITING_PER_TURN),
            reads: Gate::new(limits::READS_AT_ONCE, limits::READS_WAITING_PER_TURN),
            scans: Gate::new(limits::SCANS_AT_ONCE, limits::WAITING_PER_TURN),
            changes: Gate::new(limits::REFERENCE_CHANGES_AT_ONCE, limits::WAITING_PER_TURN),
            streams: Streams::new(config.max_streams),
            rejects: Rejects::default(),
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

    /// Connections that are open.
    fn connections(&self) -> usize {
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

    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

/// All that the server answers. `HEAD` works wherever `GET` does.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), auth::check))
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), instruments::watch))
        .with_state(app)
}

/// Every resource, and its description.
fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::Base::openapi())
        .routes(routes!(events::ingest))
        .routes(routes!(rejected::show))
        .routes(routes!(reference::show, reference::replace, reference::merge))
        .routes(routes!(reference::show_user))
        .routes(routes!(exposition::negotiate))
        .routes(routes!(exposition::show))
        .routes(routes!(series::show))
        .routes(routes!(stream::subscribe))
        .routes(routes!(status::show))
        .routes(routes!(health::healthy))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(openapi::show))
        .routes(routes!(dashboard::page))
        .routes(routes!(dashboard::file))
}

/// Watches the clock and the runtime while the interface is served.
pub(crate) async fn watch(app: Arc<App>) -> Infallible {
    let probed = Arc::clone(&app);
    // Ends with this.
    let mut probe = JoinSet::new();
    probe.spawn(async move { probed.admission.probe().await });
    tokio::select! {
        never = health::watch_clock(Arc::clone(&app.engine)) => never,
        never = watch_process(&app.engine) => never,
    }
}

/// Tells an engine with a limit on its memory what the process takes.
async fn watch_process(engine: &Engine) -> Infallible {
    if engine.config().max_memory_bytes.is_none() {
        std::future::pending::<Infallible>().await;
    }
    loop {
        if let Some(bytes) = process::resident_bytes() {
            engine.observe_process(bytes);
        }
        sleep(limits::PROCESS_LOOK_PERIOD).await;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn answer_panic(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(message = message.unwrap_or("no message"), "a request handler panicked");
    Problem::Internal.into_response()
}

/// The answer must not be kept: it is of the moment.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// 200 with a JSON body.
fn json_response(json: impl Into<Body>) -> Response {
    let mut response = Response::new(json.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_error_whatever_it_carries() {
        for panic in [Box::new("static") as Box<dyn Any + Send>, Box::new("owned".to_owned()), Box::new(7)] {
            assert_eq!(answer_panic(panic).status(), 500);
        }
    }
}
