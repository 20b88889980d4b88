//! The Prometheus exposition of the service's own figures, in OpenMetrics and in the classic text format, on
//! `/metrics/prometheus` and, for those who prefer it to JSON, on `/metrics`.

mod figures;
mod writer;

use crate::http::accept::{Form, preferred};
use crate::http::openapi::problems::{OfExposition, OfWindow};
use crate::http::openapi::{bodies, parameters};
use crate::http::problem::Problem;
use crate::http::query::parameters;
use crate::http::{App, NO_STORE, body, metrics};
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use figures::Snapshot;
use std::sync::Arc;
use writer::Format;

const JSON: Form = Form { media_type: "application/json", version: None };
const OPEN_METRICS: Form = Form { media_type: "application/openmetrics-text", version: Some("1.0.0") };
const CLASSIC: Form = Form { media_type: "text/plain", version: Some("0.0.4") };

/// The figures of a window that ends now, as JSON; or, for who prefers one of their types, the service's own figures, which
/// take no parameters.
#[utoipa::path(
    get, path = "/metrics", tag = "metrics", operation_id = "metrics", params(parameters::Window, parameters::Filters, parameters::GroupBy),
    responses(
        (
            status = 200, description = "The figures.",
            content(
                (bodies::Metrics = "application/json"),
                (String = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
                (String = "text/plain; version=0.0.4; charset=utf-8")
            )
        ),
        OfWindow
    )
)]
pub(super) async fn negotiate(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Response {
    let answer = match preferred(&headers, &[JSON, OPEN_METRICS, CLASSIC]) {
        0 => metrics::show(State(app), uri).await,
        1 => expose(&app, &uri, Format::OpenMetrics).await,
        _ => expose(&app, &uri, Format::Classic).await,
    };
    varying(answer)
}

/// The service's own figures, for Prometheus.
#[utoipa::path(
    get, path = "/metrics/prometheus", tag = "service", operation_id = "prometheus",
    responses(
        (
            status = 200, description = "The figures, in the format that `Accept` prefers.",
            content(
                (String = "text/plain; version=0.0.4; charset=utf-8"),
                (String = "application/openmetrics-text; version=1.0.0; charset=utf-8")
            )
        ),
        OfExposition
    )
)]
pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Response {
    let format = match preferred(&headers, &[CLASSIC, OPEN_METRICS]) {
        0 => Format::Classic,
        _ => Format::OpenMetrics,
    };
    varying(expose(&app, &uri, format).await)
}

/// What depends on what the client accepts says so.
fn varying(answer: Result<Response, Problem>) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(VARY, HeaderValue::from(ACCEPT));
    response
}

async fn expose(app: &Arc<App>, uri: &Uri, format: Format) -> Result<Response, Problem> {
    if let Some(parameter) = parameters(uri.query()).next() {
        return Err(Problem::InvalidParameter(format!(
            "{:?}: the service's own figures take no parameters; those of a window are at /metrics, as application/json",
            String::from_utf8_lossy(&parameter.name)
        )));
    }
    let shared = Arc::clone(app);
    let text = app.reads.run(move || Snapshot::collect(&shared).write(&shared.instruments, format)).await?;
    let mut response = Response::new(body::answer(app, text.into_bytes())?);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}
