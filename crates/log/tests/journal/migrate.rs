//! What tools make of a journal: they count what it contains, and carry it over to other settings.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::tempdir;
use weir::{DedupBackend, EngineConfig, Horizon, Query};
use weir_log::Place;
use weir_log::fingerprint::fingerprint;
use weir_log::frame::{FrameBuilder, Head};
use weir_log::journal::{Journal, JournalError, Migration, Settings, StoppedJournal, Survey, survey};

use crate::directory::contents;
use crate::helpers::{append, one_line, open, settings};
use crate::node::Node;

const NOW_MS: i64 = 1_700_000_000_000;

fn config(change: impl FnOnce(&mut EngineConfig)) -> EngineConfig {
    let mut config = EngineConfig::default();
    change(&mut config);
    config
}

/// A stopped journal with three events, of which one is 90 s late, a duplicate, and a table of one user.
fn stopped(dir: &Path) {
    let node = Node::start(dir, &EngineConfig::default(), NOW_MS);
    node.post(&[("a", "u1", "click", 0), ("b", "u2", "view", 90_000), ("a", "u1", "click", 0)]);
    assert_eq!(node.put(r#"{"u1":{"plan":"pro","region":"eu"}}"#), 1);
    node.clock.advance(10_000);
    node.post(&[("c", "u1", "purchase", 0)]);
    node.stop();
}

fn surveyed(dir: &Path) -> Survey {
    let journal = Journal::open_read_only(dir).unwrap();
    survey(&journal, &journal.config().unwrap()).unwrap()
}

/// Plans and migrates. The plan changes nothing, and it says what the migration does.
fn migrate(dir: &Path, to: &EngineConfig) -> Migration {
    let before = contents(dir);
    let plan = StoppedJournal::open_read_only(dir).unwrap().plan(to).unwrap();
    assert_eq!(contents(dir), before, "a plan changes nothing");
    let migration = StoppedJournal::lock(dir).unwrap().migrate(to).unwrap();
    assert_eq!(migration, plan);
    let journal = Journal::open_read_only(dir).unwrap();
    assert_eq!((&journal.meta().fingerprint, journal.meta().stopped), (&fingerprint(to), true));
    assert_eq!(surveyed(dir).accepted_rows, migration.kept_events);
    migration
}

fn refusal(dir: &Path, to: &EngineConfig) -> String {
    let before = contents(dir);
    let refused = StoppedJournal::lock(dir).and_then(|journal| journal.migrate(to));
    assert_eq!(contents(dir), before, "a refused migration changes nothing");
    one_line(&refused.unwrap_err())
}

/// The events by type, in a window that ends now.
fn by_type(node: &Node, window_secs: u32) -> Vec<(String, u64)> {
    let stats = node.engine.query(&Query::window(window_secs)).unwrap().stats;
    stats.by_type.into_iter().map(|(name, events)| (name.to_string(), events)).collect()
}

fn names(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter().map(|(name, events)| ((*name).to_owned(), *events)).collect()
}

#[test]
fn a_survey_counts_rows_by_their_outcomes() {
    let dir = tempdir().unwrap();
    stopped(dir.path());
    let survey = surveyed(dir.path());
    assert_eq!((survey.rows, survey.accepted_rows, survey.refused_rows, survey.unrecorded_rows), (4, 3, 1, 0));
    assert_eq!((survey.void_frames, survey.log_ms), (0, Some((NOW_MS, NOW_MS + 10_000))));
    let table = survey.table.unwrap();
    assert_eq!((table.generation, table.ts_ms, table.users), (1, NOW_MS, 1));
    assert!((1..=2).contains(&survey.reference_entries), "the change, and perhaps a copy of the table");
}

#[test]
fn a_survey_of_an_empty_journal_counts_nothing() {
    let dir = tempdir().unwrap();
    Node::start(dir.path(), &EngineConfig::default(), NOW_MS).stop();
    assert_eq!(surveyed(dir.path()), Survey::default());
}

#[test]
fn a_survey_names_the_place_of_a_foreign_entry() {
    let dir = tempdir().unwrap();
    stopped(dir.path());
    let settings = Settings { fingerprint: fingerprint(&EngineConfig::default()), ..settings() };
    let journal = Journal::open(dir.path(), settings).unwrap();
    let place = append(&mut journal.frames(), b"no frame").unwrap();
    journal.stop().unwrap();
    let journal = Journal::open_read_only(dir.path()).unwrap();
    let text = one_line(&survey(&journal, &EngineConfig::default()).unwrap_err());
    assert!(text.contains(&format!("place {} has no frame: the checksum is wrong", place.0)), "{text}");
}

/// The checksum of a frame cannot see that its author has read other frames.
#[test]
fn a_survey_names_the_place_of_a_frame_of_another_log() {
    let dir = tempdir().unwrap();
    let settings = Settings { fingerprint: fingerprint(&EngineConfig::default()), ..settings() };
    let journal = Journal::open(dir.path(), settings).unwrap();
    for (number, chain) in [(1, 0), (2, 7)] {
        let head = Head { node: 1, number, reading_ms: NOW_MS, applied: Place(number - 1), chain, ..Head::default() };
        append(&mut journal.frames(), &FrameBuilder::new(&head, Place(0)).finish()).unwrap();
    }
    journal.stop().unwrap();
    let journal = Journal::open_read_only(dir.path()).unwrap();
    let text = one_line(&survey(&journal, &EngineConfig::default()).unwrap_err());
    assert!(text.contains("the frame at place 2 follows another log"), "{text}");
}

#[test]
fn longer_settings_keep_everything() {
    let dir = tempdir().unwrap();
    stopped(dir.path());
    let secret = Journal::open_read_only(dir.path()).unwrap().meta().secret;
    let to = config(|config| {
        (config.retention_secs, config.max_skew_secs, config.dedup) = (3_600, 300, DedupBackend::Scc);
    });
    let migration = migrate(dir.path(), &to);
    assert_eq!((migration.kept_events, migration.lost_events(), migration.drops_users), (3, 0, false));
    let differences: Vec<_> = migration.differences.iter().map(|difference| difference.name.as_str()).collect();
    assert_eq!(differences, ["dedup", "dedup_horizon_secs", "max_skew_secs", "retention_secs"]);
    assert_eq!(Journal::open_read_only(dir.path()).unwrap().meta().secret, secret);

    let node = Node::start(dir.path(), &to, NOW_MS + 10_000);
    assert_eq!(by_type(&node, 3_600), names(&[("click", 1), ("purchase", 1), ("view", 1)]));
    assert_eq!(node.engine.user("u1"), Some(vec!["pro".to_owned(), "eu".to_owned()]));
    assert_eq!(node.engine.reference().number(), 1);
    let again = node.post(&[("a", "u1", "click", 0), ("b", "u1", "click", 0), ("c", "u1", "click", 0)]);
    assert_eq!(again.refused().len(), 3, "the ids are remembered");
    assert_eq!(node.put("{}"), 2);
    node.stop();
}

#[test]
fn types_are_kept_by_name_and_events_that_do_not_fit_are_counted() {
    let dir = tempdir().unwrap();
    stopped(dir.path());
    let to = config(|config| {
        config.event_types = ["purchase", "play", "view"].map(str::to_owned).into();
        config.max_skew_secs = 60;
    });
    let migration = migrate(dir.path(), &to);
    assert_eq!((migration.kept_events, migration.lost_to_skew), (1, 1));
    assert_eq!(migration.lost_types, BTreeMap::from([("click".to_owned(), 1)]));
    let node = Node::start(dir.path(), &to, NOW_MS + 10_000);
    assert_eq!(by_type(&node, 1_800), names(&[("purchase", 1)]));
    node.stop();
}

#[test]
fn other_attributes_drop_the_users_and_keep_the_generation() {
    let dir = tempdir().unwrap();
    stopped(dir.path());
    let to = config(|config| config.attributes = vec!["tier".to_owned()]);
    let migration = migrate(dir.path(), &to);
    assert!(migration.drops_users && migration.kept_events == 3);
    let table = surveyed(dir.path()).table.unwrap();
    assert_eq!((table.generation, table.ts_ms, table.users), (1, NOW_MS, 0));
    let node = Node::start(dir.path(), &to, NOW_MS + 10_000);
    assert_eq!((node.engine.reference().number(), node.engine.user("u1")), (1, None));
    assert_eq!(node.put(r#"{"u1":{"tier":"gold"}}"#), 2);
    node.stop();
    let node = Node::start(dir.path(), &to, NOW_MS + 10_000);
    assert_eq!(node.engine.user("u1"), Some(vec!["gold".to_owned()]));
}

/// Log time decides in which table of the dedup an id is, and what is trimmed.
#[test]
fn many_frames_keep_their_log_time() {
    let dir = tempdir().unwrap();
    let node = Node::start(dir.path(), &EngineConfig::default(), NOW_MS);
    for step in 0..300 {
        let ids: Vec<_> = (0..30).map(|n| format!("{step}-{n}")).collect();
        let events: Vec<_> = ids.iter().map(|id| (id.as_str(), id.as_str(), "click", 0)).collect();
        assert!(node.post(&events).refused().is_empty());
        node.clock.advance(5_000);
    }
    node.stop();
    let before = surveyed(dir.path());
    let to = config(|config| config.dedup_horizon = Some(Horizon::Secs(4_000)));
    assert_eq!(migrate(dir.path(), &to).kept_events, 9_000);
    let after = surveyed(dir.path());
    assert_eq!((after.log_ms, after.rows, after.refused_rows), (before.log_ms, 9_000, 0));
    let node = Node::start(dir.path(), &to, NOW_MS + 1_500_000);
    assert_eq!(node.engine.metrics(1_800).stats.events, 9_000);
    assert_eq!(node.engine.metrics(101).stats.events, 600, "each event in its second");
    node.stop();
}

#[test]
fn a_capacity_that_is_too_small_is_refused() {
    let dir = tempdir().unwrap();
    let node = Node::start(dir.path(), &EngineConfig::default(), NOW_MS);
    let ids: Vec<_> = (0..3_000).map(|n| n.to_string()).collect();
    node.post(&ids.iter().map(|id| (id.as_str(), "u", "click", 0)).collect::<Vec<_>>());
    node.stop();
    let to = |capacity| config(|config| config.dedup_capacity = Some(capacity));
    let text = refusal(dir.path(), &to(2_999));
    assert!(text.contains("3000 ids of one dedup-horizon, and 2999 fit; set a larger dedup-capacity"), "{text}");
    assert_eq!(migrate(dir.path(), &to(3_000)).kept_events, 3_000);
}

#[test]
fn what_would_have_to_be_judged_again_is_refused() {
    let dir = tempdir().unwrap();
    stopped(dir.path());
    let unbounded = config(|config| config.dedup_horizon = Some(Horizon::Unbounded));
    assert!(refusal(dir.path(), &unbounded).contains("bounded dedup-horizon"));

    let node = Node::start(dir.path(), &EngineConfig::default(), NOW_MS + 10_000);
    node.post(&[("d", "u1", "click", 0)]);
    assert!(matches!(StoppedJournal::lock(dir.path()), Err(JournalError::InUse { .. })));
    node.kill();
    let to = config(|config| config.retention_secs = 60);
    assert!(refusal(dir.path(), &to).contains("it was not stopped cleanly"));
    assert_eq!(surveyed(dir.path()).accepted_rows + surveyed(dir.path()).unrecorded_rows, 4);
}

#[test]
fn a_journal_of_unknown_settings_is_refused() {
    let dir = tempdir().unwrap();
    open(dir.path()).stop().unwrap();
    let text = one_line(&StoppedJournal::lock(dir.path()).err().unwrap());
    assert!(text.contains("the setting max_skew_secs is missing"), "{text}");
}

/// The new file has another name until it is complete, and a leftover of an earlier attempt is no obstacle.
#[test]
fn a_leftover_of_an_interrupted_migration_is_replaced() {
    let dir = tempdir().unwrap();
    stopped(dir.path());
    fs::write(dir.path().join("journal.redb.new"), b"half a journal").unwrap();
    let to = config(|config| config.retention_secs = 60);
    assert_eq!(StoppedJournal::lock(dir.path()).unwrap().migrate(&to).unwrap().kept_events, 3);
    assert!(!dir.path().join("journal.redb.new").exists());
}
