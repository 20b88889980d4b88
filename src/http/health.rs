//! `/healthz`, `/livez` and `/readyz`.

use crate::engine::Engine;
use crate::http::openapi::bodies::Healthy;
use crate::http::openapi::problems::OfReadiness;
use crate::http::problem::Problem;
use crate::http::{App, NO_STORE, json_response};
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// The process serves.
#[utoipa::path(get, path = "/healthz", tag = "service", operation_id = "health", responses((status = 200, description = "It does.", body = Healthy, content_type = "application/json")))]
pub(super) async fn healthy() -> Response {
    live().await
}

/// The process serves.
#[utoipa::path(get, path = "/livez", tag = "service", responses((status = 200, description = "It does.", body = Healthy, content_type = "application/json")))]
pub(super) async fn live() -> Response {
    let mut response = json_response(br#"{"ok":true}"#.to_vec());
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// The server should get new traffic.
#[utoipa::path(get, path = "/readyz", tag = "service", responses((status = 200, description = "It does.", body = Healthy, content_type = "application/json"), OfReadiness))]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    if app.is_draining() {
        return Err(Problem::NotReady("draining: the server is about to stop".to_owned()));
    }
    if app.engine.is_over_memory() {
        let detail = "over_memory: new events are refused until others have expired";
        return Err(Problem::NotReady(detail.to_owned()));
    }
    if let Some(detail) = clock_stepped_back(&app.engine) {
        return Err(Problem::NotReady(detail));
    }
    Ok(live().await)
}

/// Says so when the clock was set back so far that clients with the right time are refused until it has caught up.
fn clock_stepped_back(engine: &Engine) -> Option<String> {
    let behind_ms = engine.clock_behind_ms();
    let stepped_back = behind_ms > engine.config().max_skew_ms();
    stepped_back.then(|| {
        format!("clock_stepped_back: the clock is {behind_ms} ms behind the time that it showed before; events of the present are too late until it has caught up")
    })
}

/// Logs each backward step of the clock once, and its end.
pub(super) async fn watch_clock(engine: Arc<Engine>) -> Infallible {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    let mut was_back = false;
    loop {
        interval.tick().await;
        let step = clock_stepped_back(&engine);
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
    use crate::clock::ManualClock;
    use crate::config::EngineConfig;
    use crate::http::HttpConfig;

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
