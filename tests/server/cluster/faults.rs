//! Nodes and NATS servers that end, and come back.

use super::{Cluster, counted, until_taken};
use crate::common::requests::{end, get, now_ms, post, put, readiness, samples};
use crate::common::{Raw, array, event, eventually, get_request, problem};
use serde_json::json;
use weir::format_ms;

#[test]
fn a_node_that_is_killed_and_a_server_that_is_killed_change_no_answer_and_a_restart_remembers() {
    let Some(mut cluster) = Cluster::start(3) else { return };
    let mut nodes = cluster.nodes();
    let now_ms = now_ms();
    let batch = |number: u64| array((0..50).map(|id| event(number * 50 + id).user(id % 7).at_ms(now_ms)));
    let table = json!({"user_metadata": {"0": {"plan": "pro", "region": "eu"}}, "ts": format_ms(now_ms)}).to_string();
    assert_eq!(put(&nodes[1], table).status, 200);
    assert_eq!(post(&nodes[0], batch(0)).tally(), [50, 0, 0]);
    // Nothing is needed for a node that is gone.
    assert_eq!(end(nodes.remove(0), "KILL").0, None);
    assert_eq!(counted(&nodes[0]), 50);
    assert_eq!(post(&nodes[1], batch(0)).tally(), [0, 50, 0]);
    // A server ends. Sending a batch again tells what was taken of it.
    cluster.nats.kill(0);
    let [accepted, duplicates, _] = until_taken(|| post(&nodes[1], batch(1))).tally();
    assert_eq!(accepted + duplicates, 50);
    assert_eq!(counted(&nodes[0]), 100);
    cluster.nats.launch(0);
    // All nodes end, and a new one has it all.
    nodes.into_iter().for_each(|node| assert_eq!(end(node, "KILL").0, None));
    let node = cluster.node("n4", &[]);
    assert_eq!(counted(&node), 100);
    assert_eq!(until_taken(|| post(&node, batch(0))).tally(), [0, 50, 0]);
    assert_eq!(until_taken(|| post(&node, batch(1))).tally(), [0, 50, 0]);
    let metrics = get(&node, "/metrics").json();
    assert_eq!((&metrics["generation"], &metrics["by_plan"]["pro"]), (&json!(1), &json!(16)));
}

#[test]
fn without_a_quorum_nothing_is_answered_as_if_it_were_sure_and_it_comes_back_by_itself() {
    let Some(mut cluster) = Cluster::start(3) else { return };
    let node = cluster.node("n1", &[]);
    let now_ms = now_ms();
    let posted = |id: &str| post(&node, event(id).at_ms(now_ms));
    assert_eq!(posted("a").tally(), [1, 0, 0]);
    cluster.kill_two();
    // The first batch is perhaps in the log. While it waits, the next ones are refused at once.
    assert_eq!(posted("b").problem(), problem(503, "log_unavailable"));
    let refused = posted("c");
    assert!(["overloaded", "log_unavailable"].contains(&&*refused.problem().1), "{refused:?}");
    assert_eq!(refused.header("retry-after"), "1");
    for path in ["/metrics", "/metrics/series?window=10", "/reference/users", "/reference/users/u"] {
        assert_eq!(get(&node, path).problem(), problem(503, "log_unavailable"), "{path}");
    }
    let table = json!({"user_metadata": {}, "ts": format_ms(now_ms)}).to_string();
    assert_eq!(put(&node, table.clone()).status, 503);
    let detail = readiness(&node, 503).json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("log_unavailable: "), "{detail}");
    assert_eq!(get(&node, "/status").json()["cluster"]["state"], "log_unavailable");
    // The node still knows what it has applied, and says how old that is.
    let local = get(&node, "/metrics?consistency=local");
    assert_eq!((local.status, &local.json()["total_events"]), (200, &json!(1)));
    assert!(local.header("weir-behind-ms").parse::<u64>().unwrap() > 0);
    for path in ["/", "/openapi.json", "/events/rejected", "/metrics/prometheus", "/healthz", "/livez"] {
        assert_eq!(get(&node, path).status, 200, "{path}");
    }
    let mut stream = Raw::connect(node.address);
    stream.send(get_request("/metrics/stream?window=60"));
    stream.skip_to(": busy");

    cluster.launch_two();
    readiness(&node, 200);
    stream.skip_to("event: metrics");
    let [accepted, duplicates, _] = until_taken(|| posted("b")).tally();
    assert_eq!(accepted + duplicates, 1);
    assert_eq!(until_taken(|| posted("a")).tally(), [0, 1, 0]);
    assert_eq!(counted(&node), 2);
    assert_eq!(until_taken(|| put(&node, table.clone())).json()["generation"], 1);

    // A process that is stopped without a quorum ends by itself.
    cluster.kill_two();
    assert_eq!(get(&node, "/metrics").problem(), problem(503, "log_unavailable"));
    let (code, log) = end(node, "TERM");
    assert!(code == Some(0), "{log}");
}

#[test]
fn a_node_that_is_too_far_behind_ends_and_has_everything_after_its_next_start() {
    let Some(mut cluster) = Cluster::start(1) else { return };
    let [frozen, other] = ["n1", "n2"].map(|name| cluster.node(name, &[]));
    let now_ms = now_ms();
    let table = |plan: &str, ts_ms: i64| {
        json!({"user_metadata": {"u": {"plan": plan, "region": "eu"}}, "ts": format_ms(ts_ms)}).to_string()
    };
    // A copy of the table follows each change.
    let has_entries = |cluster: &Cluster, entries: u64| {
        let info = cluster.ask_nats("$JS.API.STREAM.INFO.WEIR_REFERENCE", "");
        info.contains(&format!(r#""last_seq":{entries},"#))
    };
    assert_eq!(put(&other, table("free", now_ms)).status, 200);
    assert_eq!(get(&frozen, "/reference/users").header("etag"), "\"1\"");
    eventually("the first copy of the table", || has_entries(&cluster, 2));
    frozen.signal("STOP");
    // The connection of the node ends, and so does its reader.
    cluster.nats.kill(0);
    cluster.nats.launch(0);
    assert_eq!(until_taken(|| put(&other, table("pro", now_ms + 1))).status, 200);
    eventually("the second copy of the table", || has_entries(&cluster, 4));
    // What is before the copy is not needed any more.
    let purged = cluster.ask_nats("$JS.API.STREAM.PURGE.WEIR_REFERENCE", r#"{"keep":1}"#);
    assert!(purged.contains(r#""success":true"#), "{purged}");
    frozen.signal("CONT");
    let (code, log) = frozen.end();
    assert_eq!(code, Some(1), "{log}");
    let line = log.lines().last().unwrap();
    assert!(line.starts_with("weir: log_failed: start this node again; the cause: place "), "{log}");
    let again = cluster.node("n1", &[]);
    assert_eq!((get(&again, "/reference/users").header("etag"), counted(&again)), ("\"2\"", 0));
}

#[test]
fn a_node_whose_log_was_replaced_takes_nothing_more_and_still_has_what_it_knows() {
    let Some(cluster) = Cluster::start(1) else { return };
    let node = cluster.node("n1", &[]);
    assert_eq!(post(&node, event("a").at_ms(now_ms())).tally(), [1, 0, 0]);
    let deleted = cluster.ask_nats("$JS.API.STREAM.DELETE.WEIR", "");
    assert!(deleted.contains(r#""success":true"#), "{deleted}");
    let _other = cluster.start_node("n2", &[]);
    eventually("the node notices it", || {
        let detail = readiness(&node, 503).json()["detail"].as_str().unwrap().to_owned();
        detail.starts_with("log_went_back: ") && detail.contains("was deleted and created again")
    });
    assert_eq!(post(&node, event("b").at_ms(now_ms())).problem(), problem(503, "log_unavailable"));
    assert_eq!(get(&node, "/metrics").problem(), problem(503, "log_unavailable"));
    assert_eq!(get(&node, "/metrics?consistency=local").json()["total_events"], 1);
    assert_eq!(get(&node, "/status").json()["cluster"]["state"], "log_went_back");
    assert_eq!(samples(&node).get("weir_cluster_failed"), 1.0);
}
