//! `GET /metrics/stream`: the figures of a window about once a second, as server-sent events (WHATWG HTML, 9.2).
//!
//! Each distinct question is computed once a second by one task, whoever is listening, and its latest answer is kept in
//! one buffer that all its subscribers share. A subscriber that is slow skips answers; it holds up nobody. No answer is
//! older than the subscription: who has been told that a change is done sees it in the first event.

use crate::http::app::App;
use crate::http::live_streams::{StreamEvent, Topic};
use crate::http::metrics;
use crate::http::openapi_errors::QueryErrors;
use crate::http::problem::{Overload, Problem};
use crate::http::response::NO_STORE;
use crate::http::window_query::{self, AllowedParams, WindowQuery};
use crate::limits;
use crate::tokens::Tokens;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{MissedTickBehavior, interval};
use weir::Query;
use weir_api::{Role, headers, parameters};

/// How long a client is to wait before it connects again, in milliseconds.
const BEGIN: Bytes = Bytes::from_static(b"retry: 2000\n\n");

/// What is sent last when the server is about to stop.
const END: Bytes = Bytes::from_static(b"event: draining\ndata: {}\n\n");

/// What is sent when there is no answer in time: a comment, by which both sides see that the connection holds.
const HEARTBEAT: Bytes = Bytes::from_static(b": busy\n\n");

/// The figures of a window about once a second.
///
/// Server-sent events: `retry: 2000` first, then events named `metrics` whose data is the answer of `/metrics`, and comments
/// where there is none in time. The stream ends when the server stops, after an event named `draining`, and when the tokens
/// change.
#[utoipa::path(
    get, path = "/metrics/stream", tag = "metrics", operation_id = "stream", params(parameters::Window, parameters::Filters, parameters::GroupBy),
    responses(
        (
            status = 200, description = "The events.", body = String, content_type = "text/event-stream",
            headers(("X-Accel-Buffering" = String, description = "`no`: a proxy is to pass them on as they come"))
        ),
        QueryErrors
    )
)]
pub(super) async fn subscribe(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let WindowQuery { query, .. } = window_query::parse(uri.query(), AllowedParams::GroupBy, app.engine.config())?;
    let subscription = Subscription::begin(&app, query)?;
    // Tokens that changed between the first check and the subscription would not end it.
    app.tokens.check(Role::Read, &headers)?;
    let events = stream::unfold(subscription, async |mut subscription| {
        let event = subscription.next().await?;
        Some((Ok::<_, Infallible>(event), subscription))
    });
    let mut response = Response::new(Body::from_stream(events));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(headers::EVENT_STREAM));
    fields.insert(CACHE_CONTROL, NO_STORE);
    // Or nginx would wait for more of it than ever comes.
    fields.insert(headers::X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// A subscriber.
struct Subscription {
    has_begun: bool,
    is_over: bool,
    events: watch::Receiver<StreamEvent>,
    /// The number of the answer that was told last; at first, of the last one that had been begun before.
    last: u64,
    tokens: watch::Receiver<Tokens>,
    draining: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Subscription {
    fn begin(app: &Arc<App>, query: Query) -> Result<Self, Problem> {
        let (tokens, draining) = (app.tokens.subscribe(), app.draining.subscribe());
        let permit =
            Arc::clone(&app.streams.permits).try_acquire_owned().map_err(|_| Problem::Overloaded(Overload::Streams))?;
        let mut topics = app.streams.topics();
        let (events, last) = match topics.get(&query) {
            Some(topic) => (topic.events.subscribe(), topic.begun),
            None if topics.len() == limits::STREAM_QUERIES_MAX => return Err(Problem::Overloaded(Overload::Streams)),
            None => {
                let (events, receiver) = watch::channel(StreamEvent::default());
                topics.insert(query.clone(), Topic { events: events.clone(), begun: 0 });
                tokio::spawn(Publisher { app: Arc::clone(app), query, events }.run());
                (receiver, 0)
            }
        };
        Ok(Self { has_begun: false, is_over: false, events, last, tokens, draining, _permit: permit })
    }

    /// What is to be sent next; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(BEGIN);
        }
        if self.is_over {
            return None;
        }
        let last = self.last;
        tokio::select! {
            _ = self.draining.wait_for(|draining| *draining) => {
                self.is_over = true;
                Some(END)
            }
            _ = self.tokens.changed() => None,
            event = self.events.wait_for(|event| event.number > last) => {
                let event = event.ok()?;
                self.last = event.number;
                Some(event.text.clone())
            }
        }
    }
}

/// Answers one question once a second, as long as somebody listens.
struct Publisher {
    app: Arc<App>,
    query: Query,
    events: watch::Sender<StreamEvent>,
}

impl Publisher {
    async fn run(self) {
        let mut ticks = interval(limits::STREAM_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 1.. {
            ticks.tick().await;
            // Subscribers come under the lock: none is missed, and none is told what was begun before it came.
            if !self.begin(number) {
                return;
            }
            let text = self.answer().await.unwrap_or_else(|problem| {
                if let Problem::Overloaded(overload) = problem {
                    self.app.server_metrics.refused(overload);
                }
                HEARTBEAT
            });
            self.events.send_replace(StreamEvent { number, text });
        }
    }

    /// Begins the next answer, unless nobody listens any more.
    fn begin(&self, number: u64) -> bool {
        let mut topics = self.app.streams.topics();
        if self.events.receiver_count() == 0 {
            topics.remove(&self.query);
            return false;
        }
        topics.entry(self.query.clone()).and_modify(|topic| topic.begun = number);
        true
    }

    async fn answer(&self) -> Result<Bytes, Problem> {
        let json = {
            let _slot = self.app.streams.slot(&self.query).await?;
            metrics::json(&self.app, self.query.clone()).await?
        };
        self.app.answers.charge_answer([b"event: metrics\ndata: ", &json[..], b"\n\n"].concat())
    }
}

impl Drop for Publisher {
    /// After a panic the subscribers are let go, and may come again.
    fn drop(&mut self) {
        let mut topics = self.app.streams.topics();
        // By now the question may have been asked again.
        if topics.get(&self.query).is_some_and(|topic| topic.events.same_channel(&self.events)) {
            topics.remove(&self.query);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::config::HttpConfig;
    use futures_util::FutureExt;
    use tokio::time::sleep;
    use weir::{Engine, EngineConfig, Filter, ManualClock};

    fn app() -> (Arc<App>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(0));
        let engine = Engine::new(EngineConfig::default(), Arc::clone(&clock)).unwrap();
        (Arc::new(App::new(Arc::new(engine), HttpConfig::default())), clock)
    }

    fn begin(app: &Arc<App>, window_secs: u32) -> Subscription {
        Subscription::begin(app, Query::window(window_secs)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn subscribers_of_one_question_share_each_answer() {
        let (app, _) = app();
        let mut subscriptions = [begin(&app, 60), begin(&app, 60)];
        assert_eq!(app.streams.topics().len(), 1);
        for subscription in &mut subscriptions {
            assert_eq!(subscription.next().await, Some(BEGIN));
        }
        let [one, other] = &mut subscriptions;
        let (shown, shown_too) = (one.next().await.unwrap(), other.next().await.unwrap());
        assert!(
            shown.starts_with(b"event: metrics\ndata: {\"window_sec\":60,") && shown.ends_with(b"}\n\n"),
            "{shown:?}"
        );
        assert_eq!(shown.as_ptr(), shown_too.as_ptr());
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_was_begun_before_the_subscription() {
        let (app, _) = app();
        let query = Query::window(60);
        let (events, _receiver) = watch::channel(StreamEvent::default());
        app.streams.topics().insert(query.clone(), Topic { events: events.clone(), begun: 0 });
        let publisher = Publisher { app: Arc::clone(&app), query: query.clone(), events: events.clone() };
        let tell = |number, text| events.send_replace(StreamEvent { number, text: Bytes::from_static(text) });
        assert!(publisher.begin(1));
        tell(1, b"one");
        let mut after_one = begin(&app, 60);
        assert!(publisher.begin(2));
        let mut amid_two = begin(&app, 60);
        tell(2, b"two");
        assert_eq!([after_one.next().await, after_one.next().await], [Some(BEGIN), Some("two".into())]);
        assert_eq!(amid_two.next().await, Some(BEGIN));
        assert!(amid_two.next().now_or_never().is_none());
        assert!(publisher.begin(3));
        tell(3, b"three");
        assert_eq!([amid_two.next().await, after_one.next().await], [Some("three".into()), Some("three".into())]);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_questions_as_there_may_be_are_all_answered() {
        let (app, _) = app();
        let clicks = Filter { types: Some(["click".to_owned()].into()), ..Filter::default() };
        let query = |window_secs| Query { filter: clicks.clone(), ..Query::window(window_secs) };
        let questions = 1..=limits::STREAM_QUERIES_MAX as u32;
        let mut subscriptions: Vec<_> =
            questions.map(|window_secs| Subscription::begin(&app, query(window_secs)).unwrap()).collect();
        assert!(matches!(Subscription::begin(&app, query(1_000)), Err(Problem::Overloaded(Overload::Streams))));
        for subscription in &mut subscriptions {
            subscription.next().await;
        }
        for _ in 0..3 {
            for subscription in &mut subscriptions {
                assert!(subscription.next().await.unwrap().starts_with(b"event: metrics"));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_nobody_listens_to_is_not_answered_any_more() {
        let (app, _) = app();
        let (one, other) = (begin(&app, 60), begin(&app, 300));
        assert_eq!(app.streams.topics().len(), 2);
        drop(one);
        sleep(limits::STREAM_PERIOD * 2).await;
        assert_eq!(app.streams.topics().keys().map(|query| query.window_secs).collect::<Vec<_>>(), [300]);
        drop(other);
        sleep(limits::STREAM_PERIOD * 2).await;
        assert!(app.streams.topics().is_empty());
        assert_eq!(app.streams.permits.available_permits(), limits::STREAMS_DEFAULT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_subscriber_skips_to_the_latest_answer() {
        let (app, clock) = app();
        let (mut slow, mut prompt) = (begin(&app, 60), begin(&app, 60));
        for subscription in [&mut slow, &mut prompt] {
            subscription.next().await;
        }
        let mut latest = Bytes::new();
        for _ in 0..5 {
            clock.advance(1_000);
            latest = prompt.next().await.unwrap();
        }
        assert_eq!(slow.next().await.unwrap(), latest);
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_answer_there_is_a_sign_of_life() {
        let (app, _) = app();
        let clicks = Filter { types: Some(["click".to_owned()].into()), ..Filter::default() };
        let query = Query { filter: clicks, ..Query::window(60) };
        // As many questions of its kind as may wait, of which one is being answered for long.
        let holders = (0..limits::CONCURRENT_SCANS * (1 + limits::QUEUED_PER_PERMIT)).map(|_| {
            let (app, (release, released)) = (Arc::clone(&app), std::sync::mpsc::channel::<()>());
            tokio::spawn(async move { app.scan_limiter.run(move || released.recv()).await });
            release
        });
        let holders: Vec<_> = holders.collect();
        tokio::task::yield_now().await;
        let mut subscription = Subscription::begin(&app, query).unwrap();
        subscription.next().await;
        assert_eq!(subscription.next().await, Some(HEARTBEAT));
        let turns =
            app.server_metrics.overloads.read().find(|(reason, _)| *reason == Overload::QueueFull.name()).unwrap().1;
        assert!(turns > 0, "it is known why");
        drop(holders);
        assert!(subscription.next().await.unwrap().starts_with(b"event: metrics"));
    }

    #[tokio::test(start_paused = true)]
    async fn subscribers_are_let_go_when_the_answer_panics_and_when_the_server_stops() {
        let (app, _) = app();
        let mut subscription = begin(&app, 60);
        let query = Query::window(60);
        let events = app.streams.topics()[&query].events.clone();
        let publisher = Publisher { app: Arc::clone(&app), query, events };
        subscription.next().await;
        drop(publisher);
        assert!(app.streams.topics().is_empty());
        let mut next = begin(&app, 60);
        assert_eq!(next.next().await, Some(BEGIN));
        app.start_draining();
        assert_eq!([next.next().await, next.next().await], [Some(END), None]);
        assert_eq!([subscription.next().await, subscription.next().await], [Some(END), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_tokens_ends_the_streams() {
        let (app, _) = app();
        let mut subscription = begin(&app, 60);
        subscription.next().await;
        app.set_tokens(Tokens::default());
        assert!(subscription.next().await.unwrap().starts_with(b"event: metrics"), "they are the same as before");
        let mut tokens = Tokens::default();
        tokens.add(Role::Read, "r").unwrap();
        app.set_tokens(tokens);
        assert_eq!(subscription.next().await, None);
    }
}
