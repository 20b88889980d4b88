//! The forms of requests and answers: JSON, newline-delimited JSON, minimal answers.

use crate::common::{Body, NDJSON, Server, array, event, lines, post_request, problem};
use std::fmt::Display;

#[test]
fn a_request_may_hold_no_event_one_event_or_many() {
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
    assert_eq!(server.post(array([array([event("c")])])).verdicts(), ["invalid_event"], "an array within an array");
}

#[test]
fn the_minimal_answer_lists_rejected_events_only() {
    let server = Server::start();
    let body = array([&event("a") as &dyn Display, &event("a"), &"7", &event("b")]);
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
fn the_content_type_decides_how_a_body_is_read() {
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
    assert_eq!(server.post(event("c")).verdicts(), ["success"], "without a type a body is JSON");
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
fn unknown_fields_are_ignored_whatever_they_contain() {
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
        let event = event(id).to_string();
        let inner = &event[1..event.len() - 1];
        for body in [format!("{{{field},{inner}}}"), format!("{{{inner},{field}}}")] {
            let verdict = server.post_with(&[NDJSON], &body).verdicts();
            assert!(verdict == ["success"] || verdict == ["duplicate_event"], "{verdict:?}: {}", &body[..60]);
        }
    }
    assert_eq!(server.total_events(), fields.len() as u64);
}

#[test]
fn a_large_batch_is_answered_in_request_order() {
    let server = Server::start();
    let batch = array((0..20_000).map(|i| event(format!("e-{i}")).user(format!("u-{}", i % 7_000)).kind("view")));
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
fn a_client_that_closes_its_writing_half_gets_its_verdicts() {
    let server = Server::start();
    for (round, events) in [1, 2_000].into_iter().cycle().take(20).enumerate() {
        let mut connection = server.connect();
        connection.send(post_request(array((0..events).map(|id| event(format!("{round}-{id}"))))));
        connection.finish();
        assert_eq!(connection.reply().json()["accepted"], events);
    }
}

#[test]
fn each_line_has_its_own_verdict() {
    let server = Server::start();
    let [a, b, c, d, lone_surrogate] = ["a", "b", "c", "d", "\\ud800"].map(event);
    let lines = lines([
        format!("{a}\n"),
        "{\"event_id\":x}".to_owned(),
        format!("{b}\r\n \t\r"),
        array([&c]),
        format!("{c} {d}"),
        "null".to_owned(),
        lone_surrogate.to_string(),
        format!("  {a}  "),
        c.to_string(),
    ]);
    let reply = server.post_with(&[NDJSON], lines);
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
fn a_line_of_invalid_text_fails_alone() {
    let server = Server::start();
    let deep = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)).into_bytes();
    let lines = [
        format!("\u{feff}{}", event("a")).into_bytes(),
        event("b").bytes(),
        event("c\u{1}").bytes(),
        b"{\"event_id\":\"\xff\"}".to_vec(),
        b"\x00".to_vec(),
        b"\x0b".to_vec(),
        "\u{a0}".into(),
        deep(129),
        deep(128),
        event("d").bytes(),
    ];
    let verdicts = server.post_with(&[NDJSON], lines.join(&b'\n')).verdicts();
    let mut expected = ["malformed_json"; 10];
    (expected[1], expected[8], expected[9]) = ("success", "invalid_event", "success");
    assert_eq!(verdicts, expected);
    let joined = server.post_with(&[NDJSON], format!("{}\r{}", event("e"), event("f")));
    assert_eq!(joined.verdicts(), ["malformed_json"], "a carriage return does not end a line");
}
