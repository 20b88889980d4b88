//! `POST /events`: verdicts, answers, and what is refused as a whole.

use crate::common::{MIB, NOON, NOON_MS, Reply, Server, array, event, event_at, event_of, gzip, problem, zstd};
use std::sync::atomic::{AtomicI64, Ordering};
use weir::{Clock, Horizon};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

fn assert_too_large(reply: &Reply, code: &str) {
    assert_eq!(reply.problem(), problem(413, code));
}

// Verdicts.

#[test]
fn every_verdict_in_one_answer_to_the_byte() {
    let server = Server::start();
    let events = [
        event(r#"e \"\\\u0001\u00e9/\ud83e\udd80"#),
        r#"["not","an","object"]"#.to_owned(),
        event_of("e-2", "u-1", "refund", NOON),
        event_of("e-3", "u-1", "view", "yesterday"),
        event_of("e-4", "u-1", "view", "2025-10-08T11:57:59.999Z"),
        event_of("e-5", "u-1", "view", "2025-10-08T12:02:00.001Z"),
        event("e \\\"\\\\\\u0001é\\/🦀"),
        event_of("e-7", "u-2", "purchase", NOON),
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
fn what_does_not_fit_in_the_dedup_tables_is_refused_event_by_event_and_then_as_a_whole() {
    let server = Server::with(|engine, _| {
        engine.dedup_horizon = Some(Horizon::Unbounded);
        engine.dedup_capacity = Some(3);
    });
    assert_eq!(server.post(array(["a", "b"].map(event))).tally(), [2, 0, 0]);
    let reply = server.post(array(["a", "c", "d", "b"].map(event)));
    assert_eq!((reply.tally(), server.total_events()), ([1, 2, 1], 3));
    let refused = r#"{"event_id":"d","status":"error","code":"overloaded","index":2,"message":"the server has no capacity for this event"#;
    assert!(reply.text().contains(refused), "{}", reply.text());
    let full = server.post(event("d"));
    assert_eq!((full.problem(), full.header("retry-after")), (problem(503, "overloaded"), "1"));
    assert_eq!((server.post("[]").tally(), server.total_events()), ([0, 0, 0], 3));
}

#[test]
fn of_several_faults_the_first_check_wins() {
    let server = Server::start();
    assert_eq!(server.post(event("taken")).verdicts(), ["success"]);
    let (late, early) = ("2025-10-08T11:57:59.999Z", "2025-10-08T12:02:00.001Z");
    let long = "x".repeat(257);
    for (event, code) in [
        (r#"{"event_id":"taken","type":"click","ts":"yesterday"}"#.to_owned(), "invalid_event"),
        (r#"{"event_id":"taken","user_id":"u","type":"click","ts":7}"#.to_owned(), "invalid_event"),
        (r#"{"event_id":"taken","user_id":"u","type":"click","ts":""}"#.to_owned(), "invalid_event"),
        (format!(r#"{{"event_id":"taken","user_id":"u","type":"click","ts":"x","ts":"{NOON}"}}"#), "invalid_event"),
        (event_of("taken", "u", "refund", "yesterday"), "invalid_event"),
        (event_of("taken", "u", "refund", late), "invalid_event"),
        (event_of("taken", &long, "click", early), "invalid_event"),
        (event_of("taken", "u", "refund", NOON), "invalid_event"),
        (event_of("taken", "u", "click", "yesterday"), "invalid_timestamp"),
        (event_of("taken", "u", "click", late), "too_late"),
        (event_of("taken", "u", "click", early), "too_early"),
        (event_of("taken", "another", "view", "2025-10-08T12:00:01Z"), "duplicate_event"),
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
            let event = event_of("e", "u", "click", NOON);
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
        let reply = server.post(event_of("e", "u", name, NOON));
        assert_eq!(reply.message(), "type is not one of the configured event types", "{name}");
    }
    assert_eq!(server.post(event("e")).verdicts(), ["success"], "none of these has claimed the id");
}

#[test]
fn an_id_has_1_to_256_bytes_once_decoded() {
    let server = Server::start();
    for id in ["x", "\\u0000", " ", &"é".repeat(128), &"\\u00e8".repeat(128), &"\\n".repeat(256)] {
        assert_eq!(server.post(event_of(id, id, "click", NOON)).verdicts(), ["success"], "{id}");
    }
    for id in ["x".repeat(257), "é".repeat(128) + "x", "\\u00e9".repeat(129), "\\n".repeat(257)] {
        assert_eq!(server.post(event_of(&id, "u", "click", NOON)).verdicts(), ["invalid_event"], "{id}");
        assert_eq!(server.post(event_of("e", &id, "click", NOON)).verdicts(), ["invalid_event"], "{id}");
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
    let events = (0..).zip(ids).map(|(i, id)| event_of(&i.to_string(), id, "click", NOON));
    assert_eq!(users.post(array(events)).tally(), [11, 0, 0]);
    assert_eq!(users.metrics(1)["unique_users"], 6);
}

#[test]
fn the_id_is_null_unless_it_is_valid_and_unrepeated() {
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
        r#"{"event_id":"e","user_id":"","type":"click","ts":"x"}"#.to_owned(),
        event_of("e", "u", "refund", NOON),
        event_of("e", "u", "click", "yesterday"),
        event_at("e", NOON_MS - 120_001),
        event_at("e", NOON_MS + 120_001),
    ];
    for event in &rejected {
        assert_eq!(server.post(event).tally(), [0, 0, 1], "{event}");
    }
    let batch = array(rejected.into_iter().chain([event("e"), event("e")]));
    assert_eq!(server.post(batch).tally(), [1, 1, 5], "in the same batch");
    assert_eq!(server.total_events(), 1);
}

#[test]
fn the_types_are_the_configured_ones() {
    let default = Server::start();
    let of_type = |name: &str| event_of(name, "u", name, NOON);
    assert_eq!(default.post(array(["click", "view", "purchase"].map(of_type))).tally(), [3, 0, 0]);
    let server = Server::with(|engine, _| engine.event_types = vec!["sign up".into(), "é".into()]);
    let verdicts = server.post(array(["sign up", "\\u00e9", "click"].map(of_type))).verdicts();
    assert_eq!(verdicts, ["success", "success", "invalid_event"]);
    assert_eq!(server.metrics(1)["by_type"].to_string(), r#"{"sign up":1,"é":1}"#);
}

// Time.

#[test]
fn exactly_the_skew_is_accepted_and_a_millisecond_more_is_not() {
    let server = Server::start();
    for (second, (ts, code)) in (0..).zip([
        ("2025-10-08T11:58:00.000Z", "success"),
        ("2025-10-08T11:57:59.999Z", "too_late"),
        ("2025-10-08T12:02:00.000Z", "success"),
        ("2025-10-08T12:02:00.001Z", "too_early"),
        ("1970-01-01T00:00:00Z", "too_late"),
        ("0000-01-01T00:00:00+23:59", "too_late"),
        ("9999-12-31T23:59:59.999-23:59", "too_early"),
    ]) {
        assert_eq!(server.post(event_of(&format!("e-{second}"), "u", "click", ts)).verdicts(), [code], "{ts}");
    }
    let narrow = Server::with(|engine, _| engine.max_skew_secs = 0);
    let events = array([-1, 0, 1].map(|off_ms| event_at(&off_ms.to_string(), NOON_MS + off_ms)));
    assert_eq!(narrow.post(events).verdicts(), ["too_late", "success", "too_early"]);
    let late = narrow.post(event_at("late", NOON_MS - 1)).message();
    assert_eq!(late, "ts is 1 ms behind the server's clock; at most 0 ms are accepted");
}

#[test]
fn a_timestamp_is_an_rfc_3339_date_time() {
    let server = Server::start();
    // All of them lie exactly on the edge of the skew, so that a misreading by a millisecond shows.
    let edge = [
        "2025-10-08T11:58:00Z",
        "2025-10-08t11:58:00z",
        "2025-10-08T11:58:00.0Z",
        "2025-10-08T11:58:00.0000000000000000000000000000Z",
        "2025-10-08T12:02:00.0009999999999999999999999999Z",
        "2025-10-08T13:28:00.000+01:30",
        "2025-10-07T12:00:00-23:58",
        "2025-10-09T11:57:00+23:59",
        "2025-10-08T11:58:00-00:00",
    ];
    for (id, ts) in (0..).zip(edge) {
        assert_eq!(server.post(event_of(&format!("e-{id}"), "u", "click", ts)).verdicts(), ["success"], "{ts}");
    }
    for ts in [
        "2025-10-08 12:00:00Z",
        "2025-10-08_12:00:00Z",
        "2025-10-08T12:00:00",
        "2025-10-08T12:00Z",
        "2025-10-08",
        "2025-10-08T12:00:00.Z",
        "2025-10-08T12:00:00,0Z",
        "2025-10-08T12:00:00+0000",
        "2025-10-08T12:00:00+00",
        "2025-10-08T12:00:00+24:00",
        "2025-10-08T12:00:00Z ",
        " 2025-10-08T12:00:00Z",
        "2025-10-08T12:00:00ZZ",
        "2025-10-08T24:00:00Z",
        "2025-10-08T12:60:00Z",
        "2025-10-08T12:00:61Z",
        "2025-13-08T12:00:00Z",
        "2025-10-32T12:00:00Z",
        "1759924800000",
        "\\u0662025-10-08T12:00:00Z",
    ] {
        assert_eq!(server.post(event_of("e", "u", "click", ts)).verdicts(), ["invalid_timestamp"], "{ts}");
    }
}

#[test]
fn digits_beyond_the_millisecond_are_cut_not_rounded() {
    let server = Server::start();
    let early = server.post(event_of("e", "u", "click", "2025-10-08T12:02:00.001999Z"));
    assert!(early.message().starts_with("ts is 120001 ms ahead"), "{early:?}");
    let late = server.post(event_of("e", "u", "click", "2025-10-08T11:57:59.999999Z"));
    assert!(late.message().starts_with("ts is 120001 ms behind"), "{late:?}");
}

#[test]
fn the_second_60_reads_as_59() {
    let server = Server::start();
    let late = server.post(event_of("e", "u", "click", "2025-10-08T11:57:60.250Z"));
    assert!(late.message().starts_with("ts is 120750 ms behind"), "{late:?}");
    assert_eq!(server.post(event_of("e", "u", "click", "2025-10-08T11:59:60Z")).verdicts(), ["success"]);
    assert_eq!(server.metrics(1)["total_events"], 0);
    assert_eq!(server.metrics(2)["total_events"], 1);
}

#[test]
fn a_date_is_one_of_the_calendar() {
    let server = Server::start();
    for (date, code) in [
        ("2024-02-29", "too_late"),
        ("2000-02-29", "too_late"),
        ("2028-02-29", "too_early"),
        ("2023-02-29", "invalid_timestamp"),
        ("1900-02-29", "invalid_timestamp"),
        ("2100-02-29", "invalid_timestamp"),
        ("2024-02-30", "invalid_timestamp"),
        ("2025-04-31", "invalid_timestamp"),
        ("2025-00-01", "invalid_timestamp"),
        ("2025-01-00", "invalid_timestamp"),
    ] {
        // In both forms: of usual length and of any other.
        for time in ["T00:00:00.000Z", "T00:00:00z"] {
            assert_eq!(server.post(event_of("e", "u", "click", &format!("{date}{time}"))).verdicts(), [code], "{date}");
        }
    }
    server.clock.set(weir::parse_ms(b"2028-02-29T12:00:00Z").unwrap());
    assert_eq!(server.post(event_of("e", "u", "click", "2028-02-29T12:00:00.000Z")).verdicts(), ["success"]);
}

/// A clock that is a millisecond further at every look.
struct Hasty(AtomicI64);

impl Clock for Hasty {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

#[test]
fn all_events_of_a_batch_are_judged_by_one_reading_of_the_clock() {
    let server = Server::on(Hasty(AtomicI64::new(NOON_MS)), 2, |_, _| {});
    let batch = array((0..1_000).map(|i| event_at(&format!("e-{i}"), 0)));
    let answer = server.post(batch).json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 1_000);
    assert!(results.iter().all(|result| result["message"] == results[0]["message"]), "{:?}", results[0]);
}

#[test]
fn the_clock_is_read_when_the_whole_body_is_there() {
    let server = Server::start();
    let mut connection = server.connect();
    let body = event("e");
    let (first, last) = body.split_at(10);
    connection.send(format!("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n{first}", body.len()));
    server.clock.advance(120_001);
    connection.send(last);
    assert_eq!(connection.reply().verdicts(), ["too_late"]);
}

#[test]
fn a_client_that_says_that_it_has_sent_all_gets_its_verdicts() {
    let server = Server::start();
    for (round, events) in [1, 2_000].into_iter().cycle().take(20).enumerate() {
        let body = array((0..events).map(|event| self::event(&format!("{round}-{event}"))));
        let mut connection = server.connect();
        connection.send(format!("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        connection.finish();
        assert_eq!(connection.reply().json()["accepted"], events);
    }
}

#[test]
fn an_id_is_remembered_for_the_horizon_and_an_identical_retry_is_never_counted_again() {
    let server = Server::with(|engine, _| (engine.retention_secs, engine.max_skew_secs) = (5, 1));
    let original = event("e");
    assert_eq!(server.post(&original).verdicts(), ["success"]);
    // The horizon is a retention and two skews: 7 s.
    let (kept, forgotten) = ("duplicate_event", "success");
    for (at_ms, fresh) in [(1_000, kept), (1_001, kept), (6_999, kept), (14_000, forgotten)] {
        server.clock.set(NOON_MS + at_ms);
        let retry = if at_ms <= 1_000 { "duplicate_event" } else { "too_late" };
        assert_eq!(server.post(&original).verdicts(), [retry], "{at_ms}");
        assert_eq!(server.post(event_at("e", NOON_MS + at_ms)).verdicts(), [fresh], "{at_ms}");
    }
    let unbounded = Server::with(|engine, _| engine.dedup_horizon = Some(Horizon::Unbounded));
    assert_eq!(unbounded.post(event("e")).verdicts(), ["success"]);
    unbounded.clock.advance(1_000_000_000_000);
    assert_eq!(unbounded.post(event_at("e", NOON_MS + 1_000_000_000_000)).verdicts(), ["duplicate_event"]);
}

// Forms of a request.

#[test]
fn a_request_may_hold_no_event_one_or_many() {
    let server = Server::start();
    let none = r#"{"results":[],"accepted":0,"duplicates":0,"rejected":0}"#;
    assert_eq!(server.post(" [ ] ").text(), none);
    for lines in ["", "\n", " \t\r\n\n \n"] {
        assert_eq!(server.post_with(&[NDJSON], lines).text(), none, "{lines:?}");
    }
    assert_eq!(
        server.post(event("a")).text(),
        r#"{"results":[{"event_id":"a","status":"success"}],"accepted":1,"duplicates":0,"rejected":0}"#
    );
    assert_eq!(server.post(array([event("a"), event("b")])).verdicts(), ["duplicate_event", "success"]);
    for scalar in ["7", "-0.5e-3", "1e999999", "\"text\"", "null", "true", " false\n"] {
        let reply = server.post(scalar);
        assert_eq!(reply.verdicts(), ["invalid_event"], "{scalar}");
        assert_eq!(reply.message(), "the event is not a JSON object");
        assert_eq!(reply.json()["results"][0]["index"], 0);
    }
    assert_eq!(server.post(array([array([event("c")])])).verdicts(), ["invalid_event"], "an array in an array");
}

#[test]
fn the_short_answer_lists_what_was_rejected() {
    let server = Server::start();
    let body = array([event("a"), event("a"), "7".to_owned(), event("b")]);
    let reply = server.post_with(&[("prefer", "respond-async, Return=\"minimal\"; x=1")], &body);
    assert_eq!(reply.header("preference-applied"), "return=minimal");
    assert_eq!(
        reply.text(),
        concat!(
            r#"{"results":[{"event_id":null,"status":"error","code":"invalid_event","index":2,"#,
            r#""message":"the event is not a JSON object"}],"accepted":2,"duplicates":1,"rejected":1}"#
        )
    );
    let good = server.post_with(&[("prefer", "return=minimal")], event("c"));
    assert_eq!(good.text(), r#"{"results":[],"accepted":1,"duplicates":0,"rejected":0}"#);
    for preference in ["return=representation", "return=representation, return=minimal", "respond-async", ""] {
        let reply = server.post_with(&[("prefer", preference)], &body);
        assert_eq!(reply.header("preference-applied"), "", "{preference}");
        assert_eq!(reply.verdicts().len(), 4, "{preference}");
    }
}

#[test]
fn the_type_of_the_body_decides_how_it_is_read() {
    let server = Server::start();
    let lines = format!("{}\n\n{}\n", event("a"), event("b"));
    for (content_type, status) in [
        ("application/x-ndjson", 200),
        ("application/jsonl", 200),
        ("application/ndjson; charset=utf-8", 200),
        ("Application/X-NDJSON", 200),
        ("application/json", 400),
        ("application/json; charset=\"UTF-8\"", 400),
    ] {
        let reply = server.post_with(&[("content-type", content_type)], &lines);
        assert_eq!(reply.status, status, "{content_type}: {reply:?}");
    }
    assert_eq!(server.post(event("c")).verdicts(), ["success"], "no type is JSON");
    for content_type in
        ["text/plain", "application/json; charset=latin1", "application/x-www-form-urlencoded", "json", ""]
    {
        let reply = server.post_with(&[("content-type", content_type)], event("d"));
        assert_eq!(reply.problem(), problem(415, "unsupported_media_type"), "{content_type}");
        let accept = "application/json, application/x-ndjson, application/jsonl, application/ndjson";
        assert_eq!(reply.header("accept"), accept, "{content_type}");
    }
    assert_eq!(server.total_events(), 3);
}

#[test]
fn unknown_fields_are_ignored_whatever_they_hold() {
    let server = Server::start();
    let nines = "9".repeat(10_000);
    let fields = [
        format!(r#""x":{}1{}"#, "[".repeat(126), "]".repeat(126)),
        format!(r#""x":{}{{}}{}"#, r#"{"event_id":"#.repeat(100), "}".repeat(100)),
        r#""x":1,"x":2,"x":{"x":1,"x":2}"#.to_owned(),
        format!(r#""x":{nines},"y":-{nines}.{nines}e+{nines},"z":1e-{nines}"#),
        r#""x":18446744073709551616,"y":-9223372036854775809,"z":1E400,"w":-0"#.to_owned(),
        r#""":"","Event_id":7,"event_id ":8,"ts\u0000":9,"EVENT_ID":"x""#.to_owned(),
        format!(r#""x":"{}""#, "\\u0000\\ud83e\\udd80".repeat(10_000)),
        format!(r#""{}":[true,false,null,"",0.0]"#, "k".repeat(100_000)),
    ];
    for (id, field) in (0..).zip(&fields) {
        let event = event(&id.to_string());
        let inner = &event[1..event.len() - 1];
        for body in [format!("{{{field},{inner}}}"), format!("{{{inner},{field}}}")] {
            let verdict = server.post_with(&[NDJSON], &body).verdicts();
            assert!(verdict == ["success"] || verdict == ["duplicate_event"], "{verdict:?}: {}", &body[..60]);
        }
    }
    assert_eq!(server.total_events(), fields.len() as u64);
}

#[test]
fn many_events_come_in_one_batch() {
    let server = Server::start();
    let batch = array((0..20_000).map(|i| event_of(&format!("e-{i}"), &format!("u-{}", i % 7_000), "view", NOON)));
    let reply = server.post(&batch);
    assert_eq!(reply.tally(), [20_000, 0, 0]);
    let results = reply.json()["results"].as_array().unwrap().clone();
    assert!((0..).zip(&results).all(|(i, result)| result["event_id"] == format!("e-{i}")), "in request order");
    let again = server.post(&batch);
    assert_eq!(again.tally(), [0, 20_000, 0]);
    let results = again.json()["results"].as_array().unwrap().clone();
    assert!((0..).zip(&results).all(|(i, result): (u64, _)| result["index"] == i), "in request order");
    let metrics = server.metrics(1);
    assert_eq!([&metrics["total_events"], &metrics["unique_users"], &metrics["unknown"]], [20_000, 7_000, 20_000]);
}

#[test]
fn a_request_may_hold_exactly_so_many_events() {
    for max in [3, 1_000] {
        let server = Server::with(|engine, _| engine.max_batch_events = max);
        let events = |count: usize| (0..count).map(|i| event(&format!("e-{i}")));
        let lines = |count| events(count).collect::<Vec<_>>().join("\n \r\n") + "\n\n";
        assert_too_large(&server.post(array(events(max + 1))), "too_many_events");
        assert_too_large(&server.post_with(&[NDJSON], lines(max + 1)), "too_many_events");
        assert_too_large(&server.post_with(&[NDJSON], "x\n".repeat(max + 1)), "too_many_events");
        assert_eq!(server.post_with(&[NDJSON], "x\n".repeat(max)).tally(), [0, 0, max]);
        assert_eq!(server.post(array(events(max))).tally(), [max, 0, 0], "the refused batches claimed nothing");
        assert_eq!(server.post_with(&[NDJSON], lines(max)).tally(), [0, max, 0]);
    }
}

#[test]
fn a_hundred_thousand_events_are_allowed_unless_configured() {
    let server = Server::start();
    let batch = |count: usize| format!("[{}7]", "7,".repeat(count - 1));
    assert_eq!(server.post_with(&[("prefer", "return=minimal")], batch(100_000)).tally(), [0, 0, 100_000]);
    assert_too_large(&server.post(batch(100_001)), "too_many_events");
}

#[test]
fn a_body_of_sixteen_mebibytes_is_taken() {
    let server = Server::start();
    let frame = r#"{"padding":"","#.len();
    let padded = |id: &str, bytes: usize| {
        let event = event(id);
        let padding = "p".repeat(bytes - event.len() + 1 - frame);
        format!(r#"{{"padding":"{padding}",{}"#, &event[1..])
    };
    assert_eq!(server.post(padded("a", 16 * MIB)).verdicts(), ["success"]);
    assert_too_large(&server.post(padded("b", 16 * MIB + 1)), "payload_too_large");
    assert_eq!(server.post_with(&[("content-encoding", "zstd")], zstd(padded("b", 16 * MIB))).verdicts(), ["success"]);
}

// Newline-delimited JSON.

#[test]
fn each_line_has_its_own_verdict() {
    let server = Server::start();
    let lines = [
        event("a"),
        String::new(),
        "{\"event_id\":x}".to_owned(),
        format!("{}\r", event("b")),
        " \t\r".to_owned(),
        array([event("c")]),
        format!("{} {}", event("c"), event("d")),
        "null".to_owned(),
        event("\\ud800"),
        format!("  {}  ", event("a")),
        event("c"),
    ];
    let reply = server.post_with(&[NDJSON], lines.join("\n"));
    let malformed = "malformed_json";
    assert_eq!(
        reply.verdicts(),
        [
            "success",
            malformed,
            "success",
            "invalid_event",
            malformed,
            "invalid_event",
            malformed,
            "duplicate_event",
            "success"
        ]
    );
    let answer = reply.json();
    let second = concat!(
        r#",{"event_id":null,"status":"error","code":"malformed_json","index":1,"#,
        r#""message":"the line is not valid JSON at byte 12"},"#
    );
    assert!(reply.text().contains(second), "{}", reply.text());
    assert_eq!(answer["results"][3]["message"], "the event is not a JSON object");
    let results = answer["results"].as_array().unwrap();
    let indexes: Vec<_> = results.iter().filter_map(|result| result["index"].as_u64()).collect();
    assert_eq!(indexes, [1, 3, 4, 5, 6, 7], "events are counted, not lines");
}

#[test]
fn a_line_that_is_not_text_spoils_itself_only() {
    let server = Server::start();
    let first = [b"\xef\xbb\xbf", event("a").as_bytes()].concat();
    let deep = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)).into_bytes();
    let lines = [
        first,
        event("b").into_bytes(),
        event("c\u{1}").into_bytes(),
        b"{\"event_id\":\"\xff\"}".to_vec(),
        b"\x00".to_vec(),
        b"\x0b".to_vec(),
        "\u{a0}".into(),
        deep(129),
        deep(128),
        event("d").into_bytes(),
    ];
    let verdicts = server.post_with(&[NDJSON], lines.join(&b'\n')).verdicts();
    let mut expected = ["malformed_json"; 10];
    (expected[1], expected[8], expected[9]) = ("success", "invalid_event", "success");
    assert_eq!(verdicts, expected);
    let joined = server.post_with(&[NDJSON], [event("e"), event("f")].join("\r"));
    assert_eq!(joined.verdicts(), ["malformed_json"], "a carriage return ends no line");
}

// What fails as a whole.

#[test]
fn malformed_json_is_refused_with_the_byte_where_it_broke() {
    let server = Server::start();
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(server.post(deep(128)).verdicts(), ["invalid_event"]);
    for (body, offset) in [
        (&b""[..], 0),
        (b" ", 1),
        (b"x", 0),
        (b"[", 1),
        (b"[1", 2),
        (b"[1,", 3),
        (b"[1,]", 3),
        (b"{\"a\"}", 4),
        (b"{\"a\":1,}", 7),
        (b"{a:1}", 1),
        (b"{'a':1}", 1),
        (b"{} {}", 3),
        (b"[]x", 2),
        (b"[1 2]", 3),
        (b"01", 1),
        (b"1.", 2),
        (b"-", 1),
        (b"+1", 0),
        (b"NaN", 0),
        (b"tru", 3),
        (b"nulL", 3),
        (b"\"", 1),
        (b"\"\\x\"", 2),
        (b"\"\\u12g4\"", 5),
        (b"\"a\nb\"", 2),
        (b"\xef\xbb\xbf[]", 0),
        (b"\"a\xff\"", 2),
        (b"\"\xc0\xaf\"", 1),
        (b"\"\xed\xa0\x80\"", 1),
        (b"[\"a\\ud800\"]", 3),
        (b"[\"a\\udc00\"]", 3),
        (b"[\"\\ud800\\u0061\"]", 2),
        (b"{\"ignored\":{\"\\udfff\":1}}", 13),
        (b"[]\0", 2),
        (deep(129).as_bytes(), 128),
        (deep(100_000).as_bytes(), 128),
    ] {
        let reply = server.post(body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
        assert_eq!(reply.problem(), problem(400, "malformed_json"), "{shown}");
        assert_eq!(reply.json()["offset"], offset, "{shown}");
        let detail = format!("the body is not valid JSON at byte {offset}");
        assert_eq!(reply.json()["detail"], detail.as_str(), "{shown}");
    }
}

#[test]
fn a_large_body_is_refused_at_the_same_byte() {
    let server = Server::start();
    let mut body = array((0..2_000).map(|i| event(&format!("e-{i}"))));
    body.truncate(body.len() - 1);
    for coding in ["identity", "gzip"] {
        let bytes = if coding == "gzip" { gzip(&body) } else { body.clone().into_bytes() };
        let reply = server.post_with(&[("content-encoding", coding)], bytes);
        assert_eq!(reply.problem(), problem(400, "malformed_json"));
        assert_eq!(reply.json()["offset"], body.len());
    }
    assert_eq!(server.post(body + "]").tally(), [2_000, 0, 0]);
}

#[test]
fn a_refused_request_takes_nothing() {
    let server = Server::with(|engine, http| {
        http.max_body_bytes = 400;
        engine.max_batch_events = 3;
    });
    let (a, b) = (event("a"), event("b"));
    let good = array([a.clone(), b.clone()]);
    let four = format!("[{a},{b},7,7]");
    let coded = |coding| ("content-encoding", coding);
    let broken_gzip = {
        let whole = gzip(&good);
        whole[..whole.len() - 1].to_vec()
    };
    let padded = format!("{good}{}", " ".repeat(401 - good.len()));
    let json = ("content-type", "application/json");
    for (header, body, refusal) in [
        (json, format!("[{a},{b},").into_bytes(), (400, "malformed_json")),
        (json, format!("[{a},{b}]]").into_bytes(), (400, "malformed_json")),
        (json, format!("{a}{b}").into_bytes(), (400, "malformed_json")),
        (json, format!("\u{feff}{good}").into_bytes(), (400, "malformed_json")),
        (json, [good.as_bytes(), b"\xff"].concat(), (400, "malformed_json")),
        (json, format!(r#"[{a},{b},"\ud800"]"#).into_bytes(), (400, "malformed_json")),
        (json, format!("[{a},{b},{}]", "[".repeat(128)).into_bytes(), (400, "malformed_json")),
        (coded("gzip"), broken_gzip, (400, "malformed_encoding")),
        (coded("zstd"), [zstd(&good), b"x".to_vec()].concat(), (400, "malformed_encoding")),
        (json, padded.clone().into_bytes(), (413, "payload_too_large")),
        (coded("gzip"), gzip(&padded), (413, "payload_too_large")),
        (coded("zstd"), zstd(&padded), (413, "payload_too_large")),
        (json, four.clone().into_bytes(), (413, "too_many_events")),
        (NDJSON, format!("{a}\n{b}\n7\n7").into_bytes(), (413, "too_many_events")),
        (json, four.as_bytes()[..four.len() - 1].to_vec(), (413, "too_many_events")),
        (("content-type", "text/csv"), good.clone().into_bytes(), (415, "unsupported_media_type")),
        (coded("br"), good.clone().into_bytes(), (415, "unsupported_encoding")),
    ] {
        let reply = server.post_with(&[header], &body);
        assert_eq!(reply.problem(), problem(refusal.0, refusal.1), "{header:?} {}", String::from_utf8_lossy(&body));
        assert_eq!(server.total_events(), 0);
    }
    assert_eq!(server.post(good).tally(), [2, 0, 0], "no id was claimed");
}

#[test]
fn no_change_of_one_byte_breaks_the_server() {
    let server = Server::start();
    let good = array([event("a\\u00e9"), event_of("b", "ü", "view", "2025-10-08T14:00:00+02:00")]).into_bytes();
    let (mut statuses, mut sums) = ([0; 2], 0);
    for at in 0..good.len() {
        for byte in *b"\"\\{]0 \x00\xff" {
            let mut body = good.clone();
            body[at] = byte;
            let reply = server.post(&body);
            match reply.status {
                200 => sums += reply.verdicts().len(),
                400 => assert_eq!(reply.problem().1, "malformed_json"),
                other => panic!("{other}: {}", String::from_utf8_lossy(&body)),
            }
            statuses[usize::from(reply.status == 400)] += 1;
        }
    }
    assert!(statuses.iter().all(|count| *count > 100) && sums > 0, "{statuses:?}");
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn every_accepted_event_is_counted_in_the_second_of_its_own_timestamp() {
    let server = Server::start();
    let batch = array((0..60).map(|i| event_at(&format!("e-{i}"), NOON_MS - i * 1_000 + i)));
    assert_eq!(server.post(batch).tally(), [60, 0, 0]);
    for window_secs in [1, 2, 30, 59, 60, 61] {
        // The event i lies i ms after the second that is i seconds back.
        assert_eq!(server.metrics(window_secs)["total_events"], window_secs.min(60), "{window_secs}");
    }
}
