//! Expired ids and events free their memory, and the memory in use is counted and limited.
//!
//! The allocator of this test counts the allocated bytes.

#![allow(unsafe_code, reason = "an allocator is an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use weir::internals::HashKeys;
use weir::internals::{Appends, Claims};
use weir::{Change, DedupBackend, Engine, EngineConfig, Format, ManualClock, Preconditions, format_ms, limits};

struct Counting;

static ALLOCATED_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let before_bytes = ALLOCATED_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        PEAK_BYTES.fetch_max(before_bytes + layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's duties are the callee's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        ALLOCATED_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's duties are the callee's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const START_MS: i64 = 1_760_000_000_000;
const IDS: usize = 400_000;
const BATCH: usize = 4_000;

fn allocated_bytes() -> usize {
    ALLOCATED_BYTES.load(Ordering::Relaxed)
}

/// Ingests `events` events of a thousand users. Their ids start with `prefix`.
fn ingest(engine: &Engine, prefix: &str, events: usize) {
    for first in (0..events).step_by(BATCH) {
        let now_ms = engine.now_ms();
        let ts = format_ms(now_ms);
        let line = |event: usize| {
            let user = event % 1_000;
            format!("{{\"event_id\":\"{prefix}{event}\",\"user_id\":\"u{user}\",\"type\":\"click\",\"ts\":\"{ts}\"}}\n")
        };
        let body: String = (first..first + BATCH).map(line).collect();
        let mut batch = engine.decode(body.into(), Format::Ndjson).unwrap();
        assert_eq!(engine.ingest(&mut batch, now_ms).unwrap().accepted, BATCH);
    }
    engine.tick();
}

/// Ticks so often that the epoch advances and everything retired is freed.
fn free_retired(engine: &Engine) {
    for _ in 0..1_000 {
        engine.tick();
    }
}

fn expired_ids_and_events_free_their_memory() {
    let clock = Arc::new(ManualClock::new(START_MS));
    let mut config = EngineConfig::default();
    config.dedup = DedupBackend::Scc;
    let engine = Engine::new(config, Arc::clone(&clock)).unwrap();
    free_retired(&engine); // what earlier tests have retired
    let empty_bytes = allocated_bytes();
    ingest(&engine, "a-", IDS);
    free_retired(&engine);
    let full_bytes = allocated_bytes() - empty_bytes;
    assert!(full_bytes > IDS * 24, "{full_bytes} bytes for {IDS} ids");
    assert!(full_bytes < IDS * 160, "{full_bytes} bytes for {IDS} ids");

    clock.advance(3_600_000);
    engine.sweep();
    free_retired(&engine);
    assert_eq!((engine.sizes().dedup_ids, engine.sizes().users), (0, 0));
    let left_bytes = allocated_bytes().saturating_sub(empty_bytes);
    // The parse buffers stay, and the arrays for the largest number of users at once.
    assert!(left_bytes < full_bytes / 10, "{left_bytes} of {full_bytes} bytes are still held");

    // When most ids and events expire, most of the memory is freed.
    ingest(&engine, "b-", IDS);
    clock.advance(1_800_000);
    ingest(&engine, "c-", IDS / 20);
    free_retired(&engine);
    let both_bytes = allocated_bytes() - empty_bytes;
    clock.advance(400_000);
    engine.sweep();
    free_retired(&engine);
    assert_eq!(engine.sizes().dedup_ids, IDS / 20);
    let few_bytes = allocated_bytes() - empty_bytes;
    assert!(few_bytes < both_bytes / 3, "{few_bytes} of {both_bytes} bytes are still held");
}

fn one_sweep_is_enough_for_large_tables_to_shrink() {
    const IDS: usize = 2_500_000;
    let keys = HashKeys::from_seed(&[1; 32]);
    let before_bytes = allocated_bytes();
    let mut claims = Claims::scc(Some(10));
    for first in (0..IDS).step_by(BATCH) {
        let of_batch: Vec<_> = (first..first + BATCH).map(|id| keys.event(&id.to_string())).collect();
        // The last ids expire later than the others.
        claims.claim(&of_batch, if first < IDS / 20 * 19 { 0 } else { 60_000 });
    }
    let full_bytes = allocated_bytes() - before_bytes;
    claims.sweep(60_000 + 10_001);
    let left_bytes = allocated_bytes() - before_bytes;
    assert!(full_bytes > IDS * 26 && left_bytes < full_bytes / 2, "{left_bytes} of {full_bytes} bytes are still held");
}

fn folded_records_are_freed_while_their_second_is_still_live() {
    let engine = Engine::new(EngineConfig::default(), ManualClock::new(START_MS)).unwrap();
    let mut appends = Appends::new(2_048);
    free_retired(&engine); // what earlier tests have retired
    let before_bytes = allocated_bytes();
    for _ in (0..IDS).step_by(BATCH) {
        appends.append(1, vec![0; BATCH].into());
    }
    let full_bytes = allocated_bytes() - before_bytes;
    assert!(full_bytes >= IDS * 16);
    assert_eq!(appends.drain(), IDS as u64);
    free_retired(&engine);
    let left_bytes = allocated_bytes().saturating_sub(before_bytes);
    assert!(left_bytes < full_bytes / 100, "{left_bytes} of {full_bytes} bytes are still held");
}

fn a_dropped_engine_frees_all_its_memory() {
    let round = || {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(START_MS)).unwrap();
        ingest(&engine, "a-", IDS);
        free_retired(&engine);
    };
    round();
    let before_bytes = allocated_bytes();
    for _ in 0..3 {
        round();
    }
    let left_bytes = allocated_bytes().saturating_sub(before_bytes);
    assert!(left_bytes < IDS, "{left_bytes} bytes of three engines are left");
}

fn unfolded_records_are_freed_with_their_window() {
    let before_bytes = allocated_bytes();
    let appends = Appends::new(2_048);
    for second in 0..100 {
        appends.append(second, vec![0; BATCH].into());
    }
    assert!(allocated_bytes() - before_bytes >= 100 * BATCH * 16);
    drop(appends);
    let left_bytes = allocated_bytes().saturating_sub(before_bytes);
    assert!(left_bytes < BATCH * 16, "{left_bytes} bytes are left");
}

/// An engine, its clock, and the bytes that were allocated before it.
struct Bench {
    clock: Arc<ManualClock>,
    engine: Engine,
    before_bytes: usize,
}

impl Bench {
    fn new(config: EngineConfig) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let before_bytes = allocated_bytes();
        let engine = Engine::new(config, Arc::clone(&clock)).unwrap();
        Self { clock, engine, before_bytes }
    }

    /// Ingests events of the second `second` after the start, each with a new id and a new user. Returns whether they
    /// were taken.
    fn ingest(&self, numbers: Range<usize>, second: i64) -> bool {
        let ts = format_ms(START_MS + second * 1_000);
        let line =
            |n: usize| format!("{{\"event_id\":\"e{n}\",\"user_id\":\"u{n}\",\"type\":\"click\",\"ts\":\"{ts}\"}}\n");
        let body = numbers.map(line).collect::<String>();
        let mut batch = self.engine.decode(body.into(), Format::Ndjson).unwrap();
        self.engine.ingest(&mut batch, self.engine.now_ms()).is_ok()
    }

    /// Replaces the table by one of `users` users with `plans` plans and `regions` regions.
    fn put(&self, ts_ms: i64, users: usize, plans: usize, regions: usize) {
        let user =
            |n: usize| format!("\"u{n}\":{{\"plan\":\"p{}\",\"region\":\"r{}\"}}", n % plans, n / plans % regions);
        let users: Vec<String> = (0..users).map(user).collect();
        let ts = format_ms(START_MS + ts_ms);
        let body = format!("{{\"user_metadata\":{{{}}},\"ts\":\"{ts}\"}}", users.join(",")).into();
        let now_ms = self.engine.now_ms();
        let _ = self.engine.change_reference(Change::Replace, body, &Preconditions::default(), now_ms);
    }

    /// The counted bytes for each allocated byte. Lines are mapped without the allocator, so they are left out;
    /// `fixed_bytes` of them are there from the start.
    fn counted_times(&self, fixed_bytes: usize) -> f64 {
        let memory = self.engine.memory();
        let is_mapped = self.engine.config().dedup == DedupBackend::Lines;
        let mapped_bytes = fixed_bytes + if is_mapped { memory.dedup_bytes } else { 0 };
        let counted_bytes = memory.used_bytes() - mapped_bytes;
        counted_bytes as f64 / (allocated_bytes() - self.before_bytes) as f64
    }
}

/// Creates the parse buffers of this thread, which no engine counts.
fn make_parse_buffers() {
    let bench = Bench::new(EngineConfig::default());
    assert!(bench.ingest(0..1, 0) && bench.ingest(1..1_001, 0));
    bench.put(0, 20_000, 50, 50);
    free_retired(&bench.engine);
}

fn allocated_memory_is_counted() {
    const EVENTS: usize = 300_000;
    make_parse_buffers();
    for (dedup, dedup_capacity, batch_events, is_limited) in [
        (DedupBackend::Scc, None, 1_000, true),
        (DedupBackend::Scc, None, 1_000, false),
        (DedupBackend::Scc, None, 1, true),
        (DedupBackend::Lines, None, 1_000, true),
        (DedupBackend::Lines, None, 1, true),
        (DedupBackend::Lines, Some(EVENTS), 1_000, true),
    ] {
        let mut config = EngineConfig::default();
        (config.dedup, config.dedup_capacity, config.max_batch_events) = (dedup, dedup_capacity, 1_000);
        config.max_memory_bytes = is_limited.then_some(1 << 40);
        let bench = Bench::new(config);
        // A table for the ids of a horizon and a minute.
        let fixed_bytes =
            dedup_capacity.map_or(0, |ids| ids * 2_100 / 2_040 * 16 / limits::DEDUP_IDS_PER_16_LINES * 64);
        let (mut least, mut most) = (f64::MAX, 0.0_f64);
        let mut measure = |bench: &Bench| {
            let times = bench.counted_times(fixed_bytes);
            least = least.min(times);
            let sizes = bench.engine.sizes();
            if sizes.backlog == 0 && sizes.users > EVENTS / 10 {
                most = most.max(times);
            }
        };
        for first in (0..EVENTS).step_by(batch_events) {
            assert!(bench.ingest(first..first + batch_events, first as i64 * 7 / 1_000 % 240 - 120));
            measure(&bench);
            if first % 10_000 == 0 {
                bench.engine.tick();
                measure(&bench);
            }
            if first % 50_000 == 0 {
                // Each table has more groups. The last ones have more than an array of counters.
                bench.put(first as i64, 20_000, 40, 1 + first / 6_000);
                measure(&bench);
                let _ = bench.engine.metrics(300);
                measure(&bench);
                free_retired(&bench.engine);
                measure(&bench);
            }
        }
        for secs in [0, 120, 121, 300, 1_700, 1_800, 2_200, 2_400] {
            bench.clock.set(START_MS + secs * 1_000);
            free_retired(&bench.engine);
            bench.engine.sweep();
            measure(&bench);
        }
        println!(
            "{dedup:?}, capacity {dedup_capacity:?}, batches of {batch_events}: {least:.2} to {most:.2} times \
             the allocated memory are counted"
        );
        assert!(least >= 1.0, "only {least} of the allocated memory is counted");
        assert!(most <= 4.0, "{most} times the allocated memory is counted");
    }
}

/// A thread that reads for long keeps all records from being freed that are folded meanwhile.
fn records_that_cannot_be_freed_are_counted() {
    for records_a_second in [1, 20] {
        let mut config = EngineConfig::default();
        (config.partitions, config.max_memory_bytes) = (16, Some(1 << 40));
        let bench = Bench::new(config);
        // The same users in each round, in all seconds that take events.
        let ingest = |round: usize| {
            for second in -119..=120_i64 {
                let ts = format_ms(START_MS + second * 1_000);
                let line = |user: usize| {
                    format!(
                        "{{\"event_id\":\"{round}-{second}-{user}\",\"user_id\":\"u{user}\",\"type\":\"click\",\
                         \"ts\":\"{ts}\"}}\n"
                    )
                };
                let body: String = (0..16 * records_a_second).map(line).collect();
                let mut batch = bench.engine.decode(body.into(), Format::Ndjson).unwrap();
                bench.engine.ingest(&mut batch, START_MS).unwrap();
            }
            bench.engine.tick();
        };
        let counted_bytes = || {
            let memory = bench.engine.memory();
            memory.used_bytes() - memory.dedup_bytes
        };
        (0..20).for_each(ingest);
        free_retired(&bench.engine);
        let (before_bytes, counted_before_bytes) = (allocated_bytes(), counted_bytes());
        let guard = crossbeam_epoch::pin();
        (20..25).for_each(ingest);
        let growth_bytes = allocated_bytes() - before_bytes;
        let counted_growth_bytes = counted_bytes() - counted_before_bytes;
        drop(guard);
        println!("{growth_bytes} bytes cannot be freed, {counted_growth_bytes} are counted");
        assert!(growth_bytes > 5 * 240 * 16 * records_a_second * 16, "{growth_bytes} bytes");
        assert!(growth_bytes <= counted_growth_bytes, "{growth_bytes} bytes, {counted_growth_bytes} counted");
        free_retired(&bench.engine);
        assert_eq!(bench.engine.memory().garbage_bytes, 0);
    }
}

fn a_change_of_the_table_allocates_no_more_than_it_has_reserved() {
    type Member = fn(usize) -> String;
    type Body<'b> = &'b dyn Fn(&str) -> String;
    let whole = |users: &str, ignored: &str| {
        let ts = format_ms(START_MS);
        format!("{{\"ignored\":[{ignored}],\"user_metadata\":{{{users}}},\"ts\":\"{ts}\"}}")
    };
    let ignored = |members: &str| whole("", members);
    // A body that simd-json refuses after an escape is copied and read again.
    let read_twice = |members: &str| whole("", &format!("\"\\n\",{members},1e999"));
    let users = |users: &str| whole(users, "");
    let bodies: [(&str, Change, Body<'_>, Member); 5] = [
        ("numbers", Change::Replace, &ignored, |_| "1".to_owned()),
        ("numbers read twice", Change::Replace, &read_twice, |_| "1".to_owned()),
        ("users of one group", Change::Replace, &users, |n| format!("\"{n:x}\":{{\"a\":\"b\"}}")),
        ("deleted users", Change::Merge, &users, |n| format!("\"{n:x}\":null")),
        ("users of many groups", Change::Replace, &users, |n| format!("\"{n:x}\":{{\"a\":\"{:x}\"}}", n % 4_096)),
    ];
    for (what, change, body, member) in bodies {
        for members in [4_096, 60_000, 250_000] {
            let mut config = EngineConfig::default();
            config.attributes = vec!["a".to_owned()];
            let engine = Engine::new(config, ManualClock::new(START_MS)).unwrap();
            let body = body(&(0..members).map(member).collect::<Vec<_>>().join(",")).into_bytes();
            let body_bytes = body.len();
            let before_bytes = allocated_bytes();
            PEAK_BYTES.store(before_bytes, Ordering::Relaxed);
            engine.change_reference(change, body, &Preconditions::default(), START_MS).unwrap();
            let times = (PEAK_BYTES.load(Ordering::Relaxed) - before_bytes).div_ceil(body_bytes);
            println!("{what}: {times} times a body of {body_bytes} bytes");
            assert!(times <= limits::REFERENCE_BYTES_PER_BODY_BYTE, "{what}: {times} times");
        }
    }
}

fn allocated_memory_stays_within_the_limit() {
    const MAX_BYTES: usize = 24 << 20;
    for (dedup, batch_events, has_tables) in [
        (DedupBackend::Scc, 1, false),
        (DedupBackend::Scc, 500, false),
        (DedupBackend::Scc, 500, true),
        (DedupBackend::Lines, 1, false),
        (DedupBackend::Lines, 500, true),
    ] {
        let mut config = EngineConfig::default();
        config.dedup = dedup;
        (config.retention_secs, config.max_skew_secs) = (20, 5);
        (config.max_batch_events, config.max_memory_bytes) = (500, Some(MAX_BYTES));
        let bench = Bench::new(config);
        PEAK_BYTES.store(allocated_bytes(), Ordering::Relaxed);
        let (mut taken, mut refused) = (0, 0);
        for step in 0..240_usize {
            for (batch, first) in (step * 6_000..(step + 1) * 6_000).step_by(batch_events).enumerate() {
                if bench.ingest(first..first + batch_events, step as i64 / 2 + batch as i64 % 11 - 5) {
                    taken += batch_events;
                } else {
                    refused += batch_events;
                }
                let used_bytes = bench.engine.memory().used_bytes();
                assert!(used_bytes <= MAX_BYTES || has_tables, "{used_bytes} bytes are in use");
            }
            if has_tables && step % 10 == 0 {
                bench.put(step as i64 * 500, 1_000, 40, 25);
                let _ = bench.engine.metrics(20);
            }
            bench.clock.advance(500);
            bench.engine.tick();
            bench.engine.sweep();
        }
        let peak_bytes = PEAK_BYTES.load(Ordering::Relaxed) - bench.before_bytes;
        println!(
            "{dedup:?}, batches of {batch_events}: {taken} events taken, {refused} refused, {peak_bytes} bytes \
             at the peak"
        );
        assert!(peak_bytes <= MAX_BYTES, "{peak_bytes} bytes were allocated at the peak");
        assert!(taken > 300_000 && refused > 300_000, "{taken} taken, {refused} refused");
    }
}

/// One test on one thread: memory that a thread frees when it ends would change the results of other tests.
#[test]
fn memory_is_freed_and_limited() {
    a_dropped_engine_frees_all_its_memory();
    expired_ids_and_events_free_their_memory();
    folded_records_are_freed_while_their_second_is_still_live();
    unfolded_records_are_freed_with_their_window();
    one_sweep_is_enough_for_large_tables_to_shrink();
    allocated_memory_is_counted();
    records_that_cannot_be_freed_are_counted();
    a_change_of_the_table_allocates_no_more_than_it_has_reserved();
    allocated_memory_stays_within_the_limit();
}
