//! Writers, readers, table changes, ticks and sweeps on real threads. The clock runs about a hundred times as fast as
//! the wall clock, so seconds expire, the ring wraps and ids are forgotten all the time.
//!
//! `WEIR_STRESS_SECS=600 cargo test --release --test stress -- --ignored --nocapture --test-threads=1`

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use weir::{
    Change, Clock, DedupBackend, Engine, EngineConfig, Format, Generations, ManualClock, Metrics, Preconditions,
    ReferenceError, Verdict, format_ms, limits, second_of,
};

const START_MS: i64 = 1_760_000_000_000;
const RETENTION_SECS: u32 = 5;
const SKEW_SECS: u32 = 2;
const SKEW_MS: i64 = SKEW_SECS as i64 * 1_000;
const HORIZON_MS: i64 = (RETENTION_SECS + 2 * SKEW_SECS) as i64 * 1_000;
const STALL_MS: i64 = limits::STALL_SLACK_SECS as i64 * 1_000;
/// Seconds after which the ring of these settings has certainly wrapped.
const RING_SECS: i64 = 128;
const USERS: u64 = 300;
const TYPES: [&str; 3] = ["click", "view", "purchase"];
const WRITERS: usize = 4;
const BATCH: u64 = 40;
/// More ids than the writers can claim while the clock advances by a horizon.
const DEDUP_CAPACITY: usize = 1 << 20;

/// A splitmix64 random number generator. Each thread has its own.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn between(&mut self, least: i64, most: i64) -> i64 {
        least + self.below((most - least + 1) as u64) as i64
    }
}

#[derive(Clone, Copy)]
struct SentEvent {
    id: u64,
    user: u64,
    kind: usize,
    ts_ms: i64,
}

impl SentEvent {
    fn line(self) -> String {
        let Self { id, user, kind, ts_ms } = self;
        let (kind, ts) = (TYPES[kind], format_ms(ts_ms));
        format!("{{\"event_id\":\"{id}\",\"user_id\":\"u{user}\",\"type\":\"{kind}\",\"ts\":\"{ts}\"}}\n")
    }
}

/// The verdicts that one writer has received.
#[derive(Default)]
struct Ledger {
    /// Accepted events by second, for the seconds that an answer may still contain.
    accepted_in: BTreeMap<i64, u64>,
    /// The second of each event of the batch that is being ingested.
    in_flight: Vec<i64>,
    /// Events that were accepted since the last checkpoint, with the writer's time.
    accepted: Vec<(i64, SentEvent)>,
    /// Ids that were duplicates since the last checkpoint, with the writer's time.
    duplicates: Vec<(i64, u64)>,
}

/// The expected answers, from all verdicts that the writers have received.
#[derive(Default)]
struct StressOracle {
    events_of: BTreeMap<i64, Vec<SentEvent>>,
    claimed_ms: HashMap<u64, i64>,
    /// Whether ids may be remembered for longer than the horizon.
    forgets_late: bool,
    accepted: u64,
    duplicates: u64,
}

impl StressOracle {
    /// Takes over the ledgers of a round, and checks the verdicts against the dedup horizon.
    fn absorb(&mut self, ledgers: &[Mutex<Ledger>], now_ms: i64) {
        let (mut accepted, mut duplicates) = (vec![], vec![]);
        for ledger in ledgers {
            let mut ledger = ledger.lock().unwrap();
            assert!(ledger.in_flight.is_empty());
            accepted.append(&mut ledger.accepted);
            duplicates.append(&mut ledger.duplicates);
            ledger.accepted_in.retain(|second, _| *second > second_of(now_ms) - i64::from(RETENTION_SECS));
        }
        accepted.sort_by_key(|(received_ms, _)| *received_ms);
        for (received_ms, event) in &accepted {
            let before_ms = self.claimed_ms.insert(event.id, *received_ms);
            let is_remembered = before_ms.is_some_and(|before_ms| received_ms - before_ms <= HORIZON_MS);
            assert!(!is_remembered, "event {} was accepted at {before_ms:?} and again at {received_ms}", event.id);
            self.events_of.entry(second_of(event.ts_ms)).or_default().push(*event);
        }
        for (received_ms, id) in &duplicates {
            let is_remembered = |claimed_ms| self.forgets_late || received_ms - claimed_ms <= HORIZON_MS;
            let claimed = self.claimed_ms.get(id).is_some_and(|claimed_ms| is_remembered(*claimed_ms));
            assert!(claimed, "event {id} was a duplicate without an original at {received_ms}");
        }
        let forgets_late = self.forgets_late;
        self.claimed_ms.retain(|_, claimed_ms| forgets_late || now_ms - *claimed_ms <= HORIZON_MS + STALL_MS);
        self.events_of.retain(|second, _| *second > second_of(now_ms) - i64::from(RETENTION_SECS));
        self.accepted += accepted.len() as u64;
        self.duplicates += duplicates.len() as u64;
    }

    /// Compares every window with the ledgers, field by field, while no writer runs and the clock does not move.
    fn check(&self, engine: &Engine, now_ms: i64) {
        let now_secs = second_of(now_ms);
        for window_secs in 1..=RETENTION_SECS {
            let metrics = engine.metrics(window_secs);
            let seconds = now_secs - i64::from(window_secs) + 1..=now_secs;
            let events: Vec<&SentEvent> = self.events_of.range(seconds).flat_map(|(_, events)| events).collect();
            assert_eq!(metrics.as_of_ms, now_ms);
            assert_eq!(metrics.stats.events, events.len() as u64, "the last {window_secs} s at {now_ms}");
            assert_eq!(metrics.stats.unique_users, users(events.iter().copied()));
            assert_eq!(metrics.stats.by_type, count(events.iter().map(|event| TYPES[event.kind].to_owned())));
            let (known, unknown): (Vec<&SentEvent>, Vec<&SentEvent>) =
                events.into_iter().partition(|event| is_known(event.user, metrics.generation));
            assert_eq!(metrics.stats.unknown, unknown.len() as u64);
            assert_eq!(metrics.stats.by_attribute[0].1, count(known.iter().map(|_| plan(metrics.generation))));
            assert_eq!(metrics.stats.by_attribute[1].1, count(known.iter().map(|event| region(event.user))));
        }
        let sizes = engine.sizes();
        assert_eq!((sizes.backlog, sizes.users as u64), (0, users(self.events_of.values().flatten())));
    }
}

fn users<'a>(events: impl Iterator<Item = &'a SentEvent>) -> u64 {
    events.map(|event| event.user).collect::<BTreeSet<_>>().len() as u64
}

fn count(names: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}

/// Each table omits another eighth of the users, and gives all others the plan of its generation.
fn is_known(user: u64, generation: u64) -> bool {
    generation > 0 && user % 8 != generation % 8
}

fn plan(generation: u64) -> String {
    format!("g{generation}")
}

fn region(user: u64) -> String {
    format!("r{}", user % 5)
}

fn table(generation: u64, ts_ms: i64) -> Vec<u8> {
    let entry = |user| format!(r#""u{user}":{{"plan":"{}","region":"{}"}}"#, plan(generation), region(user));
    let entries: Vec<String> = (0..USERS).filter(|user| is_known(*user, generation)).map(entry).collect();
    format!(r#"{{"user_metadata":{{{}}},"ts":"{}"}}"#, entries.join(","), format_ms(ts_ms)).into()
}

/// The state that all threads share.
struct Stress {
    engine: Engine,
    clock: Arc<ManualClock>,
    ledgers: Vec<Mutex<Ledger>>,
    /// The batches that each pair of writers has started. The two writers of a pair share their ids.
    batches: Vec<AtomicU64>,
    /// Locked for reading by writers and readers during a step, and for writing by a checkpoint.
    pause: RwLock<()>,
    done: AtomicBool,
    /// The latest time and generation of any answer.
    as_of_ms: AtomicI64,
    generation: AtomicU64,
    answers: AtomicU64,
    tables: AtomicU64,
}

impl Stress {
    fn new(dedup: DedupBackend, dedup_capacity: Option<usize>) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let mut config = EngineConfig::default();
        (config.retention_secs, config.max_skew_secs) = (RETENTION_SECS, SKEW_SECS);
        (config.dedup, config.dedup_capacity, config.partitions) = (dedup, dedup_capacity, 2);
        config.max_batch_events = 1_000;
        // Low enough that writers also fold.
        config.max_backlog_events = 4_000;
        Self {
            engine: Engine::new(config, Arc::clone(&clock)).unwrap(),
            clock,
            ledgers: (0..WRITERS).map(|_| Mutex::default()).collect(),
            batches: (0..WRITERS.div_ceil(2)).map(|_| AtomicU64::new(0)).collect(),
            pause: RwLock::new(()),
            done: AtomicBool::new(false),
            as_of_ms: AtomicI64::new(START_MS),
            generation: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            tables: AtomicU64::new(0),
        }
    }

    fn until_done(&self, mut step: impl FnMut()) {
        while !self.done.load(Ordering::Acquire) {
            step();
        }
    }

    /// Ingests one batch. Most ids are also used by the other writer of the pair at about the same time. Some ids are
    /// older, some occur twice, and some events are outside the skew.
    fn write(&self, writer: usize, random: &mut Random) {
        let _running = self.pause.read().unwrap();
        let pair = writer / 2;
        let newest = self.batches[pair].fetch_add(1, Ordering::Relaxed) / 2;
        let number = if random.one_in(4) { newest.saturating_sub(random.below(40)) } else { newest };
        let received_ms = self.engine.now_ms();
        let events: Vec<SentEvent> = (0..BATCH)
            .map(|_| SentEvent {
                id: (pair as u64) << 48 | number << 8 | random.below(BATCH),
                user: random.below(USERS),
                kind: random.below(TYPES.len() as u64) as usize,
                ts_ms: received_ms + random.between(-SKEW_MS - 100, SKEW_MS + 100),
            })
            .collect();
        let body: String = events.iter().map(|event| event.line()).collect();
        let mut batch = self.engine.decode(body.into(), Format::Ndjson).unwrap();
        self.ledgers[writer].lock().unwrap().in_flight = events.iter().map(|event| second_of(event.ts_ms)).collect();
        if random.one_in(16) {
            std::thread::sleep(Duration::from_millis(random.below(20)));
        }
        let taken = self.engine.ingest(&mut batch, received_ms);
        let mut ledger = self.ledgers[writer].lock().unwrap();
        ledger.in_flight.clear();
        if taken.is_err() {
            return;
        }
        for (row, event) in events.into_iter().enumerate() {
            let offset_ms = event.ts_ms - received_ms;
            match batch.verdict(row) {
                Verdict::Accepted => {
                    assert!(offset_ms.abs() <= SKEW_MS);
                    *ledger.accepted_in.entry(second_of(event.ts_ms)).or_default() += 1;
                    ledger.accepted.push((received_ms, event));
                }
                Verdict::Duplicate => {
                    assert!(offset_ms.abs() <= SKEW_MS);
                    ledger.duplicates.push((received_ms, event.id));
                }
                Verdict::TooLate { .. } => assert!(offset_ms < -SKEW_MS),
                Verdict::TooEarly { .. } => assert!(offset_ms > SKEW_MS),
                // If the clock has not moved for a long time, the tables are full until the next generation.
                Verdict::Overloaded if self.engine.config().dedup_capacity.is_some() => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Accepted events by second, with or without the events in flight.
    fn accepted_in(&self, with_in_flight: bool) -> BTreeMap<i64, u64> {
        let mut all = BTreeMap::new();
        for ledger in &self.ledgers {
            let ledger = ledger.lock().unwrap();
            ledger.accepted_in.iter().for_each(|(second, events)| *all.entry(*second).or_default() += events);
            let in_flight = ledger.in_flight.iter().filter(|_| with_in_flight);
            in_flight.for_each(|second| *all.entry(*second).or_default() += 1);
        }
        all
    }

    /// Queries once. The answer contains all events that were acknowledged before, and no event that was not sent.
    /// Neither its time nor its generation is behind that of any earlier answer.
    fn read(&self, random: &mut Random) {
        let _running = self.pause.read().unwrap();
        let window_secs = random.between(1, RETENTION_SECS.into()) as u32;
        let as_of_ms = self.as_of_ms.load(Ordering::Acquire);
        let generation = self.generation.load(Ordering::Acquire);
        let acknowledged = self.accepted_in(false);
        let metrics = self.engine.metrics(window_secs);
        let offered = self.accepted_in(true);
        let now_secs = second_of(metrics.as_of_ms);
        let sum = |events_in: &BTreeMap<i64, u64>| {
            events_in.range(now_secs - i64::from(window_secs) + 1..=now_secs).map(|(_, events)| events).sum::<u64>()
        };
        assert!(metrics.stats.events >= sum(&acknowledged), "an acknowledged event is missing");
        assert!(metrics.stats.events <= sum(&offered), "an event was counted twice");
        assert!(metrics.as_of_ms >= as_of_ms && metrics.generation >= generation);
        self.as_of_ms.fetch_max(metrics.as_of_ms, Ordering::AcqRel);
        self.generation.fetch_max(metrics.generation, Ordering::AcqRel);
        self.answers.fetch_add(1, Ordering::Relaxed);
        assert_whole(&metrics);
    }

    /// Publishes the next table, in a race with another thread for its number.
    fn put(&self) {
        let current = self.engine.reference().number();
        let now_ms = self.engine.now_ms();
        let preconditions = Preconditions { if_match: Some(Generations::OneOf(vec![current])), if_none_match: None };
        match self.engine.change_reference(Change::Replace, table(current + 1, now_ms), &preconditions, now_ms) {
            Ok(generation) => {
                assert_eq!(generation.number(), current + 1);
                self.tables.fetch_add(1, Ordering::Relaxed);
                self.generation.fetch_max(generation.number(), Ordering::AcqRel);
            }
            Err(ReferenceError::GenerationMismatch { current: newer }) => assert!(newer > current),
            Err(ReferenceError::Stale { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }

    /// Lets the clock run, in all by less than the slack of a stalled writer. Then it pauses all threads and compares.
    fn round(&self, random: &mut Random, oracle: &mut StressOracle) {
        for _ in 0..random.between(10, 150) {
            std::thread::sleep(Duration::from_millis(1));
            self.clock.advance(random.between(-20, 380));
        }
        let _paused = self.pause.write().unwrap();
        let now_ms = self.engine.now_ms();
        self.clock.set(now_ms);
        oracle.absorb(&self.ledgers, now_ms);
        oracle.check(&self.engine, now_ms);
        if random.one_in(16) {
            self.clock.advance(random.between(0, 4 * RING_SECS * 1_000));
        }
    }
}

/// The sums of an answer are consistent, and its groups are of one generation.
fn assert_whole(metrics: &Metrics) {
    let stats = &metrics.stats;
    assert_eq!(stats.by_type.values().sum::<u64>(), stats.events);
    let known = stats.events - stats.unknown;
    assert!(stats.unique_users <= stats.events.min(USERS));
    let plans = &stats.by_attribute[0].1;
    assert_eq!(*plans, [(plan(metrics.generation), known)].into_iter().filter(|(_, events)| *events > 0).collect());
    assert_eq!(stats.by_attribute[1].1.values().sum::<u64>(), known);
}

fn stress_secs() -> u64 {
    std::env::var("WEIR_STRESS_SECS").map_or(30, |secs| secs.parse().expect("WEIR_STRESS_SECS is a number of seconds"))
}

/// Sets `done` when the main thread leaves the scope, also after a failed comparison, so that the other threads end.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
#[ignore = "takes WEIR_STRESS_SECS seconds, 30 unless set"]
fn every_answer_is_exact_on_real_threads_with_a_fast_clock() {
    stress(DedupBackend::Lines, None);
}

#[test]
#[ignore = "takes WEIR_STRESS_SECS seconds, 30 unless set"]
fn every_answer_is_exact_with_the_map() {
    stress(DedupBackend::Scc, None);
}

#[test]
#[ignore = "takes WEIR_STRESS_SECS seconds, 30 unless set"]
fn every_answer_is_exact_with_a_dedup_capacity() {
    stress(DedupBackend::Lines, Some(DEDUP_CAPACITY));
}

fn stress(dedup: DedupBackend, dedup_capacity: Option<usize>) {
    let stress = &Stress::new(dedup, dedup_capacity);
    let mut oracle = StressOracle { forgets_late: dedup == DedupBackend::Lines, ..StressOracle::default() };
    let end = Instant::now() + Duration::from_secs(stress_secs());
    let mut rounds = 0;
    std::thread::scope(|scope| {
        let mut threads = vec![];
        let finish = Finish(&stress.done);
        for writer in 0..WRITERS {
            let mut random = Random(writer as u64);
            threads.push(scope.spawn(move || stress.until_done(|| stress.write(writer, &mut random))));
        }
        for reader in 0..2 {
            let mut random = Random(100 + reader);
            threads.push(scope.spawn(move || stress.until_done(|| stress.read(&mut random))));
            threads.push(scope.spawn(|| stress.until_done(|| stress.put())));
        }
        threads.push(scope.spawn(|| stress.until_done(|| stress.engine.tick())));
        threads.push(scope.spawn(|| stress.until_done(|| stress.engine.sweep())));
        let mut random = Random(200);
        while Instant::now() < end && !threads.iter().any(std::thread::ScopedJoinHandle::is_finished) {
            stress.round(&mut random, &mut oracle);
            rounds += 1;
        }
        drop(finish);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });

    let now_ms = stress.engine.now_ms();
    oracle.absorb(&stress.ledgers, now_ms);
    oracle.check(&stress.engine, now_ms);
    if dedup == DedupBackend::Scc {
        stress.engine.sweep();
        assert_eq!(stress.engine.sizes().dedup_ids, oracle.claimed_ms.len());
    }
    assert_eq!(stress.engine.reference().number(), stress.tables.load(Ordering::Relaxed));
    let (answers, tables) = (stress.answers.load(Ordering::Relaxed), stress.tables.load(Ordering::Relaxed));
    let wraps = second_of(stress.clock.now_ms() - START_MS) / RING_SECS;
    assert!(rounds > 0 && oracle.accepted > 0 && oracle.duplicates > 0 && answers > 0 && tables > 0);
    println!(
        "{rounds} rounds, {wraps} wraps, {} events accepted, {} duplicates, {answers} answers, {tables} tables",
        oracle.accepted, oracle.duplicates
    );
}
