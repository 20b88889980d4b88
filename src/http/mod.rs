//! The HTTP interface: one file per resource, over an engine that knows nothing of it.

mod body;
mod coding;
mod events;
mod gate;
mod header;
mod health;
mod media_type;
mod metrics;
mod problem;
mod query;
mod reference;

use crate::engine::Engine;
use crate::limits;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gate::Gate;
use problem::Problem;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

pub(crate) use body::RequestBody;
pub(crate) use health::watch_clock;

/// Settings of the HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Bytes of a body, as sent and after decompression.
    pub max_body_bytes: usize,
    /// How long the next piece of a body may take to arrive.
    pub body_stall_timeout: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { max_body_bytes: limits::BODY_BYTES_DEFAULT, body_stall_timeout: limits::BODY_STALL_TIMEOUT }
    }
}

/// What the handlers share.
pub struct App {
    pub(crate) engine: Arc<Engine>,
    config: HttpConfig,
    draining: AtomicBool,
    /// Bytes of bodies that may still be taken in.
    bodies: Arc<Semaphore>,
    /// Batches too large for a runtime worker.
    ingest: Gate,
    /// Queries.
    reads: Gate,
    /// Changes of the reference table.
    changes: Gate,
}

impl App {
    /// The interface of `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, config: HttpConfig) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let bodies_bytes = limits::BODIES_HELD_BYTES.max(config.max_body_bytes.saturating_mul(2));
        Self {
            engine,
            config,
            draining: AtomicBool::new(false),
            bodies: Arc::new(Semaphore::new(bodies_bytes.min(Semaphore::MAX_PERMITS))),
            ingest: Gate::new(cores),
            reads: Gate::new(limits::READS_AT_ONCE),
            changes: Gate::new(limits::REFERENCE_CHANGES_AT_ONCE),
        }
    }

    /// From now on the server says that it is not ready.
    pub(crate) fn start_draining(&self) {
        // Relaxed, as in `is_draining`: the flag stands alone, and no data is published through it.
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// All that the server answers. `HEAD` works wherever `GET` does.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/events", post(events::ingest))
        .route("/reference/users", get(reference::show).put(reference::replace).patch(reference::merge))
        .route("/reference/users/{user_id}", get(reference::show_user))
        .route("/metrics", get(metrics::show))
        .route("/healthz", get(health::live))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(middleware::from_fn(log_request))
        .layer(CatchPanicLayer::custom(answer_panic))
        .with_state(app)
}

/// What was asked, and how it went.
async fn log_request(request: Request, next: Next) -> Response {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return next.run(request).await;
    }
    let (method, path, start) = (request.method().clone(), request.uri().path().to_owned(), Instant::now());
    let response = next.run(request).await;
    tracing::debug!(%method, path, status = response.status().as_u16(), elapsed_us = start.elapsed().as_micros() as u64);
    response
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
fn json_response(json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
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
