//! Questions about a window that ended before now: `end`.

use crate::common::{NOON, NOON_MS, Server, after_noon, array, event, problem, table, user};
use serde_json::json;

const NOON_SECS: i64 = NOON_MS / 1_000;

/// A server with events in five seconds, 10.789 s after the newest of them.
fn server() -> Server {
    let server = Server::start();
    let users = [user("u-1", "pro", "eu"), user("u-2", "free", "us")];
    assert_eq!(server.put_users(&[], table(users, NOON)).status, 200);
    let events = [
        ("u-1", "click", 0),
        ("u-2", "view", -1_000),
        ("u-1", "click", -1_500),
        ("u-1", "view", -2_001),
        ("u-2", "click", -3_000),
        ("ghost", "view", -3_999),
    ];
    let events = (0..)
        .zip(events)
        .map(|(id, (user, kind, offset_ms))| event(format!("e-{id}")).user(user).kind(kind).offset_ms(offset_ms));
    assert_eq!(server.post(array(events)).tally(), [6, 0, 0]);
    server.clock.advance(10_789);
    server
}

#[test]
fn the_figures_are_of_the_window_that_ended_then() {
    let server = server();
    let figures = concat!(
        r#"{"window_sec":3,"end":"2025-10-08T11:59:58.000Z","events_per_sec":1.3333333333333333,"unique_users":3,"#,
        r#""unknown":1,"by_plan":{"free":1,"pro":2},"by_region":{"eu":2,"us":1},"by_type":{"click":2,"view":2},"#,
        r#""total_events":4,"generation":1,"as_of":"2025-10-08T12:00:10.789Z"}"#
    );
    // All of these name the same second.
    for end in [
        "1759924798",
        "01759924798",
        "2025-10-08T11:59:58Z",
        "2025-10-08T11:59:58.999Z",
        "2025-10-08t13%3A59%3A58.0001%2b02:00",
    ] {
        let reply = server.get(&format!("/metrics?window=3&end={end}"));
        assert_eq!((reply.status, reply.text()), (200, figures), "{end}");
    }
    let reply = server.get("/metrics?end=1759924799&window=2&type=click&plan=pro&group_by=region");
    assert_eq!(
        reply.text(),
        concat!(
            r#"{"window_sec":2,"end":"2025-10-08T11:59:59.000Z","events_per_sec":0.5,"unique_users":1,"unknown":0,"#,
            r#""by_plan":{"pro":1},"by_region":{"eu":1},"by_type":{"click":1},"total_events":1,"generation":1,"#,
            r#""as_of":"2025-10-08T12:00:10.789Z","groups":[{"region":"eu","events":1,"unique_users":1}]}"#
        )
    );
    let (head, get) = (server.head("/metrics?end=1759924799"), server.get("/metrics?end=1759924799"));
    assert_eq!((head.status, head.header("content-length")), (200, get.header("content-length")));
}

#[test]
fn a_series_ends_with_its_end() {
    let server = server();
    assert_eq!(
        server.get("/metrics/series?window=4&step=2&end=2025-10-08T11:59:59.5Z").text(),
        concat!(
            r#"{"window_sec":4,"end":"2025-10-08T11:59:59.000Z","step_sec":2,"points":["#,
            r#"{"start":"2025-10-08T11:59:56.000Z","events":3,"unique_users":3,"unknown":1,"#,
            r#""by_plan":{"free":1,"pro":1},"by_region":{"eu":1,"us":1},"by_type":{"click":1,"view":2}},"#,
            r#"{"start":"2025-10-08T11:59:58.000Z","events":2,"unique_users":2,"unknown":0,"#,
            r#""by_plan":{"free":1,"pro":1},"by_region":{"eu":1,"us":1},"by_type":{"click":1,"view":1}}],"#,
            r#""generation":1,"as_of":"2025-10-08T12:00:10.789Z"}"#
        )
    );
    for query in ["", "&type=click", "&plan=pro&type=view&type=click", "&region=us"] {
        for (window_secs, step_secs, end) in [(300, 1, -1), (12, 4, -2), (1_780, 1_780, 0), (1, 1, -3)] {
            let query = format!("window={window_secs}&end={}{query}", NOON_SECS + end);
            let series = server.get(&format!("/metrics/series?step={step_secs}&{query}")).json();
            let points = series["points"].as_array().unwrap();
            assert_eq!(points.len(), window_secs / step_secs);
            let metrics = server.get(&format!("/metrics?{query}")).json();
            let events: u64 = points.iter().map(|point| point["events"].as_u64().unwrap()).sum();
            assert_eq!((&metrics["total_events"], &metrics["end"]), (&json!(events), &series["end"]), "{query}");
        }
    }
}

#[test]
fn the_current_second_as_the_end_gives_the_figures_of_now() {
    let server = server();
    for path in [
        "/metrics?window=13",
        "/metrics?window=1800&group_by=plan,region",
        "/metrics?window=12&type=view&plan=free",
        "/metrics/series?window=15&step=5",
    ] {
        let (now, moment) = (server.get(path), server.get(&format!("{path}&end={}", NOON_SECS + 10)));
        let end = r#""end":"2025-10-08T12:00:10.000Z","#;
        assert!(moment.text().contains(end), "{moment:?}");
        assert_eq!(moment.text().replace(end, ""), now.text());
    }
}

#[test]
fn the_past_changes_with_late_events_and_new_tables() {
    let server = server();
    server.clock.advance(100_000);
    let past = || server.get(&format!("/metrics?window=1&end={NOON_SECS}")).json();
    assert_eq!((&past()["total_events"], &past()["by_plan"]), (&json!(1), &json!({"pro": 1})));
    assert_eq!(server.post(event("late").user("u-2").offset_ms(999)).tally(), [1, 0, 0]);
    assert_eq!((&past()["unique_users"], &past()["by_plan"]), (&json!(2), &json!({"free": 1, "pro": 1})));
    assert_eq!(server.put_users(&[], table([user("u-1", "new", "eu")], after_noon(1))).status, 200);
    assert_eq!((&past()["unknown"], &past()["by_plan"]), (&json!(1), &json!({"new": 1})));
}

#[test]
fn the_window_must_lie_within_the_retention() {
    let server = Server::builder().engine(|engine| engine.retention_secs = 60).start();
    server.post(event("a"));
    server.clock.advance(59_999);
    let refusal = |query: &str| {
        let metrics = server.get(&format!("/metrics?{query}"));
        let series = server.get(&format!("/metrics/series?{query}"));
        assert_eq!(metrics.problem(), problem(400, "invalid_parameter"), "{query}");
        assert_eq!(series.text(), metrics.text());
        metrics.json()["detail"].as_str().unwrap().to_owned()
    };
    let total = |query: &str| server.get(&format!("/metrics?{query}")).json()["total_events"].clone();
    let (oldest, now) = (NOON_SECS, NOON_SECS + 59);
    assert_eq!(total(&format!("window=1&end={oldest}")), 1);
    assert_eq!(total(&format!("window=60&end={now}")), 1);
    assert_eq!(
        refusal(&format!("window=1&end={}", oldest - 1)),
        "the end of this window must be from 2025-10-08T12:00:00.000Z to 2025-10-08T12:00:59.000Z, so that the window \
         is in the retention"
    );
    refusal(&format!("window=2&end={oldest}"));
    refusal(&format!("window=60&end={}", now - 1));
    refusal(&format!("window=1&end={}", now + 1));
    refusal(&format!("window=1&end={now}000"));
    refusal("end=0");
    refusal("end=9223372036854775807");
    refusal("end=0000-01-01T00:00:00Z");
    refusal("end=9999-12-31T23:59:59Z");
    server.clock.advance(1);
    refusal(&format!("window=1&end={oldest}"));
    assert_eq!(total(&format!("window=1&end={}", now + 1)), 0);
    assert_eq!(server.get("/metrics?window=61&end=0").problem(), problem(400, "invalid_window"));
}

#[test]
fn a_malformed_end_is_refused_and_other_resources_have_no_end() {
    let server = Server::start();
    for resource in ["/metrics", "/metrics/series"] {
        for query in [
            "end",
            "end=",
            "end=-1759924800",
            "end=%2B1759924800",
            "end=+1759924800",
            "end=1759924800.0",
            "end=%ff",
            "end=now",
            "end=2025-10-08",
            "end=2025-10-08T14:00:00+02:00",
            "end=99999999999999999999",
            "end=1759924800&end=1759924800",
        ] {
            let reply = server.get(&format!("{resource}?{query}"));
            assert_eq!(reply.problem(), problem(400, "invalid_parameter"), "{query}");
            assert!(reply.json()["detail"].as_str().unwrap().contains("end"), "{reply:?}");
        }
    }
    for (resource, accept) in [
        ("/metrics/stream", "*/*"),
        ("/metrics/prometheus", "*/*"),
        ("/metrics", "text/plain"),
        ("/status", "*/*"),
        ("/events/rejected", "*/*"),
    ] {
        let reply = server.get_with(&[("accept", accept)], &format!("{resource}?end={NOON_SECS}"));
        assert_eq!(reply.problem(), problem(400, "invalid_parameter"), "{resource}");
    }
}
