//! A journal that is full, and a disk that fails.

use super::{end, get, judged_frames, now_ms, post, put, readiness, samples, serve, stop, total_events};
use crate::common::{BINARY, Running, Scratch, array, event, problem, program, run, weir};
use serde_json::json;
use weir::format_ms;

/// Fills the journal until it has no room for one event. Returns how many events it has. No event is older than its
/// request, because filling may take longer than the max-skew on a slow machine.
fn fill(running: &Running) -> u64 {
    let (mut next, mut events) = (1_000_000, 100_000);
    while events > 0 {
        assert!(next < 100_000_000, "the journal does not fill");
        let now_ms = now_ms();
        let reply = post(running, array((next..next + events).map(|id| event(id).at_ms(now_ms))));
        match reply.status {
            200 => next += events,
            // A slow disk may not answer in time. The events are in the journal then, or they will be.
            503 if reply.problem().1 == "log_unavailable" => next += events,
            503 if reply.problem().1 == "overloaded" => events /= 2,
            _ => panic!("{reply:?}"),
        }
    }
    total_events(running)
}

#[test]
fn a_full_journal_takes_nothing_and_a_larger_one_goes_on() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    let running = serve(&dir, &["--journal-max", "64MiB"]);
    let events = |from: u32, to: u32| array((from..to).map(|id| event(id).at_ms(now_ms())));
    assert_eq!(post(&running, events(0, 100)).tally(), [100, 0, 0]);
    let filled = fill(&running);
    assert_eq!(post(&running, events(50, 200)).problem(), problem(503, "overloaded"));
    let table = json!({"user_metadata": {}, "ts": format_ms(now_ms())}).to_string();
    assert_eq!(put(&running, format!("{}{table}", " ".repeat(1_000))).problem(), problem(503, "overloaded"));
    assert_eq!((total_events(&running), get(&running, "/reference/users").status), (filled, 200), "queries go on");
    let exposed = samples(&running);
    assert!(exposed.get(r#"weir_overload_rejections_total{reason="log"}"#) >= 2.0);
    assert!(exposed.get("weir_journal_bytes") > 0.89 * exposed.get("weir_journal_limit_bytes"));
    stop(running);

    let running = serve(&dir, &["--journal-max", "128MiB"]);
    assert_eq!(judged_frames(&running), 0.0, "a full journal has room for outcomes");
    assert_eq!(total_events(&running), filled);
    assert_eq!(post(&running, events(50, 200)).tally(), [100, 50, 0], "nothing of it was taken");
}

#[test]
fn a_change_with_a_wrong_body_is_refused_before_it_is_logged() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    let running = serve(&dir, &[]);
    let ts = format_ms(now_ms());
    let partial = json!({"user_metadata": {"u": {"plan": "pro"}}, "ts": ts}).to_string();
    assert_eq!([put(&running, "{").status, put(&running, partial).status], [400, 422]);
    assert_eq!(put(&running, json!({"user_metadata": {}, "ts": ts}).to_string()).status, 200);
    let stale = json!({"user_metadata": {}, "ts": format_ms(0)}).to_string();
    assert_eq!(put(&running, stale).status, 409, "this is judged in the order of the log");
    stop(running);
    let report = run(&mut weir(&["journal", "inspect", &dir, "--json"]));
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["reference"]["entries"], 2);
}

#[test]
fn after_a_fault_of_the_disk_nothing_is_taken_queries_go_on_and_a_restart_has_what_was_acknowledged() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    // No file can grow above 2 MiB, or 4 MiB with another unit. A write beyond that is an error.
    let limited = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" serve --listen 127.0.0.1:0 --journal \"$1\"";
    let running = Running::start(&mut program("sh", &["-c", limited, BINARY, &dir]));
    readiness(&running, 200);
    let now_ms = now_ms();
    let batch = |number: u32| array((0..1_000).map(|id| event(number * 1_000 + id).at_ms(now_ms)));
    let mut acknowledged = 0;
    let refused = loop {
        let reply = post(&running, batch(acknowledged));
        if reply.status != 200 {
            break reply;
        }
        acknowledged += 1;
        assert!(acknowledged < 1_000, "the disk does not fail");
    };
    assert_eq!(refused.problem(), problem(503, "log_unavailable"));
    assert_eq!(refused.header("retry-after"), "1");
    let readiness = readiness(&running, 503);
    assert!(readiness.json()["detail"].as_str().unwrap().starts_with("journal_failed: "), "{readiness:?}");
    assert_eq!(post(&running, event("later").at_ms(now_ms)).problem(), problem(503, "log_unavailable"));
    let table = json!({"user_metadata": {}, "ts": format_ms(now_ms)}).to_string();
    assert_eq!(put(&running, table).problem(), problem(503, "log_unavailable"));
    assert_eq!(total_events(&running), u64::from(acknowledged) * 1_000);
    assert_eq!(samples(&running).get("weir_journal_ready"), 0.0);
    assert_eq!(get(&running, "/status").json()["journal"]["state"], "failed");
    running.stderr.line_with("journal_failed: ");
    let (code, log) = end(running, "TERM");
    assert_eq!(code, Some(0), "{log}");

    let running = serve(&dir, &[]);
    for number in 0..acknowledged {
        assert_eq!(post(&running, batch(number)).tally(), [0, 1_000, 0], "{number} of {acknowledged}");
    }
    let [accepted, duplicates, _] = post(&running, batch(acknowledged)).tally();
    assert_eq!(accepted + duplicates, 1_000, "sending it again tells what was taken");
    assert_eq!(total_events(&running), u64::from(acknowledged + 1) * 1_000);
}
