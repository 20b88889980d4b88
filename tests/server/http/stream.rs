//! `GET /metrics/stream`: the figures of a window once a second.

use crate::common::{NOON, Raw, Server, event, eventually, get_request, problem, table, user};
use serde_json::Value;
use std::time::Duration;
use weir_api::Role;
use weir_server::limits;

/// Subscribes, and reads up to the reconnection time.
fn subscribe(server: &Server, query: &str) -> Raw {
    begin(server.connect(), query)
}

fn begin(mut stream: Raw, query: &str) -> Raw {
    stream.send(get_request(&format!("/metrics/stream?{query}")));
    let head = stream.reply_to_head();
    assert_eq!((head.status, head.header("content-type")), (200, "text/event-stream"));
    assert_eq!((head.header("cache-control"), head.header("transfer-encoding")), ("no-store, no-transform", "chunked"));
    assert_eq!(head.header("x-accel-buffering"), "no");
    stream.skip_to("retry: 2000");
    stream
}

/// The data of the next event.
fn next(stream: &mut Raw) -> String {
    stream.skip_to("event: metrics");
    stream.line().strip_prefix("data: ").expect("data comes after the name").to_owned()
}

fn next_json(stream: &mut Raw) -> Value {
    serde_json::from_str(&next(stream)).unwrap()
}

#[test]
fn a_stream_repeats_the_figures_as_metrics_shows_them() {
    let server = Server::start();
    let mut stream = subscribe(&server, "window=60&group_by=plan");
    assert_eq!(next(&mut stream), server.get("/metrics?window=60&group_by=plan").text());
    server.put_users(&[], table([user("u-1", "pro", "eu")], NOON));
    server.post(event("a"));
    server.clock.advance(1_234);
    // An answer that was already computed may be older.
    let now = server.get("/metrics?window=60&group_by=plan");
    assert!((0..3).any(|_| next(&mut stream) == now.text()), "{now:?}");
    assert!(now.text().ends_with(r#""groups":[{"plan":"pro","events":1,"unique_users":1}]}"#), "{now:?}");
}

#[test]
fn a_filtered_stream_covers_the_events_that_pass() {
    let server = Server::start();
    server.post(event("a"));
    let mut clicks = subscribe(&server, "type=click");
    let mut views = subscribe(&server, "type=view&window=1");
    assert_eq!(
        (&next_json(&mut clicks)["total_events"], &next_json(&mut views)["total_events"]),
        (&1.into(), &0.into())
    );
}

#[test]
fn a_stream_outlives_the_idle_timeout() {
    let server = Server::builder().http(|http| http.timeouts.idle = Duration::from_millis(100)).start();
    let mut stream = subscribe(&server, "window=1");
    for _ in 0..3 {
        next(&mut stream);
    }
}

#[test]
fn bad_parameters_and_missing_tokens_are_refused() {
    let server = Server::start();
    assert_eq!(server.get("/metrics/stream?window=0").problem(), problem(400, "invalid_window"));
    assert_eq!(server.get("/metrics/stream?step=1").problem(), problem(400, "invalid_parameter"));
    let head = server.head("/metrics/stream");
    assert_eq!((head.status, head.header("content-type")), (200, "text/event-stream"));
    server.set_tokens(&[(Role::Read, "secret")]);
    assert_eq!(server.get("/metrics/stream").problem(), problem(401, "unauthorized"));
}

#[test]
fn streams_beyond_the_maximum_get_503_until_another_ends() {
    let server = Server::builder().http(|http| http.max_streams = 2).start();
    let streams = [subscribe(&server, "window=1"), subscribe(&server, "window=2")];
    let refused = server.get("/metrics/stream");
    assert_eq!(refused.problem(), problem(503, "overloaded"));
    assert_eq!(refused.header("retry-after"), "1");
    let [stays, leaves] = streams;
    drop(leaves);
    eventually("a stream is free", || server.head("/metrics/stream").status == 200);
    drop(stays);
}

#[test]
fn one_client_has_at_most_its_part_of_the_distinct_queries() {
    let server = Server::start();
    let part = limits::STREAM_QUERIES_MAX / limits::PEER_PARTS;
    let streams = |source: &str, first: usize| -> Vec<_> {
        let connect = || Raw::connect_from(source.parse().unwrap(), server.address);
        (first..first + part).map(|window_secs| begin(connect(), &format!("window={window_secs}"))).collect()
    };
    let ours = streams("127.0.0.1", 1);
    assert_eq!(server.get("/metrics/stream?window=1000").problem(), problem(503, "overloaded"));
    let mut same = subscribe(&server, "window=7");
    assert_eq!(next_json(&mut same)["window_sec"], 7, "a query that exists already takes no place");
    let theirs = streams("127.0.0.2", 1 + part);
    let mut window_secs = 1_000;
    let mut status = |source: &str| {
        let mut stream = Raw::connect_from(source.parse().unwrap(), server.address);
        // A query that no stream has.
        window_secs += 1;
        stream.send(get_request(&format!("/metrics/stream?window={window_secs}")));
        stream.reply_to_head().status
    };
    assert_eq!(["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(&mut status), [503; 3], "there is no place left");
    drop(theirs);
    eventually("a place is free for a third client", || status("127.0.0.3") == 200);
    assert_eq!(status("127.0.0.1"), 503);
    drop((ours, same));
    eventually("a place is free for the first client", || status("127.0.0.1") == 200);
}

#[test]
fn streams_end_cleanly_when_the_server_stops() {
    let mut server = Server::start();
    let mut streams = [subscribe(&server, "window=1"), subscribe(&server, "window=1"), subscribe(&server, "type=view")];
    next(&mut streams[0]);
    server.begin_stop();
    for stream in &mut streams {
        let rest = stream.rest();
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.ends_with("event: draining\ndata: {}\n\n\r\n0\r\n\r\n"), "{rest}");
    }
}
