//! The Prometheus exposition: `GET /metrics/prometheus`, and `GET /metrics` for clients that prefer it to JSON.

use crate::common::{
    MIB, NDJSON, NOON, NOON_MS, Samples, Server, after_noon, array, event, eventually, lines, post_head, problem,
    table, user,
};
use std::fmt::Display;
use std::time::Duration;
use weir_api::Role;
use weir_server::limits;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

fn scrape(server: &Server) -> Samples {
    Samples::of(&server.get("/metrics/prometheus"))
}

/// The media type of the answer to a client with this `Accept`, if any.
fn media_type(server: &Server, path: &str, accept: Option<&str>) -> String {
    let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
    let reply = server.get_with(&headers, path);
    assert_eq!((reply.status, reply.header("vary")), (200, "accept"));
    reply.header("content-type").to_owned()
}

#[test]
fn the_format_is_negotiated() {
    let server = Server::start();
    for (accept, of_metrics, of_prometheus) in [
        (None, JSON, CLASSIC),
        (Some("*/*"), JSON, CLASSIC),
        (Some("application/json"), JSON, CLASSIC),
        (Some("application/json;q=0.5, text/plain;q=0.4"), JSON, CLASSIC),
        (Some("application/json;q=0.4, text/plain;q=0.5"), CLASSIC, CLASSIC),
        (Some("text/plain"), CLASSIC, CLASSIC),
        (Some("application/openmetrics-text"), OPEN_METRICS, OPEN_METRICS),
        (
            Some("text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.6, */*;q=0.1"),
            OPEN_METRICS,
            OPEN_METRICS,
        ),
        (Some("text/plain, application/openmetrics-text"), OPEN_METRICS, CLASSIC),
        (Some("image/png"), JSON, CLASSIC),
    ] {
        assert_eq!(media_type(&server, "/metrics", accept), of_metrics, "{accept:?}");
        assert_eq!(media_type(&server, "/metrics/prometheus", accept), of_prometheus, "{accept:?}");
    }
}

#[test]
fn both_formats_have_the_same_samples() {
    let server = Server::start();
    server.post(array([event("a"), event("a")]));
    // The first scrape is itself among the requests of the others.
    scrape(&server);
    let of = |accept| server.get_with(&[("accept", accept)], "/metrics/prometheus");
    let (open, classic) = (of("application/openmetrics-text"), of("text/plain"));
    assert!(open.text().ends_with("\n# EOF\n") && !classic.text().contains("# EOF"));
    assert!(open.text().contains("# TYPE weir_ingest_events counter\n"));
    assert!(open.text().contains("# UNIT weir_timeline_lag_seconds seconds\n"));
    assert!(classic.text().contains("# TYPE weir_ingest_events_total counter\n"));
    assert!(classic.text().contains("# TYPE weir_build_info gauge\n"));
    assert!(!classic.text().contains("# UNIT"));
    assert_eq!(Samples::of(&open).series(), Samples::of(&classic).series());
}

#[test]
fn every_family_has_its_help_and_its_type() {
    let server = Server::start();
    let reply = server.get("/metrics/prometheus");
    let family = |name: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        base.filter(|base| reply.text().contains(&format!("# TYPE {base} histogram\n"))).unwrap_or(name).to_owned()
    };
    let helps = || reply.text().lines().filter(|line| line.starts_with("# HELP"));
    assert!(helps().all(|help| !help.contains(['"', '\\'])), "the formats escape these differently");
    for name in Samples::of(&reply).names() {
        for of in ["# HELP", "# TYPE"] {
            let lines = reply.text().lines().filter(|line| line.starts_with(&format!("{of} {} ", family(&name))));
            assert_eq!(lines.count(), 1, "{of} {name}");
        }
    }
}

#[test]
fn parameters_are_refused() {
    let server = Server::start();
    for path in ["/metrics?window=60", "/metrics?x", "/metrics/prometheus?window=60", "/metrics/prometheus?name[]=up"] {
        let reply = server.get_with(&[("accept", "text/plain")], path);
        assert_eq!(reply.problem(), problem(400, "invalid_parameter"), "{path}");
        assert_eq!(reply.header("vary"), "accept");
    }
    assert_eq!(server.get("/metrics?window=0").header("vary"), "accept");
    assert_eq!(server.post("[]").header("vary"), "");
    assert_eq!(
        server.request("POST", "/metrics/prometheus", &[], Some(b"")).problem(),
        problem(405, "method_not_allowed")
    );
}

#[test]
fn it_needs_the_token_of_a_reader() {
    let server = Server::builder().tokens(&[(Role::Read, "r"), (Role::Ingest, "i")]).start();
    for path in ["/metrics", "/metrics/prometheus"] {
        let status = |headers: &[_]| server.get_with(&[&[("accept", "text/plain")], headers].concat(), path).status;
        assert_eq!(status(&[]), 401);
        assert_eq!(status(&[("authorization", "Bearer i")]), 403);
        assert_eq!(status(&[("authorization", "Bearer r")]), 200);
    }
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let server = Server::start();
    for path in ["/metrics", "/metrics/prometheus"] {
        let head = server.request("HEAD", path, &[("accept", "application/openmetrics-text")], None);
        assert_eq!((head.status, head.header("content-type"), head.body.len()), (200, OPEN_METRICS, 0));
        assert!(head.header("content-length").parse::<usize>().unwrap() > 1_000);
        assert_eq!(head.header("cache-control"), "no-store");
    }
}

#[test]
fn events_are_counted_by_verdict() {
    let server = Server::start();
    let all = |server: &Server| {
        let samples = scrape(server);
        [
            "accepted",
            "duplicate_event",
            "invalid_event",
            "invalid_timestamp",
            "too_late",
            "too_early",
            "malformed_json",
            "overloaded",
        ]
        .map(|verdict| samples.get(&format!(r#"weir_ingest_events_total{{verdict="{verdict}"}}"#)))
    };
    assert_eq!(all(&server), [0.0; 8], "each verdict is there from the start");
    let lines = lines([
        &event("a") as &dyn Display,
        &event("b"),
        &event("a"),
        &"7",
        &event("c").ts("noon"),
        &event("late").offset_ms(-120_001),
        &event("early").offset_ms(120_001),
        &"{",
    ]);
    assert_eq!(server.post_with(&[NDJSON], lines).tally(), [2, 1, 5]);
    assert_eq!(all(&server), [2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    let large = (0..5_000).map(event).chain([event("a")]);
    assert_eq!(
        server.post(array(large)).tally(),
        [5_000, 1, 0],
        "a batch outside the runtime's workers is counted too"
    );
    assert_eq!(all(&server), [5_002.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    server.post("[");
    assert_eq!(all(&server)[6], 1.0, "a request that failed as a whole has no events");
}

#[test]
fn requests_are_counted_by_route_method_and_status() {
    let server = Server::start();
    server.put_users(&[], table([user("u-1", "pro", "eu")], NOON));
    for path in ["/reference/users/u-1", "/reference/users/u-2", "/reference/users/u-3", "/secret/u-4"] {
        server.get(path);
    }
    server.head("/metrics");
    server.request("BREW", "/events", &[], None);
    server.post("[]");
    server.request("POST", "/events?detail=full", &[], Some(b"[]"));
    server.request("POST", "/events/", &[], Some(b"[]"));
    server.request("POST", "/%65vents", &[], Some(b"[]"));
    server.post_with(&[("host", "evil.example")], "[]");
    let samples = scrape(&server);
    let requests = |route: &str, method: &str, status: u16| {
        samples.get(&format!(r#"weir_http_requests_total{{route="{route}",method="{method}",status="{status}"}}"#))
    };
    assert_eq!(requests("/reference/users/{user_id}", "GET", 200), 1.0);
    assert_eq!(requests("/reference/users/{user_id}", "GET", 404), 2.0);
    assert_eq!(requests("/reference/users", "PUT", 200), 1.0);
    assert!(requests("other", "GET", 404) >= 1.0);
    assert_eq!(requests("/metrics", "HEAD", 200), 1.0);
    assert_eq!(requests("/events", "other", 405), 1.0);
    assert_eq!([200, 403].map(|status| requests("/events", "POST", status)), [2.0, 1.0]);
    assert_eq!(requests("other", "POST", 404), 2.0);
    let duration = |of: &str, route: &str, method: &str| {
        samples.get(&format!(r#"weir_http_request_duration_seconds_{of}route="{route}",method="{method}"}}"#))
    };
    assert_eq!(duration("count{", "/reference/users/{user_id}", "GET"), 3.0);
    let all = r#"weir_http_request_duration_seconds_bucket{route="/reference/users/{user_id}",method="GET",le="+Inf"}"#;
    assert_eq!(samples.get(all), 3.0);
    assert!(duration("sum{", "/events", "POST") > 0.0);
    assert!(!samples.text.contains("u-1") && !samples.text.contains("secret"), "neither a path nor a user is a label");
}

#[test]
fn the_stages_of_the_engine_are_timed() {
    let server = Server::start();
    let count =
        |stage: &str| scrape(&server).get(&format!(r#"weir_engine_stage_duration_seconds_count{{stage="{stage}"}}"#));
    assert_eq!(["decode", "claim", "append"].map(count), [0.0; 3]);
    server.post(event("a"));
    server.post(array([event("b"), event("c")]));
    assert_eq!(["decode", "claim", "append"].map(count), [2.0; 3]);
    assert!(count("fold") >= 1.0);
    let queries = count("query");
    server.get("/metrics");
    assert_eq!(count("query"), queries + 2.0, "the first of the two scrapes queried too");
}

#[test]
fn the_default_window_is_shown() {
    let server = Server::start();
    server.put_users(&[], table([user("u-1", "pro", "eu"), user("u-2", "free", "eu")], NOON));
    let users = ["u-1", "u-1", "u-2", "u-3"].into_iter().zip(["click", "view", "view", "view"]);
    server.post(array(users.enumerate().map(|(id, (user, kind))| event(id).user(user).kind(kind))));
    let samples = scrape(&server);
    let events = |attribute: &str, value: &str| {
        samples.get(&format!(r#"weir_window_events{{attribute="{attribute}",value="{value}"}}"#))
    };
    assert_eq!([events("plan", "pro"), events("plan", "free"), events("region", "eu")], [2.0, 1.0, 3.0]);
    assert_eq!([events("type", "click"), events("type", "view")], [1.0, 3.0]);
    assert_eq!(samples.count("weir_window_events{"), 5, "a value without events has no series");
    assert_eq!(samples.get("weir_window_seconds"), 300.0);
    assert_eq!(samples.get("weir_window_events_per_second"), 4.0 / 300.0);
    assert_eq!(samples.get("weir_window_unique_users"), 3.0);
    assert_eq!(samples.get("weir_window_unknown_events"), 1.0);
    server.clock.advance(300_000);
    let samples = scrape(&server);
    assert_eq!((samples.get("weir_window_unique_users"), samples.count("weir_window_events{")), (0.0, 0));

    let server = Server::builder().engine(|engine| engine.retention_secs = 10).start();
    assert_eq!(scrape(&server).get("weir_window_seconds"), 10.0);
}

#[test]
fn the_series_of_an_attribute_are_bounded() {
    let server = Server::start();
    let named = |i: usize| if i == 0 { "other".to_owned() } else { format!("p{i:03}") };
    let users = (0..100).map(|i| user(&format!("u-{i}"), &named(i), "\\\"\\n\\\\\u{e9}"));
    server.put_users(&[], table(users.collect::<Vec<_>>(), NOON));
    // User i has i events. The user whose plan is really called "other" has 500.
    let senders = (1..100).flat_map(|i| vec![i; i]).chain([0; 500]);
    let events = senders.enumerate().map(|(id, i)| event(id).user(format!("u-{i}")));
    server.post(array(events));
    let samples = scrape(&server);
    assert_eq!(samples.count(r#"weir_window_events{attribute="plan""#), limits::VALUES_EXPOSED_MAX + 1);
    let least = 100 - limits::VALUES_EXPOSED_MAX;
    let plan = |value: &str| samples.get(&format!(r#"weir_window_events{{attribute="plan",value="{value}"}}"#));
    assert_eq!([plan("p099"), plan(&format!("p{least:03}"))], [99.0, least as f64]);
    assert_eq!(plan("other"), (500 + (1..least).sum::<usize>()) as f64);
    let region = r#"weir_window_events{attribute="region",value="\"\n\\é"}"#;
    assert_eq!(samples.get(region), (500 + (1..100).sum::<usize>()) as f64);
}

#[test]
fn the_age_of_the_reference_table_counts_from_its_last_change() {
    let server = Server::start();
    let samples = scrape(&server);
    assert_eq!((samples.get("weir_reference_generation"), samples.count("weir_reference_age_seconds")), (0.0, 0));
    server.clock.advance(1_000);
    server.put_users(&[], table([user("u-1", "pro", "eu")], NOON));
    server.clock.advance(2_500);
    // A retry without a change.
    assert_eq!(server.put_users(&[], table([user("u-1", "pro", "eu")], NOON)).status, 200);
    let samples = scrape(&server);
    let names = ["generation", "users", "age_seconds"].map(|name| samples.get(&format!("weir_reference_{name}")));
    assert_eq!(names, [1.0, 1.0, 2.5]);
    assert!(samples.get("weir_reference_bytes") > 0.0);
    server.patch_users(&[], table([r#""u-1":null"#], after_noon(1)));
    let samples = scrape(&server);
    let names = ["generation", "users", "age_seconds"].map(|name| samples.get(&format!("weir_reference_{name}")));
    assert_eq!(names, [2.0, 0.0, 0.0]);
}

#[test]
fn the_memory_of_the_server_is_shown() {
    let server = Server::start();
    server.post(array([event("a"), event("b").user("u-2")]));
    let samples = scrape(&server);
    assert_eq!(["weir_dedup_ids", "weir_timeline_users"].map(|name| samples.get(name)), [2.0; 2]);
    for name in ["weir_dedup_bytes", "weir_timeline_bytes", "weir_memory_used_bytes"] {
        assert!(samples.get(name) > 0.0, "{name}");
    }
    assert_eq!(samples.get("process_start_time_seconds"), NOON_MS as f64 / 1e3);
    assert!(samples.get("weir_connections") >= 1.0);
    assert_eq!(samples.get(&format!(r#"weir_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"))), 1.0);
    assert_eq!(samples.count("weir_memory_limit_bytes"), 0, "there is no limit");
    if cfg!(target_os = "linux") {
        assert!(samples.get("process_resident_memory_bytes") > MIB as f64);
    }

    let limited = Server::builder()
        .engine(|engine| (engine.max_memory_bytes, engine.dedup_capacity) = (Some(1 << 30), Some(1 << 20)))
        .start();
    let samples = scrape(&limited);
    assert_eq!(samples.get("weir_memory_limit_bytes"), f64::from(1 << 30));
    assert!(samples.get("weir_dedup_bytes") > f64::from(1 << 24), "the table has a fixed size");
}

#[test]
fn refusals_are_counted_by_reason() {
    let refused = |server: &Server, reason: &str| {
        scrape(server).get(&format!(r#"weir_overload_rejections_total{{reason="{reason}"}}"#))
    };
    // Which request is refused, and when, depends on the machine.
    let send_until_refused = |server: &Server, reason: &str, body: &dyn Fn(u32) -> String| {
        let mut numbers = 0..;
        eventually(format!("a refusal for {reason}"), || {
            server.post(body(numbers.next().unwrap()));
            refused(server, reason) > 0.0
        });
    };
    let server = Server::builder().http(|http| http.max_bodies_bytes = 100_000).start();
    for reason in ["admission", "bodies", "turns", "client", "room", "streams", "connections"] {
        assert_eq!(refused(&server, reason), 0.0, "{reason}");
    }
    // A part of a body is kept until the rest of it arrives.
    let mut holder = server.connect();
    holder.send(post_head("content-length: 99000"));
    holder.send(vec![b' '; 98_000]);
    send_until_refused(&server, "bodies", &|_| format!("[{}]", " ".repeat(10_000)));

    let server = Server::builder().engine(|engine| engine.dedup_capacity = Some(1)).start();
    send_until_refused(&server, "room", &|number| event(number).to_string());

    let server = Server::builder().http(|http| http.max_connections = 1).start();
    let mut held = server.connect();
    let samples = Samples::of(&held.get("/metrics/prometheus"));
    assert_eq!(samples.get("weir_connections"), 1.0);
    assert!(server.connect().rest().starts_with(b"HTTP/1.1 503"));
    let samples = Samples::of(&held.get("/metrics/prometheus"));
    assert_eq!(samples.get(r#"weir_overload_rejections_total{reason="connections"}"#), 1.0);

    // With a maximum of zero the probe is always late.
    let server = Server::builder().http(|http| http.max_queue_delay = Duration::ZERO).start();
    let mut holders: Vec<_> = (0..limits::ADAPTIVE_LIMIT_MIN + 1).map(|_| server.connect()).collect();
    for holder in &mut holders {
        holder.send(post_head("content-length: 2"));
    }
    send_until_refused(&server, "admission", &|_| "[]".to_owned());
}
