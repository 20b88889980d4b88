//! Starts that are refused, in one line and before the server listens.

use super::{end, now_ms, post, serve, stop, total_events};
use crate::common::{Scratch, array, event, failure, run, weir};
use std::fs;

/// The one line of a start that is refused.
fn refusal(dir: &str, args: &[&str]) -> String {
    let output = run(&mut weir(&[&["serve", "--listen", "127.0.0.1:0", "--journal", dir], args].concat()));
    failure(&output).to_owned()
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    let running = serve(&dir, &[]);
    let line = refusal(&dir, &[]);
    assert!(line.starts_with(&format!("another process has the journal in {dir} open; ")), "{line}");
    assert_eq!(post(&running, event("a").at_ms(now_ms())).tally(), [1, 0, 0]);
}

#[test]
fn another_configuration_is_refused_by_name_and_nothing_changes() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    let running = serve(&dir, &[]);
    assert_eq!(post(&running, event("a").at_ms(now_ms())).tally(), [1, 0, 0]);
    stop(running);
    for (args, named) in [
        (&["--retention", "900"][..], "retention is 1800 in the journal and 900 now"),
        (&["--max-skew", "60"], "max-skew is 120 in the journal and 60 now"),
        (&["--dedup-horizon", "9000"], "dedup-horizon is 2040 in the journal and 9000 now"),
        (&["--dedup", "scc"], "dedup is lines in the journal and scc now"),
        (&["--dedup-capacity", "1000"], "dedup-capacity is none in the journal and 1000 now"),
        (&["--attributes", "plan"], "attributes is plan,region in the journal and plan now"),
        (&["--event-types", "view,click,purchase"], "event-types is click,view,purchase in the journal and view,"),
        (&["--event-types", "click"], "event-types is click,view,purchase in the journal and click now"),
    ] {
        let line = refusal(&dir, args);
        assert!(line.contains(named), "{args:?}: {line}");
        assert!(line.ends_with(&format!("weir journal migrate {dir}")), "{line}");
    }
    // Limits of bodies, batches, workers and memory may differ.
    let others = ["--max-body-bytes", "1MiB", "--max-batch-events", "7", "--workers", "1", "--max-memory", "1GiB"];
    assert_eq!(total_events(&serve(&dir, &others)), 1);
}

#[test]
fn event_types_may_be_appended_and_not_taken_back() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    let now_ms = now_ms();
    let running = serve(&dir, &[]);
    assert_eq!(post(&running, event("a").kind("view").at_ms(now_ms)).tally(), [1, 0, 0]);
    assert_eq!(post(&running, event("b").kind("refund").at_ms(now_ms)).tally(), [0, 0, 1]);
    end(running, "KILL");
    let longer = ["--event-types", "click,view,purchase,refund"];
    let running = serve(&dir, &longer);
    assert_eq!(post(&running, event("b").kind("refund").at_ms(now_ms)).tally(), [1, 0, 0]);
    end(running, "KILL");
    let line = refusal(&dir, &[]);
    assert!(line.contains("event-types is click,view,purchase,refund in the journal and click,view,purchase now"));
    let running = serve(&dir, &longer);
    let metrics = super::get(&running, "/metrics").json();
    assert_eq!(metrics["by_type"], serde_json::json!({"refund": 1, "view": 1}));
}

#[test]
fn a_directory_without_a_journal_is_refused() {
    let scratch = Scratch::new();
    scratch.file("notes", "not a journal");
    let line = refusal(scratch.path("").trim_end_matches('/'), &[]);
    assert!(line.contains("holds no journal (it contains notes)"), "{line}");
    let missing = scratch.path("missing");
    let line = refusal(&missing, &["--journal-must-exist"]);
    assert!(line.contains("holds no journal") && line.contains("--journal-must-exist"), "{line}");
    assert!(!fs::exists(&missing).unwrap(), "nothing was created");
    let line = refusal(&scratch.path("no/parent"), &[]);
    assert!(line.starts_with("cannot create the directory"), "{line}");
    let line = refusal(&missing, &["--dedup-horizon", "unbounded"]);
    assert!(line.starts_with("--dedup-horizon unbounded cannot be used with --journal"), "{line}");
}

#[test]
fn a_damaged_journal_is_refused() {
    let scratch = Scratch::new();
    let dir = scratch.path("journal");
    let running = serve(&dir, &[]);
    assert_eq!(post(&running, array((0..500).map(|id| event(id).at_ms(now_ms())))).tally(), [500, 0, 0]);
    stop(running);
    let file = scratch.path("journal/journal.redb");
    let mut bytes = fs::read(&file).unwrap();
    // The pages of entries have few zeros. One of them may be of an older state, so all of them are changed.
    let is_dense = |page: &&mut [u8]| page.iter().filter(|byte| **byte == 0).count() < page.len() / 16;
    let changed = bytes.chunks_mut(4_096).filter(is_dense).map(|page| page[2_000] ^= 1).count();
    assert!(changed > 0);
    fs::write(&file, &bytes).unwrap();
    let line = refusal(&dir, &[]);
    assert!(line.starts_with(&format!("the journal in {dir} is damaged (")), "{line}");
    assert_eq!(fs::read(&file).unwrap(), bytes, "nothing has changed");
}
