//! `weir journal`, on the directories of real servers, which were stopped or killed.

use crate::common::{NDJSON, Running, Scratch, agent, event, eventually, failure, run, success, table, user, weir};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use weir::{Clock as _, SystemClock, format_ms};
use weir_log::Log as _;
use weir_log::fingerprint::fingerprint;
use weir_log::journal::{Journal, Settings};

/// A server with a journal, and further arguments.
fn serve(dir: &str, args: &[&str]) -> Running {
    let running = Running::serve(&[&["--journal", dir], args].concat());
    eventually("the end of the replay", || {
        agent().get(format!("{}/readyz", running.url())).call().unwrap().status() == 200
    });
    running
}

fn get(server: &Running, path: &str) -> Value {
    let mut answer = agent().get(format!("{}{path}", server.url())).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    assert_eq!(answer.status(), 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Posts one event of each of these types, with the ids `prefix-0`, `prefix-1` and so on; returns the counts.
fn post(server: &Running, prefix: &str, types: &[&str]) -> [u64; 3] {
    let line = |(at, kind): (usize, &&str)| {
        format!("{}\n", event(format!("{prefix}-{at}")).user("ann").kind(*kind).at_ms(SystemClock.now_ms()))
    };
    let lines: String = types.iter().enumerate().map(line).collect();
    let mut answer = agent().post(format!("{}/events", server.url())).header(NDJSON.0, NDJSON.1).send(lines).unwrap();
    let counts: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    ["accepted", "duplicates", "rejected"].map(|name| counts[name].as_u64().unwrap())
}

fn put(server: &Running) {
    let body = table([user("ann", "pro", "eu")], format_ms(SystemClock.now_ms()));
    let answer = agent().put(format!("{}/reference/users", server.url())).send(body.to_string()).unwrap();
    assert_eq!(answer.status(), 200);
}

fn stop(server: Running) {
    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
}

/// A journal of a server that was stopped, with three events, a duplicate and a table.
fn stopped(dir: &str) {
    let server = serve(dir, &[]);
    assert_eq!(post(&server, "e", &["click", "view", "click"]), [3, 0, 0]);
    assert_eq!(post(&server, "e", &["click"]), [0, 1, 0]);
    put(&server);
    stop(server);
}

/// The bytes of every file in a directory.
fn contents(dir: &str) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

fn journal(args: &[&str]) -> std::process::Output {
    run(&mut weir(&[&["journal"], args].concat()))
}

fn inspected(dir: &str) -> Value {
    serde_json::from_str(success(&journal(&["inspect", dir, "--json"]))).unwrap()
}

#[test]
fn a_journal_is_shown_and_verified_after_a_stop_and_after_a_kill() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    stopped(&dir);
    let before = contents(&dir);
    let report = inspected(&dir);
    for (name, value) in [("format", 1), ("rows", 4), ("accepted_rows", 3), ("refused_rows", 1), ("unjudged_rows", 0)] {
        assert_eq!(report[name], value, "{name}: {report}");
    }
    assert_eq!((&report["table"]["generation"], &report["table"]["users"]), (&1.into(), &1.into()));
    assert_eq!((&report["stopped_cleanly"], &report["settings"]["retention_secs"]), (&true.into(), &"1800".into()));
    assert!(report["live_bytes"].as_u64().unwrap() < report["file_bytes"].as_u64().unwrap());
    let output = journal(&["inspect", &dir]);
    let text = success(&output);
    for part in ["stopped     cleanly\n", "rows        4: 3 accepted, 1 refused, 0 not judged\n", "generation 1 of 20"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let output = journal(&["verify", &dir]);
    assert!(success(&output).starts_with("no fault in ") && success(&output).ends_with(" with 4 rows\n"), "{output:?}");
    assert_eq!(contents(&dir), before, "a look changes nothing");

    let server = serve(&dir, &[]);
    for command in ["inspect", "verify"] {
        let output = journal(&[command, &dir]);
        assert!(failure(&output).contains("another process has the journal"), "{output:?}");
    }
    assert_eq!(post(&server, "later", &["click", "click"]), [2, 0, 0]);
    server.signal("KILL");
    server.end();
    let before = contents(&dir);
    let report = inspected(&dir);
    assert_eq!(report["stopped_cleanly"], false);
    let rows = ["accepted_rows", "unjudged_rows"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(rows.iter().sum::<u64>(), 5, "{report}");
    let verified: Value = serde_json::from_str(success(&journal(&["verify", &dir, "--json"]))).unwrap();
    assert_eq!((&verified["ok"], &verified["rows"]), (&true.into(), &6.into()));
    assert_eq!(contents(&dir), before, "a look at a killed journal changes nothing");
}

#[test]
fn verify_names_the_place_of_the_first_fault() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    stopped(&dir);
    let settings = Settings {
        max_bytes: 1 << 30,
        must_exist: true,
        fingerprint: fingerprint(&weir::EngineConfig::default()),
        now_ms: 0,
        on_commit: None,
    };
    let opened = Journal::open(Path::new(&dir), settings).unwrap();
    opened.frames().append(b"not a frame".as_slice().into(), Box::new(|placed| _ = placed.unwrap()));
    let place = opened.status().frames.last.0;
    opened.stop().unwrap();
    let line = format!("place {place} has no frame: the checksum is wrong");
    assert!(failure(&journal(&["verify", &dir])).contains(&line));
    let output = journal(&["verify", &dir, "--json"]);
    assert!(failure(&output).contains(&line));
    let fault: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(fault["ok"] == false && fault["fault"].as_str().unwrap().contains(&line), "{fault}");
}

#[test]
fn a_flipped_bit_in_the_file_is_found() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    stopped(&dir);
    let path = Path::new(&dir).join("journal.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    // The magic of a frame or of a change of the table: content, which the checksum of its page covers.
    let at = bytes.windows(4).position(|part| part == b"WRF1" || part == b"WRR1").unwrap();
    bytes[at + 8] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let output = journal(&["verify", &dir]);
    assert!(failure(&output).contains("is damaged"), "{output:?}");
    let line = failure(&journal(&["inspect", &scratch.path("none")])).to_owned();
    assert!(line.contains("holds no journal"), "{line}");
}

#[test]
fn a_migration_keeps_what_the_new_settings_can_hold_and_a_dry_run_changes_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    stopped(&dir);
    let before = contents(&dir);
    let migrate = |args: &[&str]| journal(&[&["migrate", &dir], args].concat());
    let args = ["--retention", "3600", "--event-types", "purchase,click", "--attributes", "tier"];
    let plan = migrate(&[&args[..], &["--dry-run"]].concat());
    let plan = success(&plan);
    for line in [
        "setting     retention_secs: 1800 becomes 3600\n",
        "setting     dedup_horizon_secs: 2040 becomes 3840\n",
        "setting     event_types: click,view,purchase becomes purchase,click\n",
        "events      2 kept, 1 lost\n",
        "lost        1 events of type view, which is not configured any more\n",
        "lost        1 users of the reference table; generation 1 of 20",
        "note        the journal has no events and no ids from before 20",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    assert!(plan.ends_with("dry run: nothing was changed\n"));
    assert_eq!(contents(&dir), before);

    let new = ["--retention", "3600", "--event-types", "purchase,click", "--attributes", "tier"];
    let refused = run(&mut weir(&[&["serve", "--listen", "127.0.0.1:0", "--journal", &dir], &new[..]].concat()));
    assert!(failure(&refused).contains("weir journal migrate"), "{refused:?}");
    let output = migrate(&args);
    assert!(success(&output).ends_with("migrated: start weir serve with the new settings\n"), "{output:?}");
    assert!(success(&migrate(&args)).starts_with("nothing to change"));

    let server = serve(&dir, &new);
    let metrics = get(&server, "/metrics?window=3600");
    assert_eq!((&metrics["total_events"], &metrics["by_type"]["click"]), (&2.into(), &2.into()), "{metrics}");
    let reference = get(&server, "/reference/users");
    assert_eq!((&reference["generation"], &reference["users"]), (&1.into(), &0.into()));
    assert_eq!(post(&server, "e", &["click", "click", "click"]), [1, 2, 0], "the id of the lost event is free");
    stop(server);
}

#[test]
fn a_killed_journal_is_migrated_after_a_start_and_a_stop() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    let server = serve(&dir, &[]);
    assert_eq!(post(&server, "e", &["click"]), [1, 0, 0]);
    server.signal("KILL");
    server.end();
    let args = ["migrate", &dir, "--max-skew", "60"];
    let line = failure(&journal(&args)).to_owned();
    assert!(line.contains("was not stopped cleanly") && line.contains("stop it with SIGTERM"), "{line}");
    stop(serve(&dir, &[]));
    assert!(success(&journal(&args)).contains("events      1 kept, 0 lost\n"));
    let line = failure(&journal(&["migrate", &dir, "--retention", "0"])).to_owned();
    assert_eq!(line, "retention must be 1 to 86400, not 0");
}
