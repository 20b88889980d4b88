//! `GET /metrics`: the figures of a window.

use crate::common::{NOON, NOON_MS, Server, after_noon, array, event, problem, table, user};
use std::collections::BTreeSet;
use weir::{format_ms, second_of};

/// The number of events in a window.
fn total(server: &Server, window_secs: u32) -> u64 {
    server.metrics(window_secs)["total_events"].as_u64().unwrap()
}

#[test]
fn figures_without_events_have_every_member_in_order() {
    let reply = Server::start().get("/metrics");
    assert_eq!(
        reply.text(),
        concat!(
            r#"{"window_sec":300,"events_per_sec":0.0,"unique_users":0,"unknown":0,"by_plan":{},"by_region":{},"#,
            r#""by_type":{},"total_events":0,"generation":0,"as_of":"2025-10-08T12:00:00.000Z"}"#
        )
    );
    assert_eq!((reply.header("content-type"), reply.header("cache-control")), ("application/json", "no-store"));
}

#[test]
fn figures_of_a_window_to_the_byte() {
    let server = Server::start();
    let users = [user("u-1", "pro", "eu"), user("u-2", "free", "us"), user("u-3", "pro", "us"), user("u-4", "é", "eu")];
    assert_eq!(server.put_users(&[], table(users, NOON)).status, 200);
    let events = [
        ("u-1", "view", 0),
        ("u-1", "view", -999),
        ("u-1", "click", 500),
        ("u-2", "purchase", -2_000),
        ("u-4", "click", 0),
        ("ghost", "view", -1),
        ("ghost", "click", -1_500),
        ("u-3", "click", -2_001),
        ("u-3", "click", 1_000),
    ];
    let events = (0..)
        .zip(events)
        .map(|(id, (user, kind, offset_ms))| event(format!("e-{id}")).user(user).kind(kind).offset_ms(offset_ms));
    assert_eq!(server.post(array(events)).tally(), [9, 0, 0]);
    server.clock.advance(789);
    assert_eq!(
        server.get("/metrics?window=3").text(),
        concat!(
            r#"{"window_sec":3,"events_per_sec":2.3333333333333335,"unique_users":4,"unknown":2,"#,
            r#""by_plan":{"free":1,"pro":3,"é":1},"by_region":{"eu":4,"us":1},"#,
            r#""by_type":{"click":3,"purchase":1,"view":3},"total_events":7,"generation":1,"#,
            r#""as_of":"2025-10-08T12:00:00.789Z"}"#
        )
    );
    assert_eq!(
        server.get("/metrics?window=1").text(),
        concat!(
            r#"{"window_sec":1,"events_per_sec":3.0,"unique_users":2,"unknown":0,"by_plan":{"pro":2,"é":1},"#,
            r#""by_region":{"eu":3},"by_type":{"click":2,"view":1},"total_events":3,"generation":1,"#,
            r#""as_of":"2025-10-08T12:00:00.789Z"}"#
        )
    );
}

#[test]
fn the_default_window_is_five_minutes_or_a_shorter_retention() {
    for (retention_secs, window_secs) in [(1_800, 300), (300, 300), (299, 299), (1, 1), (86_400, 300)] {
        let server = Server::builder().engine(|engine| engine.retention_secs = retention_secs).start();
        assert_eq!(server.get("/metrics").json()["window_sec"], window_secs);
        assert_eq!(server.get("/metrics?").json()["window_sec"], window_secs);
        assert_eq!(server.metrics(retention_secs)["window_sec"], retention_secs);
        let beyond = server.get(&format!("/metrics?window={}", retention_secs + 1));
        assert_eq!(beyond.problem(), problem(400, "invalid_window"));
        let detail = format!("window must be a whole number of seconds, 1 to {retention_secs}");
        assert_eq!(beyond.json()["detail"], detail.as_str());
    }
}

#[test]
fn a_window_is_a_whole_number_of_seconds() {
    let server = Server::start();
    for window in [
        "",
        "0",
        "00",
        "1801",
        "-1",
        "+1",
        "%2B1",
        "1.0",
        "1e1",
        "1,5",
        "0x10",
        "x",
        "%201",
        "1%20",
        "1%00",
        "%D9%A1",
        "%ff",
        "99999999999999999999",
        "4294967297",
        "-0",
        "true",
        "null",
        "[1]",
        "1s",
    ] {
        let reply = server.get(&format!("/metrics?window={window}"));
        assert_eq!(reply.problem(), problem(400, "invalid_window"), "{window}");
    }
    assert_eq!(server.get("/metrics?window").problem(), problem(400, "invalid_window"));
    assert_eq!(server.get("/metrics?win%64ow=%36%30&").json()["window_sec"], 60);
}

#[test]
fn unknown_and_repeated_parameters_are_refused() {
    let server = Server::start();
    for query in ["windw=1", "Window=1", "window=1&x", "x=", "=1", "%ff=1", "window=1&window=1", "window=1&window="] {
        assert_eq!(server.get(&format!("/metrics?{query}")).problem(), problem(400, "invalid_parameter"), "{query}");
    }
}

#[test]
fn events_per_second_is_a_number_whatever_the_window() {
    let server = Server::start();
    for count in [0, 1, 2] {
        if count > 0 {
            server.post(event(count));
        }
        for window_secs in [1, 3, 300, 1_800] {
            let metrics = server.metrics(window_secs);
            assert!(metrics["events_per_sec"].is_f64(), "{metrics}");
            assert_eq!(metrics["events_per_sec"], f64::from(count) / f64::from(window_secs));
            assert_eq!(metrics["total_events"], count);
        }
    }
}

#[test]
fn a_window_is_exact_at_every_edge_of_a_second() {
    let server = Server::builder().engine(|engine| engine.retention_secs = 5).start();
    let mut accepted = Vec::new();
    let mut now_ms = NOON_MS;
    for (step, step_ms) in
        [0, 1, 998, 1, 999, 1, 500, 499, 1, 2_000, 999, 1, 1, 2_998, 1, 4_999, 1, 5_000].into_iter().enumerate()
    {
        now_ms += step_ms;
        server.clock.set(now_ms);
        let offsets_ms = [-5_000, -4_999, -1_000, -999, -1, 0, 1, 999, 1_000, 3_000];
        let events = offsets_ms.map(|offset_ms| (format!("u-{}", accepted.len() % 7), now_ms + offset_ms));
        let batch = (0..).zip(&events).map(|(i, (user, ts_ms))| event(format!("{step}-{i}")).user(user).at_ms(*ts_ms));
        assert_eq!(server.post(array(batch)).tally(), [events.len(), 0, 0]);
        accepted.extend(events);
        for window_secs in 1..=5 {
            let seconds = second_of(now_ms) - window_secs + 1..=second_of(now_ms);
            let inside = || accepted.iter().filter(|(_, ts_ms)| seconds.contains(&second_of(*ts_ms)));
            let users: BTreeSet<_> = inside().map(|(user, _)| user).collect();
            let metrics = server.metrics(window_secs as u32);
            assert_eq!(metrics["total_events"], inside().count(), "{window_secs} at {}", format_ms(now_ms));
            assert_eq!(metrics["unique_users"], users.len(), "{window_secs} at {}", format_ms(now_ms));
            assert_eq!(metrics["as_of"], format_ms(now_ms));
        }
    }
}

#[test]
fn an_event_ahead_of_the_clock_joins_when_its_second_begins() {
    let server = Server::start();
    let ahead_ms = [1, 999, 1_000, 1_500, 119_001, 120_000];
    let batch = array(ahead_ms.map(|ahead_ms| event(format!("e-{ahead_ms}")).offset_ms(ahead_ms)));
    assert_eq!(server.post(batch).tally(), [6, 0, 0]);
    for (at_ms, events) in [(0, 2), (999, 2), (1_000, 4), (118_999, 4), (119_000, 5), (119_999, 5), (120_000, 6)] {
        server.clock.set(NOON_MS + at_ms);
        assert_eq!(total(&server, 1_800), events, "{at_ms}");
        assert_eq!(server.metrics(1_800)["unique_users"], 1, "{at_ms}");
    }
    assert_eq!(total(&server, 1), 1);
}

#[test]
fn an_event_leaves_when_its_second_leaves() {
    for retention_secs in [1, 10, 1_800] {
        let server = Server::builder().engine(|engine| engine.retention_secs = retention_secs).start();
        assert_eq!(server.post(array([event("a"), event("b").offset_ms(999)])).tally(), [2, 0, 0]);
        let retention_ms = i64::from(retention_secs) * 1_000;
        for (at_ms, events) in [(retention_ms - 1, 2), (retention_ms, 0), (retention_ms + 1, 0)] {
            server.clock.set(NOON_MS + at_ms);
            assert_eq!(total(&server, retention_secs), events, "{at_ms}");
            assert_eq!(server.metrics(retention_secs)["by_type"].as_object().unwrap().len() as u64, events.min(1));
        }
        server.clock.set(NOON_MS + 1_000_000_000);
        assert_eq!(total(&server, retention_secs), 0);
    }
}

#[test]
fn events_are_grouped_by_the_current_table() {
    let server = Server::start();
    let events = ["u-1", "u-1", "u-2", "u-3"].into_iter().enumerate();
    let batch = array(events.map(|(id, user)| event(id).user(user).kind("view")));
    assert_eq!(server.post(batch).tally(), [4, 0, 0]);
    let shown = |by_plan: &str, by_region: &str, unknown: u64, generation: u64| {
        let text = format!(
            concat!(
                r#""unique_users":3,"unknown":{},"by_plan":{},"by_region":{},"#,
                r#""by_type":{{"view":4}},"total_events":4,"generation":{},"#
            ),
            unknown, by_plan, by_region, generation
        );
        let reply = server.get("/metrics");
        assert!(reply.text().contains(&text), "{text}\n{}", reply.text());
    };
    shown("{}", "{}", 4, 0);
    server.put_users(&[], table([user("u-1", "pro", "eu"), user("u-2", "free", "us")], NOON));
    shown(r#"{"free":1,"pro":2}"#, r#"{"eu":2,"us":1}"#, 1, 1);
    server.put_users(&[], table([user("u-1", "free", "eu"), user("u-3", "trial", "eu")], after_noon(1)));
    shown(r#"{"free":2,"trial":1}"#, r#"{"eu":3}"#, 1, 2);
    server.patch_users(&[], table([r#""u-1":null,"u-3":{"region":"us"}"#], after_noon(2)));
    shown(r#"{"trial":1}"#, r#"{"us":1}"#, 3, 3);
    server.put_users(&[], table([""], after_noon(3)));
    shown("{}", "{}", 4, 4);
    assert_eq!(server.put_users(&[], table([""], NOON)).status, 409);
    shown("{}", "{}", 4, 4);
}

#[test]
fn users_are_matched_as_decoded_strings() {
    let server = Server::start();
    server.put_users(&[], table([user("\\u0061", "pro", "eu"), user("é", "free", "us")], NOON));
    let events = ["a", "\\u00e9", "A", "e\\u0301", "a "].into_iter().enumerate();
    server.post(array(events.map(|(id, user)| event(id).user(user).kind("view"))));
    let metrics = server.metrics(1);
    assert_eq!(metrics["by_plan"].to_string(), r#"{"free":1,"pro":1}"#);
    assert_eq!((&metrics["unknown"], &metrics["unique_users"]), (&3.into(), &5.into()));
}

#[test]
fn as_of_never_goes_back() {
    let server = Server::start();
    for (clock_ms, as_of_ms) in [(0, 0), (1_500, 1_500), (700, 1_500), (-90_000, 1_500), (1_501, 1_501)] {
        server.clock.set(NOON_MS + clock_ms);
        assert_eq!(server.metrics(1)["as_of"], after_noon(as_of_ms), "{clock_ms}");
    }
}
