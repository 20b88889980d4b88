//! What is true whichever node is asked.

use super::{Cluster, counted};
use crate::common::requests::{end, get, now_ms, post, put, request, samples};
use crate::common::{Raw, array, event, failure, get_request, problem, run, success, weir};
use serde_json::{Value, json};
use weir::format_ms;

const PATCH: &[&str] = &["content-type: application/merge-patch+json"];

fn table(users: &Value, ts_ms: i64) -> String {
    json!({"user_metadata": users, "ts": format_ms(ts_ms)}).to_string()
}

fn user(plan: &str) -> Value {
    json!({"plan": plan, "region": "eu"})
}

#[test]
fn every_node_sees_what_any_node_has_acknowledged() {
    let Some(cluster) = Cluster::start(3) else { return };
    let nodes = cluster.nodes();
    let now_ms = now_ms();
    // An id is taken once, whatever node and whatever user.
    for round in 0..15_u64 {
        let [poster, reader, other] = [0, 1, 2].map(|n| &nodes[(round as usize + n) % 3]);
        let events = |name: &str| array((0..20).map(|id| event(round * 20 + id).user(name).at_ms(now_ms)));
        assert_eq!(post(poster, events("first")).tally(), [20, 0, 0]);
        let metrics = get(reader, "/metrics?window=1800").json();
        assert_eq!((&metrics["total_events"], &metrics["unique_users"]), (&json!((round + 1) * 20), &json!(1)));
        assert_eq!(post(other, events("second")).tally(), [0, 20, 0]);
    }
    // A window that has ended has the same series on all nodes.
    let series = |node| {
        let mut series = get(node, &format!("/metrics/series?window=60&end={}", now_ms / 1_000)).json();
        series.as_object_mut().unwrap().remove("as_of").unwrap();
        series
    };
    assert!(nodes.iter().all(|node| series(node) == series(&nodes[0])));

    // Time does not go back from node to node.
    let mut before = String::new();
    for round in 0..30 {
        let as_of = get(&nodes[round % 3], "/metrics").json()["as_of"].as_str().unwrap().to_owned();
        assert!(as_of >= before, "{as_of} after {before}");
        before = as_of;
    }
    let samples = samples(&nodes[1]);
    for (name, value) in [("weir_cluster_ready", 1.0), ("weir_cluster_connected", 1.0), ("weir_cluster_failed", 0.0)] {
        assert_eq!(samples.get(name), value, "{name}");
    }
    assert_eq!(samples.get("weir_cluster_limit_bytes"), 67_108_864.0);
    assert!(samples.get("weir_log_barrier_seconds_count") >= 10.0);
    assert_eq!(samples.count("weir_journal_"), 0);
}

#[test]
fn every_node_has_the_table_that_any_node_has_changed() {
    let Some(cluster) = Cluster::start(3) else { return };
    let nodes = cluster.nodes();
    let now_ms = now_ms();
    assert_eq!(get(&nodes[2], "/reference/users").header("etag"), "\"0\"");
    let first = put(&nodes[0], table(&json!({"u": user("free"), "v": user("pro")}), now_ms));
    assert_eq!((first.status, first.header("etag")), (200, "\"1\""), "{first:?}");
    for node in &nodes {
        let summary = get(node, "/reference/users");
        assert_eq!((summary.header("etag"), &summary.json()["users"]), ("\"1\"", &json!(2)));
    }
    assert_eq!(post(&nodes[1], event("a").user("u").at_ms(now_ms)).tally(), [1, 0, 0]);
    let patch = table(&json!({"u": user("pro")}), now_ms + 1);
    assert_eq!(request(&nodes[2], "PATCH", "/reference/users", PATCH, &*patch).json()["generation"], 2);
    for node in &nodes {
        let metrics = get(node, "/metrics").json();
        assert_eq!((&metrics["generation"], &metrics["by_plan"]), (&json!(2), &json!({"pro": 1})));
        assert_eq!(get(node, "/reference/users/u").json()["plan"], "pro");
        assert_eq!(request(node, "GET", "/reference/users", &["if-none-match: \"2\""], "").status, 304);
    }
    let stale = put(&nodes[0], table(&json!({}), now_ms));
    assert_eq!((stale.problem(), &stale.json()["current_generation"]), (problem(409, "stale_reference"), &json!(2)));
    let next = table(&json!({}), now_ms + 2);
    let mismatch = request(&nodes[1], "PUT", "/reference/users", &["if-match: \"1\""], &*next);
    assert_eq!(mismatch.problem(), problem(412, "generation_mismatch"));
    // Of two changes at once, one wins, and all nodes know which.
    let changes: Vec<u16> = std::thread::scope(|scope| {
        let put = |node| request(node, "PUT", "/reference/users", &["if-match: \"2\""], &*next).status;
        let changes = nodes.iter().map(|node| scope.spawn(move || put(node))).collect::<Vec<_>>();
        changes.into_iter().map(|change| change.join().unwrap()).collect()
    });
    let count = |status: u16| changes.iter().filter(|found| **found == status).count();
    assert_eq!((count(200), count(412)), (1, 2), "{changes:?}");
    assert!(nodes.iter().all(|node| get(node, "/reference/users").header("etag") == "\"3\""));
}

#[test]
fn a_node_says_which_one_it_is_and_local_answers_say_how_far_they_are_behind() {
    let Some(cluster) = Cluster::start(1) else { return };
    let node = cluster.node("left", &[]);
    let local = cluster.node("right", &["--reads", "local"]);
    assert_eq!(post(&node, event("a").at_ms(now_ms())).tally(), [1, 0, 0]);
    let status = get(&node, "/status").json();
    let status = &status["cluster"];
    assert_eq!((&status["node"], &status["state"]), (&json!("left"), &json!("ready")));
    assert_eq!((&status["is_connected"], &status["max_bytes"]), (&json!(true), &json!(67_108_864)));
    assert!(status["applied_place"].as_u64() > Some(0), "{status}");
    let paths = ["/metrics", "/metrics/series?window=10", "/reference/users", "/reference/users/none"];
    for path in paths {
        assert_eq!(get(&node, path).header("weir-behind-ms"), "", "{path}");
    }
    let and = |path: &str| if path.contains('?') { format!("{path}&") } else { format!("{path}?") };
    for path in &paths[..3] {
        let behind_ms = |reply: &crate::common::Reply| reply.header("weir-behind-ms").parse::<u64>().unwrap();
        behind_ms(&get(&node, &format!("{}consistency=local", and(path))));
        behind_ms(&get(&local, path));
        let fresh = get(&local, &format!("{}consistency=quorum", and(path)));
        assert_eq!((fresh.status, fresh.header("weir-behind-ms")), (200, ""), "{path}");
        let unknown = get(&node, &format!("{}consistency=strong", and(path)));
        assert_eq!(unknown.problem(), problem(400, "invalid_parameter"));
    }
    assert_eq!(counted(&local), 1);

    // A stream shows results while log time is recent.
    for running in [&node, &local] {
        let mut stream = Raw::connect(running.address);
        stream.send(get_request("/metrics/stream?window=60"));
        stream.skip_to("event: metrics");
    }
    let urls = [node.url(), local.url()];
    let status = |more: &[&str]| weir(&[&["cluster", "status", "--url", &urls[0], "--url", &urls[1]], more].concat());
    let output = run(&mut status(&[]));
    let rows: Vec<_> = success(&output).lines().map(|row| row.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!([rows[1][0], rows[1][2], rows[2][0], rows[2][2]], ["left", "ready", "right", "ready"], "{rows:?}");
    let (code, log) = end(node, "TERM");
    assert!(code == Some(0) && log.contains("stopped the cluster nats://"), "{log}");
    let output = run(&mut status(&["--json"]));
    assert_eq!(failure(&output), "1 of 2 nodes do not take events");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ok"], &report["nodes"][1]["cluster"]["node"]), (&json!(false), &json!("right")));
    assert!(report["nodes"][0]["problem"].as_str().unwrap().contains("connection refused"), "{report}");
}
