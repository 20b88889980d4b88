//! `GET /metrics/stream`: the metrics of a window about once per second, as server-sent events (WHATWG HTML, 9.2).
//!
//! Each distinct query is a topic. One task computes its result once per second, for all subscribers. The latest result
//! is in one buffer that the subscribers share. A slow subscriber skips results, and delays no other subscriber. A new
//! subscriber never receives a result whose computation started before it subscribed. So a client that has seen the
//! response to a change sees that change in the first event.

use crate::client::Client;
use crate::http::app::App;
use crate::http::client_permits::ClientPermit;
use crate::http::consistency::Freshness;
use crate::http::live_streams::{StreamEvent, Topic};
use crate::http::metrics;
use crate::http::openapi_errors::QueryErrors;
use crate::http::problem::{Overload, Problem};
use crate::http::response::NO_STORE_NO_TRANSFORM;
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

/// The first bytes of a stream: how long a client waits before it reconnects, in milliseconds.
const START: Bytes = Bytes::from_static(b"retry: 2000\n\n");

/// The last event of a stream when the server shuts down.
const END: Bytes = Bytes::from_static(b"event: draining\ndata: {}\n\n");

/// Sent when there is no result in time: a comment, which shows both sides that the connection still works.
const HEARTBEAT: Bytes = Bytes::from_static(b": busy\n\n");

/// The metrics of a window about once per second.
///
/// The response is a stream of server-sent events. It starts with `retry: 2000`. Then each event named `metrics` has
/// the response of `/metrics` as its data. If a result is late, or a
/// node of a cluster is not up to date, a comment is sent instead. The stream ends when the
/// tokens change. It also ends when the server shuts down, after an event named `draining`.
#[utoipa::path(
    get, path = "/metrics/stream", tag = "metrics", operation_id = "stream",
    params(parameters::Window, parameters::Filters, parameters::GroupBy, parameters::ConsistencyParam),
    responses(
        (
            status = 200, description = "The stream of events.", body = String, content_type = "text/event-stream",
            headers(
                (
                    "Cache-Control" = String,
                    description = "`no-store, no-transform`: a proxy must not compress the events"
                ),
                ("X-Accel-Buffering" = String, description = "`no`: a proxy must not buffer the events")
            )
        ),
        QueryErrors
    )
)]
pub(super) async fn subscribe(
    State(app): State<Arc<App>>,
    client: Client,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let WindowQuery { query, .. } = window_query::parse(uri.query(), AllowedParams::Stream, app.engine.config())?;
    let subscription = Subscription::start(&app, client, query)?;
    // The tokens may have changed between the check of the request and the subscription, which would not notice it.
    app.tokens.check(Role::Read, &headers)?;
    let events = stream::unfold(subscription, async |mut subscription| {
        let event = subscription.next().await?;
        Some((Ok::<_, Infallible>(event), subscription))
    });
    let mut response = Response::new(Body::from_stream(events));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(headers::EVENT_STREAM));
    fields.insert(CACHE_CONTROL, NO_STORE_NO_TRANSFORM);
    // Without it, nginx would wait until its buffer is full.
    fields.insert(headers::X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// The receiving side of one live stream.
struct Subscription {
    has_started: bool,
    is_over: bool,
    events: watch::Receiver<StreamEvent>,
    /// The number of the last result that was sent. At first, of the last result that was started before the
    /// subscription.
    last: u64,
    tokens: watch::Receiver<Tokens>,
    draining: watch::Receiver<bool>,
    client: Client,
    _permit: OwnedSemaphorePermit,
}

impl Subscription {
    /// Subscribes to the topic of `query`. The first subscriber creates the topic and its publisher.
    fn start(app: &Arc<App>, client: Client, query: Query) -> Result<Self, Problem> {
        let (tokens, draining) = (app.tokens.subscribe(), app.draining.subscribe());
        let permit =
            Arc::clone(&app.streams.permits).try_acquire_owned().map_err(|_| Problem::Overloaded(Overload::Streams))?;
        let mut topics = app.streams.topics();
        let (events, last) = match topics.get(&query) {
            Some(topic) => (topic.events.subscribe(), topic.started),
            None if topics.len() == limits::STREAM_QUERIES_MAX => return Err(Problem::Overloaded(Overload::Streams)),
            None => {
                let permit = app.streams.client_permits.try_acquire(&client);
                let client_permit = permit.ok_or(Problem::Overloaded(Overload::Streams))?;
                let (events, receiver) = watch::channel(StreamEvent::default());
                topics.insert(query.clone(), Topic { events: events.clone(), started: 0 });
                tokio::spawn(Publisher { app: Arc::clone(app), query, events, _client_permit: client_permit }.run());
                (receiver, 0)
            }
        };
        Ok(Self { has_started: false, is_over: false, events, last, tokens, draining, client, _permit: permit })
    }

    /// Waits for the next bytes to send; none at the end of the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_started {
            self.has_started = true;
            return Some(START);
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
            () = self.client.gone() => None,
            event = self.events.wait_for(|event| event.number > last) => {
                let event = event.ok()?;
                self.last = event.number;
                Some(event.text.clone())
            }
        }
    }
}

/// Computes the results of one topic once per second, as long as it has subscribers.
struct Publisher {
    app: Arc<App>,
    query: Query,
    events: watch::Sender<StreamEvent>,
    /// The permit of the client that created the topic.
    _client_permit: ClientPermit,
}

impl Publisher {
    async fn run(self) {
        let mut ticks = interval(limits::STREAM_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 1.. {
            ticks.tick().await;
            // Subscriptions and this step are under one lock. So no subscriber is missed, and none gets a result that
            // was started before it subscribed.
            if !self.start_result(number) {
                return;
            }
            let text = self.result().await.unwrap_or_else(|problem| {
                if let Problem::Overloaded(overload) = problem {
                    self.app.server_metrics.count_overload(overload);
                }
                HEARTBEAT
            });
            self.events.send_replace(StreamEvent { number, text });
        }
    }

    /// Marks the next result as started. Returns false, and removes the topic, if it has no subscriber any more.
    fn start_result(&self, number: u64) -> bool {
        let mut topics = self.app.streams.topics();
        if self.events.receiver_count() == 0 {
            topics.remove(&self.query);
            return false;
        }
        topics.entry(self.query.clone()).and_modify(|topic| topic.started = number);
        true
    }

    /// Computes a result, as a server-sent event.
    async fn result(&self) -> Result<Bytes, Problem> {
        Freshness::of_stream(&self.app).await?;
        let json = {
            let _slot = self.app.streams.slot(&self.query).await?;
            metrics::json(&self.app, &Client::default(), self.query.clone()).await?
        };
        self.app.responses.charge_response([b"event: metrics\ndata: ", &json[..], b"\n\n"].concat())
    }
}

impl Drop for Publisher {
    /// Ends the streams of the topic after a panic, so that their clients reconnect.
    fn drop(&mut self) {
        let mut topics = self.app.streams.topics();
        // There may be a new topic for the same query by now.
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
    use std::future::poll_fn;
    use std::task::Poll;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::sleep;
    use weir::{Engine, EngineConfig, Filter, ManualClock};

    fn app() -> (Arc<App>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(0));
        let engine = Engine::new(EngineConfig::default(), Arc::clone(&clock)).unwrap();
        (Arc::new(App::new(Arc::new(engine), HttpConfig::default())), clock)
    }

    fn client_permit(app: &App) -> ClientPermit {
        app.streams.client_permits.try_acquire(&Client::default()).unwrap()
    }

    fn start(app: &Arc<App>, window_secs: u32) -> Subscription {
        Subscription::start(app, Client::default(), Query::window(window_secs)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn subscribers_of_one_query_share_each_result() {
        let (app, _) = app();
        let mut subscriptions = [start(&app, 60), start(&app, 60)];
        assert_eq!(app.streams.topics().len(), 1);
        for subscription in &mut subscriptions {
            assert_eq!(subscription.next().await, Some(START));
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
    async fn no_result_was_started_before_the_subscription() {
        let (app, _) = app();
        let query = Query::window(60);
        let (events, _receiver) = watch::channel(StreamEvent::default());
        app.streams.topics().insert(query.clone(), Topic { events: events.clone(), started: 0 });
        let publisher = Publisher {
            app: Arc::clone(&app),
            query: query.clone(),
            events: events.clone(),
            _client_permit: client_permit(&app),
        };
        let publish = |number, text| events.send_replace(StreamEvent { number, text: Bytes::from_static(text) });
        assert!(publisher.start_result(1));
        publish(1, b"one");
        let mut after_one = start(&app, 60);
        assert!(publisher.start_result(2));
        let mut amid_two = start(&app, 60);
        publish(2, b"two");
        assert_eq!([after_one.next().await, after_one.next().await], [Some(START), Some("two".into())]);
        assert_eq!(amid_two.next().await, Some(START));
        assert!(amid_two.next().now_or_never().is_none());
        assert!(publisher.start_result(3));
        publish(3, b"three");
        assert_eq!([amid_two.next().await, after_one.next().await], [Some("three".into()), Some("three".into())]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_most_topics_allowed_all_get_results() {
        let (app, _) = app();
        let clicks = Filter { types: Some(["click".to_owned()].into()), ..Filter::default() };
        let query = |window_secs| Query { filter: clicks.clone(), ..Query::window(window_secs) };
        let window_secs = 1..=limits::STREAM_QUERIES_MAX as u32;
        let mut subscriptions: Vec<_> = window_secs
            .map(|window_secs| Subscription::start(&app, Client::default(), query(window_secs)).unwrap())
            .collect();
        assert!(matches!(
            Subscription::start(&app, Client::default(), query(1_000)),
            Err(Problem::Overloaded(Overload::Streams))
        ));
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
    async fn a_topic_without_subscribers_ends() {
        let (app, _) = app();
        let (one, other) = (start(&app, 60), start(&app, 300));
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
    async fn a_slow_subscriber_skips_to_the_latest_result() {
        let (app, clock) = app();
        let (mut slow, mut prompt) = (start(&app, 60), start(&app, 60));
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
    async fn a_late_result_is_replaced_by_a_heartbeat() {
        let (app, _) = app();
        let clicks = Filter { types: Some(["click".to_owned()].into()), ..Filter::default() };
        let query = Query { filter: clicks, ..Query::window(60) };
        // One scan runs for a long time, and the queue behind it is full.
        let holders = (0..limits::CONCURRENT_SCANS * (1 + limits::SCANS_QUEUED_PER_PERMIT)).map(|_| {
            let (app, (release, released)) = (Arc::clone(&app), std::sync::mpsc::channel::<()>());
            tokio::spawn(async move { app.scan_limiter.run(&Client::default(), move || released.recv()).await });
            release
        });
        let holders: Vec<_> = holders.collect();
        tokio::task::yield_now().await;
        let mut subscription = Subscription::start(&app, Client::default(), query).unwrap();
        subscription.next().await;
        assert_eq!(subscription.next().await, Some(HEARTBEAT));
        let rejections =
            app.server_metrics.overloads.read().find(|(reason, _)| *reason == Overload::QueueFull.name()).unwrap().1;
        assert!(rejections > 0, "the rejection is counted");
        drop(holders);
        assert!(subscription.next().await.unwrap().starts_with(b"event: metrics"));
    }

    #[tokio::test(start_paused = true)]
    async fn streams_end_after_a_panic_of_the_publisher_and_at_shutdown() {
        let (app, _) = app();
        let mut subscription = start(&app, 60);
        let query = Query::window(60);
        let events = app.streams.topics()[&query].events.clone();
        let publisher = Publisher { app: Arc::clone(&app), query, events, _client_permit: client_permit(&app) };
        subscription.next().await;
        drop(publisher);
        assert!(app.streams.topics().is_empty());
        let mut next = start(&app, 60);
        assert_eq!(next.next().await, Some(START));
        app.start_draining();
        assert_eq!([next.next().await, next.next().await], [Some(END), None]);
        assert_eq!([subscription.next().await, subscription.next().await], [Some(END), None]);
    }

    #[tokio::test]
    async fn a_stream_ends_when_its_client_has_gone_and_needs_no_event_for_that() {
        let (app, _) = app();
        // A topic without a publisher: no event comes.
        let (events, _receiver) = watch::channel(StreamEvent::default());
        app.streams.topics().insert(Query::window(60), Topic { events, started: 0 });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, address) = listener.accept().await.unwrap();
        let client = Client::of(Arc::new(socket.into_split().1), address.ip());
        let mut subscription = Subscription::start(&app, client, Query::window(60)).unwrap();
        assert_eq!(subscription.next().await, Some(START));
        assert!(poll_fn(|cx| Poll::Ready(std::pin::pin!(subscription.next()).poll(cx).is_pending())).await);
        drop(stream);
        assert_eq!(subscription.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_tokens_ends_the_streams() {
        let (app, _) = app();
        let mut subscription = start(&app, 60);
        subscription.next().await;
        app.set_tokens(Tokens::default());
        assert!(subscription.next().await.unwrap().starts_with(b"event: metrics"), "the tokens are the same as before");
        let mut tokens = Tokens::default();
        tokens.add(Role::Read, "r").unwrap();
        app.set_tokens(tokens);
        assert_eq!(subscription.next().await, None);
    }
}
