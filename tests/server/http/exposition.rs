//! The Prometheus exposition: `GET /metrics/prometheus`, and `GET /metrics` for those who prefer it to JSON.

use crate::common::samples::Samples;
use crate::common::{MIB, NOON, NOON_MS, Server, array, event, event_at, event_of, problem, table, user};
use std::time::Duration;
use weir::format_ms;
use weir_api::Role;
use weir_server::limits;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

fn scrape(server: &Server) -> Samples {
    Samples::of(&server.get("/metrics/prometheus"))
}

/// The media type of the answer to a client that accepts this, or says nothing.
fn media_type(server: &Server, path: &str, accept: Option<&str>) -> String {
    let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
    let reply = server.request("GET", path, &headers, None);
    assert_eq!((reply.status, reply.header("vary")), (200, "accept"));
    reply.header("content-type").to_owned()
}

#[test]
fn the_form_is_negotiated() {
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
fn both_forms_have_the_same_samples() {
    let server = Server::start();
    server.post(array([event("a"), event("a")]));
    let of = |accept| server.request("GET", "/metrics/prometheus", &[("accept", accept)], None);
    let (open, classic) = (of("application/openmetrics-text"), of("text/plain"));
    assert!(open.text().ends_with("\n# EOF\n") && !classic.text().contains("# EOF"));
    assert!(open.text().contains("# TYPE weir_ingest_events counter\n"));
    assert!(open.text().contains("# UNIT weir_timeline_lag_seconds seconds\n"));
    assert!(classic.text().contains("# TYPE weir_ingest_events_total counter\n"));
    assert!(classic.text().contains("# TYPE weir_build_info gauge\n"));
    assert!(!classic.text().contains("# UNIT"));
    let names = |reply| Samples::of(reply).names();
    assert_eq!(names(&open), names(&classic));
}

#[test]
fn every_family_says_what_it_is() {
    let server = Server::start();
    let reply = server.get("/metrics/prometheus");
    let family = |name: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        base.filter(|base| reply.text().contains(&format!("# TYPE {base} histogram\n"))).unwrap_or(name).to_owned()
    };
    let helps = || reply.text().lines().filter(|line| line.starts_with("# HELP"));
    assert!(helps().all(|help| !help.contains(['"', '\\'])), "what only one of the forms escapes");
    for name in Samples::of(&reply).names() {
        for of in ["# HELP", "# TYPE"] {
            let lines = reply.text().lines().filter(|line| line.starts_with(&format!("{of} {} ", family(&name))));
            assert_eq!(lines.count(), 1, "{of} {name}");
        }
    }
}

#[test]
fn it_takes_no_parameters() {
    let server = Server::start();
    for path in ["/metrics?window=60", "/metrics?x", "/metrics/prometheus?window=60", "/metrics/prometheus?name[]=up"] {
        let reply = server.request("GET", path, &[("accept", "text/plain")], None);
        assert_eq!(reply.problem(), problem(400, "invalid_parameter"), "{path}");
        assert_eq!(reply.header("vary"), "accept");
    }
    assert_eq!(server.get("/metrics?window=0").header("vary"), "accept");
    assert_eq!(server.post_with(&[], "[]").header("vary"), "");
    assert_eq!(
        server.request("POST", "/metrics/prometheus", &[], Some(b"")).problem(),
        problem(405, "method_not_allowed")
    );
}

#[test]
fn it_takes_the_token_of_a_reader() {
    let server = Server::start();
    server.set_tokens(&[(Role::Read, "r"), (Role::Ingest, "i")]);
    for path in ["/metrics", "/metrics/prometheus"] {
        let status = |headers: &[(&str, &str)]| {
            server.request("GET", path, &[&[("accept", "text/plain")], headers].concat(), None).status
        };
        assert_eq!(status(&[]), 401);
        assert_eq!(status(&[("authorization", "Bearer i")]), 403);
        assert_eq!(status(&[("authorization", "Bearer r")]), 200);
    }
}

#[test]
fn a_head_has_the_fields_of_a_get_and_no_body() {
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
    assert_eq!(all(&server), [0.0; 8], "each is there from the start");
    let late = event_at("late", NOON_MS - 120_001);
    let early = event_at("early", NOON_MS + 120_001);
    let lines = [
        event("a"),
        event("b"),
        event("a"),
        "7".to_owned(),
        event_of("c", "u", "click", "noon"),
        late,
        early,
        "{".to_owned(),
    ];
    let lines = lines.join("\n");
    let ndjson = [("content-type", "application/x-ndjson")];
    assert_eq!(server.post_with(&ndjson, &lines).tally(), [2, 1, 5]);
    assert_eq!(all(&server), [2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    let large = (0..5_000).map(|i| event(&i.to_string())).chain([event("a")]);
    assert_eq!(server.post(array(large)).tally(), [5_000, 1, 0], "off the runtime's workers, too");
    assert_eq!(all(&server), [5_002.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    server.post("[");
    assert_eq!(all(&server)[6], 1.0, "a request that failed as a whole has no events");
}

#[test]
fn requests_are_counted_by_route_method_and_status() {
    let server = Server::start();
    server.put_users(&[], table(user("u-1", "pro", "eu"), NOON));
    for path in ["/reference/users/u-1", "/reference/users/u-2", "/reference/users/u-3", "/secret/u-4"] {
        server.get(path);
    }
    server.head("/metrics");
    server.request("BREW", "/events", &[], None);
    server.post("[]");
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
    assert_eq!(requests("/events", "POST", 200), 1.0);
    let duration = |of: &str, route: &str, method: &str| {
        samples.get(&format!(r#"weir_http_request_duration_seconds_{of}route="{route}",method="{method}"}}"#))
    };
    assert_eq!(duration("count{", "/reference/users/{user_id}", "GET"), 3.0);
    assert_eq!(duration("bucket{le=\"+Inf\",", "/reference/users/{user_id}", "GET"), 3.0);
    assert!(duration("sum{", "/events", "POST") > 0.0);
    assert!(!samples.text.contains("u-1") && !samples.text.contains("secret"), "no path is a label, and no user");
}

#[test]
fn the_engines_stages_are_timed() {
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
    assert_eq!(count("query"), queries + 2.0, "the scrape before this one asks, too");
}

#[test]
fn the_default_window_is_shown() {
    let server = Server::start();
    server.put_users(&[], table([user("u-1", "pro", "eu"), user("u-2", "free", "eu")].join(","), NOON));
    let users = ["u-1", "u-1", "u-2", "u-3"].into_iter().zip(["click", "view", "view", "view"]);
    server.post(array(users.enumerate().map(|(id, (user, kind))| event_of(&id.to_string(), user, kind, NOON))));
    let samples = scrape(&server);
    let events = |attribute: &str, value: &str| {
        samples.get(&format!(r#"weir_window_events{{attribute="{attribute}",value="{value}"}}"#))
    };
    assert_eq!([events("plan", "pro"), events("plan", "free"), events("region", "eu")], [2.0, 1.0, 3.0]);
    assert_eq!([events("type", "click"), events("type", "view")], [1.0, 3.0]);
    assert_eq!(samples.count("weir_window_events{"), 5, "nothing that has no events");
    assert_eq!(samples.get("weir_window_seconds"), 300.0);
    assert_eq!(samples.get("weir_window_events_per_second"), 4.0 / 300.0);
    assert_eq!(samples.get("weir_window_unique_users"), 3.0);
    assert_eq!(samples.get("weir_window_unknown_events"), 1.0);
    server.clock.advance(300_000);
    let samples = scrape(&server);
    assert_eq!((samples.get("weir_window_unique_users"), samples.count("weir_window_events{")), (0.0, 0));

    let server = Server::with(|engine, _| engine.retention_secs = 10);
    assert_eq!(scrape(&server).get("weir_window_seconds"), 10.0);
}

#[test]
fn many_values_of_an_attribute_are_few_series() {
    let server = Server::start();
    let named = |i: usize| if i == 0 { "other".to_owned() } else { format!("p{i:03}") };
    let users = (0..100).map(|i| user(&format!("u-{i}"), &named(i), "\\\"\\n\\\\\u{e9}"));
    server.put_users(&[], table(users.collect::<Vec<_>>().join(","), NOON));
    // As many events of each user as its number says, and 500 of the one whose plan is really called so.
    let senders = (1..100).flat_map(|i| vec![i; i]).chain([0; 500]);
    let events = senders.enumerate().map(|(id, i)| event_of(&id.to_string(), &format!("u-{i}"), "click", NOON));
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
fn the_reference_tables_age_is_that_of_the_change_that_made_it() {
    let server = Server::start();
    let samples = scrape(&server);
    assert_eq!((samples.get("weir_reference_generation"), samples.count("weir_reference_age_seconds")), (0.0, 0));
    server.clock.advance(1_000);
    server.put_users(&[], table(user("u-1", "pro", "eu"), NOON));
    server.clock.advance(2_500);
    // A retry that changes nothing.
    assert_eq!(server.put_users(&[], table(user("u-1", "pro", "eu"), NOON)).status, 200);
    let samples = scrape(&server);
    let names = ["generation", "users", "age_seconds"].map(|name| samples.get(&format!("weir_reference_{name}")));
    assert_eq!(names, [1.0, 1.0, 2.5]);
    assert!(samples.get("weir_reference_bytes") > 0.0);
    server.patch_users(&[], table(r#""u-1":null"#, &format_ms(NOON_MS + 1)));
    let samples = scrape(&server);
    let names = ["generation", "users", "age_seconds"].map(|name| samples.get(&format!("weir_reference_{name}")));
    assert_eq!(names, [2.0, 0.0, 0.0]);
}

#[test]
fn what_the_server_holds_is_shown() {
    let server = Server::start();
    server.post(array([event("a"), event_of("b", "u-2", "click", NOON)]));
    let samples = scrape(&server);
    assert_eq!(["weir_dedup_ids", "weir_timeline_users"].map(|name| samples.get(name)), [2.0; 2]);
    for name in ["weir_dedup_bytes", "weir_timeline_bytes", "weir_memory_used_bytes"] {
        assert!(samples.get(name) > 0.0, "{name}");
    }
    assert_eq!(samples.get("process_start_time_seconds"), NOON_MS as f64 / 1e3);
    assert!(samples.get("weir_connections") >= 1.0);
    assert_eq!(samples.get(&format!(r#"weir_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"))), 1.0);
    assert_eq!(samples.count("weir_memory_limit_bytes"), 0, "there is none");
    if cfg!(target_os = "linux") {
        assert!(samples.get("process_resident_memory_bytes") > MIB as f64);
    }

    let limited = Server::with(|engine, _| {
        engine.max_memory_bytes = Some(1 << 30);
        engine.dedup_capacity = Some(1 << 20);
    });
    let samples = scrape(&limited);
    assert_eq!(samples.get("weir_memory_limit_bytes"), f64::from(1 << 30));
    assert!(samples.get("weir_dedup_bytes") > f64::from(1 << 24), "tables that were allocated beforehand");
}

#[test]
fn refusals_are_counted_by_what_there_was_no_room_for() {
    let refused = |server: &Server, reason: &str| {
        scrape(server).get(&format!(r#"weir_overload_rejections_total{{reason="{reason}"}}"#))
    };
    // Who is refused, and when, is up to the machine: this one, or who came before.
    let send_until_refused = |server: &Server, reason: &str, body: &dyn Fn(u32) -> String| {
        let is_refused = |number| {
            server.post(body(number));
            refused(server, reason) > 0.0
        };
        assert!((0..100_000).any(is_refused), "{reason}");
    };
    let server = Server::with(|_, http| http.max_bodies_bytes = 100_000);
    for reason in ["admission", "bodies", "turns", "room", "streams", "connections"] {
        assert_eq!(refused(&server, reason), 0.0, "{reason}");
    }
    // What has been sent of a body is held until its rest comes.
    let mut holder = server.connect();
    holder.send("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: 99000\r\n\r\n");
    holder.send(vec![b' '; 98_000]);
    send_until_refused(&server, "bodies", &|_| format!("[{}]", " ".repeat(10_000)));

    let server = Server::with(|engine, _| engine.dedup_capacity = Some(1));
    send_until_refused(&server, "room", &|number| event(&number.to_string()));

    let server = Server::with(|_, http| http.max_connections = 1);
    let mut held = server.connect();
    held.send("GET /metrics/prometheus HTTP/1.1\r\nhost: weir\r\n\r\n");
    let samples = Samples::of(&held.reply());
    assert_eq!(samples.get("weir_connections"), 1.0);
    assert!(server.connect().rest().starts_with(b"HTTP/1.1 503"));
    held.send("GET /metrics/prometheus HTTP/1.1\r\nhost: weir\r\n\r\n");
    let samples = Samples::of(&held.reply());
    assert_eq!(samples.get(r#"weir_overload_rejections_total{reason="connections"}"#), 1.0);

    // With no bound at all, the probe is always late.
    let server = Server::with(|_, http| http.max_queue_delay = Duration::ZERO);
    let mut holders: Vec<_> = (0..limits::ADAPTIVE_LIMIT_MIN + 1).map(|_| server.connect()).collect();
    for holder in &mut holders {
        holder.send("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: 2\r\n\r\n");
    }
    send_until_refused(&server, "admission", &|_| "[]".to_owned());
}
