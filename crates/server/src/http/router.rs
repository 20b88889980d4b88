//! The router of all resources, and the middleware around it.

use crate::http::app::App;
use crate::http::auth::Access;
use crate::http::hosts::HostPolicy;
use crate::http::problem::{Overload, Problem};
use crate::http::{
    auth, compression, cors, dashboard, events, exposition, health, metrics, openapi, reference, rejected, series,
    status, stream,
};
use crate::limits;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, middleware};
use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The whole HTTP API of a server that listens on `listen`. `HEAD` works wherever `GET` does.
pub(crate) fn router(app: Arc<App>, listen: SocketAddr) -> Router {
    let hosts = HostPolicy::new(listen, app.config.allowed_hosts.clone());
    let origins = app.config.cors_origins.layer();
    let origins = origins.map(|layer| middleware::from_fn_with_state(layer, cors::allow_origins));
    let access = Arc::new(Access::new(Arc::clone(&app), hosts));
    let (router, description) = routes().split_for_parts();
    router
        .layer(Extension(openapi::describe(&description, app.engine.config(), !app.config.cors_origins.is_none())))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(middleware::from_fn_with_state(access, auth::check))
        .layer(option_layer(origins))
        .layer(middleware::from_fn(check_target))
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), compression::compress))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), count))
        .with_state(app)
}

/// Every resource, and its description for the OpenAPI document.
fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::BaseDocument::openapi())
        .routes(routes!(events::ingest))
        .routes(routes!(rejected::show))
        .routes(routes!(reference::show, reference::replace, reference::merge))
        .routes(routes!(reference::show_user))
        .routes(routes!(metrics::show))
        .routes(routes!(exposition::show))
        .routes(routes!(status::show))
        .routes(routes!(series::show))
        .routes(routes!(stream::subscribe))
        .routes(routes!(health::healthy))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(openapi::show))
        .routes(routes!(dashboard::page))
        .routes(routes!(dashboard::file))
}

/// The field of a request whose target was cut at the network edge. The rest of the request is missing.
pub(crate) const TARGET_CUT: &str = "x-weir-target-cut";

/// Rejects a target that is too long.
async fn check_target(request: Request, next: Next) -> Response {
    let target_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > limits::TARGET_BYTES_MAX || request.headers().contains_key(TARGET_CUT) {
        return Problem::UriTooLong.into_response();
    }
    next.run(request).await
}

/// Counts a request when its response starts, and logs both.
async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned());
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let start = Instant::now();
    let response = next.run(request).await;
    let elapsed = start.elapsed();
    app.server_metrics.requests.count(route.as_ref().map(MatchedPath::as_str), &method, response.status(), elapsed);
    if let Some(overload) = response.extensions().get::<Overload>() {
        app.server_metrics.count_overload(*overload);
    }
    if let Some(path) = path {
        let (status, elapsed_us) = (response.status().as_u16(), elapsed.as_micros() as u64);
        tracing::debug!(%method, path, status, elapsed_us);
    }
    response
}

/// Turns the panic of a handler into a response.
#[expect(clippy::needless_pass_by_value, reason = "the layer passes the panic by value")]
fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(message = message.unwrap_or("no message"), "a request handler panicked");
    Problem::Internal.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panic_is_an_internal_error() {
        for panic in [Box::new("static") as Box<dyn Any + Send>, Box::new("owned".to_owned()), Box::new(7)] {
            assert_eq!(panic_response(panic).status(), 500);
        }
    }
}
