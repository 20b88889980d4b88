//! Windows that ended before now.

use crate::{SKEW_MS, START_MS, engine_with, ndjson, post, put};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use weir::{EndOutOfRange, Engine, Filter, Format, ManualClock, Metrics, Observer, Query, Stage, second_of};

const START_SECS: i64 = START_MS / 1_000;

fn engine_of(retention_secs: u32) -> (Engine, Arc<ManualClock>) {
    engine_with(|config| config.retention_secs = retention_secs)
}

/// A window that ended with second `end_secs`.
fn query(window_secs: u32, end_secs: i64) -> Query {
    Query { end_secs: Some(end_secs), ..Query::window(window_secs) }
}

/// The events and the distinct users of a window that ended with second `end_secs`.
fn moment(engine: &Engine, window_secs: u32, end_secs: i64) -> Result<(u64, u64), EndOutOfRange> {
    engine.query(&query(window_secs, end_secs)).map(|metrics| (metrics.stats.events, metrics.stats.unique_users))
}

/// Asks for windows of many lengths that end with each second of the retention, and a little beyond on both sides.
/// Compares the answers with a list of events, each with its user and its second.
fn check_all_moments(engine: &Engine, retention_secs: u32, events: &[(i64, i64)]) {
    let now = second_of(engine.now_ms());
    let oldest = now - i64::from(retention_secs) + 1;
    for window_secs in [1, 2, 60, 120, 121, 240, 241, retention_secs - 1, retention_secs] {
        let earliest_secs = oldest + i64::from(window_secs) - 1;
        for end in oldest - 2..=now + 2 {
            let start = end - i64::from(window_secs) + 1;
            let in_window = events.iter().filter(|(_, secs)| (start..=end).contains(secs));
            let users: BTreeSet<_> = in_window.clone().map(|(user, _)| user).collect();
            let expected = match end {
                end if end < earliest_secs || end > now => Err(EndOutOfRange { earliest_secs, latest_secs: now }),
                _ => Ok((in_window.count() as u64, users.len() as u64)),
            };
            assert_eq!(moment(engine, window_secs, end), expected, "{window_secs} s to {end}");
        }
    }
}

#[test]
fn every_window_within_the_retention_is_exact_at_every_moment() {
    const RETENTION_SECS: u32 = 300;
    let (engine, clock) = engine_of(RETENTION_SECS);
    let mut events = vec![];
    // The ring has 512 slots here. Each round moves the clock by 201 s, so ten rounds wrap the ring several times.
    for round in 0..10_i64 {
        let now_ms = engine.now_ms();
        // One event for every other second from the latest that is accepted to the earliest, both included.
        let offsets_ms = (-SKEW_MS..=SKEW_MS).step_by(2_000);
        let batch = offsets_ms.map(|offset_ms| (round * 7 + offset_ms / 2_000 % 11, offset_ms));
        let batch: Vec<(i64, i64)> = batch.collect();
        let lines = batch.iter().map(|(user, ms)| (format!("{round}/{ms}"), format!("u{user}"), *ms));
        let mut ingested = engine.decode(ndjson(lines, now_ms), Format::Ndjson).unwrap();
        assert_eq!(engine.ingest(&mut ingested, now_ms).unwrap().accepted, batch.len());
        events.extend(batch.iter().map(|(user, offset_ms)| (*user, second_of(now_ms + offset_ms))));
        check_all_moments(&engine, RETENTION_SECS, &events);
        clock.advance(201_000);
        check_all_moments(&engine, RETENTION_SECS, &events);
    }
}

/// Makes the clock jump when an answer has folded its first partition. Then a batch of the new time takes the slots of
/// the seconds of the old time.
struct JumpInFold {
    engine: OnceLock<Weak<Engine>>,
    clock: Arc<ManualClock>,
    jump_ms: i64,
    has_jumped: AtomicBool,
}

impl Observer for JumpInFold {
    fn observe(&self, stage: Stage, _elapsed: Duration) {
        if stage == Stage::Fold && !self.has_jumped.swap(true, Ordering::Relaxed) {
            self.clock.advance(self.jump_ms);
            let engine = self.engine.get().and_then(Weak::upgrade).unwrap();
            assert_eq!(post_users(&engine, "after"), 64);
        }
    }
}

/// Posts an event of each of 64 users. Returns how many are accepted.
fn post_users(engine: &Engine, ids: &str) -> usize {
    let now_ms = engine.now_ms();
    let events = (0..64).map(|user| (format!("{ids}{user}"), format!("u{user}"), 0));
    let mut batch = engine.decode(ndjson(events, now_ms), Format::Ndjson).unwrap();
    engine.ingest(&mut batch, now_ms).unwrap().accepted
}

#[test]
fn an_answer_has_all_acknowledged_events_of_its_window_also_if_the_clock_jumps_meanwhile() {
    // The ring has 2,048 slots.
    for jump_ms in [2_048_000, 2 * 2_048_000, -2_048_000, 1_000] {
        for is_scan in [false, true] {
            let (engine, clock) = engine_with(|config| config.partitions = 2);
            assert_eq!(post_users(&engine, "before"), 64);
            let engine = Arc::new(engine);
            let (weak, has_jumped) = (OnceLock::from(Arc::downgrade(&engine)), AtomicBool::new(false));
            engine.set_observer(Arc::new(JumpInFold { engine: weak, clock, jump_ms, has_jumped }));
            let types = is_scan.then(|| ["click".to_owned()].into());
            let query = Query { filter: Filter { types, ..Filter::default() }, ..Query::window(300) };
            let Metrics { as_of_ms, stats, .. } = engine.query(&query).unwrap();
            let case = format!("{jump_ms} ms, scan: {is_scan}");
            match as_of_ms - START_MS {
                // No second of the window was lost. The second partition may have the new events already.
                0 => assert!((64..=128).contains(&stats.events) && stats.unique_users == 64, "{case}: {stats:?}"),
                jumped_ms => {
                    assert_eq!((jumped_ms, jump_ms.abs() > 1_000), (jump_ms, true), "{case}");
                    assert_eq!((stats.events, stats.unique_users), (64, 64), "{case}");
                }
            }
        }
    }
}

#[test]
fn the_window_must_lie_within_the_retention() {
    let (engine, clock) = engine_of(10);
    post(&engine, &[("a", "u", 0)]);
    clock.advance(9_999);
    let now = START_SECS + 9;
    assert_eq!(moment(&engine, 1, START_SECS), Ok((1, 1)), "the oldest second of the retention");
    assert_eq!(moment(&engine, 10, now), Ok((1, 1)));
    let refused = |earliest_secs| Err(EndOutOfRange { earliest_secs, latest_secs: now });
    for end in [START_SECS - 1, now + 1, i64::MIN, i64::MAX] {
        assert_eq!(moment(&engine, 1, end), refused(START_SECS), "{end}");
        assert_eq!(engine.series(&query(1, end), 1).err(), refused(START_SECS).err(), "{end}");
    }
    assert_eq!(moment(&engine, 10, now - 1), refused(now));
    assert_eq!(moment(&engine, 11, now), Ok((1, 1)), "a longer window is limited to the retention first");
    clock.advance(1);
    let error = moment(&engine, 1, START_SECS).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the end of this window must be from 2025-10-09T08:53:21.000Z to 2025-10-09T08:53:30.000Z, so that the window \
         is in the retention"
    );
}

#[test]
fn the_current_second_as_the_end_gives_the_figures_of_now() {
    let (engine, clock) = engine_of(60);
    put(&engine, r#"{"u1":{"plan":"pro","region":"eu"},"u2":{"plan":"free","region":"us"}}"#, START_MS);
    post(&engine, &[("a", "u1", 0), ("b", "u2", -1_000), ("c", "u2", -5_000), ("d", "u3", 0), ("e", "u1", 1_000)]);
    clock.advance(500);
    let filter = |types: Option<&str>, plans: Option<&str>| Filter {
        types: types.map(|name| [name.to_owned()].into()),
        attributes: plans.map(|plan| (0, [plan.to_owned()].into())).into_iter().collect(),
    };
    for (types, plans) in [(None, None), (Some("click"), None), (None, Some("pro")), (Some("view"), Some("free"))] {
        for group_by in [vec![], vec![1], vec![1, 0]] {
            let now = Query { filter: filter(types, plans), group_by, ..Query::window(10) };
            let end = Query { end_secs: Some(START_SECS), ..now.clone() };
            let expected = Metrics { end_secs: Some(START_SECS), ..engine.query(&now).unwrap() };
            assert_eq!(engine.query(&end), Ok(expected));
            let points = |query| engine.series(query, 3).unwrap().points().collect::<Vec<_>>();
            assert_eq!(points(&end), points(&now));
        }
    }
}

#[test]
fn an_attribute_beyond_the_configured_ones_has_no_groups_and_no_events() {
    let (engine, _) = engine_of(60);
    put(&engine, r#"{"u1":{"plan":"pro","region":"eu"}}"#, START_MS);
    post(&engine, &[("a", "u1", 0), ("b", "u2", 0)]);
    for attribute in [2, usize::MAX] {
        let group_by = Query { group_by: vec![attribute, 1], ..Query::window(10) };
        assert_eq!(engine.query(&group_by), engine.query(&Query { group_by: vec![1], ..Query::window(10) }));
        assert_eq!(engine.query(&Query { group_by: vec![attribute], ..Query::window(10) }).unwrap().groups, None);
        let filter = Filter { attributes: [(attribute, ["pro".to_owned()].into())].into(), ..Filter::default() };
        for end_secs in [None, Some(START_SECS)] {
            let query = Query { filter: filter.clone(), end_secs, ..Query::window(10) };
            assert_eq!(engine.query(&query).unwrap().stats.events, 0, "attribute {attribute}");
            assert!(engine.series(&query, 5).unwrap().points().all(|point| point.stats.events == 0));
        }
    }
}

#[test]
fn a_series_says_what_it_has() {
    let (engine, _) = engine_of(60);
    put(&engine, r#"{"u1":{"plan":"pro","region":"eu"}}"#, START_MS);
    for (window_secs, step_secs, expected) in
        [(10, 3, (10, 3, 4)), (9, 3, (9, 3, 3)), (7, 50, (7, 7, 1)), (90, 0, (60, 1, 60))]
    {
        let series = engine.series(&query(window_secs, START_SECS), step_secs).unwrap();
        let points = series.points().count();
        assert_eq!((series.window_secs(), series.step_secs(), points), expected);
        // Two groups: users with the attributes of u1, and users that the table does not have.
        assert_eq!(series.counters(), points * 2 * engine.config().event_types.len());
        assert_eq!((series.end_secs(), series.generation()), (Some(START_SECS), 1));
        assert_eq!(series.as_of_ms(), engine.now_ms());
    }
}

#[test]
fn an_event_that_arrives_late_is_counted_in_the_past() {
    let (engine, clock) = engine_of(300);
    post(&engine, &[("a", "u1", 0)]);
    clock.advance(SKEW_MS);
    engine.tick();
    assert_eq!(moment(&engine, 5, START_SECS), Ok((1, 1)));
    let held = engine.series(&query(5, START_SECS), 5).unwrap();
    post(&engine, &[("b", "u2", -SKEW_MS), ("c", "u1", -SKEW_MS), ("d", "u3", -SKEW_MS + 1_000)]);
    assert_eq!(moment(&engine, 5, START_SECS), Ok((3, 2)));
    assert_eq!(moment(&engine, 5, START_SECS + 1), Ok((4, 3)));
    assert_eq!(held.points().next().unwrap().stats.events, 1, "the series is of the moment of its query");
}

#[test]
fn the_past_is_told_with_the_clock_and_the_table_of_the_query() {
    let (engine, clock) = engine_of(60);
    put(&engine, r#"{"u1":{"plan":"free","region":"eu"}}"#, START_MS);
    post(&engine, &[("a", "u1", 0), ("b", "u2", 0)]);
    clock.advance(10_123);
    put(&engine, r#"{"u1":{"plan":"pro","region":"eu"}}"#, START_MS + 1);
    post(&engine, &[("c", "u1", 0)]);
    let metrics = engine.query(&Query { group_by: vec![0], ..query(2, START_SECS + 1) }).unwrap();
    assert_eq!((metrics.generation, metrics.as_of_ms), (2, START_MS + 10_123));
    assert_eq!((metrics.window_secs, metrics.end_secs), (2, Some(START_SECS + 1)));
    assert_eq!((metrics.stats.events, metrics.stats.unique_users, metrics.stats.unknown), (2, 2, 1));
    assert_eq!(metrics.stats.by_attribute[0].1, [("pro".to_owned(), 1)].into());
    let groups: Vec<_> = metrics.groups.unwrap().groups.into_iter().map(|group| (group.values, group.events)).collect();
    assert_eq!(groups, [(Some(vec!["pro".to_owned()]), 1), (None, 1)]);
}

/// A clock races with readers at the edge of the retention. Each second has one event, so a window that lost a second
/// between its check and its sum would have too few.
#[test]
fn no_second_expires_between_the_check_of_the_end_and_the_sum() {
    const RETENTION_SECS: u32 = 3;
    let (engine, clock) = engine_of(RETENTION_SECS);
    let now_ms = engine.now_ms();
    let seconds = (-2..=120_i64).map(|secs| (format!("e{secs}"), format!("u{secs}"), secs * 1_000));
    let mut batch = engine.decode(ndjson(seconds, now_ms), Format::Ndjson).unwrap();
    assert_eq!(engine.ingest(&mut batch, now_ms).unwrap().accepted, 123);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut answers, mut refusals) = (0, 0);
                    loop {
                        // The last query comes after the last step of the clock, so it has an answer.
                        let is_last = done.load(Ordering::Acquire);
                        let end = second_of(engine.now_ms());
                        match engine.query(&query(RETENTION_SECS, end)) {
                            Ok(metrics) => {
                                answers += 1;
                                assert_eq!((metrics.stats.events, metrics.stats.unique_users), (3, 3), "{metrics:?}");
                                assert_eq!(second_of(metrics.as_of_ms), end);
                            }
                            Err(error) => {
                                refusals += 1;
                                assert!(error.earliest_secs > end && error.latest_secs == error.earliest_secs);
                            }
                        }
                        if is_last {
                            return (answers, refusals);
                        }
                    }
                })
            })
            .collect();
        for _ in 0..120 {
            clock.advance(1_000);
            // Answers come at this pace, so the clock moves while the readers are at work.
            for _ in 0..100 {
                assert_eq!(engine.metrics(1).stats.events, 1);
            }
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            let (answers, _) = reader.join().unwrap();
            assert!(answers > 0);
        }
    });
}
