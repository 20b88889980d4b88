//! `/healthz`, `/livez` and `/readyz`.

use crate::http::app::App;
use crate::http::openapi_errors::ReadinessErrors;
use crate::http::problem::Problem;
use crate::http::response::{to_json, uncached_json};
use crate::log::EventLog;
use axum::extract::State;
use axum::response::Response;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use weir_api::HealthResponse;

/// Liveness: the process serves requests.
#[utoipa::path(
    get, path = "/healthz", tag = "service", operation_id = "health",
    responses(
        (
            status = 200, description = "The process serves requests.",
            body = HealthResponse, content_type = "application/json"
        )
    )
)]
pub(super) async fn healthy() -> Response {
    live().await
}

/// Liveness: the process serves requests.
#[utoipa::path(
    get, path = "/livez", tag = "service",
    responses(
        (
            status = 200, description = "The process serves requests.",
            body = HealthResponse, content_type = "application/json"
        )
    )
)]
pub(super) async fn live() -> Response {
    uncached_json(to_json(&HealthResponse { ok: true }))
}

/// Readiness: the server should get new traffic.
#[utoipa::path(
    get, path = "/readyz", tag = "service",
    responses(
        (status = 200, description = "The server is ready.", body = HealthResponse, content_type = "application/json"),
        ReadinessErrors
    )
)]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    if app.is_draining() {
        return Err(Problem::NotReady("draining: the server is shutting down".to_owned()));
    }
    app.intake.check_ready()?;
    if app.engine.is_over_memory() {
        let detail = "over_memory: new events are rejected until older events expire";
        return Err(Problem::NotReady(detail.to_owned()));
    }
    if let Some(detail) = clock_stepped_back(&app) {
        return Err(Problem::NotReady(detail));
    }
    Ok(live().await)
}

/// The detail of the problem, if the clock was set back by more than the max-skew. Then events with the correct time
/// are rejected until the clock catches up.
fn clock_stepped_back(app: &App) -> Option<String> {
    if app.intake.log().is_some_and(EventLog::is_shared) {
        // The engine has log time. The log compares its clock with that of this node.
        return None;
    }
    let engine = &app.engine;
    let behind_ms = engine.clock_behind_ms();
    let stepped_back = behind_ms > engine.config().max_skew_ms();
    stepped_back.then(|| {
        format!(
            "clock_stepped_back: the clock is {behind_ms} ms behind an earlier reading; current events are too late \
             until it catches up"
        )
    })
}

/// Logs once when the clock steps back, and once when it catches up.
pub(super) async fn watch_clock(app: &App) -> Infallible {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    let mut was_back = false;
    loop {
        interval.tick().await;
        let step = clock_stepped_back(app);
        match &step {
            Some(detail) if !was_back => tracing::error!("{detail}"),
            None if was_back => tracing::info!("the clock has caught up"),
            _ => {}
        }
        was_back = step.is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::config::HttpConfig;
    use weir::{Engine, EngineConfig, ManualClock};

    #[tokio::test]
    async fn a_draining_server_is_alive_and_not_ready() {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
        let app = Arc::new(App::new(Arc::new(engine), HttpConfig::default()));
        assert!(ready(State(Arc::clone(&app))).await.is_ok());
        app.start_draining();
        assert!(matches!(ready(State(app)).await, Err(Problem::NotReady(detail)) if detail.starts_with("draining")));
        assert_eq!(live().await.status(), 200);
    }
}
