//! `GET /events/rejected`: the events that were rejected most recently.

use crate::common::{NDJSON, Server, array, event, problem};
use serde_json::Value;
use weir_server::limits::{REJECTS_KEPT, REJECTS_OF_BATCH_MAX};

fn rejected(server: &Server, query: &str) -> Vec<Value> {
    server.get(&format!("/events/rejected{query}")).json()["rejected"].as_array().unwrap().clone()
}

#[test]
fn rejected_events_are_listed_with_their_reasons_newest_first() {
    let server = Server::start();
    assert_eq!(server.get("/events/rejected").text(), r#"{"rejected":[],"total":0}"#);
    assert_eq!(server.post(array([event("a"), event("a"), event("b\\u0022").ts("noon")])).tally(), [1, 1, 1]);
    server.clock.advance(1);
    let lines = format!("{}\n{{\n", event("c").offset_ms(-120_000));
    assert_eq!(server.post_with(&[NDJSON], lines).tally(), [0, 0, 2]);
    assert_eq!(
        server.get("/events/rejected").text(),
        concat!(
            r#"{"rejected":["#,
            r#"{"received_at":"2025-10-08T12:00:00.001Z","index":1,"event_id":null,"code":"malformed_json","#,
            r#""message":"the line is not valid JSON at byte 1"},"#,
            r#"{"received_at":"2025-10-08T12:00:00.001Z","index":0,"event_id":"c","code":"too_late","#,
            r#""message":"ts is 120001 ms behind the server's clock; at most 120000 ms are accepted"},"#,
            r#"{"received_at":"2025-10-08T12:00:00.000Z","index":2,"event_id":"b\"","code":"invalid_timestamp","#,
            r#""message":"ts is not an RFC 3339 date-time"}],"total":3}"#
        )
    );
    assert_eq!(rejected(&server, "?limit=1").len(), 1);
    assert_eq!(server.get("/events/rejected").header("cache-control"), "no-store");
}

#[test]
fn the_list_is_bounded_in_total_and_for_each_batch() {
    let server = Server::start();
    let batches = REJECTS_KEPT / REJECTS_OF_BATCH_MAX + 1;
    for batch in 0..batches {
        let events = (0..REJECTS_OF_BATCH_MAX + 5).map(|i| event(format!("{batch}-{i}")).kind("refund"));
        assert_eq!(server.post(array(events)).tally(), [0, 0, REJECTS_OF_BATCH_MAX + 5]);
    }
    let kept = rejected(&server, &format!("?limit={REJECTS_KEPT}"));
    assert_eq!(kept.len(), REJECTS_KEPT);
    assert_eq!(kept[0]["event_id"], format!("{}-{}", batches - 1, REJECTS_OF_BATCH_MAX - 1));
    assert_eq!(kept[REJECTS_KEPT - 1]["event_id"], "1-0");
    let total = server.get("/events/rejected").json()["total"].as_u64().unwrap();
    assert_eq!(total as usize, batches * (REJECTS_OF_BATCH_MAX + 5));
    assert_eq!(rejected(&server, "").len(), 100);
}

#[test]
fn a_limit_is_a_whole_number_within_its_range() {
    let server = Server::start();
    for query in
        ["limit=0", "limit=1001", "limit=", "limit=-1", "limit=1.5", "limit=1&limit=1", "window=1", "limit=%ff"]
    {
        assert_eq!(
            server.get(&format!("/events/rejected?{query}")).problem(),
            problem(400, "invalid_parameter"),
            "{query}"
        );
    }
    assert_eq!([1, 1_000].map(|limit| server.get(&format!("/events/rejected?limit={limit}")).status), [200, 200]);
    assert_eq!(server.post("7").tally(), [0, 0, 1]);
    assert_eq!(rejected(&server, "")[0]["code"], "invalid_event");
    assert_eq!(
        server.request("POST", "/events/rejected", &[], Some(b"")).problem(),
        problem(405, "method_not_allowed")
    );
}
