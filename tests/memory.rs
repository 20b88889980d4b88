//! What expires gives its memory back. The allocator of this test counts the bytes that are allocated.

#![allow(unsafe_code, reason = "an allocator is an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use weir::clock::ManualClock;
use weir::event::{Format, format_ms};
use weir::stages::Appends;
use weir::{Engine, EngineConfig};

struct Counting;

static ALLOCATED_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
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
    for _ in 0..3 {
        engine.sweep();
        settle(&engine);
    }
    assert_eq!(engine.sizes().dedup_ids, IDS / 20);
    let few_bytes = allocated_bytes() - empty_bytes;
    assert!(few_bytes < both_bytes / 3, "{few_bytes} of {both_bytes} bytes are still held");
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

/// One test on one thread: what a thread gives back when it ends would be counted against the others.
#[test]
fn memory_is_given_back() {
    an_engine_that_is_dropped_leaves_nothing_behind();
    expired_ids_and_events_give_their_memory_back();
    folded_records_are_freed_while_their_second_is_still_live();
    records_that_were_never_folded_are_freed_with_their_window();
}
