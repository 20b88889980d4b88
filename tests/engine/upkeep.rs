//! Ticks, sweeps and queries do work ahead of need, and change no verdict and no later answer.

use crate::{START_MS, engine_with, events_and_users, ndjson};
use proptest::prelude::*;
use weir::{DedupBackend, Format, Verdict, limits};

const RETENTION_SECS: u32 = 30;
const MAX_SKEW_SECS: u32 = 10;
/// The windows of the last answers.
const WINDOWS_SECS: [u32; 3] = [1, 7, RETENTION_SECS];

#[derive(Clone, Copy, Debug)]
enum Upkeep {
    Tick,
    Sweep,
    Query,
}

/// The clock advances, in three parts with upkeep before each of them. Then a batch is ingested.
#[derive(Clone, Debug)]
struct Step {
    advance_ms: i64,
    upkeep: [Vec<Upkeep>; 3],
    /// How far the time of the batch is behind the clock.
    behind_ms: i64,
    /// The id and the user of each event, and its distance from the time of the batch in milliseconds.
    events: Vec<(u8, u8, i64)>,
}

fn step() -> impl Strategy<Value = Step> {
    let skew_ms = i64::from(MAX_SKEW_SECS) * 1_000;
    let advance_ms = prop_oneof![4 => 0_i64..3_000, 2 => 0_i64..60_000, 1 => 0_i64..400_000];
    let behind_ms = prop_oneof![3 => Just(0), 1 => 0..=i64::from(limits::STALL_SLACK_SECS) * 1_000];
    let upkeep = || {
        let one = prop_oneof![Just(Upkeep::Tick), Just(Upkeep::Sweep), Just(Upkeep::Query)];
        prop::collection::vec(one, 0..3)
    };
    let event = (0_u8..40, 0_u8..10, -skew_ms - 1..=skew_ms + 1);
    (advance_ms, [upkeep(), upkeep(), upkeep()], behind_ms, prop::collection::vec(event, 0..12))
        .prop_map(|(advance_ms, upkeep, behind_ms, events)| Step { advance_ms, upkeep, behind_ms, events })
}

/// The verdicts of all events, and the last answers: the events and the distinct users of each window.
type Outcome = (Vec<Verdict>, [(u64, u64); WINDOWS_SECS.len()]);

fn outcome(steps: &[Step], backend: DedupBackend, has_upkeep: bool) -> Outcome {
    let (engine, clock) = engine_with(|config| {
        config.dedup = backend;
        config.retention_secs = RETENTION_SECS;
        config.max_skew_secs = MAX_SKEW_SECS;
    });
    let (mut now_ms, mut verdicts) = (START_MS, vec![]);
    for step in steps {
        for (part, upkeep) in step.upkeep.iter().enumerate().filter(|_| has_upkeep) {
            clock.set(now_ms + step.advance_ms * part as i64 / 3);
            upkeep.iter().for_each(|upkeep| match upkeep {
                Upkeep::Tick => engine.tick(),
                Upkeep::Sweep => engine.sweep(),
                Upkeep::Query => _ = engine.metrics(RETENTION_SECS),
            });
        }
        now_ms += step.advance_ms;
        clock.set(now_ms);
        let received_at_ms = now_ms - step.behind_ms;
        let events = step.events.iter().map(|(id, user, ms)| (format!("e{id}"), format!("u{user}"), *ms));
        let mut batch = engine.decode(ndjson(events, received_at_ms), Format::Ndjson).unwrap();
        engine.ingest(&mut batch, received_at_ms).unwrap();
        verdicts.extend((0..step.events.len()).map(|index| batch.verdict(index)));
    }
    (verdicts, WINDOWS_SECS.map(|window_secs| events_and_users(&engine, window_secs)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_batches_get_the_same_verdicts_and_answers_whatever_upkeep_runs(
        steps in prop::collection::vec(step(), 1..30),
    ) {
        for backend in [DedupBackend::Lines, DedupBackend::Scc] {
            prop_assert_eq!(outcome(&steps, backend, true), outcome(&steps, backend, false));
        }
    }
}
