//! Requests to processes with a log, each on a connection of its own.

use super::{Body, Raw, Reply, Running, Samples, eventually};
use weir::{Clock as _, SystemClock};

/// Sends a request on a connection of its own, with these header fields.
pub(crate) fn request(running: &Running, method: &str, path: &str, fields: &[&str], body: impl Body) -> Reply {
    let body = String::from_utf8(body.bytes()).unwrap();
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let mut connection = Raw::connect(running.address);
    let length = body.len();
    connection
        .send(format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{fields}content-length: {length}\r\n\r\n{body}"));
    connection.reply()
}

pub(crate) fn get(running: &Running, path: &str) -> Reply {
    Raw::connect(running.address).get(path)
}

pub(crate) fn post(running: &Running, body: impl Body) -> Reply {
    request(running, "POST", "/events", &[], body)
}

pub(crate) fn put(running: &Running, body: impl Body) -> Reply {
    request(running, "PUT", "/reference/users", &[], body)
}

pub(crate) fn total_events(running: &Running) -> u64 {
    get(running, "/metrics?window=1800").json()["total_events"].as_u64().unwrap()
}

pub(crate) fn samples(running: &Running) -> Samples {
    Samples::of(&get(running, "/metrics/prometheus"))
}

/// Ends a process by a signal, and returns its exit code and its log.
pub(crate) fn end(running: Running, signal: &str) -> (Option<i32>, String) {
    running.signal(signal);
    running.end()
}

/// The wall clock, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    SystemClock.now_ms()
}

/// Waits until `GET /readyz` has this status, and returns the answer.
pub(crate) fn readiness(running: &Running, status: u16) -> Reply {
    let mut reply = get(running, "/readyz");
    eventually(format!("/readyz with {status}"), || {
        reply = get(running, "/readyz");
        reply.status == status
    });
    reply
}
