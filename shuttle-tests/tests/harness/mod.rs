//! Runs scenarios, and wraps the engine's calls for them.

use shuttle::thread::{JoinHandle, spawn};
use shuttle_tests::clock::ManualClock;
use shuttle_tests::event::{Batch, Format, Tally, format_ms};
use shuttle_tests::reference::{Change, Generation, Generations, Preconditions, ReferenceError};
use shuttle_tests::{DedupBackend, Engine, EngineConfig, Metrics, Overloaded};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

pub(crate) const START_MS: i64 = 1_760_000_000_000;

/// PCT finds a defect that needs this many ordered steps with a known probability.
const PCT_DEPTH: usize = 3;

/// Runs `scenario` with each dedup backend under random schedules, or under the schedule that the environment names.
/// Its result is the outcome.
///
/// # Panics
/// When an execution fails, or frees memory too early, twice or never. Also when all executions have the same outcome,
/// because then nothing raced.
pub(crate) fn explore<O: Debug>(name: &str, scenario: impl Fn(DedupBackend) -> O + Copy + Send + Sync + 'static) {
    for dedup in [DedupBackend::Lines, DedupBackend::Scc] {
        explore_with(&format!("{name}, {dedup:?}"), move || scenario(dedup));
    }
}

fn explore_with<O: Debug>(name: &str, scenario: impl Fn() -> O + Copy + Send + Sync + 'static) {
    let outcomes = Arc::new(Mutex::new(BTreeSet::new()));
    let run = {
        let outcomes = outcomes.clone();
        move || {
            shuttle_tests::begin();
            let outcome = scenario();
            shuttle_tests::finish();
            outcomes.lock().unwrap().insert(format!("{outcome:?}"));
        }
    };
    if let Ok(schedule) = std::env::var("WEIR_SHUTTLE_SCHEDULE") {
        return shuttle::replay(run, &schedule);
    }
    let executions = std::env::var("WEIR_SHUTTLE_EXECUTIONS").map_or(1_000, |executions| executions.parse().unwrap());
    shuttle::check_random(run.clone(), executions);
    shuttle::check_pct(run, executions, PCT_DEPTH);
    let outcomes = outcomes.lock().unwrap().len();
    assert!(executions == 1 || outcomes > 1, "{name} had only one outcome: nothing raced");
    println!("{name}: {} executions, {outcomes} outcomes", 2 * executions);
}

/// An engine and its clock.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<ManualClock>,
}

/// An engine with two seconds of retention, one second of skew, and one partition, so that all writers of a second use
/// the same slot.
pub(crate) fn client(dedup: DedupBackend) -> Client {
    client_with(dedup, |_| {})
}

pub(crate) fn client_with(dedup: DedupBackend, change: impl FnOnce(&mut EngineConfig)) -> Client {
    let mut config = EngineConfig::default();
    config.dedup = dedup;
    (config.retention_secs, config.max_skew_secs, config.partitions) = (2, 1, 1);
    config.attributes = vec!["plan".to_owned()];
    change(&mut config);
    let clock = Arc::new(ManualClock::new(START_MS));
    Client { engine: Arc::new(Engine::new(config, clock.clone()).unwrap()), clock }
}

impl Client {
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> JoinHandle<T> {
        let client = self.clone();
        spawn(move || work(&client))
    }

    /// Ingests events (id, user, milliseconds from the start), and returns the batch with its verdicts.
    pub(crate) fn ingest(
        &self,
        events: &[(&str, &str, i64)],
        received_at_ms: i64,
    ) -> Result<(Batch, Tally), Overloaded> {
        let line = |(id, user, offset_ms): &(&str, &str, i64)| {
            let ts = format_ms(START_MS + offset_ms);
            format!("{{\"event_id\":\"{id}\",\"user_id\":\"{user}\",\"type\":\"click\",\"ts\":\"{ts}\"}}\n")
        };
        let body: String = events.iter().map(line).collect();
        let mut batch = self.engine.decode(body.into(), Format::Ndjson).unwrap();
        let tally = self.engine.ingest(&mut batch, received_at_ms)?;
        Ok((batch, tally))
    }

    /// Ingests events at the time of the latest one. Returns how many were accepted.
    pub(crate) fn accepted(&self, events: &[(&str, &str, i64)]) -> u64 {
        let latest_ms = events.iter().map(|(_, _, offset_ms)| *offset_ms).max().unwrap();
        self.accepted_at(events, START_MS + latest_ms)
    }

    pub(crate) fn accepted_at(&self, events: &[(&str, &str, i64)], received_at_ms: i64) -> u64 {
        self.ingest(events, received_at_ms).unwrap().1.accepted as u64
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.engine.metrics(u32::MAX)
    }

    pub(crate) fn total(&self) -> u64 {
        self.metrics().stats.events
    }

    /// Changes the table. With `if_match`, only if that generation is in force.
    pub(crate) fn change(
        &self,
        change: Change,
        body: Vec<u8>,
        if_match: Option<u64>,
    ) -> Result<Arc<Generation>, ReferenceError> {
        let if_match = if_match.map(|number| Generations::OneOf(vec![number]));
        self.engine.change_reference(change, body, &Preconditions { if_match, if_none_match: None }, START_MS)
    }
}

/// The body of a table: the plan of each user, and the timestamp in milliseconds from the start.
pub(crate) fn table(users: &[(&str, &str)], ts_ms: i64) -> Vec<u8> {
    let users: Vec<_> = users.iter().map(|(user, plan)| format!("{user:?}:{{\"plan\":{plan:?}}}")).collect();
    format!("{{\"user_metadata\":{{{}}},\"ts\":\"{}\"}}", users.join(","), format_ms(START_MS + ts_ms)).into()
}
