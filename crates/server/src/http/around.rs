//! The work around all resources: checks of the request head, panics, compression and counts.
//!
//! It is one function, and not a layer for each part: for each request, axum allocates memory for each layer of a
//! router, and copies all the layers below it.

use crate::http::app::App;
use crate::http::browser_guard::BrowserGuard;
use crate::http::compression::ResponseCoding;
use crate::http::hosts::HostPolicy;
use crate::http::problem::{Overload, Problem};
use crate::http::{auth, cors};
use crate::limits;
use axum::extract::Request;
use axum::http::{HeaderName, Method};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::{Either, Ready, ready};
use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use tower_http::cors::CorsLayer;

/// The parts that the work around a resource needs.
pub(super) struct Around {
    app: Arc<App>,
    guard: BrowserGuard,
    cors: Option<CorsLayer>,
}

impl Around {
    /// The parts for a server that listens on `listen`.
    pub(super) fn new(app: Arc<App>, listen: SocketAddr) -> Self {
        let hosts = HostPolicy::new(listen, app.config.allowed_hosts.clone());
        let guard = BrowserGuard::new(hosts, app.config.cors_origins.clone());
        Self { guard, cors: app.config.cors_origins.layer(), app }
    }

    /// The app.
    pub(super) fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Checks a request for a route, passes it on, and counts the response.
    pub(super) async fn respond<F: Future<Output = Response>>(
        self: Arc<Self>,
        request: Request,
        route: Option<&str>,
        next: impl FnOnce(Request) -> F + Clone,
    ) -> Response {
        let observed = Observed::of(&request);
        let coding = ResponseCoding::of(&request);
        let response = AssertUnwindSafe(async { self.check(request, next).await }).catch_unwind().await;
        let response = coding.apply(&self.app, response.unwrap_or_else(panic_response)).await;
        observed.count(&self.app, route, &response);
        response
    }

    /// Checks a request, and passes it on.
    fn check<F: Future<Output = Response>>(
        &self,
        request: Request,
        next: impl FnOnce(Request) -> F + Clone,
    ) -> impl Future<Output = Response> {
        if is_target_too_long(&request) {
            return Either::Left(refuse(Problem::UriTooLong));
        }
        match &self.cors {
            None => Either::Left(self.authorize(request, next)),
            Some(layer) => {
                let authorize = move |request| self.authorize(request, next.clone());
                // In a box, like everything that few requests need: the future of each request is moved as a whole.
                Either::Right(Box::pin(cors::allow_origins(layer, request, authorize)))
            }
        }
    }

    /// Passes a request on if its client may make it, and the server is ready for it.
    fn authorize<F: Future<Output = Response>>(
        &self,
        request: Request,
        next: impl FnOnce(Request) -> F,
    ) -> Either<F, Ready<Response>> {
        let checked = auth::check(&self.app, &self.guard, &request);
        match checked.err().or_else(|| self.app.intake.refuse_before_ready(request.uri().path())) {
            None => Either::Left(next(request)),
            Some(problem) => refuse(problem),
        }
    }
}

/// The response to a request that is not passed on.
fn refuse<F>(problem: Problem) -> Either<F, Ready<Response>> {
    Either::Right(ready(problem.into_response()))
}

/// The field of a request whose target was cut at the network edge. The rest of the request is missing.
pub(crate) static TARGET_CUT: HeaderName = HeaderName::from_static("x-weir-target-cut");

/// Whether the target of a request is longer than its limit.
fn is_target_too_long(request: &Request) -> bool {
    let target_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    // A request that was cut has only this one field.
    let is_cut = request.headers().len() == 1 && request.headers().contains_key(&TARGET_CUT);
    target_bytes > limits::TARGET_BYTES_MAX || is_cut
}

/// A request that is counted when its response starts.
struct Observed {
    start: Instant,
    method: Method,
    /// The path, if requests are logged.
    path: Option<String>,
}

impl Observed {
    fn of(request: &Request) -> Self {
        Self {
            start: Instant::now(),
            method: request.method().clone(),
            path: tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned()),
        }
    }

    /// Counts the request, and logs it.
    fn count(self, app: &App, route: Option<&str>, response: &Response) {
        let Self { start, method, path } = self;
        let elapsed = start.elapsed();
        app.server_metrics.requests.count(route, &method, response.status(), elapsed);
        if let Some(overload) = response.extensions().get::<Overload>() {
            app.server_metrics.count_overload(*overload);
        }
        if let Some(path) = path {
            let (status, elapsed_us) = (response.status().as_u16(), elapsed.as_micros() as u64);
            tracing::debug!(%method, path, status, elapsed_us);
        }
    }
}

/// Turns the panic of a handler into a response.
#[expect(clippy::needless_pass_by_value, reason = "a caught panic is passed by value")]
fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(message = message.unwrap_or("no message"), "a request handler panicked");
    Problem::Internal.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::config::HttpConfig;
    use axum::body::Body;
    use weir::{Engine, EngineConfig, ManualClock};

    #[tokio::test]
    async fn a_handler_that_panics_gets_a_response_which_is_counted() {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
        let app = Arc::new(App::new(Arc::new(engine), HttpConfig::default()));
        let around = Arc::new(Around::new(Arc::clone(&app), "127.0.0.1:3000".parse().unwrap()));
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = around.respond(request, Some("/"), async |_| -> Response { panic!("broken") }).await;
        assert_eq!(response.status(), 500);
        let counted: Vec<_> = app.server_metrics.requests.read().map(|stats| (stats.route, stats.statuses)).collect();
        assert_eq!(counted, [("/", vec![(500, 1)])]);
    }

    #[test]
    fn every_panic_is_an_internal_error() {
        for panic in [Box::new("static") as Box<dyn Any + Send>, Box::new("owned".to_owned()), Box::new(7)] {
            assert_eq!(panic_response(panic).status(), 500);
        }
    }
}
