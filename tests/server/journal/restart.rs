//! What a restart restores.

use super::{end, get, judged_frames, now_ms, post, put, request, samples, serve, stop, total_events};
use crate::common::{Raw, Running, Scratch, array, event, post_request, weir};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use weir::format_ms;

const PATCH: &[&str] = &["content-type: application/merge-patch+json"];

/// Some events of the last minute, with some repeated ids.
fn some_events(now_ms: i64) -> String {
    let of = |n: i64| {
        let kind = ["click", "view", "purchase"][n as usize % 3];
        event(n % 250).user(format!("u-{}", n % 40)).kind(kind).at_ms(now_ms - 1_000 * (n % 60))
    };
    array((0..300).map(of))
}

/// The answers to queries about a window that has ended, without the time of the answer.
fn answers(running: &Running, end_secs: i64) -> Vec<Value> {
    let paths =
        ["/metrics?", "/metrics?group_by=plan,region&", "/metrics?type=view&plan=pro&", "/metrics/series?step=10&"];
    let answer = |path: &str| {
        let mut answer = get(running, &format!("{path}window=600&end={end_secs}")).json();
        assert!(answer.as_object_mut().unwrap().remove("as_of").is_some(), "{answer}");
        answer
    };
    paths.map(answer).into()
}

#[test]
fn a_restart_gives_the_same_answers_and_remembers_each_id() {
    for (signal, dedup) in [("KILL", "lines"), ("TERM", "scc")] {
        let scratch = Scratch::new();
        let args = ["--dedup", dedup];
        let running = serve(&scratch.path("journal"), &args);
        let now_ms = now_ms();
        let user = |plan: &str| json!({"plan": plan, "region": "eu"});
        let users: Value = (0..30).map(|n| (format!("u-{n}"), user(if n % 2 == 0 { "pro" } else { "free" }))).collect();
        let table = json!({"user_metadata": users, "ts": format_ms(now_ms - 5_000)});
        assert_eq!(put(&running, table.to_string()).status, 200);
        let patch = json!({"user_metadata": {"u-1": null, "u-35": user("pro")}, "ts": format_ms(now_ms)}).to_string();
        assert_eq!(request(&running, "PATCH", "/reference/users", PATCH, &*patch).json()["generation"], 2);
        let stale = put(&running, table.to_string());
        assert_eq!((stale.status, &stale.json()["code"]), (409, &json!("stale_reference")));
        let events = some_events(now_ms);
        assert_eq!(post(&running, &*events).tally(), [250, 50, 0]);
        let end_secs = now_ms / 1_000;
        let (told, table) = (answers(&running, end_secs), get(&running, "/reference/users"));
        assert_eq!(told[0]["total_events"], 250);
        assert_eq!((table.header("etag"), &table.json()["users"]), ("\"2\"", &json!(30)));
        let (code, log) = end(running, signal);
        assert_eq!(code, (signal == "TERM").then_some(0), "{log}");

        let running = serve(&scratch.path("journal"), &args);
        assert_eq!(answers(&running, end_secs), told, "{signal}");
        let restored = get(&running, "/reference/users");
        assert_eq!((restored.header("etag"), restored.json()), ("\"2\"", table.json()));
        assert_eq!(request(&running, "GET", "/reference/users", &["if-none-match: \"2\""], "").status, 304);
        assert_eq!(get(&running, "/reference/users/u-1").status, 404);
        assert_eq!(get(&running, "/reference/users/u-35").json()["plan"], "pro");
        assert_eq!(post(&running, &*events).tally(), [0, 300, 0], "{signal}");
        assert_eq!(request(&running, "PATCH", "/reference/users", PATCH, &*patch).json()["generation"], 2, "a retry");
        let next = json!({"user_metadata": {}, "ts": format_ms(now_ms + 1)}).to_string();
        let next = request(&running, "PUT", "/reference/users", &["if-match: \"2\""], next);
        assert_eq!((next.status, &next.json()["generation"]), (200, &json!(3)));
    }
}

#[test]
fn a_clean_stop_records_the_outcomes_so_that_the_next_start_judges_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    let running = serve(&dir, &[]);
    assert!(running.stderr.text().contains("created an empty journal"), "{}", running.stderr.text());
    assert_eq!(post(&running, some_events(now_ms())).tally(), [250, 50, 0]);
    stop(running);
    let running = serve(&dir, &[]);
    assert!(running.stderr.text().contains("was_stopped=true"), "{}", running.stderr.text());
    assert_eq!((judged_frames(&running), total_events(&running)), (0.0, 250));
    let (_, log) = end(running, "KILL");
    assert!(log.contains("judged_frames=0"), "{log}");
    let running = serve(&dir, &[]);
    assert!(running.stderr.text().contains("was_stopped=false"), "{}", running.stderr.text());
}

/// A client that posts batches until its server ends, and notes each id with its verdict.
fn post_until_the_end(running: &Running, next: &AtomicU64, told: &Mutex<BTreeSet<u64>>) {
    let mut connection = Raw::connect(running.address);
    loop {
        let first = next.fetch_add(10, Ordering::Relaxed);
        let batch = array((first..first + 10).map(|id| event(id).user(id % 7).at_ms(now_ms())));
        if !connection.try_send(post_request(batch)) {
            return;
        }
        let Some(reply) = connection.next_reply() else { return };
        assert_eq!(reply.tally(), [10, 0, 0], "no id was sent before");
        told.lock().unwrap().extend(first..first + 10);
    }
}

#[test]
fn kills_under_load_lose_nothing_and_count_nothing_twice() {
    let scratch = Scratch::new();
    let (next, told) = (AtomicU64::new(0), Mutex::new(BTreeSet::new()));
    for round in 1..=4 {
        let running = serve(&scratch.path("journal"), &[]);
        std::thread::scope(|scope| {
            (0..3).for_each(|_| drop(scope.spawn(|| post_until_the_end(&running, &next, &told))));
            let enough = round * 300;
            crate::common::eventually("events before the kill", || told.lock().unwrap().len() >= enough);
            running.signal("KILL");
        });
        assert_eq!(running.end().0, None);
    }
    let running = serve(&scratch.path("journal"), &[]);
    let (sent, told) = (next.into_inner(), told.into_inner().unwrap());
    let before = total_events(&running);
    assert!((told.len() as u64..=sent).contains(&before), "{} told, {before} counted, {sent} sent", told.len());
    let mut again = 0;
    for first in (0..sent).step_by(10) {
        let ids = first..first + 10;
        let reply = post(&running, array(ids.clone().map(|id| event(id).at_ms(now_ms()))));
        for (id, verdict) in ids.zip(reply.verdicts()) {
            assert!(verdict == "duplicate_event" || !told.contains(&id), "{id} was lost: {verdict}");
            again += u64::from(verdict == "success");
        }
    }
    assert_eq!((before + again, total_events(&running)), (sent, sent), "each id is counted once");
}

#[test]
fn the_log_has_metrics_and_a_status_and_a_server_without_a_journal_has_none() {
    let scratch = Scratch::new();
    let running = serve(&scratch.path("journal"), &["--journal-max", "64MiB"]);
    assert_eq!(post(&running, some_events(now_ms())).tally(), [250, 50, 0]);
    let samples = samples(&running);
    for (name, value) in [
        ("weir_log_place", 1.0),
        ("weir_log_applied_place", 1.0),
        ("weir_log_waiting_rows", 0.0),
        ("weir_log_lag_seconds", 0.0),
        ("weir_log_append_seconds_count", 1.0),
        ("weir_log_void_total", 0.0),
        ("weir_log_replay_done_ratio", 1.0),
        ("weir_journal_limit_bytes", 67_108_864.0),
        ("weir_journal_ready", 1.0),
        ("weir_journal_commit_seconds_count", 1.0),
        (r#"weir_engine_stage_duration_seconds_count{stage="log"}"#, 1.0),
    ] {
        // A frame that records the outcomes follows after a second.
        let is_as_expected = samples.get(name) == value || samples.get("weir_log_place") == 2.0;
        assert!(is_as_expected, "{name} is {}", samples.get(name));
    }
    assert!(samples.get("weir_log_frame_bytes_total") >= 300.0 * 33.0);
    assert!(samples.get("weir_journal_bytes") >= 300.0 * 33.0);
    assert!(samples.get("weir_journal_file_bytes") >= samples.get("weir_journal_bytes"));
    let journal = &get(&running, "/status").json()["journal"];
    assert_eq!((&journal["state"], &journal["max_bytes"]), (&json!("ready"), &json!(67_108_864)));
    assert!(journal["place"].as_u64() >= Some(1) && journal["live_bytes"].as_u64() >= Some(300 * 33), "{journal}");

    let plain = Running::start(&mut weir(&["serve", "--listen", "127.0.0.1:0"]));
    assert_eq!(post(&plain, some_events(now_ms())).tally(), [250, 50, 0]);
    let samples = super::samples(&plain);
    assert_eq!((samples.count("weir_log_"), samples.count("weir_journal_")), (0, 0));
    assert_eq!(samples.count(r#"weir_engine_stage_duration_seconds_count{stage="log"}"#), 0);
    assert_eq!(get(&plain, "/status").json()["journal"], Value::Null);
    let (_, log) = end(plain, "TERM");
    assert!(!log.contains("journal"), "{log}");
}
