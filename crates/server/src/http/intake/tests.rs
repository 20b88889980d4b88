//! A server whose log is held up, fails, or has a clock that jumps.

use crate::client::Client;
use crate::http::app::App;
use crate::http::config::HttpConfig;
use crate::http::{Api, events, health, reference};
use crate::limits;
use crate::log::testing::{Handles, held_log, wait_until_ready};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use tempfile::TempDir;
use weir::{Engine, EngineConfig, ManualClock, format_ms};

const NOW_MS: i64 = 1_760_000_000_123;

/// A server with a log. Its door for reads is closed.
struct Held {
    app: Arc<App>,
    handles: Handles,
    _dir: TempDir,
}

impl Held {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (engine, log, handles) = held_log(dir.path(), NOW_MS);
        let app = Arc::new(App::with_log(engine, HttpConfig::default(), Some(log)));
        Self { app, handles, _dir: dir }
    }

    /// A server whose log is replayed.
    fn ready() -> Self {
        let held = Self::start();
        held.handles.reads.open();
        held.handles.appends.open();
        wait_until_ready(held.app.intake.log().unwrap());
        held
    }

    async fn get(&self, path: &str) -> Response {
        let api = Api::new(Arc::clone(&self.app), "127.0.0.1:3000".parse().unwrap());
        let request = Request::get(path).header("host", "127.0.0.1:3000").body(Body::empty()).unwrap();
        api.respond(request, &Client::default()).await
    }

    async fn readiness(&self) -> (u16, Value) {
        answer_of(health::ready(State(Arc::clone(&self.app))).await.into_response()).await
    }

    fn post(&self, id: &str) -> Pin<Box<dyn Future<Output = Response>>> {
        let ts = format_ms(NOW_MS);
        let body = format!(r#"{{"event_id":"{id}","user_id":"u","type":"click","ts":"{ts}"}}"#);
        let (app, request) = (Arc::clone(&self.app), Request::post("/events").body(body.into()).unwrap());
        Box::pin(async { events::ingest(State(app), request).await.into_response() })
    }

    async fn put(&self, ts_ms: i64) -> (u16, Value) {
        let ts = format_ms(ts_ms);
        let body = format!(r#"{{"user_metadata":{{"u":{{"plan":"pro","region":"eu"}}}},"ts":"{ts}"}}"#);
        let request = Request::put("/reference/users").body(body.into()).unwrap();
        answer_of(reference::replace(State(Arc::clone(&self.app)), request).await.into_response()).await
    }
}

/// A log that waits would keep its threads.
impl Drop for Held {
    fn drop(&mut self) {
        self.handles.reads.open();
        self.handles.appends.open();
    }
}

async fn answer_of(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn code(response: Response) -> (u16, String) {
    let (status, body) = answer_of(response).await;
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

async fn tally(response: Response) -> [i64; 3] {
    let (status, body) = answer_of(response).await;
    assert_eq!(status, 200, "{body}");
    ["accepted", "duplicates", "rejected"].map(|name| body[name].as_i64().unwrap())
}

/// Runs a request until it waits.
async fn begin(request: &mut Pin<Box<dyn Future<Output = Response>>>) {
    assert!(poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx).is_pending())).await);
}

const UNAVAILABLE: (u16, &str) = (503, "log_unavailable");
const OVERLOADED: (u16, &str) = (503, "overloaded");

fn text((status, code): (u16, &str)) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn while_the_log_is_replayed_only_the_process_answers_for_itself() {
    let held = Held::start();
    for path in ["/metrics", "/metrics/series", "/metrics/stream", "/reference/users", "/reference/users/u", "/status"]
    {
        let response = held.get(path).await;
        assert_eq!(response.headers()["retry-after"], "1", "{path}");
        assert_eq!(code(response).await, text((503, "not_ready")), "{path}");
    }
    assert_eq!(code(held.post("a").await).await, text((503, "not_ready")));
    assert_eq!(held.put(NOW_MS).await.1["code"], "not_ready");
    for path in ["/healthz", "/livez", "/", "/dashboard/style.css", "/openapi.json", "/events/rejected"] {
        assert_eq!(held.get(path).await.status(), 200, "{path}");
    }
    assert!(held.app.intake.refuse_before_ready("/metrics/prometheus").is_none());
    let (status, answer) = held.readiness().await;
    assert_eq!(
        (status, &answer["code"], &answer["replayed"], &answer["total"]),
        (503, &"not_ready".into(), &0.into(), &0.into())
    );
    assert_eq!(answer["detail"], "replaying: 0 of 0 frames of the log are replayed");

    held.handles.reads.open();
    held.handles.appends.open();
    wait_until_ready(held.app.intake.log().unwrap());
    assert_eq!(held.readiness().await.0, 200);
    assert_eq!(tally(held.post("a").await).await, [1, 0, 0]);
    assert_eq!(held.put(NOW_MS).await.0, 200);
}

#[tokio::test]
async fn an_answer_is_given_after_the_events_are_visible() {
    let held = Held::ready();
    assert_eq!(tally(held.post("a").await).await, [1, 0, 0]);
    assert_eq!(held.app.engine.metrics(300).stats.events, 1);
    assert_eq!(tally(held.post("a").await).await, [0, 1, 0]);
    let snapshot = held.app.intake.log().unwrap().snapshot().unwrap();
    assert_eq!(
        (snapshot.figures.waiting_rows, snapshot.figures.applied, snapshot.store.place()),
        (0, weir_log::Place(2), 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_log_does_not_answer_is_unavailable_and_one_that_was_not_sent_is_overloaded() {
    let held = Held::ready();
    held.handles.appends.close();
    let mut sent = held.post("sent");
    begin(&mut sent).await;
    held.handles.appends.wait_for_thread();
    let mut unsent = held.post("unsent");
    begin(&mut unsent).await;
    let start = tokio::time::Instant::now();
    assert_eq!(code(sent.await).await, text(UNAVAILABLE));
    assert_eq!(start.elapsed(), limits::LOG_ANSWER_TIMEOUT);
    assert_eq!(code(unsent.await).await, text(OVERLOADED));
    // From here on the threads of the log answer, and they need real time.
    tokio::time::resume();
    held.handles.appends.open();
    assert_eq!(tally(held.post("unsent").await).await, [1, 0, 0], "nothing of it was taken");
    assert_eq!(tally(held.post("sent").await).await, [0, 1, 0], "sending it again tells that it was taken");
    assert_eq!(held.app.engine.metrics(300).stats.events, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_log_that_does_not_answer() {
    let held = Held::ready();
    held.handles.appends.close();
    let mut sent = held.post("sent");
    begin(&mut sent).await;
    held.handles.appends.wait_for_thread();
    let start = tokio::time::Instant::now();
    held.app.stop_log().await;
    assert_eq!(start.elapsed(), limits::LOG_STOP_TIMEOUT);
    assert_eq!(code(held.post("later").await).await, text(OVERLOADED));
    let (status, answer) = held.readiness().await;
    assert_eq!((status, &answer["code"]), (503, &"not_ready".into()));
    held.handles.appends.open();
    // The request has its answer when the log has one, or when the stop gives it up.
    tokio::time::resume();
    let (status, answer) = answer_of(sent.await).await;
    assert!(status == 200 || answer["code"] == "log_unavailable", "{status} {answer}");
}

#[tokio::test]
async fn a_dropped_request_gives_its_batch_up_and_counts_once_at_most() {
    let held = Held::ready();
    held.handles.appends.close();
    let (mut sent, mut unsent) = (held.post("sent"), held.post("unsent"));
    begin(&mut sent).await;
    held.handles.appends.wait_for_thread();
    begin(&mut unsent).await;
    drop((sent, unsent));
    let waiting = held.app.intake.log().unwrap().snapshot().unwrap().figures.waiting_batches;
    assert_eq!(waiting, 0);
    held.handles.appends.open();
    assert_eq!(tally(held.post("sent").await).await, [0, 1, 0]);
    assert_eq!(tally(held.post("unsent").await).await, [1, 0, 0]);
}

#[tokio::test]
async fn a_log_that_fails_refuses_changes_and_answers_queries() {
    let held = Held::ready();
    assert_eq!(tally(held.post("a").await).await, [1, 0, 0]);
    held.handles.is_broken.store(true, Ordering::Relaxed);
    while held.app.intake.check_ready().is_ok() {
        tokio::task::yield_now().await;
    }
    let (status, answer) = held.readiness().await;
    assert_eq!(status, 503);
    assert!(answer["detail"].as_str().unwrap().starts_with("journal_failed: "), "{answer}");
    assert_eq!(code(held.post("b").await).await, text(UNAVAILABLE));
    let (status, answer) = held.put(NOW_MS).await;
    assert_eq!((status, &answer["code"]), (503, &"log_unavailable".into()));
    assert!(held.app.intake.refuse_before_ready("/metrics").is_none(), "queries go on");
    assert_eq!(held.app.engine.metrics(300).stats.events, 1);
}

#[tokio::test]
async fn a_clock_that_jumps_stops_changes_until_it_is_right_again() {
    let held = Held::ready();
    assert_eq!(tally(held.post("a").await).await, [1, 0, 0]);
    for jump_ms in [limits::CLOCK_JUMP_MS_MAX + 1, -limits::CLOCK_JUMP_MS_MAX - 1] {
        held.handles.wall.set(NOW_MS + jump_ms);
        let (status, answer) = held.readiness().await;
        assert_eq!(status, 503);
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("clock_jumped: the clock has jumped by {jump_ms} ms")), "{detail}");
        assert_eq!(code(held.post("b").await).await, text(OVERLOADED));
        assert_eq!(held.put(NOW_MS).await.1["code"], "overloaded");
        assert_eq!(held.app.engine.metrics(1).stats.events, 1, "the time has not jumped");
        held.handles.wall.set(NOW_MS);
        assert_eq!(held.readiness().await.0, 200);
    }
    assert_eq!(tally(held.post("b").await).await, [1, 0, 0]);
}

#[tokio::test]
async fn without_a_log_a_batch_is_ingested_without_waiting() {
    let engine = Arc::new(Engine::new(EngineConfig::default(), ManualClock::new(NOW_MS)).unwrap());
    let app = Arc::new(App::new(engine, HttpConfig::default()));
    assert!(app.intake.log().is_none() && app.intake.check_ready().is_ok());
    assert!(app.intake.refuse_before_ready("/metrics").is_none());
    let ts = format_ms(NOW_MS);
    let body = format!(r#"{{"event_id":"a","user_id":"u","type":"click","ts":"{ts}"}}"#);
    let mut response = Box::pin(events::ingest(State(app), Request::post("/events").body(body.into()).unwrap()));
    let ready = poll_fn(|cx| Poll::Ready(response.as_mut().poll(cx))).await;
    let Poll::Ready(response) = ready else { panic!("the request has waited") };
    assert_eq!(tally(response.unwrap()).await, [1, 0, 0]);
}
