//! Filters, groups and series.

use crate::common::{NOON, Server, after_noon, array, event, problem, table, user};

/// A server with events of two users of one plan, of one user of another plan, and of an unknown user.
fn server() -> Server {
    let server = Server::start();
    let users = [user("u-1", "pro", "eu"), user("u-2", "pro", "us"), user("u-3", "free", "us")];
    assert_eq!(server.put_users(&[], table(users, NOON)).status, 200);
    let events = [
        ("u-1", "click", 0),
        ("u-1", "view", -500),
        ("u-1", "click", -1_000),
        ("u-2", "click", -1_500),
        ("u-2", "purchase", -2_500),
        ("u-3", "view", 0),
        ("u-3", "view", -9_999),
        ("ghost", "view", -1),
        ("ghost", "click", -3_001),
        ("u-3", "click", -10_000),
        ("u-3", "click", 1_000),
    ];
    let events = (0..)
        .zip(events)
        .map(|(id, (user, kind, offset_ms))| event(format!("e-{id}")).user(user).kind(kind).offset_ms(offset_ms));
    assert_eq!(server.post(array(events)).tally(), [11, 0, 0]);
    server
}

#[test]
fn figures_cover_the_events_that_pass_the_filters() {
    let server = server();
    let shown = |query: &str| {
        let text = server.get(&format!("/metrics?window=11&{query}")).text().to_owned();
        let (start, end) = (text.find(r#""unique_users""#).unwrap(), text.find(r#","generation""#).unwrap());
        text[start..end].to_owned()
    };
    assert_eq!(
        shown("type=click"),
        concat!(
            r#""unique_users":4,"unknown":1,"by_plan":{"free":1,"pro":3},"by_region":{"eu":2,"us":2},"#,
            r#""by_type":{"click":5},"total_events":5"#
        )
    );
    assert_eq!(
        shown("type=view&type=purchase"),
        concat!(
            r#""unique_users":4,"unknown":1,"by_plan":{"free":2,"pro":2},"by_region":{"eu":1,"us":3},"#,
            r#""by_type":{"purchase":1,"view":4},"total_events":5"#
        )
    );
    assert_eq!(
        shown("plan=pro"),
        concat!(
            r#""unique_users":2,"unknown":0,"by_plan":{"pro":5},"by_region":{"eu":3,"us":2},"#,
            r#""by_type":{"click":3,"purchase":1,"view":1},"total_events":5"#
        )
    );
    assert_eq!(
        shown("plan=free&plan=pro&region=us&type=click"),
        concat!(
            r#""unique_users":2,"unknown":0,"by_plan":{"free":1,"pro":1},"by_region":{"us":2},"#,
            r#""by_type":{"click":2},"total_events":2"#
        )
    );
    for no_match in ["plan=none", "type=refund", "region=eu&plan=free", "plan=pro&type=refund", "pl%61n=PRO"] {
        assert_eq!(
            shown(no_match),
            r#""unique_users":0,"unknown":0,"by_plan":{},"by_region":{},"by_type":{},"total_events":0"#,
            "{no_match}"
        );
    }
    assert_eq!(server.get("/metrics?window=4&type=click").json()["events_per_sec"], 0.75);
}

#[test]
fn filters_use_the_current_table() {
    let server = server();
    let events = |query: &str| server.get(&format!("/metrics?{query}")).json()["total_events"].as_u64().unwrap();
    assert_eq!([events("plan=pro"), events("plan=pro&type=view"), events("plan=new")], [5, 1, 0]);
    server.put_users(&[], table([user("ghost", "new", "pro")], after_noon(1)));
    assert_eq!([events("plan=pro"), events("region=pro&type=view"), events("plan=new")], [0, 1, 2]);
}

#[test]
fn groups_are_sorted_and_unknown_users_come_last() {
    let server = server();
    let groups = |query: &str| {
        let text = server.get(&format!("/metrics?window=11&{query}")).text().to_owned();
        text.split_once(r#","groups":"#).map(|(_, groups)| groups.strip_suffix('}').unwrap().to_owned())
    };
    let text = server.get("/metrics?window=11&group_by=plan,region").text().to_owned();
    assert!(
        text.ends_with(concat!(
            r#","groups":[{"plan":"free","region":"us","events":3,"unique_users":1},"#,
            r#"{"plan":"pro","region":"eu","events":3,"unique_users":1},"#,
            r#"{"plan":"pro","region":"us","events":2,"unique_users":1},"#,
            r#"{"plan":null,"region":null,"events":2,"unique_users":1}]}"#
        )),
        "{text}"
    );
    assert_eq!(
        groups("group_by=plan").unwrap(),
        concat!(
            r#"[{"plan":"free","events":3,"unique_users":1},{"plan":"pro","events":5,"unique_users":2},"#,
            r#"{"plan":null,"events":2,"unique_users":1}]"#
        )
    );
    assert_eq!(
        groups("group_by=region,plan&type=click&region=us").unwrap(),
        concat!(
            r#"[{"region":"us","plan":"free","events":1,"unique_users":1},"#,
            r#"{"region":"us","plan":"pro","events":1,"unique_users":1}]"#
        )
    );
    assert_eq!(groups("group_by=plan&plan=none").unwrap(), "[]");
    assert_eq!(groups("plan=pro"), None, "without group_by there are no groups");
}

#[test]
fn an_invalid_parameter_is_named() {
    let server = Server::start();
    for (query, named) in [
        ("group_by=", "group_by"),
        ("group_by=type", "group_by"),
        ("group_by=plan,plan", "group_by"),
        ("group_by=plan&group_by=region", "group_by"),
        ("type=", "type"),
        ("plan=%ff", "plan"),
        ("step=1", "step"),
        ("events=1", "events"),
    ] {
        let reply = server.get(&format!("/metrics?{query}"));
        assert_eq!(reply.problem(), problem(400, "invalid_parameter"), "{query}");
        assert!(reply.json()["detail"].as_str().unwrap().contains(named), "{reply:?}");
    }
    for query in ["step=0", "step=7", "step=600", "step=1&step=1", "group_by=plan", "step=x", "limit=1"] {
        assert_eq!(
            server.get(&format!("/metrics/series?{query}")).problem(),
            problem(400, "invalid_parameter"),
            "{query}"
        );
    }
    assert_eq!(server.get("/metrics/series?window=1801").problem(), problem(400, "invalid_window"));
}

#[test]
fn configured_attributes_can_be_filtered_and_grouped_by() {
    let server = Server::builder().engine(|engine| engine.attributes = vec!["tier".to_owned()]).start();
    server.put_users(&[], table([r#""u-1":{"tier":"gold & more"}"#], NOON));
    server.post(event("a"));
    let reply = server.get("/metrics?tier=gold+%26%20more&group_by=tier");
    let group = r#","groups":[{"tier":"gold & more","events":1,"unique_users":1}]}"#;
    assert!(reply.text().ends_with(group), "{reply:?}");
    assert_eq!(server.get("/metrics?plan=pro").problem(), problem(400, "invalid_parameter"));
}

#[test]
fn a_series_has_a_point_for_each_step() {
    let server = server();
    server.clock.advance(789);
    assert_eq!(
        server.get("/metrics/series?window=4&step=2").text(),
        concat!(
            r#"{"window_sec":4,"step_sec":2,"points":["#,
            r#"{"start":"2025-10-08T11:59:57.000Z","events":2,"unique_users":1,"unknown":0,"by_plan":{"pro":2},"#,
            r#""by_region":{"us":2},"by_type":{"click":1,"purchase":1}},"#,
            r#"{"start":"2025-10-08T11:59:59.000Z","events":5,"unique_users":3,"unknown":1,"#,
            r#""by_plan":{"free":1,"pro":3},"by_region":{"eu":3,"us":1},"by_type":{"click":2,"view":3}}],"#,
            r#""generation":1,"as_of":"2025-10-08T12:00:00.789Z"}"#
        )
    );
    let reply = server.get("/metrics/series?window=1&plan=pro&type=click");
    assert_eq!(
        reply.text(),
        concat!(
            r#"{"window_sec":1,"step_sec":1,"points":["#,
            r#"{"start":"2025-10-08T12:00:00.000Z","events":1,"unique_users":1,"unknown":0,"by_plan":{"pro":1},"#,
            r#""by_region":{"eu":1},"by_type":{"click":1}}],"#,
            r#""generation":1,"as_of":"2025-10-08T12:00:00.789Z"}"#
        )
    );
    assert_eq!((reply.header("content-type"), reply.header("cache-control")), ("application/json", "no-store"));
}

#[test]
fn the_points_of_a_series_add_up_to_the_window() {
    let server = server();
    for query in ["", "&type=click", "&plan=pro&type=view&type=click", "&region=us"] {
        for (window_secs, step_secs) in [(300, 1), (12, 4), (1_800, 1_800), (11, 1)] {
            let series = server.get(&format!("/metrics/series?window={window_secs}&step={step_secs}{query}")).json();
            let points = series["points"].as_array().unwrap();
            assert_eq!(points.len(), window_secs / step_secs);
            let events: u64 = points.iter().map(|point| point["events"].as_u64().unwrap()).sum();
            let metrics = server.get(&format!("/metrics?window={window_secs}{query}")).json();
            assert_eq!(metrics["total_events"], events, "{query} {window_secs} {step_secs}");
            if points.len() == 1 {
                assert_eq!(metrics["unique_users"], points[0]["unique_users"]);
            }
        }
    }
}

#[test]
fn a_series_with_too_many_counters_is_refused_before_it_is_computed() {
    let server = Server::start();
    let users = (0..16_000).map(|i| user(&format!("u{i}"), &(i / 125).to_string(), &(i % 125).to_string()));
    let users: Vec<_> = users.collect();
    assert_eq!(server.put_users(&[], table(&users, NOON)).status, 200);
    let series = |step_secs: u32| server.get(&format!("/metrics/series?window=1800&step={step_secs}"));
    assert_eq!(series(2).json()["points"].as_array().unwrap().len(), 900);
    let server =
        Server::builder().engine(|engine| engine.event_types = (0..8).map(|kind| kind.to_string()).collect()).start();
    assert_eq!(server.put_users(&[], table(users, NOON)).status, 200);
    let reply = server.get("/metrics/series?window=1800&step=1");
    assert_eq!(reply.problem(), problem(400, "invalid_parameter"));
    assert!(reply.json()["detail"].as_str().unwrap().contains("longer step"), "{reply:?}");
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let server = Server::start();
    for path in ["/metrics?group_by=plan", "/metrics/series?step=10", "/events/rejected"] {
        let (head, get) = (server.head(path), server.get(path));
        assert_eq!(
            (head.status, head.header("content-length"), head.body.len()),
            (200, get.header("content-length"), 0)
        );
    }
}
