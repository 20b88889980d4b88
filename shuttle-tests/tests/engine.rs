//! The whole engine under random schedules: ingest, queries, table changes and housekeeping on three to five threads.
//!
//! Each scenario runs `WEIR_SHUTTLE_EXECUTIONS` times (1,000 unless set) under uniformly random schedules, and as often
//! under PCT (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs", 2010). A
//! failure prints its seed and its schedule. To run it again, give the name of the scenario and either
//! `SHUTTLE_RANDOM_SEED=… WEIR_SHUTTLE_EXECUTIONS=1` or `WEIR_SHUTTLE_SCHEDULE=…`.
#![allow(clippy::unwrap_used, missing_docs, reason = "an unwrap in a test is an assertion")]

mod harness;

use harness::{Client, START_MS, client, client_with, explore, table};
use shuttle_tests::event::Verdict;
use shuttle_tests::reference::{Change, ReferenceError};
use shuttle_tests::{DedupBackend, Overloaded};

/// Two writers that share an id, a table change, a reader and housekeeping. Each answer is of one generation: with the
/// table every user is known, and without it no user is.
#[test]
fn ingest_beside_a_query_a_table_and_ticks() {
    explore("ingest_beside_a_query_a_table_and_ticks", |dedup| {
        let client = client_with(dedup, |config| config.partitions = 2);
        let a = client.spawn(|client| {
            let first = client.accepted(&[("a", "u1", 0), ("b", "u2", -1_000)]);
            assert!(client.total() >= first, "a writer sees the events that it was acknowledged");
            let shared = client.accepted(&[("c", "u3", 0), ("shared", "u1", 0)]);
            assert!(client.total() >= first + shared, "a writer sees the events that it was acknowledged");
            shared - 1
        });
        let b = client.spawn(|client| client.accepted(&[("shared", "u1", 0), ("d", "u1", 0)]) - 1);
        let table = client.spawn(|client| {
            client.change(Change::Replace, table(&[("u1", "pro"), ("u2", "pro"), ("u3", "free")], 0), None).unwrap();
            assert_eq!(client.metrics().generation, 1, "a table is in force once it is acknowledged");
        });
        let ticks = client.spawn(|client| {
            client.engine.tick();
            client.engine.tick();
        });
        let seen = [client.metrics(), client.metrics()];
        assert!(seen[0].stats.events <= seen[1].stats.events && seen[0].generation <= seen[1].generation);

        let winners = (a.join().unwrap(), b.join().unwrap());
        assert_eq!(winners.0 + winners.1, 1, "an id is accepted once");
        table.join().unwrap();
        ticks.join().unwrap();
        let end = client.metrics();
        assert_eq!((end.stats.events, end.stats.unique_users, end.stats.unknown), (5, 3, 0));
        let plans: Vec<_> = end.stats.by_attribute[0].1.iter().map(|(plan, events)| (plan.as_str(), *events)).collect();
        assert_eq!(plans, [("free", 1), ("pro", 4)]);
        assert_eq!((client.engine.sizes().backlog, client.engine.sizes().dedup_ids), (0, 5));
        (winners, seen.map(|metrics| (metrics.stats.events, metrics.generation)))
    });
}

/// A writer stalls with an old time while the clock advances and the ring wraps. Its records are either counted in
/// their own second, or dropped because that second has left the retention. They are never counted in the second that
/// reuses the slot.
#[test]
fn a_stalled_writer_beside_a_clock_that_wraps_the_ring() {
    const WRAP_MS: i64 = 64_000;
    explore("a_stalled_writer_beside_a_clock_that_wraps_the_ring", |dedup| {
        let client = client(dedup);
        let stalled = client.spawn(|client| {
            client.accepted(&[("a", "u1", 0)]);
            client.accepted(&[("b", "u1", 0), ("c", "u2", 0)]);
        });
        let clock = client.spawn(|client| {
            client.clock.advance(WRAP_MS);
            client.accepted(&[("d", "u3", WRAP_MS)]);
            client.engine.tick();
        });
        let seen = [client.metrics(), client.metrics()];
        assert!(seen[0].as_of_ms <= seen[1].as_of_ms, "time went back");
        for metrics in &seen {
            let most = if metrics.as_of_ms == START_MS { 3 } else { 1 };
            assert!(metrics.stats.events <= most, "{metrics:?}");
        }
        stalled.join().unwrap();
        clock.join().unwrap();
        let end = client.metrics();
        assert_eq!((end.stats.events, end.stats.unique_users, end.as_of_ms), (1, 1, START_MS + WRAP_MS));
        assert_eq!((client.engine.sizes().backlog, client.engine.sizes().users), (0, 1));
        seen.map(|metrics| (metrics.as_of_ms, metrics.stats.events))
    });
}

/// The clock is set back while writers and a reader run. The engine's time never goes back, and is at least the latest
/// time of an acknowledged batch.
#[test]
fn a_clock_that_is_set_back() {
    explore("a_clock_that_is_set_back", |dedup| {
        let client = client(dedup);
        let back = client.spawn(|client| client.clock.advance(-3_600_000));
        let ahead = client.spawn(|client| {
            client.accepted(&[("a", "u1", 500)]);
            let as_of_ms = client.metrics().as_of_ms;
            assert!(as_of_ms >= START_MS + 500, "an answer is older than a batch that was acknowledged before it");
        });
        let behind = client.spawn(|client| client.accepted(&[("b", "u2", 100)]));
        let seen = [client.engine.now_ms(), client.engine.now_ms()];
        assert!(START_MS <= seen[0] && seen[0] <= seen[1], "time went back");
        for thread in [back, ahead] {
            thread.join().unwrap();
        }
        behind.join().unwrap();
        let end = client.metrics();
        assert_eq!((end.as_of_ms, end.stats.events, end.stats.unique_users), (START_MS + 500, 2, 2));
        assert_eq!(client.engine.clock_behind_ms(), 3_600_500);
        seen
    });
}

/// Seconds leave the retention one by one while a writer and a reader run. An event ahead of the clock is counted when
/// its second begins.
#[test]
fn seconds_expire_beside_a_writer() {
    explore("seconds_expire_beside_a_writer", |dedup| {
        let client = client(dedup);
        client.accepted(&[("a", "u1", 0), ("b", "u2", 1_000)]);
        let writer = client.spawn(|client| client.accepted(&[("c", "u1", 0), ("d", "u3", 1_000)]));
        let clock = client.spawn(|client| {
            for _ in 0..3 {
                client.clock.advance(1_000);
                client.engine.tick();
            }
        });
        let seen = [client.metrics(), client.metrics()];
        for metrics in &seen {
            // The retention is two seconds: the events of the first second, then of both, then of the second one, then
            // none.
            let most = [2, 4, 2, 0][((metrics.as_of_ms - START_MS) / 1_000) as usize];
            assert!(metrics.stats.events <= most && metrics.stats.events >= most / 2, "{metrics:?}");
        }
        assert_eq!(writer.join().unwrap(), 2);
        clock.join().unwrap();
        assert_eq!((client.total(), client.engine.sizes().users, client.engine.sizes().backlog), (0, 0, 0));
        seen.map(|metrics| (metrics.as_of_ms, metrics.stats.events))
    });
}

/// The clock moves, the table changes, and two threads fold the partitions. Each answer is of one moment and of one
/// generation, the same in all partitions.
#[test]
fn answers_of_several_partitions_are_of_one_cut() {
    const USERS: [&str; 8] = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"];
    explore("answers_of_several_partitions_are_of_one_cut", |dedup| {
        let client = client_with(dedup, |config| config.partitions = 2);
        let ids: Vec<_> = USERS.map(|user| [format!("{user} now"), format!("{user} ahead")]).into();
        let events = USERS
            .iter()
            .zip(&ids)
            .flat_map(|(user, [now, ahead])| [(now.as_str(), *user, 0), (ahead.as_str(), *user, 1_000)]);
        client.accepted_at(&events.collect::<Vec<_>>(), START_MS);
        let clock = client.spawn(|client| (0..3).for_each(|_| client.clock.advance(1_000)));
        let change = client.spawn(|client| {
            let users: Vec<_> = USERS.iter().map(|user| (*user, "pro")).collect();
            client.change(Change::Replace, table(&users, 0), None).unwrap();
        });
        let folds = [0, 1].map(|thread| client.spawn(move |client| client.engine.tick_share(thread, 2)));
        let seen = [client.metrics(), client.metrics()];
        for metrics in &seen {
            // The retention is two seconds: the events of the first second, then of both, then of the second one, then
            // none.
            let events = [8, 16, 8, 0][((metrics.as_of_ms - START_MS) / 1_000) as usize];
            let unknown = if metrics.generation == 0 { events } else { 0 };
            assert_eq!((metrics.stats.events, metrics.stats.unknown), (events, unknown), "{metrics:?}");
            assert_eq!(metrics.stats.unique_users, events.min(8), "{metrics:?}");
        }
        assert!(seen[0].as_of_ms <= seen[1].as_of_ms && seen[0].generation <= seen[1].generation);
        clock.join().unwrap();
        change.join().unwrap();
        let _ = folds.map(|fold| fold.join().unwrap());
        assert_eq!((client.total(), client.engine.sizes().users, client.engine.sizes().backlog), (0, 0, 0));
        seen.map(|metrics| (metrics.as_of_ms, metrics.generation))
    });
}

/// After it is forgotten an id is won once more, by one of two claimants. A claimant whose time is exactly at the
/// horizon does not win in any order, also if a sweep runs meanwhile.
#[test]
fn claims_across_an_expiry_beside_a_sweep() {
    const HORIZON_MS: i64 = 4_000;
    explore("claims_across_an_expiry_beside_a_sweep", |dedup| {
        // The start is also the start of a stretch of a horizon and a minute, at the end of which lines forget.
        let remembered_ms = if dedup == DedupBackend::Lines { 2 * (HORIZON_MS + 60_000) } else { HORIZON_MS };
        let client = client(dedup);
        client.accepted(&[("x", "u", 0)]);
        let late = [1, 2].map(|n| {
            let offset_ms = remembered_ms + n;
            client.spawn(move |client| client.accepted_at(&[("x", "u", offset_ms)], START_MS + offset_ms))
        });
        let sweep = client.spawn(move |client| {
            client.clock.advance(remembered_ms + 60_000);
            client.engine.sweep();
        });
        let behind = client.accepted_at(&[("x", "u", HORIZON_MS)], START_MS + HORIZON_MS);
        assert_eq!(behind, 0, "exactly the horizon is still remembered");
        let won = late.map(|claimant| claimant.join().unwrap());
        sweep.join().unwrap();
        assert!(won[0] + won[1] <= 1, "an expired id is won once");
        // With lines, a claimant that is in the way of a step makes the generation last longer.
        let is_delayed = won == [0, 0];
        assert!(!is_delayed || dedup == DedupBackend::Lines);
        let last_ms = if is_delayed { 2 * remembered_ms } else { remembered_ms } + 3;
        assert_eq!(client.accepted_at(&[("x", "u", last_ms)], START_MS + last_ms), u64::from(is_delayed));
        assert_eq!(client.engine.sizes().dedup_ids, 1);
        won
    });
}

/// Claims of new ids while sweeps let larger tables take over, and while a generation begins. Each id is won once.
#[test]
fn claims_beside_growth_and_a_new_generation() {
    const NEXT_MS: i64 = 64_000;
    explore("claims_beside_growth_and_a_new_generation", |dedup| {
        let client = client(dedup);
        client.accepted(&[("a", "u", 0), ("b", "u", 0), ("c", "u", 0), ("d", "u", 0)]);
        let claimants = [NEXT_MS - 1, NEXT_MS].map(|offset_ms| {
            let ids = [("x", "u", offset_ms), ("y", "u", offset_ms), ("a", "u", offset_ms)];
            client.spawn(move |client| client.accepted_at(&ids, START_MS + offset_ms))
        });
        let sweep = client.spawn(|client| {
            client.clock.advance(NEXT_MS);
            client.engine.sweep();
            client.engine.sweep();
        });
        let won = claimants.map(|claimant| claimant.join().unwrap());
        sweep.join().unwrap();
        // With the map, "a" is beyond its horizon, and one of the claimants wins it again.
        let expected = if dedup == DedupBackend::Lines { 2 } else { 3 };
        assert_eq!(won[0] + won[1], expected, "{won:?}");
        assert_eq!(client.accepted_at(&[("x", "u", NEXT_MS), ("y", "u", NEXT_MS)], START_MS + NEXT_MS), 0);
        won
    });
}

/// More events than the backlog can hold. A batch is taken whole or refused whole, writers help to fold, and a refused
/// batch fits later.
#[test]
fn a_full_backlog_beside_folds() {
    explore("a_full_backlog_beside_folds", |dedup| {
        let client = client_with(dedup, |config| (config.max_batch_events, config.max_backlog_events) = (3, 4));
        const BATCHES: [[&str; 3]; 2] = [["a1", "a2", "a3"], ["b1", "b2", "b3"]];
        let post = |client: &Client, ids: [&'static str; 3]| {
            let tally = client.ingest(&ids.map(|id| (id, "u", 0)), START_MS).map(|(_, tally)| tally.accepted);
            client.engine.tick();
            tally
        };
        let writers = BATCHES.map(|ids| client.spawn(move |client| post(client, ids)));
        assert!(client.engine.sizes().backlog <= 4, "the backlog is above its maximum");
        let seen = client.total();
        assert_eq!(seen % 3, 0, "a batch of one second is published in one step");
        let first = writers.map(|writer| writer.join().unwrap());
        for (ids, tally) in BATCHES.into_iter().zip(first) {
            match tally {
                Ok(accepted) => assert_eq!(accepted, 3),
                Err(Overloaded) => assert_eq!(post(&client, ids), Ok(3), "a refused batch claims nothing"),
            }
        }
        assert_eq!((client.total(), client.engine.sizes().backlog), (6, 0));
        (seen, first)
    });
}

/// Two conditional table changes race, and a patch comes at any time. At most one of the two wins, the other one gets a
/// mismatch, and the patch is applied to the table that is in force at its time.
#[test]
fn two_tables_and_a_patch() {
    explore("two_tables_and_a_patch", |dedup| {
        let client = client(dedup);
        client.accepted(&[("a", "u1", 0), ("b", "u2", 0)]);
        client.change(Change::Replace, table(&[("u1", "free")], 0), None).unwrap();
        let put = |plan: &'static str, ts_ms| {
            client.spawn(move |client| client.change(Change::Replace, table(&[("u1", plan)], ts_ms), Some(1)))
        };
        let puts = [put("pro", 10), put("max", 10)];
        let patch = client.spawn(|client| client.change(Change::Merge, table(&[("u2", "patched")], 20), None));
        let seen = client.metrics();
        assert_eq!(
            seen.stats.by_attribute[0].1.values().sum::<u64>() + seen.stats.unknown,
            2,
            "an answer is of one generation"
        );

        let puts = puts.map(|put| put.join().unwrap());
        let patched = patch.join().unwrap().unwrap().number();
        let winners = puts.iter().filter(|put| put.is_ok()).count();
        for put in &puts {
            match put {
                Ok(generation) => assert_eq!(generation.number(), 2),
                Err(error) => assert!(matches!(error, ReferenceError::GenerationMismatch { current: 2.. })),
            }
        }
        // A patch that came first makes both conditions fail.
        assert_eq!((winners, patched), if patched == 2 { (0, 2) } else { (1, 3) });
        let end = client.metrics();
        assert_eq!((end.generation, end.stats.unknown), (patched, 0));
        let plan = client.engine.user("u1").unwrap().remove(0);
        let expected = if puts[0].is_ok() {
            "pro"
        } else if puts[1].is_ok() {
            "max"
        } else {
            "free"
        };
        assert_eq!(plan, expected);
        (seen.generation, plan)
    });
}

/// A verdict of duplicate means that the event is counted: a writer that gets "duplicate" finds the event in a later
/// answer, although the writer that won may still be about to publish it.
#[test]
fn a_duplicate_is_counted_in_the_end() {
    explore("a_duplicate_is_counted_in_the_end", |dedup| {
        let client = client(dedup);
        let writers = [0, 1].map(|_| {
            client.spawn(|client: &Client| {
                let (batch, _) = client.ingest(&[("x", "u", 0), ("x", "u", -1_000)], START_MS).unwrap();
                [batch.verdict(0), batch.verdict(1)]
            })
        });
        let seen = [client.total(), client.total()];
        assert!(seen[0] <= seen[1] && seen[1] <= 1);
        let verdicts = writers.map(|writer| writer.join().unwrap());
        let accepted = verdicts.iter().flatten().filter(|verdict| **verdict == Verdict::Accepted).count();
        assert_eq!((accepted, client.total()), (1, 1));
        (seen, verdicts[0][0] == Verdict::Accepted)
    });
}
