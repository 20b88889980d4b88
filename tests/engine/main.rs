//! The promises of the engine, one at a time, with a clock that the test controls.
#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

mod logged;
mod moments;
mod upkeep;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use weir::{
    Batch, Change, DedupBackend, Engine, EngineConfig, Format, Horizon, ManualClock, Overloaded, Preconditions,
    SystemClock, Tally, Verdict, format_ms, limits,
};

const START_MS: i64 = 1_760_000_000_000;
const SKEW_MS: i64 = 120_000;

fn engine_with(change: impl FnOnce(&mut EngineConfig)) -> (Engine, Arc<ManualClock>) {
    let mut config = EngineConfig::default();
    change(&mut config);
    let clock = Arc::new(ManualClock::new(START_MS));
    (Engine::new(config, clock.clone()).unwrap(), clock)
}

fn engine() -> (Engine, Arc<ManualClock>) {
    engine_with(|_| {})
}

/// One line for each event: its id, its user, and its distance from `now_ms` in milliseconds.
fn ndjson(events: impl IntoIterator<Item = (String, String, i64)>, now_ms: i64) -> Vec<u8> {
    let line = |(id, user, offset_ms)| {
        let ts = format_ms(now_ms + offset_ms);
        format!("{{\"event_id\":\"{id}\",\"user_id\":\"{user}\",\"type\":\"click\",\"ts\":\"{ts}\"}}\n")
    };
    events.into_iter().map(line).collect::<String>().into()
}

fn decode(engine: &Engine, events: &[(&str, &str, i64)], now_ms: i64) -> Batch {
    let events = events.iter().map(|(id, user, offset_ms)| (id.to_string(), user.to_string(), *offset_ms));
    engine.decode(ndjson(events, now_ms), Format::Ndjson).unwrap()
}

fn post(engine: &Engine, events: &[(&str, &str, i64)]) -> Tally {
    let now_ms = engine.now_ms();
    engine.ingest(&mut decode(engine, events, now_ms), now_ms).unwrap()
}

fn put(engine: &Engine, users: &str, ts_ms: i64) -> u64 {
    let body = format!(r#"{{"user_metadata":{users},"ts":"{}"}}"#, format_ms(ts_ms));
    let generation =
        engine.change_reference(Change::Replace, body.into(), &Preconditions::default(), engine.now_ms()).unwrap();
    generation.number()
}

/// The events and the distinct users of a window.
fn events_and_users(engine: &Engine, window_secs: u32) -> (u64, u64) {
    let metrics = engine.metrics(window_secs);
    (metrics.stats.events, metrics.stats.unique_users)
}

#[test]
fn the_boundaries_of_the_skew_are_exact_to_the_millisecond() {
    let (engine, _) = engine();
    let events = [("a", "u", -SKEW_MS), ("b", "u", -SKEW_MS - 1), ("c", "u", SKEW_MS), ("d", "u", SKEW_MS + 1)];
    let mut batch = decode(&engine, &events, START_MS);
    engine.ingest(&mut batch, START_MS).unwrap();
    let verdicts: Vec<_> = (0..4).map(|index| batch.verdict(index)).collect();
    assert_eq!(
        verdicts,
        [
            Verdict::Accepted,
            Verdict::TooLate { behind_ms: SKEW_MS + 1, max_skew_ms: SKEW_MS },
            Verdict::Accepted,
            Verdict::TooEarly { ahead_ms: SKEW_MS + 1, max_skew_ms: SKEW_MS },
        ]
    );
}

#[test]
fn a_rejected_event_does_not_claim_its_id() {
    let (engine, _) = engine();
    assert_eq!(post(&engine, &[("a", "u", -SKEW_MS - 1), ("a", "u", SKEW_MS + 1)]).rejected, 2);
    assert_eq!(post(&engine, &[("a", "u", 0)]).accepted, 1);
    assert_eq!(post(&engine, &[("a", "u", 0)]).duplicates, 1);
}

#[test]
fn a_batch_that_is_ingested_again_is_not_counted_again() {
    let (engine, _) = engine();
    let mut batch = decode(&engine, &[("a", "u1", 0), ("a", "u1", 0), ("b", "u2", SKEW_MS + 1)], START_MS);
    let tally = Tally { accepted: 1, duplicates: 1, rejected: 1 };
    for _ in 0..2 {
        assert_eq!(engine.ingest(&mut batch, START_MS).unwrap(), tally);
        assert_eq!((engine.sizes().dedup_ids, engine.sizes().backlog), (1, 1));
    }
    assert_eq!((events_and_users(&engine, 1), engine.sizes().backlog), ((1, 1), 0));
}

#[test]
fn a_window_is_the_whole_seconds_up_to_now() {
    let (engine, clock) = engine();
    clock.set(START_MS + 999);
    post(&engine, &[("a", "u1", -999), ("b", "u2", 0), ("c", "u3", -1_000), ("d", "u4", -2_000)]);
    assert_eq!(
        [1, 2, 3, 4].map(|window_secs| events_and_users(&engine, window_secs)),
        [(2, 2), (3, 3), (4, 4), (4, 4)]
    );
    clock.advance(1);
    assert_eq!(
        [1, 2, 3, 4].map(|window_secs| events_and_users(&engine, window_secs)),
        [(0, 0), (2, 2), (3, 3), (4, 4)]
    );
    assert_eq!(
        [0, 1, 1_800, u32::MAX].map(|window_secs| engine.metrics(window_secs).window_secs),
        [1, 1, 1_800, 1_800]
    );
}

#[test]
fn an_event_ahead_of_the_clock_is_counted_when_its_second_begins() {
    let (engine, clock) = engine();
    post(&engine, &[("a", "u", 2_500)]);
    assert_eq!(events_and_users(&engine, 1_800), (0, 0));
    clock.advance(1_999);
    assert_eq!(events_and_users(&engine, 1_800), (0, 0));
    clock.advance(1);
    assert_eq!(events_and_users(&engine, 1), (1, 1));
    clock.advance(1_000);
    assert_eq!((events_and_users(&engine, 1), events_and_users(&engine, 2)), ((0, 0), (1, 1)));
}

#[test]
fn events_ahead_of_the_clock_are_folded_before_their_second_begins() {
    let (engine, clock) = engine();
    post(&engine, &[("a", "u", 60_000), ("b", "u", 120_000)]);
    assert_eq!(engine.sizes().backlog, 2);
    engine.tick();
    assert_eq!((engine.sizes().backlog, engine.sizes().users), (0, 1));
    clock.advance(120_000);
    assert_eq!(events_and_users(&engine, 61), (2, 1));
}

#[test]
fn an_event_ahead_of_the_clock_evicts_nothing_from_a_full_window() {
    for (retention_secs, max_skew_secs) in [(1_800, 120), (1, 120), (68, 0), (128, 3)] {
        let (engine, clock) = engine_with(|config| {
            (config.retention_secs, config.max_skew_secs) = (retention_secs, max_skew_secs);
        });
        post(&engine, &[("old", "u1", 0)]);
        clock.advance((i64::from(retention_secs) - 1) * 1_000);
        post(&engine, &[("new", "u2", i64::from(max_skew_secs) * 1_000)]);
        assert_eq!(events_and_users(&engine, retention_secs).0, 1 + u64::from(max_skew_secs == 0));
        clock.advance(1_000);
        assert_eq!(events_and_users(&engine, retention_secs).0, u64::from(max_skew_secs < 2));
    }
}

#[test]
fn short_retentions_wrap_the_ring_many_times() {
    let (engine, clock) = engine_with(|config| (config.retention_secs, config.max_skew_secs) = (5, 2));
    for second in 0..1_000_i64 {
        let ids: [String; 3] = std::array::from_fn(|i| format!("{second}-{i}"));
        let user = format!("u{}", second % 3);
        post(&engine, &[(&ids[0], &user, -2_000), (&ids[1], &user, 0), (&ids[2], &user, 2_000)]);
        if second % 7 == 0 {
            engine.tick();
        }
        if second >= 10 {
            // Seconds up to two seconds ago have all three events. The last two seconds each have two so far.
            assert_eq!(events_and_users(&engine, 5), (3 * 3 + 2 + 2, 3), "{second}");
        }
        clock.advance(1_000);
    }
    assert!(engine.sizes().users <= 3);
}

#[test]
fn users_expire_with_their_last_second() {
    let (engine, clock) = engine_with(|config| config.retention_secs = 10);
    post(&engine, &[("a", "u1", 0), ("b", "u2", 0), ("c", "u2", 5_000)]);
    assert_eq!((events_and_users(&engine, 10), engine.sizes().users), ((2, 2), 2));
    clock.advance(9_000);
    assert_eq!((events_and_users(&engine, 10), engine.sizes().users), ((3, 2), 2));
    clock.advance(1_000);
    assert_eq!((events_and_users(&engine, 10), engine.sizes().users), ((1, 1), 1));
    clock.advance(5_000);
    assert_eq!((events_and_users(&engine, 10), engine.sizes().users), ((0, 0), 0));
}

#[test]
fn a_user_with_only_events_ahead_of_the_clock_keeps_the_index() {
    // The only second in which u1 was seen expires while another event of u1 is still ahead. The next new user must not
    // get the index of u1.
    let (engine, clock) = engine_with(|config| (config.retention_secs, config.max_skew_secs) = (5, 60));
    put(&engine, r#"{"u1":{"plan":"pro","region":"eu"},"u2":{"plan":"free","region":"us"}}"#, START_MS);
    post(&engine, &[("a", "u1", 0), ("b", "u1", 30_000)]);
    engine.tick();
    clock.advance(6_000);
    engine.tick();
    post(&engine, &[("c", "u2", 0), ("d", "u2", 24_000)]);
    clock.advance(24_000);
    let metrics = engine.metrics(5);
    assert_eq!((metrics.stats.events, metrics.stats.unique_users), (2, 2));
    assert_eq!(metrics.stats.by_attribute[0].1, [("free".into(), 1), ("pro".into(), 1)].into());
}

#[test]
fn records_that_a_stalled_writer_publishes_too_late_are_neither_counted_nor_kept() {
    let (engine, clock) = engine_with(|config| (config.retention_secs, config.max_skew_secs) = (5, 2));
    let mut stalled = decode(&engine, &[("a", "u1", 0), ("b", "u2", 2_000)], START_MS);
    clock.advance(6_000);
    post(&engine, &[("c", "u3", 0)]);
    engine.tick();
    // The writer read the clock at START and continues now. Its batch is checked against that time and counts in those
    // seconds.
    assert_eq!(engine.ingest(&mut stalled, START_MS).unwrap().accepted, 2);
    assert_eq!(
        (events_and_users(&engine, 5), engine.sizes().users),
        ((2, 2), 2),
        "START + 2 s is still in the retention, START is not"
    );
    clock.advance(i64::from(limits::STALL_SLACK_SECS) * 1_000 * 10);
    let mut stalled = decode(&engine, &[("d", "u1", 0)], START_MS);
    engine.ingest(&mut stalled, START_MS).unwrap();
    engine.tick();
    assert_eq!((events_and_users(&engine, 5), engine.sizes().users, engine.sizes().backlog), ((0, 0), 0, 0));
}

#[test]
fn a_new_table_regroups_what_was_ingested_before_it() {
    let (engine, _) = engine();
    post(&engine, &[("a", "u1", 0), ("b", "u2", -1_000), ("c", "u3", -2_000)]);
    let metrics = engine.metrics(300);
    assert_eq!((metrics.stats.unknown, metrics.generation, metrics.stats.by_attribute[0].1.len()), (3, 0, 0));
    put(&engine, r#"{"u1":{"plan":"pro","region":"eu"},"u2":{"plan":"free","region":"eu"}}"#, START_MS);
    post(&engine, &[("d", "u1", -2_000)]); // into a second whose totals are of the old generation
    let metrics = engine.metrics(300);
    assert_eq!((metrics.stats.unknown, metrics.generation, metrics.stats.unique_users), (1, 1, 3));
    assert_eq!(metrics.stats.by_attribute[0], ("plan".into(), [("free".into(), 1), ("pro".into(), 2)].into()));
    assert_eq!(metrics.stats.by_attribute[1], ("region".into(), [("eu".into(), 3)].into()));
    put(&engine, r#"{"u3":{"plan":"pro","region":"us"}}"#, START_MS + 1);
    let metrics = engine.metrics(300);
    assert_eq!((metrics.stats.unknown, metrics.generation, metrics.stats.unique_users), (3, 2, 3));
    assert_eq!(metrics.stats.by_attribute[0].1, [("pro".into(), 1)].into());
}

#[test]
fn many_groups_are_counted_exactly() {
    let (engine, _) = engine();
    let users = 3_000;
    let table: Vec<String> = (0..users)
        .map(|user| format!(r#""u{user}":{{"plan":"p{}","region":"r{}"}}"#, user % 1_500, user % 7))
        .collect();
    put(&engine, &format!("{{{}}}", table.join(",")), START_MS);
    let events = (0..users).map(|user| (format!("e{user}"), format!("u{user}"), -i64::from(user % 100) * 1_000));
    let mut batch = engine.decode(ndjson(events, START_MS), Format::Ndjson).unwrap();
    engine.ingest(&mut batch, START_MS).unwrap();
    let metrics = engine.metrics(300);
    assert_eq!((metrics.stats.events, metrics.stats.unique_users, metrics.stats.unknown), (3_000, 3_000, 0));
    assert_eq!(metrics.stats.by_attribute[0].1.len(), 1_500);
    assert!(metrics.stats.by_attribute[0].1.values().all(|events| *events == 2));
    assert_eq!(metrics.stats.by_attribute[1].1.values().sum::<u64>(), 3_000);
}

#[test]
fn the_time_never_runs_backwards_and_the_engine_reports_how_far_the_clock_was_set_back() {
    let (engine, clock) = engine();
    post(&engine, &[("a", "u", 0)]);
    clock.advance(-3_600_000);
    assert_eq!((engine.now_ms(), engine.clock_behind_ms()), (START_MS, 3_600_000));
    assert_eq!((events_and_users(&engine, 1), engine.metrics(1).as_of_ms), ((1, 1), START_MS));
    clock.advance(3_600_000 + 5_000);
    assert_eq!((engine.now_ms(), engine.clock_behind_ms()), (START_MS + 5_000, 0));
    assert_eq!((events_and_users(&engine, 5), events_and_users(&engine, 6)), ((0, 0), (1, 1)));
}

#[test]
fn a_clock_that_jumps_far_ahead_expires_everything() {
    let (engine, clock) = engine();
    let events: Vec<(String, String, i64)> =
        (0..240).map(|i| (format!("e{i}"), format!("u{i}"), i * 1_000 - SKEW_MS)).collect();
    engine.ingest(&mut engine.decode(ndjson(events, START_MS), Format::Ndjson).unwrap(), START_MS).unwrap();
    engine.tick();
    assert_eq!(engine.sizes().users, 240);
    clock.advance(i64::from(u32::MAX) * 1_000);
    assert_eq!((events_and_users(&engine, 1_800), engine.sizes().users), ((0, 0), 0));
    engine.sweep();
    assert_eq!(engine.sizes().dedup_ids, 0);
    assert_eq!(post(&engine, &[("e1", "u1", 0)]).accepted, 1);
    assert_eq!(events_and_users(&engine, 1_800), (1, 1));
}

#[test]
fn an_id_is_remembered_for_the_horizon_and_with_the_map_for_exactly_the_horizon() {
    for dedup in [DedupBackend::Lines, DedupBackend::Scc] {
        let (engine, clock) = engine_with(|config| {
            (config.retention_secs, config.max_skew_secs, config.dedup_horizon) = (10, 5, Some(Horizon::Secs(30)));
            config.dedup = dedup;
        });
        assert_eq!(post(&engine, &[("a", "u", 0)]).accepted, 1);
        clock.advance(30_000);
        engine.sweep();
        assert_eq!(post(&engine, &[("a", "u", 0)]).duplicates, 1);
        clock.advance(1);
        if dedup == DedupBackend::Lines {
            // Two stretches of the horizon and a minute are enough in any case.
            clock.advance(2 * 90_000 - 30_001);
        }
        engine.sweep();
        assert_eq!(post(&engine, &[("a", "u", 0)]).accepted, 1);
    }
}

#[test]
fn an_identical_retry_is_never_counted_twice() {
    let (engine, clock) = engine_with(|config| (config.retention_secs, config.max_skew_secs) = (10, 5));
    let mut accepted = 0;
    for _ in 0..200 {
        // The same bytes each time. The event is at first five seconds ahead of the clock.
        let mut batch = decode(&engine, &[("a", "u", 5_000)], START_MS);
        accepted += engine.ingest(&mut batch, engine.now_ms()).unwrap().accepted;
        engine.sweep();
        clock.advance(500);
    }
    assert_eq!(accepted, 1);
}

#[test]
fn a_full_backlog_refuses_a_batch_whole_and_a_fold_makes_room() {
    let (engine, clock) = engine_with(|config| (config.max_batch_events, config.max_backlog_events) = (100, 1_000));
    clock.advance(2 * SKEW_MS); // beyond the seconds of the last fold
    let now_ms = engine.now_ms();
    let batch = |first: usize| {
        let events = (first..first + 100).map(|event| (format!("e{event}"), format!("u{}", event % 7), 0));
        engine.decode(ndjson(events, now_ms), Format::Ndjson).unwrap()
    };
    for first in 0..10 {
        assert_eq!(engine.try_ingest(&mut batch(100 * first), now_ms).unwrap().accepted, 100);
        assert_eq!(engine.is_backlogged(), first >= 1, "the backlog is above an eighth");
    }
    let mut refused = batch(1_000);
    assert_eq!(engine.try_ingest(&mut refused, now_ms), Err(Overloaded));
    assert!((0..100).all(|index| refused.verdict(index) == Verdict::Pending));
    assert_eq!(
        (engine.sizes().dedup_ids, engine.sizes().backlog),
        (1_000, 1_000),
        "nothing of the refused batch was claimed"
    );
    // A writer that may fold makes room for its own batch.
    assert_eq!(engine.ingest(&mut refused, now_ms).unwrap().accepted, 100);
    assert_eq!((engine.sizes().backlog, engine.is_backlogged()), (100, false));
    assert_eq!((events_and_users(&engine, 1), engine.sizes().backlog), ((1_100, 7), 0));
}

#[test]
fn a_tick_folds_all_records_that_exist_when_it_starts() {
    let (engine, _) = engine();
    for batch in 0..2 {
        let events = (0..100_000_i64).map(|i| (format!("e{batch}-{i}"), format!("u{}", i % 9), -(i % 4) * 1_000));
        let mut events = engine.decode(ndjson(events, START_MS), Format::Ndjson).unwrap();
        engine.try_ingest(&mut events, START_MS).unwrap();
    }
    assert!(engine.sizes().backlog > limits::FOLD_SLICE, "there is more than one slice");
    engine.tick();
    assert_eq!((engine.sizes().backlog, events_and_users(&engine, 4)), (0, (200_000, 9)));
}

#[test]
fn duplicate_and_rejected_events_do_not_stay_in_the_backlog() {
    let (engine, _) = engine();
    post(&engine, &[("a", "u", 0), ("a", "u", 0), ("b", "u", SKEW_MS + 1), ("", "u", 0)]);
    assert_eq!(engine.sizes().backlog, 1);
    engine.tick();
    assert_eq!(engine.sizes().backlog, 0);
}

#[test]
fn records_of_a_second_whose_slot_was_reused_do_not_stay_in_the_backlog() {
    let settings = |config: &mut EngineConfig| {
        // One partition, so that all records of a second are in one slot.
        (config.retention_secs, config.max_skew_secs, config.partitions) = (5, 2, 1);
    };
    let (engine, clock) = engine_with(settings);
    let mut stalled = decode(&engine, &[("a", "u1", 0), ("b", "u2", 0)], START_MS);
    clock.advance(1_024_000); // several rounds of this ring
    post(&engine, &[("c", "u3", 0)]);
    engine.ingest(&mut stalled, START_MS).unwrap();
    assert_eq!(engine.sizes().backlog, 1);
    assert_eq!((events_and_users(&engine, 5), engine.sizes().backlog), ((1, 1), 0));
}

/// Eight writers and four readers with the real clock. Two writers post each range of ids, so they race for every id.
/// Every accepted event is counted once, answers never go back, and an answer that starts after a post contains its
/// events.
#[test]
fn no_accepted_event_is_lost_or_doubled_under_load() {
    const WRITERS: usize = 8;
    const BATCHES: usize = 150;
    const BATCH: usize = 200;
    let engine = Arc::new(Engine::new(EngineConfig::default(), SystemClock).unwrap());
    let maintenance = weir::Maintenance::start(&engine).unwrap();
    let acknowledged = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (engine, acknowledged) = (&engine, &acknowledged);
                scope.spawn(move || {
                    for batch in 0..BATCHES {
                        let now_ms = engine.now_ms();
                        // Two writers share each range of ids.
                        let events = (0..BATCH).map(|event| {
                            let id = format!("{}-{batch}-{event}", writer / 2);
                            (id, format!("u{}", event * 7 % 1_000), -(event as i64 % 3_000))
                        });
                        let mut events = engine.decode(ndjson(events, now_ms), Format::Ndjson).unwrap();
                        let tally = engine.ingest(&mut events, now_ms).unwrap();
                        assert_eq!(tally.accepted + tally.duplicates, BATCH);
                        let accepted = tally.accepted as u64;
                        let acknowledged = acknowledged.fetch_add(accepted, Ordering::AcqRel) + accepted;
                        if batch % 10 == 0 {
                            assert!(engine.metrics(1_800).stats.events >= acknowledged);
                        }
                    }
                })
            })
            .collect();
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (mut as_of_ms, mut total) = (0, 0);
                    while !done.load(Ordering::Acquire) {
                        let before = acknowledged.load(Ordering::Acquire);
                        let metrics = engine.metrics(1_800);
                        assert!(metrics.stats.events >= before.max(total), "an acknowledged event is missing");
                        assert!(metrics.as_of_ms >= as_of_ms);
                        assert!(metrics.stats.unique_users <= 1_000);
                        (as_of_ms, total) = (metrics.as_of_ms, metrics.stats.events);
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    drop(maintenance);
    let distinct = (WRITERS / 2 * BATCHES * BATCH) as u64;
    assert_eq!(acknowledged.load(Ordering::Acquire), distinct);
    let metrics = engine.metrics(1_800);
    assert_eq!((metrics.stats.events, metrics.stats.by_type["click"]), (distinct, distinct));
    let users: BTreeSet<usize> = (0..BATCH).map(|event| event * 7 % 1_000).collect();
    assert_eq!(metrics.stats.unique_users, users.len() as u64);
    assert_eq!(engine.sizes().dedup_ids as u64, distinct);
}

/// Readers run while the table is replaced. Each table moves every user to a plan that is named after its generation,
/// so an answer of two generations would show two plans.
#[test]
fn no_answer_mixes_generations_or_goes_back_to_an_older_one() {
    const SWAPS: u64 = 60;
    let (engine, _) = engine();
    let users = 500;
    let events = (0..users).map(|user| (format!("e{user}"), format!("u{user}"), -i64::from(user % 60) * 1_000));
    engine.ingest(&mut engine.decode(ndjson(events, START_MS), Format::Ndjson).unwrap(), START_MS).unwrap();
    let published = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let before = published.load(Ordering::Acquire);
                    let metrics = engine.metrics(300);
                    assert!(
                        metrics.generation >= before.max(last),
                        "the generation is older than one that was seen before"
                    );
                    last = metrics.generation;
                    let plans = &metrics.stats.by_attribute[0].1;
                    if last == 0 {
                        assert_eq!((plans.len(), metrics.stats.unknown), (0, 500));
                    } else {
                        assert_eq!(*plans, [(format!("g{last}"), 500)].into(), "generation {last}");
                    }
                }
            });
        }
        for generation in 1..=SWAPS {
            let table: Vec<String> = (0..users)
                .map(|user| format!(r#""u{user}":{{"plan":"g{generation}","region":"r{}"}}"#, user % 5))
                .collect();
            let number = put(&engine, &format!("{{{}}}", table.join(",")), START_MS + generation as i64);
            assert_eq!(number, generation);
            published.store(generation, Ordering::Release);
        }
        done.store(true, Ordering::Release);
    });
}
