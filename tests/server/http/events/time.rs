//! Timestamps, and the clock that they are compared with.

use crate::common::{NOON_MS, Server, array, event, post_request};
use std::sync::atomic::{AtomicI64, Ordering};
use weir::Clock;

#[test]
fn a_ts_at_the_maximum_skew_is_accepted_and_a_millisecond_more_is_not() {
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
        assert_eq!(server.post(event(format!("e-{second}")).ts(ts)).verdicts(), [code], "{ts}");
    }
    let narrow = Server::builder().engine(|engine| engine.max_skew_secs = 0).start();
    let events = array([-1, 0, 1].map(|offset_ms| event(offset_ms).offset_ms(offset_ms)));
    assert_eq!(narrow.post(events).verdicts(), ["too_late", "success", "too_early"]);
    let late = narrow.post(event("late").offset_ms(-1)).message();
    assert_eq!(late, "ts is 1 ms behind the server's clock; at most 0 ms are accepted");
}

#[test]
fn a_timestamp_is_an_rfc_3339_date_time() {
    let server = Server::start();
    // Each is exactly at the maximum skew. An error of a millisecond would change the verdict.
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
        assert_eq!(server.post(event(format!("e-{id}")).ts(ts)).verdicts(), ["success"], "{ts}");
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
        assert_eq!(server.post(event("e").ts(ts)).verdicts(), ["invalid_timestamp"], "{ts}");
    }
}

#[test]
fn digits_beyond_the_millisecond_are_truncated() {
    let server = Server::start();
    let early = server.post(event("e").ts("2025-10-08T12:02:00.001999Z"));
    assert!(early.message().starts_with("ts is 120001 ms ahead"), "{early:?}");
    let late = server.post(event("e").ts("2025-10-08T11:57:59.999999Z"));
    assert!(late.message().starts_with("ts is 120001 ms behind"), "{late:?}");
}

#[test]
fn second_60_is_read_as_59() {
    let server = Server::start();
    let late = server.post(event("e").ts("2025-10-08T11:57:60.250Z"));
    assert!(late.message().starts_with("ts is 120750 ms behind"), "{late:?}");
    assert_eq!(server.post(event("e").ts("2025-10-08T11:59:60Z")).verdicts(), ["success"]);
    assert_eq!(server.metrics(1)["total_events"], 0);
    assert_eq!(server.metrics(2)["total_events"], 1);
}

#[test]
fn a_date_must_exist() {
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
        // In both forms: with the usual length, and with another one.
        for time in ["T00:00:00.000Z", "T00:00:00z"] {
            assert_eq!(server.post(event("e").ts(format!("{date}{time}"))).verdicts(), [code], "{date}");
        }
    }
    server.clock.set(weir::parse_ms(b"2028-02-29T12:00:00Z").unwrap());
    assert_eq!(server.post(event("e").ts("2028-02-29T12:00:00.000Z")).verdicts(), ["success"]);
}

#[test]
fn every_accepted_event_is_counted_in_the_second_of_its_own_timestamp() {
    let server = Server::start();
    let batch = array((0..60).map(|i| event(format!("e-{i}")).offset_ms(i - i * 1_000)));
    assert_eq!(server.post(batch).tally(), [60, 0, 0]);
    for window_secs in [1, 2, 30, 59, 60, 61] {
        // Event i is i ms after the start of the second that is i seconds in the past.
        assert_eq!(server.metrics(window_secs)["total_events"], window_secs.min(60), "{window_secs}");
    }
}

/// A clock that advances by a millisecond with every reading.
struct Advancing(AtomicI64);

impl Clock for Advancing {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

#[test]
fn all_events_of_a_batch_are_compared_with_one_reading_of_the_clock() {
    let server = Server::builder().clock(Advancing(AtomicI64::new(NOON_MS))).start();
    let batch = array((0..1_000).map(|i| event(format!("e-{i}")).at_ms(0)));
    let answer = server.post(batch).json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 1_000);
    assert!(results.iter().all(|result| result["message"] == results[0]["message"]), "{:?}", results[0]);
}

#[test]
fn the_clock_is_read_once_the_whole_body_has_arrived() {
    let server = Server::start();
    let mut connection = server.connect();
    let request = post_request(event("e"));
    let (first, last) = request.split_at(request.len() - 10);
    connection.send(first);
    server.clock.advance(120_001);
    connection.send(last);
    assert_eq!(connection.reply().verdicts(), ["too_late"]);
}
