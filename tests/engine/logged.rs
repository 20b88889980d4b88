//! Ingest in two halves: the verdicts and the answers are those of ingest in one call, live and after a restart.

use super::{SKEW_MS, START_MS, decode, events_and_users, post};
use std::sync::Arc;
use weir::{
    Batch, Change, DedupBackend, Engine, EngineConfig, Horizon, ManualClock, Outcome, Overloaded, Preconditions,
    ReferenceCopy, ReferenceError, Refusal, Reservation, Rows, Secret, Verdict,
};

const BACKENDS: [DedupBackend; 2] = [DedupBackend::Lines, DedupBackend::Scc];

fn secret() -> Secret {
    Secret::from_bytes([7; 32])
}

fn engine_with(change: impl FnOnce(&mut EngineConfig)) -> (Engine, Arc<ManualClock>) {
    let mut config = EngineConfig::default();
    change(&mut config);
    let clock = Arc::new(ManualClock::new(START_MS));
    (Engine::with_secret(config, clock.clone(), &secret()).unwrap(), clock)
}

/// Both halves, as with a log. Returns what the log has kept.
fn apply(engine: &Engine, batch: &mut Batch, now_ms: i64) -> (Rows, Outcome) {
    let (rows, reservation) = engine.prepare(batch, now_ms).unwrap();
    engine.advance_log_time(now_ms);
    let outcome = engine.apply(&rows, now_ms, reservation);
    batch.resolve(&outcome);
    (rows, outcome)
}

/// The clock cannot reach such a second by a jump that a query could wait for.
#[test]
fn a_query_ends_also_if_a_restored_event_is_far_ahead_of_log_time() {
    let (engine, _) = engine_with(|_| {});
    let mut batch = decode(&engine, &[("a", "u", 0)], START_MS);
    let (rows, outcome) = apply(&engine, &mut batch, START_MS);
    let early_ms = START_MS - 1_000_000_000;
    let restored = Engine::with_secret(EngineConfig::default(), ManualClock::new(early_ms), &secret()).unwrap();
    restored.restore(&rows, &outcome, early_ms, early_ms);
    assert_eq!((events_and_users(&restored, 300), restored.sizes().backlog), ((0, 0), 1));
}

#[test]
fn both_halves_give_the_verdicts_and_answers_of_ingest() {
    let events = [("a", "u", 0), ("b", "v", -SKEW_MS - 1), ("a", "w", 0), ("c", "v", -5_000), ("d", "u", SKEW_MS)];
    for dedup in BACKENDS {
        let (whole, _) = engine_with(|config| config.dedup = dedup);
        let (halves, _) = engine_with(|config| config.dedup = dedup);
        for now_ms in [START_MS, START_MS + 1_000] {
            let mut expected = decode(&whole, &events, START_MS);
            whole.ingest(&mut expected, now_ms).unwrap();
            let mut batch = decode(&halves, &events, START_MS);
            let (rows, outcome) = apply(&halves, &mut batch, now_ms);
            assert_eq!(batch, expected);
            assert_eq!((rows.len(), outcome.rows()), (batch.len() - 1, batch.len() - 1), "b is not logged");
        }
        assert_eq!(halves.metrics(300), whole.metrics(300));
        assert_eq!(halves.sizes(), whole.sizes());
    }
}

#[test]
fn a_restored_engine_answers_and_judges_as_the_first_one() {
    for dedup in BACKENDS {
        let (first, _) = engine_with(|config| config.dedup = dedup);
        let mut log = vec![];
        for (step, id) in ["a", "b", "a", "c"].into_iter().enumerate() {
            let now_ms = START_MS + step as i64 * 1_000;
            let mut batch = decode(&first, &[(id, "u", 0), ("x", "v", 0)], now_ms);
            log.push((now_ms, apply(&first, &mut batch, now_ms)));
        }
        assert_eq!(log[2].1.1.refused(), [(0, Refusal::Duplicate), (1, Refusal::Duplicate)]);
        let (second, _) = engine_with(|config| config.dedup = dedup);
        for (now_ms, (rows, outcome)) in &log {
            second.restore(rows, outcome, *now_ms, *now_ms);
        }
        assert_eq!(second.metrics(300), first.metrics(300));
        assert_eq!((second.sizes(), events_and_users(&second, 300)), (first.sizes(), (4, 2)));
        let mut batch = decode(&second, &[("a", "w", 0), ("d", "w", 0)], START_MS + 4_000);
        apply(&second, &mut batch, START_MS + 4_000);
        assert_eq!([0, 1].map(|event| batch.verdict(event)), [Verdict::Duplicate, Verdict::Accepted]);
    }
}

/// What was recorded holds, also if it would be judged differently from here on.
#[test]
fn a_restore_judges_nothing() {
    for dedup in BACKENDS {
        let (engine, _) = engine_with(|config| config.dedup = dedup);
        let mut batch = decode(&engine, &[("a", "u", 0), ("b", "u", 0)], START_MS);
        let (rows, _) = engine.prepare(&mut batch, START_MS).unwrap();
        engine.restore(&rows, &Outcome::refused_all(2, Refusal::Duplicate), START_MS, START_MS);
        assert_eq!((engine.sizes().dedup_ids, events_and_users(&engine, 300)), (0, (0, 0)), "refused rows do nothing");
        engine.restore(&rows, &Outcome::accepted(2), START_MS, START_MS);
        engine.restore(&rows, &Outcome::accepted(2), START_MS, START_MS);
        assert_eq!(events_and_users(&engine, 300), (4, 1), "accepted rows count");
    }
}

#[test]
fn a_restore_remembers_an_event_that_has_left_the_retention_and_does_not_count_it() {
    for dedup in BACKENDS {
        let change = |config: &mut EngineConfig| (config.dedup, config.retention_secs) = (dedup, 10);
        let (engine, clock) = engine_with(change);
        let mut batch = decode(&engine, &[("old", "u", 0), ("new", "u", 1_000)], START_MS);
        let (rows, _) = engine.prepare(&mut batch, START_MS).unwrap();
        clock.set(START_MS + 10_000);
        engine.restore(&rows, &Outcome::accepted(2), START_MS, START_MS);
        assert_eq!(engine.sizes().backlog, 1);
        assert_eq!(events_and_users(&engine, 10), (1, 1));
        let mut batch = decode(&engine, &[("old", "u", 0)], START_MS + 10_000);
        apply(&engine, &mut batch, START_MS + 10_000);
        assert_eq!(batch.verdict(0), Verdict::Duplicate);
    }
}

#[test]
fn a_prepared_batch_holds_capacity_until_it_is_applied_or_dropped() {
    let (engine, _) = engine_with(|config| (config.max_batch_events, config.max_backlog_events) = (4, 4));
    let events = [("a", "u", 0), ("b", "u", 0), ("late", "u", -SKEW_MS - 1)];
    let (rows, mut reservation) = engine.prepare(&mut decode(&engine, &events, START_MS), START_MS).unwrap();
    assert_eq!((engine.sizes().backlog, reservation.events()), (2, 2), "the late event holds nothing");
    let mut refused = decode(&engine, &events, START_MS);
    let before = refused.clone();
    assert_eq!(engine.prepare(&mut refused, START_MS).unwrap_err(), Overloaded);
    assert_eq!(refused, before, "a refused batch is as it was");
    let part = reservation.split(1);
    assert_eq!((part.events(), reservation.events(), engine.sizes().backlog), (1, 1, 2));
    drop(part);
    assert_eq!(engine.sizes().backlog, 1);
    engine.advance_log_time(START_MS);
    assert_eq!(engine.apply(&rows, START_MS, reservation), Outcome::accepted(2));
    assert_eq!(engine.sizes().backlog, 2, "one event is counted without a reservation");
    assert_eq!((events_and_users(&engine, 300), engine.sizes().backlog), ((2, 1), 0));
}

#[test]
fn what_is_in_the_log_is_applied_also_with_a_full_backlog() {
    let (engine, _) = engine_with(|config| (config.max_batch_events, config.max_backlog_events) = (2, 2));
    for number in 0..10 {
        let mut rows = Rows::default();
        (0..2).for_each(|row| rows.push([number * 2 + row; 16], [0; 16], START_MS / 1_000));
        engine.advance_log_time(START_MS);
        assert_eq!(engine.apply(&rows, START_MS, Reservation::default()), Outcome::accepted(2));
        assert!(engine.sizes().backlog <= 2, "a full backlog is folded first");
    }
    assert_eq!(events_and_users(&engine, 300), (20, 1));
}

/// A clock far ahead of the log: after a stop of a day, the log is replayed with its own times.
#[test]
fn with_a_log_sweeps_go_by_log_time() {
    for dedup in BACKENDS {
        let (engine, clock) = engine_with(|config| config.dedup = dedup);
        let mut batch = decode(&engine, &[("a", "u", 0)], START_MS);
        apply(&engine, &mut batch, START_MS);
        clock.advance(86_400_000);
        engine.sweep();
        let mut batch = decode(&engine, &[("a", "u", 0)], START_MS + 1_000);
        apply(&engine, &mut batch, START_MS + 1_000);
        assert_eq!(batch.verdict(0), Verdict::Duplicate);
    }
}

/// A replay begins far behind the clock. A sweep before its first batch must not forget for it.
#[test]
fn a_sweep_before_the_first_batch_of_a_log_changes_nothing() {
    for dedup in BACKENDS {
        let (engine, clock) = engine_with(|config| config.dedup = dedup);
        engine.follow_log();
        clock.advance(86_400_000);
        engine.sweep();
        for step in 0..2 {
            let mut batch = decode(&engine, &[("a", "u", 0)], START_MS + step);
            apply(&engine, &mut batch, START_MS + step);
            assert_eq!(batch.tally().duplicates, step as usize);
        }
    }
}

/// The capacity for ids is judged by log time, before a batch is logged. Its own clock reading must not end a
/// generation: only the log does that.
#[test]
fn prepare_does_not_advance_log_time() {
    let change = |config: &mut EngineConfig| {
        (config.retention_secs, config.max_skew_secs, config.dedup_capacity) = (10, 0, Some(1));
    };
    let (engine, clock) = engine_with(change);
    let mut rows = Rows::default();
    (0..20).for_each(|row| rows.push([row; 16], [0; 16], START_MS / 1_000));
    engine.advance_log_time(START_MS);
    let outcome = engine.apply(&rows, START_MS, Reservation::default());
    assert_eq!((outcome.refused().len(), outcome.refused()[0]), (13, (7, Refusal::Overloaded)), "7 ids in 70 seconds");
    let later_ms = START_MS + 1_000_000;
    clock.set(later_ms);
    let mut batch = decode(&engine, &[("new", "u", 0)], later_ms);
    assert_eq!(engine.prepare(&mut batch, later_ms).unwrap_err(), Overloaded);
    engine.advance_log_time(later_ms);
    assert!(engine.prepare(&mut batch, later_ms).is_ok());
}

#[test]
fn the_reach_covers_the_horizon_and_the_retention() {
    for dedup in BACKENDS {
        let (engine, _) = engine_with(|config| config.dedup = dedup);
        let horizon_ms = (1_800 + 2 * 120) * 1_000;
        assert!(engine.reach_ms(START_MS) <= START_MS - horizon_ms - 60_000);
        assert!(engine.reach_ms(START_MS) >= START_MS - 2 * (horizon_ms + 60_000));
        let (engine, _) =
            engine_with(|config| (config.dedup, config.dedup_horizon) = (dedup, Some(Horizon::Unbounded)));
        assert_eq!(engine.reach_ms(START_MS), i64::MIN);
    }
}

#[test]
fn a_secret_decides_the_keys_and_is_not_printed() {
    let (a, _) = engine_with(|_| {});
    let (b, _) = engine_with(|_| {});
    let other = Engine::with_secret(EngineConfig::default(), ManualClock::new(START_MS), &Secret::random()).unwrap();
    let rows = |engine: &Engine| engine.prepare(&mut decode(engine, &[("a", "u", 0)], START_MS), START_MS).unwrap().0;
    assert_eq!(rows(&a), rows(&b));
    assert_ne!(rows(&a), rows(&other));
    assert_eq!(format!("{:?}", secret()), "Secret(..)");
    assert_eq!(post(&other, &[("a", "u", 0)]).accepted, 1);
}

#[test]
fn a_copied_table_is_put_in_force_with_its_number_and_takes_patches() {
    let (first, _) = engine_with(|_| {});
    assert!(first.copy_reference().is_none(), "generation 0 has no table");
    let change = |engine: &Engine, change, users: &str, ts_ms| {
        let body = format!(r#"{{"user_metadata":{users},"ts":"{}"}}"#, weir::format_ms(ts_ms));
        engine.apply_change(change, body.into(), &Preconditions::default(), START_MS)
    };
    let users = r#"{"u":{"plan":"pro","region":"eu"},"v":{"plan":"free","region":"eu"}}"#;
    change(&first, Change::Replace, r#"{"w":{"plan":"pro","region":"us"}}"#, START_MS - 1).unwrap();
    change(&first, Change::Replace, users, START_MS).unwrap();
    let copy = first.copy_reference().unwrap();
    let (second, _) = engine_with(|_| {});
    apply(&second, &mut decode(&second, &[("a", "u", 0)], START_MS), START_MS);
    second.restore_reference(&copy).unwrap();
    let metrics = second.metrics(300);
    assert_eq!((metrics.generation, metrics.stats.unknown, second.reference().ts_ms()), (2, 0, Some(START_MS)));
    assert_eq!(change(&second, Change::Replace, users, START_MS).unwrap().number(), 2, "the content is the same");
    assert_eq!(change(&second, Change::Merge, r#"{"v":null}"#, START_MS + 1).unwrap().number(), 3);
    assert_eq!((second.user("u"), second.user("v")), (Some(vec!["pro".to_owned(), "eu".to_owned()]), None));
    second.restore_reference(&copy).unwrap();
    assert_eq!(second.reference().number(), 3, "an older copy changes nothing");
    let damaged = |damage: fn(&mut ReferenceCopy)| {
        let mut copy = ReferenceCopy { number: 9, ..copy.clone() };
        damage(&mut copy);
        second.restore_reference(&copy).unwrap_err().to_string()
    };
    let range = "the copy of generation 9 is not valid: its number or its attribute values are out of range";
    assert_eq!(damaged(|copy| _ = copy.groups[0].pop()), range);
    assert_eq!(damaged(|copy| copy.groups[0][0].clear()), range);
    assert!(damaged(|copy| copy.users[0].1 = 7).ends_with("a user has an unknown group"));
    assert!(damaged(|copy| copy.users.push(copy.users[0])).ends_with("a user is given more than once"));
    assert_eq!(second.reference().number(), 3);
}

#[test]
fn what_needs_no_table_is_checked_before_a_change_is_logged() {
    let (engine, _) = engine_with(|_| {});
    let check = |change, body: &str| engine.check_change(change, &mut body.as_bytes().to_vec(), START_MS);
    let body = |users: &str, ts_ms| format!(r#"{{"user_metadata":{users},"ts":"{}"}}"#, weir::format_ms(ts_ms));
    let users = r#"{"u":{"plan":"pro","region":"eu"}}"#;
    let (skew_ms, partial) = (120_000, body(r#"{"u":{"plan":"pro"}}"#, START_MS));
    for change in [Change::Replace, Change::Merge] {
        assert_eq!(check(change, &body(users, START_MS + skew_ms)), Ok(()));
        assert!(matches!(check(change, "{"), Err(ReferenceError::Malformed(_))));
    }
    let future = check(Change::Replace, &body(users, START_MS + skew_ms + 1));
    assert!(matches!(future, Err(ReferenceError::TimestampInFuture { .. })));
    assert!(matches!(check(Change::Replace, &partial), Err(ReferenceError::Invalid { .. })));
    assert_eq!(check(Change::Merge, &partial), Ok(()), "the table that it is applied to may have the user");
    assert_eq!(engine.reference().number(), 0);
}

/// What is in the log is made on every engine, however little memory one of them has left.
#[test]
fn a_logged_change_is_not_refused_for_its_memory() {
    let (engine, _) = engine_with(|config| {
        (config.partitions, config.max_batch_events, config.retention_secs) = (1, 1, 10);
        config.max_memory_bytes = Some(10 << 20);
    });
    let user = |n: usize| format!(r#""u{n}":{{"plan":"pro","region":"eu"}}"#);
    let users: Vec<_> = (0..10_000).map(user).collect();
    let body = format!(r#"{{"user_metadata":{{{}}},"ts":"{}"}}"#, users.join(","), weir::format_ms(START_MS));
    let (body, conditions) = (body.into_bytes(), Preconditions::default());
    let checked = engine.check_change(Change::Replace, &mut body.clone(), START_MS);
    assert_eq!(checked, Err(ReferenceError::Overloaded));
    let refused = engine.change_reference(Change::Replace, body.clone(), &conditions, START_MS).unwrap_err();
    assert_eq!(refused, ReferenceError::Overloaded);
    assert_eq!(engine.apply_change(Change::Replace, body, &conditions, START_MS).unwrap().users(), 10_000);
    assert_eq!(engine.memory().reserved_bytes, 0);
}
