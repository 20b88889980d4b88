//! The Prometheus exposition of the service's own metrics, in OpenMetrics and in the classic text format. It is at
//! `/metrics/prometheus`, and at `/metrics` for clients that prefer it to JSON.

mod log_metrics;
mod snapshot;
mod writer;

use crate::client::Client;
use crate::http::accept::{Form, preferred};
use crate::http::app::App;
use crate::http::openapi_errors::ExpositionErrors;
use crate::http::problem::Problem;
use crate::http::query::parameters;
use crate::http::response::NO_STORE;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use snapshot::Snapshot;
use std::sync::Arc;
pub(super) use writer::ExpositionFormat;

pub(super) const JSON: Form = Form { media_type: "application/json", version: None };
pub(super) const OPEN_METRICS: Form = Form { media_type: "application/openmetrics-text", version: Some("1.0.0") };
pub(super) const CLASSIC: Form = Form { media_type: "text/plain", version: Some("0.0.4") };

/// The service's own metrics, for Prometheus.
#[utoipa::path(
    get, path = "/metrics/prometheus", tag = "service", operation_id = "prometheus",
    responses(
        (
            status = 200, description = "The metrics, in the format that `Accept` prefers.",
            content(
                (String = "text/plain; version=0.0.4; charset=utf-8"),
                (String = "application/openmetrics-text; version=1.0.0; charset=utf-8")
            )
        ),
        ExpositionErrors
    )
)]
pub(super) async fn show(State(app): State<Arc<App>>, client: Client, headers: HeaderMap, uri: Uri) -> Response {
    let format = match preferred(&headers, &[CLASSIC, OPEN_METRICS]) {
        0 => ExpositionFormat::Classic,
        _ => ExpositionFormat::OpenMetrics,
    };
    varying(expose(&app, &client, &uri, format).await)
}

/// Marks a response as one that depends on the `Accept` field of the request.
pub(super) fn varying(result: Result<Response, Problem>) -> Response {
    let mut response = result.into_response();
    response.headers_mut().insert(VARY, HeaderValue::from(ACCEPT));
    response
}

/// The exposition in `format`. A request for it has no parameters.
pub(super) async fn expose(
    app: &Arc<App>,
    client: &Client,
    uri: &Uri,
    format: ExpositionFormat,
) -> Result<Response, Problem> {
    if let Some(parameter) = parameters(uri.query()).next() {
        return Err(Problem::InvalidParameter(format!(
            "{:?}: the service's metrics take no parameters; those of a window are at /metrics, as application/json",
            String::from_utf8_lossy(&parameter.name)
        )));
    }
    let shared = Arc::clone(app);
    let collect = move || Snapshot::collect(&shared).write(&shared.server_metrics, format);
    let text = app.query_limiter.run(client, collect).await?;
    let mut response = Response::new(app.responses.charge_response(text.into_bytes())?.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}
