//! What expires gives its memory back, and what is held is counted and limited. The allocator of this test counts the bytes that are allocated.

#![allow(unsafe_code, reason = "an allocator is an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use weir::internals::HashKeys;
use weir::internals::{Appends, Claims};
use weir::{Change, Engine, EngineConfig, Format, ManualClock, Preconditions, format_ms, limits};

struct Counting;

static ALLOCATED_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator as it is.
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

/// Ingests `events` events of a thousand users, with ids that start with `prefix`.
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

/// Ticks often enough that the epoch frees everything that was retired.
fn settle(engine: &Engine) {
    for _ in 0..1_000 {
        engine.tick();
    }
}

fn expired_ids_and_events_give_their_memory_back() {
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = Engine::new(EngineConfig::default(), Arc::clone(&clock)).unwrap();
    settle(&engine); // what earlier tests have retired
    let empty_bytes = allocated_bytes();
    ingest(&engine, "a-", IDS);
    settle(&engine);
    let full_bytes = allocated_bytes() - empty_bytes;
    assert!(full_bytes > IDS * 24, "{full_bytes} bytes for {IDS} ids");
    assert!(full_bytes < IDS * 160, "{full_bytes} bytes for {IDS} ids");

    clock.advance(3_600_000);
    engine.sweep();
    settle(&engine);
    assert_eq!((engine.sizes().dedup_ids, engine.sizes().users), (0, 0));
    let left_bytes = allocated_bytes().saturating_sub(empty_bytes);
    // What stays are parse buffers and the arrays of the most users at once.
    assert!(left_bytes < full_bytes / 10, "{left_bytes} of {full_bytes} bytes are still held");

    // When most of it expires, most of it is given back.
    ingest(&engine, "b-", IDS);
    clock.advance(1_800_000);
    ingest(&engine, "c-", IDS / 20);
    settle(&engine);
    let both_bytes = allocated_bytes() - empty_bytes;
    clock.advance(400_000);
    engine.sweep();
    settle(&engine);
    assert_eq!(engine.sizes().dedup_ids, IDS / 20);
    let few_bytes = allocated_bytes() - empty_bytes;
    assert!(few_bytes < both_bytes / 3, "{few_bytes} of {both_bytes} bytes are still held");
}

fn one_sweep_is_enough_for_large_tables_to_shrink() {
    const IDS: usize = 2_500_000;
    let keys = HashKeys::from_seed(&[1; 32]);
    let before_bytes = allocated_bytes();
    let mut claims = Claims::elastic(Some(10));
    for first in (0..IDS).step_by(BATCH) {
        let of_batch: Vec<_> = (first..first + BATCH).map(|id| keys.event(&id.to_string())).collect();
        // The last of them outlive the others.
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
    settle(&engine); // what earlier tests have retired
    let before_bytes = allocated_bytes();
    for _ in (0..IDS).step_by(BATCH) {
        appends.append(1, vec![0; BATCH].into());
    }
    let full_bytes = allocated_bytes() - before_bytes;
    assert!(full_bytes >= IDS * 16);
    assert_eq!(appends.drain(), IDS as u64);
    settle(&engine);
    let left_bytes = allocated_bytes().saturating_sub(before_bytes);
    assert!(left_bytes < full_bytes / 100, "{left_bytes} of {full_bytes} bytes are still held");
}

fn an_engine_that_is_dropped_leaves_nothing_behind() {
    let round = || {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(START_MS)).unwrap();
        ingest(&engine, "a-", IDS);
        settle(&engine);
    };
    round();
    let before_bytes = allocated_bytes();
    for _ in 0..3 {
        round();
    }
    let left_bytes = allocated_bytes().saturating_sub(before_bytes);
    assert!(left_bytes < IDS, "{left_bytes} bytes are left of three engines");
}

fn records_that_were_never_folded_are_freed_with_their_window() {
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

/// An engine, its clock, and what was allocated before it.
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

    /// Ingests events of a second after the start, each with a new id and a new user; whether they were taken.
    fn ingest(&self, numbers: Range<usize>, second: i64) -> bool {
        let ts = format_ms(START_MS + second * 1_000);
        let line =
            |n: usize| format!("{{\"event_id\":\"e{n}\",\"user_id\":\"u{n}\",\"type\":\"click\",\"ts\":\"{ts}\"}}\n");
        let body = numbers.map(line).collect::<String>();
        let mut batch = self.engine.decode(body.into(), Format::Ndjson).unwrap();
        self.engine.ingest(&mut batch, self.engine.now_ms()).is_ok()
    }

    /// A table of users of so many plans and regions.
    fn put(&self, ts_ms: i64, users: usize, plans: usize, regions: usize) {
        let user =
            |n: usize| format!("\"u{n}\":{{\"plan\":\"p{}\",\"region\":\"r{}\"}}", n % plans, n / plans % regions);
        let users: Vec<String> = (0..users).map(user).collect();
        let ts = format_ms(START_MS + ts_ms);
        let body = format!("{{\"user_metadata\":{{{}}},\"ts\":\"{ts}\"}}", users.join(",")).into();
        let now_ms = self.engine.now_ms();
        let _ = self.engine.change_reference(Change::Replace, body, &Preconditions::default(), now_ms);
    }

    /// What is counted for each byte that is allocated.
    fn counted_times(&self, mapped_bytes: usize) -> f64 {
        let counted_bytes = self.engine.memory().used_bytes() - mapped_bytes;
        counted_bytes as f64 / (allocated_bytes() - self.before_bytes) as f64
    }
}

/// Threads keep parse buffers, which no engine counts.
fn make_parse_buffers() {
    let bench = Bench::new(EngineConfig::default());
    assert!(bench.ingest(0..1, 0) && bench.ingest(1..1_001, 0));
    bench.put(0, 20_000, 50, 50);
    settle(&bench.engine);
}

fn what_is_allocated_is_counted() {
    const EVENTS: usize = 300_000;
    make_parse_buffers();
    for (dedup_capacity, batch_events, is_limited) in
        [(None, 1_000, true), (None, 1_000, false), (None, 1, true), (Some(EVENTS), 1_000, true)]
    {
        let mut config = EngineConfig::default();
        (config.dedup_capacity, config.max_batch_events) = (dedup_capacity, 1_000);
        config.max_memory_bytes = is_limited.then_some(1 << 40);
        let bench = Bench::new(config);
        // Tables are mapped beside the allocator: three generations of horizon and slack, to be filled to 8 of 10.
        let mapped_bytes = dedup_capacity.map_or(0, |ids| ids * 2_100 / 2_040 * 10 / 8 * 8 * 3);
        let (mut least, mut most) = (f64::MAX, 0.0_f64);
        let mut look = |bench: &Bench| {
            let times = bench.counted_times(mapped_bytes);
            least = least.min(times);
            let sizes = bench.engine.sizes();
            if sizes.backlog == 0 && sizes.users > EVENTS / 10 {
                most = most.max(times);
            }
        };
        for first in (0..EVENTS).step_by(batch_events) {
            assert!(bench.ingest(first..first + batch_events, first as i64 * 7 / 1_000 % 240 - 120));
            look(&bench);
            if first % 10_000 == 0 {
                bench.engine.tick();
                look(&bench);
            }
            if first % 50_000 == 0 {
                // More groups from table to table, up to more than seconds count in arrays.
                bench.put(first as i64, 20_000, 40, 1 + first / 6_000);
                look(&bench);
                let _ = bench.engine.metrics(300);
                look(&bench);
                settle(&bench.engine);
                look(&bench);
            }
        }
        for secs in [0, 120, 121, 300, 1_700, 1_800, 2_200, 2_400] {
            bench.clock.set(START_MS + secs * 1_000);
            settle(&bench.engine);
            bench.engine.sweep();
            look(&bench);
        }
        println!("capacity {dedup_capacity:?}, batches of {batch_events}: {least:.2} to {most:.2} times are counted");
        assert!(least >= 1.0, "{least} of what is allocated is counted");
        assert!(most <= 4.0, "{most} times what is allocated is counted");
    }
}

fn a_change_of_the_table_takes_no_more_than_is_set_aside_for_it() {
    type Member = fn(usize) -> String;
    type Body<'b> = &'b dyn Fn(&str) -> String;
    let whole = |users: &str, ignored: &str| {
        let ts = format_ms(START_MS);
        format!("{{\"ignored\":[{ignored}],\"user_metadata\":{{{users}}},\"ts\":\"{ts}\"}}")
    };
    let ignored = |members: &str| whole("", members);
    // What simd-json refuses after an escape is copied and read once more.
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

fn whatever_comes_stays_within_the_limit() {
    const MAX_BYTES: usize = 24 << 20;
    for (batch_events, has_tables) in [(1, false), (500, false), (500, true)] {
        let mut config = EngineConfig::default();
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
        println!("batches of {batch_events}: {taken} events taken, {refused} refused, {peak_bytes} bytes at once");
        assert!(peak_bytes <= MAX_BYTES, "{peak_bytes} bytes were allocated at once");
        assert!(taken > 300_000 && refused > 300_000, "{taken} taken, {refused} refused");
    }
}

/// One test on one thread: what a thread gives back when it ends would be counted against the others.
#[test]
fn memory_is_given_back() {
    an_engine_that_is_dropped_leaves_nothing_behind();
    expired_ids_and_events_give_their_memory_back();
    folded_records_are_freed_while_their_second_is_still_live();
    records_that_were_never_folded_are_freed_with_their_window();
    one_sweep_is_enough_for_large_tables_to_shrink();
    what_is_allocated_is_counted();
    a_change_of_the_table_takes_no_more_than_is_set_aside_for_it();
    whatever_comes_stays_within_the_limit();
}
