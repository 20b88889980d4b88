//! `GET /metrics/stream`: the figures of a window about once a second, as server-sent events (WHATWG HTML, 9.2).
//!
//! Each distinct question is computed once a second by one task, whoever is listening, and its latest answer is kept in
//! one buffer that all its subscribers share. A subscriber that is slow skips answers; it holds up nobody.

use crate::http::openapi::parameters;
use crate::http::openapi::problems::OfWindow;
use crate::http::problem::{Overload, Problem};
use crate::http::window_query::{self, Asked, Takes};
use crate::http::{App, NO_STORE, body, metrics};
use crate::limits;
use crate::timeline::Query;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Uri};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};

/// How long a client is to wait before it connects again, in milliseconds.
const BEGIN: Bytes = Bytes::from_static(b"retry: 2000\n\n");

/// What is sent when there is no answer in time: a comment, by which both sides see that the connection holds.
const HEARTBEAT: Bytes = Bytes::from_static(b": busy\n\n");

/// The questions that somebody listens to, each with the latest answer to it; empty before the first one.
pub(super) struct Streams {
    places: Arc<Semaphore>,
    topics: Mutex<HashMap<Query, watch::Sender<Bytes>>>,
}

impl Streams {
    /// Room for so many subscribers.
    pub(super) fn new(max_streams: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(max_streams)), topics: Mutex::default() }
    }

    /// The topics. No panic leaves them half-way.
    fn topics(&self) -> MutexGuard<'_, HashMap<Query, watch::Sender<Bytes>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The figures of a window about once a second.
///
/// Server-sent events: `retry: 2000` first, then events named `metrics` whose data is the answer of `/metrics`, and comments
/// where there is none in time. The stream ends when the server stops.
#[utoipa::path(
    get, path = "/metrics/stream", tag = "metrics", operation_id = "stream", params(parameters::Window, parameters::GroupBy),
    responses(
        (
            status = 200, description = "The events.", body = String, content_type = "text/event-stream",
            headers(("X-Accel-Buffering" = String, description = "`no`: a proxy is to pass them on as they come"))
        ),
        OfWindow
    )
)]
pub(super) async fn subscribe(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let Asked { query, .. } = window_query::parse(uri.query(), Takes::GroupBy, app.engine.config())?;
    let subscription = Subscription::begin(&app, query)?;
    let events = stream::unfold(subscription, async |mut subscription| {
        let event = subscription.next().await?;
        Some((Ok::<_, Infallible>(event), subscription))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, NO_STORE);
    // Or nginx would wait for more of it than ever comes.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A subscriber.
struct Subscription {
    has_begun: bool,
    events: watch::Receiver<Bytes>,
    draining: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Subscription {
    fn begin(app: &Arc<App>, query: Query) -> Result<Self, Problem> {
        let draining = app.draining.subscribe();
        let place =
            Arc::clone(&app.streams.places).try_acquire_owned().map_err(|_| Problem::Overloaded(Overload::Streams))?;
        let mut topics = app.streams.topics();
        let events = match topics.get(&query) {
            Some(topic) => {
                let mut events = topic.subscribe();
                if !events.borrow().is_empty() {
                    events.mark_changed();
                }
                events
            }
            None if topics.len() == limits::STREAM_QUERIES_MAX => return Err(Problem::Overloaded(Overload::Streams)),
            None => {
                let (topic, events) = watch::channel(Bytes::new());
                topics.insert(query.clone(), topic.clone());
                tokio::spawn(Publisher { app: Arc::clone(app), query, topic }.run());
                events
            }
        };
        Ok(Self { has_begun: false, events, draining, _place: place })
    }

    /// What is to be sent next; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(BEGIN);
        }
        tokio::select! {
            _ = self.draining.wait_for(|draining| *draining) => None,
            changed = self.events.changed() => {
                changed.ok()?;
                Some(self.events.borrow_and_update().clone())
            }
        }
    }
}

/// Answers one question once a second, as long as somebody listens.
struct Publisher {
    app: Arc<App>,
    query: Query,
    topic: watch::Sender<Bytes>,
}

impl Publisher {
    async fn run(self) {
        let mut ticks = interval(limits::STREAM_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let event = self.event().await.unwrap_or(HEARTBEAT);
            self.topic.send_replace(event);
            // Subscribers come under the lock: none is missed.
            let mut topics = self.app.streams.topics();
            if self.topic.receiver_count() == 0 {
                topics.remove(&self.query);
                return;
            }
        }
    }

    async fn event(&self) -> Result<Bytes, Problem> {
        let json = metrics::json(&self.app, self.query.clone()).await?;
        body::shared(&self.app, [b"event: metrics\ndata: ", &json[..], b"\n\n"].concat())
    }
}

impl Drop for Publisher {
    /// After a panic the subscribers are let go, and may come again.
    fn drop(&mut self) {
        let mut topics = self.app.streams.topics();
        // By now the question may have been asked again.
        if topics.get(&self.query).is_some_and(|topic| topic.same_channel(&self.topic)) {
            topics.remove(&self.query);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::config::EngineConfig;
    use crate::engine::Engine;
    use crate::http::HttpConfig;
    use crate::timeline::Filter;
    use tokio::time::sleep;

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
        let mut late = begin(&app, 60);
        late.next().await;
        assert_eq!(late.next().await.unwrap().as_ptr(), shown.as_ptr(), "the latest answer is there at once");
        assert_ne!(one.next().await.unwrap().as_ptr(), shown.as_ptr(), "and then the next one");
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
        assert_eq!(app.streams.places.available_permits(), limits::STREAMS_DEFAULT);
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
        let holders = (0..limits::SCANS_AT_ONCE * (1 + limits::WAITING_PER_TURN)).map(|_| {
            let (app, (release, released)) = (Arc::clone(&app), std::sync::mpsc::channel::<()>());
            tokio::spawn(async move { app.scans.run(move || released.recv()).await });
            release
        });
        let holders: Vec<_> = holders.collect();
        tokio::task::yield_now().await;
        let mut subscription = Subscription::begin(&app, query).unwrap();
        subscription.next().await;
        assert_eq!(subscription.next().await, Some(HEARTBEAT));
        drop(holders);
        assert!(subscription.next().await.unwrap().starts_with(b"event: metrics"));
    }

    #[tokio::test(start_paused = true)]
    async fn subscribers_are_let_go_when_the_answer_panics_and_when_the_server_stops() {
        let (app, _) = app();
        let mut subscription = begin(&app, 60);
        let query = Query::window(60);
        let topic = app.streams.topics()[&query].clone();
        let publisher = Publisher { app: Arc::clone(&app), query, topic };
        subscription.next().await;
        drop(publisher);
        assert!(app.streams.topics().is_empty());
        let mut next = begin(&app, 60);
        assert_eq!(next.next().await, Some(BEGIN));
        app.start_draining();
        assert_eq!((next.next().await, subscription.next().await), (None, None));
    }
}
