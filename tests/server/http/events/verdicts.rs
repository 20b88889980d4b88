//! The verdicts of events.

use crate::common::{NOON, NOON_MS, Server, array, event, problem};
use std::fmt::Display;
use weir::{DedupBackend, EngineConfig, Horizon};

#[test]
fn every_verdict_in_one_answer_to_the_byte() {
    let server = Server::start();
    let events: [&dyn Display; 8] = [
        &event(r#"e \"\\\u0001\u00e9/\ud83e\udd80"#),
        &r#"["not","an","object"]"#,
        &event("e-2").kind("refund"),
        &event("e-3").kind("view").ts("yesterday"),
        &event("e-4").kind("view").ts("2025-10-08T11:57:59.999Z"),
        &event("e-5").kind("view").ts("2025-10-08T12:02:00.001Z"),
        &event("e \\\"\\\\\\u0001é\\/🦀"),
        &event("e-7").user("u-2").kind("purchase"),
    ];
    let reply = server.post(array(events));
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(
        reply.text(),
        concat!(
            r#"{"results":[{"event_id":"e \"\\\u0001é/🦀","status":"success"},"#,
            r#"{"event_id":null,"status":"error","code":"invalid_event","index":1,"#,
            r#""message":"the event is not a JSON object"},"#,
            r#"{"event_id":"e-2","status":"error","code":"invalid_event","index":2,"#,
            r#""message":"type is not one of the configured event types"},"#,
            r#"{"event_id":"e-3","status":"error","code":"invalid_timestamp","index":3,"#,
            r#""message":"ts is not an RFC 3339 date-time"},"#,
            r#"{"event_id":"e-4","status":"error","code":"too_late","index":4,"#,
            r#""message":"ts is 120001 ms behind the server's clock; at most 120000 ms are accepted"},"#,
            r#"{"event_id":"e-5","status":"error","code":"too_early","index":5,"#,
            r#""message":"ts is 120001 ms ahead of the server's clock; at most 120000 ms are accepted"},"#,
            r#"{"event_id":"e \"\\\u0001é/🦀","status":"error","code":"duplicate_event","index":6,"#,
            r#""message":"event_id was already accepted"},"#,
            r#"{"event_id":"e-7","status":"success"}],"accepted":2,"duplicates":1,"rejected":5}"#
        )
    );
}

#[test]
fn events_beyond_the_dedup_capacity_are_refused_one_by_one_and_then_as_a_whole() {
    let unbounded = |engine: &mut EngineConfig| engine.dedup_horizon = Some(Horizon::Unbounded);
    let server = Server::builder().engine(unbounded).engine(|engine| engine.dedup_capacity = Some(3)).start();
    assert_eq!(server.post(array(["a", "b"].map(event))).tally(), [2, 0, 0]);
    let reply = server.post(array(["a", "c", "d", "b"].map(event)));
    assert_eq!((reply.tally(), server.total_events()), ([1, 2, 1], 3));
    let refused =
        r#"{"event_id":"d","status":"error","code":"overloaded","index":2,"message":"the server has no capacity"#;
    assert!(reply.text().contains(refused), "{}", reply.text());
    let full = server.post(event("d"));
    assert_eq!((full.problem(), full.header("retry-after")), (problem(503, "overloaded"), "1"));
    assert_eq!((server.post("[]").tally(), server.total_events()), ([0, 0, 0], 3));
}

#[test]
fn the_first_failed_check_is_the_verdict() {
    let server = Server::start();
    assert_eq!(server.post(event("taken")).verdicts(), ["success"]);
    let (late, early) = ("2025-10-08T11:57:59.999Z", "2025-10-08T12:02:00.001Z");
    let long = "x".repeat(257);
    for event in [
        r#"{"event_id":"taken","type":"click","ts":"yesterday"}"#,
        r#"{"event_id":"taken","user_id":"u","type":"click","ts":7}"#,
        r#"{"event_id":"taken","user_id":"u","type":"click","ts":""}"#,
        &format!(r#"{{"event_id":"taken","user_id":"u","type":"click","ts":"x","ts":"{NOON}"}}"#),
    ] {
        assert_eq!(server.post(event).verdicts(), ["invalid_event"], "{event}");
    }
    for (event, code) in [
        (event("taken").kind("refund").ts("yesterday"), "invalid_event"),
        (event("taken").kind("refund").ts(late), "invalid_event"),
        (event("taken").user(&long).ts(early), "invalid_event"),
        (event("taken").kind("refund"), "invalid_event"),
        (event("taken").ts("yesterday"), "invalid_timestamp"),
        (event("taken").ts(late), "too_late"),
        (event("taken").ts(early), "too_early"),
        (event("taken").user("another").kind("view").ts("2025-10-08T12:00:01Z"), "duplicate_event"),
    ] {
        assert_eq!(server.post(&event).verdicts(), [code], "{event}");
    }
}

#[test]
fn a_message_names_the_field_and_its_fault() {
    let server = Server::start();
    let long = "é".repeat(128) + "x";
    for (field, value) in [("event_id", "e"), ("user_id", "u"), ("type", "click"), ("ts", NOON)] {
        let with = |given: &str| {
            let event = event("e").user("u").to_string();
            let member = format!(r#""{field}":"{value}""#);
            assert!(event.contains(&member));
            server.post(event.replacen(&member, given, 1))
        };
        let invalid = |given: &str, fault: &str| {
            let reply = with(given);
            assert_eq!(reply.verdicts(), ["invalid_event"], "{given}");
            assert_eq!(reply.message(), format!("{field} {fault}"), "{given}");
        };
        invalid(r#""x":1"#, "is missing");
        invalid(&format!(r#""{field}":"{value}","{field}":"{value}""#), "is given more than once");
        invalid(
            &format!(r#""{field}":"{value}","\u{:04x}{}":null"#, field.as_bytes()[0], &field[1..]),
            "is given more than once",
        );
        for other in ["null", "true", "7", "1e999", "[]", "{}", r#"["e"]"#] {
            invalid(&format!(r#""{field}":{other}"#), "is not a string");
        }
        invalid(&format!(r#""{field}":"""#), "is empty");
        if field.ends_with("_id") {
            invalid(&format!(r#""{field}":"{long}""#), "is longer than 256 bytes");
        }
    }
    for name in ["Click", "click ", "clic", "clicks", "\\u0000"] {
        let reply = server.post(event("e").kind(name));
        assert_eq!(reply.message(), "type is not one of the configured event types", "{name}");
    }
    assert_eq!(server.post(event("e")).verdicts(), ["success"], "no rejected event has claimed the id");
}

#[test]
fn an_id_has_1_to_256_bytes_once_decoded() {
    let server = Server::start();
    for id in ["x", "\\u0000", " ", &"é".repeat(128), &"\\u00e8".repeat(128), &"\\n".repeat(256)] {
        assert_eq!(server.post(event(id).user(id)).verdicts(), ["success"], "{id}");
    }
    for id in ["x".repeat(257), "é".repeat(128) + "x", "\\u00e9".repeat(129), "\\n".repeat(257)] {
        assert_eq!(server.post(event(&id)).verdicts(), ["invalid_event"], "{id}");
        assert_eq!(server.post(event("e").user(&id)).verdicts(), ["invalid_event"], "{id}");
    }
}

#[test]
fn ids_compare_as_decoded_strings() {
    let server = Server::start();
    let ids = ["a", "\\u0061", "A", "\\u0041", "é", "\\u00E9", "e\\u0301", "/", "\\/", "\\ud83e\\udd80", "🦀"];
    let verdicts = server.post(array(ids.map(event))).verdicts();
    let (new, seen) = ("success", "duplicate_event");
    assert_eq!(verdicts, [new, seen, new, seen, new, seen, new, new, seen, new, seen]);

    let users = Server::start();
    let events = (0..).zip(ids).map(|(i, id)| event(i).user(id));
    assert_eq!(users.post(array(events)).tally(), [11, 0, 0]);
    assert_eq!(users.metrics(1)["unique_users"], 6);
}

#[test]
fn the_id_of_a_result_is_null_unless_it_is_valid_and_unrepeated() {
    let server = Server::start();
    let with = |id: &str| format!(r#"{{{id}"user_id":7,"type":"click","ts":"{NOON}"}}"#);
    let long = format!(r#""event_id":"{}","#, "x".repeat(257));
    let events = [
        with(""),
        with(r#""event_id":"","#),
        with(r#""event_id":7,"#),
        with(&long),
        with(r#""event_id":"a","event_id":"a","#),
        with(r#""event_id":"a","\u0065vent_id":7,"#),
        "7".to_owned(),
        with(r#""event_id":"a","#),
        with(r#""event_id":"\u0061","user_id":"u","#),
    ];
    let reply = server.post(array(events)).json();
    let ids: Vec<_> = reply["results"].as_array().unwrap().iter().map(|result| result["event_id"].as_str()).collect();
    assert_eq!(ids, [None, None, None, None, None, None, None, Some("a"), Some("a")]);
}

#[test]
fn a_rejected_event_never_claims_its_id() {
    let server = Server::start();
    let rejected = [
        event("e").user("").ts("x"),
        event("e").kind("refund"),
        event("e").ts("yesterday"),
        event("e").offset_ms(-120_001),
        event("e").offset_ms(120_001),
    ];
    for event in &rejected {
        assert_eq!(server.post(event).tally(), [0, 0, 1], "{event}");
    }
    let batch = array(rejected.into_iter().chain([event("e"), event("e")]));
    assert_eq!(server.post(batch).tally(), [1, 1, 5], "in the same batch");
    assert_eq!(server.total_events(), 1);
}

#[test]
fn an_id_is_remembered_for_the_horizon_and_an_identical_retry_is_never_counted_twice() {
    // The horizon is the retention and twice the skew: 7 s. Lines remember an id for at most two horizons and minutes.
    for (dedup, forgotten_ms) in [(DedupBackend::Scc, 7_001), (DedupBackend::Lines, 2 * 67_000)] {
        let short = |engine: &mut EngineConfig| (engine.retention_secs, engine.max_skew_secs) = (5, 1);
        let server = Server::builder().engine(short).engine(|engine| engine.dedup = dedup).start();
        let original = event("e");
        assert_eq!(server.post(&original).verdicts(), ["success"]);
        let (kept, forgotten) = ("duplicate_event", "success");
        for (at_ms, fresh) in [(1_000, kept), (1_001, kept), (7_000, kept), (forgotten_ms, forgotten)] {
            server.clock.set(NOON_MS + at_ms);
            let retry = if at_ms <= 1_000 { "duplicate_event" } else { "too_late" };
            assert_eq!(server.post(&original).verdicts(), [retry], "{at_ms}");
            assert_eq!(server.post(event("e").offset_ms(at_ms)).verdicts(), [fresh], "{at_ms}");
        }
    }
    let unbounded = Server::builder().engine(|engine| engine.dedup_horizon = Some(Horizon::Unbounded)).start();
    assert_eq!(unbounded.post(event("e")).verdicts(), ["success"]);
    unbounded.clock.advance(1_000_000_000_000);
    assert_eq!(unbounded.post(event("e").offset_ms(1_000_000_000_000)).verdicts(), ["duplicate_event"]);
}

#[test]
fn the_event_types_are_the_configured_ones() {
    let default = Server::start();
    let of_type = |name: &str| event(name).kind(name);
    assert_eq!(default.post(array(["click", "view", "purchase"].map(of_type))).tally(), [3, 0, 0]);
    let server = Server::builder().engine(|engine| engine.event_types = vec!["sign up".into(), "é".into()]).start();
    let verdicts = server.post(array(["sign up", "\\u00e9", "click"].map(of_type))).verdicts();
    assert_eq!(verdicts, ["success", "success", "invalid_event"]);
    assert_eq!(server.metrics(1)["by_type"].to_string(), r#"{"sign up":1,"é":1}"#);
}
