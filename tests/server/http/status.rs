//! `GET /status`: the server's own figures that the dashboard shows.

use crate::common::{NOON, NOON_MS, Samples, Server, array, event, problem};
use serde_json::{Value, json};
use std::fmt::Display;
use weir_api::Role;

fn status(server: &Server) -> Value {
    let reply = server.get("/status");
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    assert_eq!(reply.header("cache-control"), "no-store");
    reply.json()
}

#[test]
fn its_values_are_those_of_the_exposition() {
    let server = Server::start();
    server.post(array([&event("a") as &dyn Display, &event("a"), &"7"]));
    server.post(event("b"));
    let (status, samples) = (status(&server), Samples::of(&server.get("/metrics/prometheus")));
    let verdicts = status["verdicts"].as_object().unwrap();
    for (verdict, events) in verdicts {
        let events_total = samples.get(&format!(r#"weir_ingest_events_total{{verdict="{verdict}"}}"#));
        assert_eq!(events.as_f64(), Some(events_total), "{verdict}");
    }
    assert_eq!(verdicts.len(), samples.count("weir_ingest_events_total{"));
    assert_eq!([&verdicts["accepted"], &verdicts["duplicate_event"], &verdicts["invalid_event"]], [2, 1, 1]);

    let bucket = |bucket: &Value| (bucket["le_sec"].as_f64().unwrap_or(f64::INFINITY), bucket["requests"].as_f64());
    let told: Vec<_> = status["ingest_latency"].as_array().unwrap().iter().map(bucket).collect();
    let exposed = samples.after(r#"weir_http_request_duration_seconds_bucket{route="/events",method="POST",le=""#);
    let bound = |text: &str| text.trim_end_matches("\"}").parse().unwrap();
    let mut exposed: Vec<_> = exposed.map(|(text, requests)| (bound(text), Some(requests))).collect();
    exposed.sort_by(|(a, _), (b, _): &(f64, _)| a.total_cmp(b));
    assert_eq!(told, exposed);
    assert_eq!(told.last(), Some(&(f64::INFINITY, Some(2.0))));

    assert_eq!(status["started_at"], NOON);
    assert_eq!(samples.get("process_start_time_seconds"), NOON_MS as f64 / 1e3);
    let version = status["version"].as_str().unwrap();
    assert_eq!(samples.get(&format!(r#"weir_build_info{{version="{version}"}}"#)), 1.0);
    let is_told = status["resident_bytes"].as_u64().is_some_and(|bytes| bytes > 0);
    assert_eq!(is_told, samples.count("process_resident_memory_bytes") == 1);
}

#[test]
fn before_the_first_request_all_verdicts_are_zero_and_the_latency_is_empty() {
    let status = status(&Server::start());
    assert_eq!(status["verdicts"].as_object().unwrap().len(), 8);
    assert!(status["verdicts"].as_object().unwrap().values().all(|events| *events == 0));
    assert_eq!(status["ingest_latency"], json!([]));
}

#[test]
fn it_takes_the_token_of_a_reader_and_no_parameters() {
    let server = Server::start();
    assert_eq!(server.get("/status?window=60").problem(), problem(400, "invalid_parameter"));
    assert_eq!(server.request("POST", "/status", &[], Some(b"")).problem(), problem(405, "method_not_allowed"));
    assert_eq!((server.head("/status").status, server.head("/status").body.len()), (200, 0));
    server.set_tokens(&[(Role::Read, "r"), (Role::Ingest, "i")]);
    let status = |headers: &[(&str, &str)]| server.request("GET", "/status", headers, None).status;
    assert_eq!(status(&[]), 401);
    assert_eq!(status(&[("authorization", "Bearer i")]), 403);
    assert_eq!(status(&[("authorization", "Bearer r")]), 200);
}
