//! The router of all resources.

use crate::http::app::App;
use crate::http::around::{self, Around};
use crate::http::problem::Problem;
use crate::http::{
    dashboard, events, exposition, health, metrics, openapi, reference, rejected, series, status, stream,
};
use axum::routing::get;
use axum::{Router, middleware};
use std::net::SocketAddr;
use std::sync::Arc;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The whole HTTP API of a server that listens on `listen`. `HEAD` works wherever `GET` does.
pub(crate) fn router(app: Arc<App>, listen: SocketAddr) -> Router {
    let around = Arc::new(Around::new(Arc::clone(&app), listen));
    let (router, description) = routes().split_for_parts();
    let description = openapi::describe(&description, app.engine.config(), !app.config.cors_origins.is_none());
    router
        .route(openapi::PATH, get(openapi::show).with_state(description))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(middleware::from_fn_with_state(around, around::handle))
        .with_state(app)
}

/// Every resource but the OpenAPI document, and the description of all resources for this document.
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
        .routes(routes!(dashboard::page))
        .routes(routes!(dashboard::file))
}
