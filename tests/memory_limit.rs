//! The memory limit as clients see it: a batch is refused whole, verdicts stay correct, and the engine recovers by
//! itself.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use weir::{
    Batch, Change, DedupBackend, Engine, EngineConfig, Format, ManualClock, Overloaded, Preconditions, ReferenceError,
    Verdict, format_ms, limits,
};

const START_MS: i64 = 1_760_000_000_000;
const BATCH: usize = 500;
const MAX_BYTES: usize = limits::DEDUP_TABLE_BYTES_MIN + (4 << 20);

const BACKENDS: [DedupBackend; 2] = [DedupBackend::Lines, DedupBackend::Scc];

/// In seconds, as are the next two.
const RETENTION: i64 = 20;
const SKEW: i64 = 5;
const HORIZON: i64 = RETENTION + 2 * SKEW;

fn engine(change: impl FnOnce(&mut EngineConfig)) -> (Arc<ManualClock>, Engine) {
    let clock = Arc::new(ManualClock::new(START_MS));
    let mut config = EngineConfig::default();
    (config.retention_secs, config.max_skew_secs) = (RETENTION as u32, SKEW as u32);
    (config.max_batch_events, config.max_memory_bytes) = (BATCH, Some(MAX_BYTES));
    config.partitions = 1;
    change(&mut config);
    (Arc::clone(&clock), Engine::new(config, clock).unwrap())
}

/// Events with these ids at the engine's time. Each event has another user.
fn batch(engine: &Engine, ids: &[u64]) -> Batch {
    let ts = format_ms(engine.now_ms());
    let line = |id| format!("{{\"event_id\":\"e{id}\",\"user_id\":\"u{id}\",\"type\":\"click\",\"ts\":\"{ts}\"}}\n");
    engine.decode(ids.iter().map(line).collect::<String>().into(), Format::Ndjson).unwrap()
}

fn ingest(engine: &Engine, batch: &mut Batch) -> Result<usize, Overloaded> {
    engine.ingest(batch, engine.now_ms()).map(|tally| tally.accepted)
}

/// Ticks until all unlinked records are freed. Another test's thread that does not run may delay that, and until then
/// they count as memory in use.
fn free_garbage(engine: &Engine) {
    while engine.memory().garbage_bytes > 0 {
        engine.tick();
        std::thread::yield_now();
    }
}

/// Ingests batches of new ids until one is refused. Returns how many events were taken.
fn fill(engine: &Engine) -> u64 {
    for first in (0..).step_by(BATCH) {
        let ids: Vec<u64> = (first..first + BATCH as u64).collect();
        let mut batch = batch(engine, &ids);
        let mut result = ingest(engine, &mut batch);
        if result == Err(Overloaded) {
            free_garbage(engine);
            result = ingest(engine, &mut batch);
        }
        match result {
            Ok(accepted) => assert_eq!(accepted, BATCH),
            Err(Overloaded) => return first,
        }
        engine.tick();
    }
    unreachable!("memory is limited")
}

fn put(engine: &Engine, users: usize, ts_ms: i64) -> Result<u64, ReferenceError> {
    let users: Vec<String> = (0..users).map(|n| format!("\"u{n}\":{{\"plan\":\"pro\",\"region\":\"eu\"}}")).collect();
    let body = format!("{{\"user_metadata\":{{{}}},\"ts\":\"{}\"}}", users.join(","), format_ms(START_MS + ts_ms));
    change(engine, Change::Replace, body)
}

fn change(engine: &Engine, change: Change, body: String) -> Result<u64, ReferenceError> {
    let changed = engine.change_reference(change, body.into(), &Preconditions::default(), engine.now_ms());
    changed.map(|generation| generation.number())
}

/// A batch that was not taken yet, and its content.
struct WaitingBatch {
    batch: Batch,
    ids: Vec<u64>,
    ts_ms: i64,
}

/// The accepted events.
#[derive(Default)]
struct MemoryOracle {
    /// When an id was last accepted.
    accepted_ms: HashMap<u64, i64>,
    /// Events by their second.
    events: BTreeMap<i64, u64>,
    /// Whether an id may be remembered beyond its horizon.
    forgets_late: bool,
}

impl MemoryOracle {
    /// The verdict on an event that got the verdict `got`.
    fn verdict(&mut self, id: u64, ts_ms: i64, now_ms: i64, got: Verdict) -> Verdict {
        let is_late = self.forgets_late && got == Verdict::Duplicate;
        if self.accepted_ms.get(&id).is_some_and(|accepted_ms| now_ms - accepted_ms <= HORIZON * 1_000 || is_late) {
            return Verdict::Duplicate;
        }
        self.accepted_ms.insert(id, now_ms);
        *self.events.entry(ts_ms / 1_000).or_default() += 1;
        Verdict::Accepted
    }

    /// Records a batch that the engine has taken. Returns whether all its verdicts are correct.
    fn agrees(&mut self, WaitingBatch { batch, ids, ts_ms }: &WaitingBatch, now_ms: i64) -> bool {
        let mut agrees = |event, id| batch.verdict(event) == self.verdict(id, *ts_ms, now_ms, batch.verdict(event));
        ids.iter().enumerate().all(|(event, id)| agrees(event, *id))
    }

    fn total_events(&self, now_ms: i64) -> u64 {
        let now = now_ms / 1_000;
        self.events.range(now - RETENTION + 1..=now).map(|(_, events)| events).sum()
    }
}

/// After this time a sweep forgets every id: two stretches of a horizon and a minute, and the slack of a stalled
/// claimant.
const ALL_FORGOTTEN_MS: i64 = (2 * (HORIZON + 60) + 60) * 1_000;

#[test]
fn every_verdict_and_count_is_correct_while_memory_runs_out_again_and_again() {
    BACKENDS.into_iter().for_each(memory_runs_out_again_and_again);
}

fn memory_runs_out_again_and_again(dedup: DedupBackend) {
    const ROUNDS: usize = 400;
    let (clock, engine) = engine(|config| config.dedup = dedup);
    let mut oracle = MemoryOracle { forgets_late: dedup == DedupBackend::Lines, ..MemoryOracle::default() };
    let (mut waiting, mut next, mut refused, mut came_again) = (VecDeque::new(), 0, 0, 0);
    for round in 0..ROUNDS {
        let ts_ms = engine.now_ms();
        waiting.extend((0..4).map(|_| {
            // Half of the ids are new. The others were used before: some long before, some in this batch.
            let ids: Vec<u64> = (0..BATCH as u64 / 2).flat_map(|id| [next + id, (next + id) * 7 / 8]).collect();
            next += BATCH as u64 / 2;
            WaitingBatch { batch: batch(&engine, &ids), ids, ts_ms }
        }));
        for _ in 0..waiting.len() {
            let mut one: WaitingBatch = waiting.pop_front().unwrap();
            match ingest(&engine, &mut one.batch) {
                Ok(_) => {
                    came_again += usize::from(one.ts_ms < ts_ms);
                    assert!(oracle.agrees(&one, ts_ms), "round {round}");
                }
                Err(Overloaded) => {
                    refused += 1;
                    assert!((0..BATCH).all(|event| one.batch.verdict(event) == Verdict::Pending));
                    waiting.push_back(one);
                }
            }
            assert!(engine.memory().used_bytes() <= MAX_BYTES, "{dedup:?}, round {round}: {:?}", engine.memory());
        }
        assert_eq!(engine.metrics(RETENTION as u32).stats.events, oracle.total_events(ts_ms), "round {round}");
        clock.advance(250);
        // Clients drop batches that would be too late now.
        waiting.retain(|one| engine.now_ms() - one.ts_ms <= SKEW * 1_000);
        engine.tick();
        if round % 4 == 0 {
            engine.sweep();
        }
    }
    assert!(refused > ROUNDS && came_again > 10, "{refused} were refused, {came_again} of these were taken later");
}

#[test]
fn after_everything_has_expired_as_much_is_accepted_as_before() {
    BACKENDS.into_iter().for_each(as_much_is_accepted_as_before);
}

fn as_much_is_accepted_as_before(dedup: DedupBackend) {
    let (clock, engine) = engine(|config| config.dedup = dedup);
    let taken = fill(&engine);
    let mut duplicates = batch(&engine, &[0, taken - 1]);
    if ingest(&engine, &mut duplicates).is_ok() {
        assert_eq!(
            [0, 1].map(|event| duplicates.verdict(event)),
            [Verdict::Duplicate; 2],
            "also while the engine is full"
        );
    }
    assert_eq!(engine.metrics(RETENTION as u32).stats.unique_users, taken);
    clock.advance(ALL_FORGOTTEN_MS);
    engine.tick();
    engine.sweep();
    assert_eq!(engine.sizes().dedup_ids, 0);
    let again = fill(&engine);
    assert!(again >= taken * 9 / 10, "{again} after {taken}");
    assert_eq!(engine.metrics(RETENTION as u32).stats.events, again);
}

#[test]
fn a_refused_batch_has_claimed_nothing() {
    let (clock, engine) = engine(|_| {});
    fill(&engine);
    let ids: Vec<u64> = (1_000_000..1_000_000 + BATCH as u64).collect();
    assert_eq!(ingest(&engine, &mut batch(&engine, &ids)), Err(Overloaded));
    let sizes = engine.sizes();
    assert_eq!((sizes.backlog, engine.memory().reserved_bytes), (0, 0));
    clock.advance(ALL_FORGOTTEN_MS);
    engine.tick();
    engine.sweep();
    assert_eq!(ingest(&engine, &mut batch(&engine, &ids)), Ok(BATCH));
    assert_eq!(ingest(&engine, &mut batch(&engine, &ids)), Ok(0), "all are duplicates now");
}

#[test]
fn an_engine_over_its_limit_recovers_by_ticks_alone() {
    // Sweeps do not free memory of a table of a fixed size.
    let (clock, engine) = engine(|config| {
        (config.dedup_capacity, config.max_memory_bytes) =
            (Some(50_000), Some(limits::DEDUP_TABLE_BYTES_MIN + (8 << 20)));
    });
    assert!(!engine.is_over_memory());
    fill(&engine);
    assert!(engine.is_over_memory());
    engine.tick();
    assert!(engine.is_over_memory(), "nothing has expired yet");
    clock.advance(RETENTION * 1_000);
    assert!(engine.is_over_memory(), "no tick has checked it yet");
    engine.tick();
    assert!(!engine.is_over_memory());
    assert!(engine.memory().used_bytes() <= engine.memory().max_bytes.unwrap() / 16 * 15);
}

#[test]
fn tables_of_ids_grow_within_the_limit_and_a_sweep_frees_the_memory_of_expired_ids() {
    const MAX_BYTES: usize = 128 << 20;
    for dedup in BACKENDS {
        let (clock, engine) = engine(|config| (config.dedup, config.max_memory_bytes) = (dedup, Some(MAX_BYTES)));
        for first in (0..).step_by(BATCH) {
            let ids: Vec<u64> = (first..first + BATCH as u64).collect();
            if ingest(&engine, &mut batch(&engine, &ids)).is_err() {
                break;
            }
            engine.tick();
            let before_bytes = engine.memory().used_bytes();
            engine.sweep();
            let used_bytes = engine.memory().used_bytes();
            assert!(used_bytes <= MAX_BYTES.max(before_bytes), "{dedup:?}: the sweep made too large a table");
        }
        let dedup_bytes = engine.memory().dedup_bytes;
        assert!(dedup_bytes > 2 * limits::DEDUP_TABLE_BYTES_MIN, "the tables have grown: {dedup_bytes} bytes");
        clock.advance(ALL_FORGOTTEN_MS);
        engine.tick();
        assert_eq!(engine.memory().dedup_bytes, dedup_bytes);
        engine.sweep();
        assert!(engine.memory().dedup_bytes < dedup_bytes / 4, "{dedup:?}: {} bytes", engine.memory().dedup_bytes);
        assert!(!engine.is_over_memory());
    }
}

#[test]
fn a_table_that_does_not_fit_is_refused_and_the_table_in_force_stays() {
    let (_, engine) = engine(|_| {});
    assert_eq!(put(&engine, 1_000, 0), Ok(1));
    let assert_unchanged = || {
        assert_eq!((engine.reference().number(), engine.reference().users()), (1, 1_000));
        assert_eq!(engine.user("u999"), Some(vec!["pro".to_owned(), "eu".to_owned()]));
        assert_eq!(engine.memory().reserved_bytes, 0);
        assert!(!engine.is_over_memory(), "events are still accepted");
    };
    assert_eq!(put(&engine, 100_000, 1), Err(ReferenceError::Overloaded));
    assert_unchanged();
    let ts = format_ms(START_MS + 1);
    let long = format!("{{\"user_metadata\":{{}},\"more\":\"{}\",\"ts\":\"{ts}\"}}", "x".repeat(MAX_BYTES / 48));
    assert_eq!(change(&engine, Change::Merge, long), Err(ReferenceError::Overloaded));
    assert_unchanged();
    assert_eq!(put(&engine, 2_000, 1), Ok(2));
    assert_eq!(ingest(&engine, &mut batch(&engine, &[1])), Ok(1));
}

#[test]
fn a_patch_needs_memory_for_copies_of_the_table() {
    let patch = |users: usize, max_bytes: usize| {
        let (_, engine) = engine(|config| config.max_memory_bytes = Some(max_bytes));
        // The table grows in small steps, so no body is large.
        for first in (0..users).step_by(1_000) {
            let users: Vec<String> =
                (first..first + 1_000).map(|n| format!("\"u{n}\":{{\"plan\":\"p\",\"region\":\"r\"}}")).collect();
            let ts = format_ms(START_MS + first as i64 / 1_000);
            let body = format!("{{\"user_metadata\":{{{}}},\"ts\":\"{ts}\"}}", users.join(","));
            let before = engine.reference();
            let changed = change(&engine, Change::Merge, body);
            assert_eq!(engine.memory().reserved_bytes, 0);
            if changed.is_err() {
                assert!(Arc::ptr_eq(&engine.reference(), &before), "a refused patch leaves the table");
            }
            changed?;
        }
        Ok::<_, ReferenceError>(engine.memory().reference_bytes)
    };
    let reference_bytes = patch(20_000, 1 << 30).unwrap();
    assert!((33 * 20_000..100 * 20_000).contains(&reference_bytes), "{reference_bytes}");
    assert_eq!(patch(20_000, MAX_BYTES), Err(ReferenceError::Overloaded));
    assert!(patch(4_000, MAX_BYTES).is_ok());
}

#[test]
fn the_lowest_limit_accepts_the_largest_batch() {
    for (dedup_capacity, event_types) in [(None, 3), (Some(1_000_000), 64)] {
        let config = |max_bytes| {
            let mut config = EngineConfig::default();
            (config.dedup_capacity, config.max_memory_bytes) = (dedup_capacity, Some(max_bytes));
            config.event_types =
                (0..event_types).map(|n| format!("t{n}")).chain(["click".to_owned()]).skip(1).collect();
            config
        };
        let error = config(0).validate().unwrap_err();
        assert_eq!(error.field(), "max_memory_bytes");
        let error = error.to_string();
        let min_bytes = error.strip_prefix("max_memory_bytes must be at least ").unwrap().split(' ').next().unwrap();
        let min_bytes: usize = min_bytes.parse().unwrap();
        assert_eq!(error, format!("max_memory_bytes must be at least {min_bytes} bytes with these settings, not 0"));
        assert!(config(min_bytes - 1).validate().is_err());
        let engine = Engine::new(config(min_bytes), ManualClock::new(START_MS)).unwrap();
        let ids: Vec<u64> = (0..engine.config().max_batch_events as u64).collect();
        assert_eq!(ingest(&engine, &mut batch(&engine, &ids)), Ok(ids.len()));
        assert_eq!(
            ingest(&engine, &mut batch(&engine, &ids)),
            Err(Overloaded),
            "a second batch does not fit before the fold"
        );
    }
}
