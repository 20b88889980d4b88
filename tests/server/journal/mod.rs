//! `weir serve` with a journal: restarts, kills, refused starts, full journals and faults of the disk.

mod faults;
mod refusals;
mod restart;

use crate::common::{Body, Raw, Reply, Running, Samples, eventually};
use weir::{Clock as _, SystemClock};

/// A process with a journal in a directory. Waits until the journal is replayed.
fn serve(dir: &str, args: &[&str]) -> Running {
    let running = Running::serve(&[&["--journal", dir], args].concat());
    running.stderr.line_with("the journal is replayed");
    running
}

/// Sends a request on a connection of its own, with these header fields.
fn request(running: &Running, method: &str, path: &str, fields: &[&str], body: impl Body) -> Reply {
    let body = String::from_utf8(body.bytes()).unwrap();
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let mut connection = Raw::connect(running.address);
    let length = body.len();
    connection
        .send(format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{fields}content-length: {length}\r\n\r\n{body}"));
    connection.reply()
}

fn get(running: &Running, path: &str) -> Reply {
    Raw::connect(running.address).get(path)
}

fn post(running: &Running, body: impl Body) -> Reply {
    request(running, "POST", "/events", &[], body)
}

fn put(running: &Running, body: impl Body) -> Reply {
    request(running, "PUT", "/reference/users", &[], body)
}

fn total_events(running: &Running) -> u64 {
    get(running, "/metrics?window=1800").json()["total_events"].as_u64().unwrap()
}

fn samples(running: &Running) -> Samples {
    Samples::of(&get(running, "/metrics/prometheus"))
}

/// The frames that the last replay had to judge.
fn judged_frames(running: &Running) -> f64 {
    samples(running).get("weir_log_replay_judged_frames")
}

/// Ends a process by a signal, and returns its exit code and its log.
fn end(running: Running, signal: &str) -> (Option<i32>, String) {
    running.signal(signal);
    running.end()
}

/// Stops a process with a signal that lets it stop the journal.
fn stop(running: Running) {
    let (code, log) = end(running, "TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped the journal"), "{log}");
}

/// The wall clock, in milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    SystemClock.now_ms()
}

/// Waits until `GET /readyz` has this status, and returns the answer.
fn readiness(running: &Running, status: u16) -> Reply {
    let mut reply = get(running, "/readyz");
    eventually(format!("/readyz with {status}"), || {
        reply = get(running, "/readyz");
        reply.status == status
    });
    reply
}
