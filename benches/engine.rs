//! Each stage alone, and the whole ingest. Times are per batch, and `thrpt` is events per second.

mod bodies;

use bodies::{BATCH, START_MS, body, shapes};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use weir::internals::HashKeys;
use weir::internals::{Appends, Claims, Decode};
use weir::{
    Change, DedupBackend, Engine, EngineConfig, Filter, Format, ManualClock, Preconditions, Query, format_ms, second_of,
};

/// The most ids in the dedup table. After each `LIVE_IDS` ids, the clock moves by more than a horizon.
const LIVE_IDS: u64 = 2_000_000;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn engine() -> (Engine, Arc<ManualClock>) {
    engine_with(DedupBackend::Lines)
}

fn engine_with(dedup: DedupBackend) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(START_MS));
    let mut config = EngineConfig::default();
    config.dedup = dedup;
    (Engine::new(config, clock.clone()).expect("the settings are valid"), clock)
}

/// New ids for every batch. From time to time all ids expire, outside the measured time.
struct Stream {
    next_id: u64,
    now_ms: i64,
}

impl Stream {
    fn new() -> Self {
        Self { next_id: 0, now_ms: START_MS }
    }

    /// Returns the first id of the next batch, and whether a horizon has passed since the previous batch.
    fn next(&mut self) -> (u64, bool) {
        let first = self.next_id;
        self.next_id += BATCH;
        let passed = first.is_multiple_of(LIVE_IDS);
        if passed {
            self.now_ms += 3_600_000;
        }
        (first, passed)
    }
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let mut decode = Decode::new(&["click", "view", "purchase"], BATCH as usize);
    for format in [Format::Json, Format::Ndjson] {
        for (shape, body) in shapes(format) {
            let name = |path: &str| BenchmarkId::new(format!("{format:?}, {shape}").to_lowercase(), path);
            group.throughput(Throughput::ElementsAndBytes { elements: BATCH, bytes: body.len() as u64 });
            group.bench_function(name("as in the engine"), |b| {
                let decode = |body| decode.decode(body, format).expect("valid");
                b.iter_batched(|| body.clone(), decode, BatchSize::LargeInput);
            });
            group.bench_function(name("general path"), |b| {
                let decode = |body| decode.decode_general_path(body, format).expect("valid");
                b.iter_batched(|| body.clone(), decode, BatchSize::LargeInput);
            });
        }
    }
}

fn claim(c: &mut Criterion) {
    let mut group = c.benchmark_group("claim");
    group.throughput(Throughput::Elements(BATCH));
    let horizon_secs = 2_040;
    claim_new_ids(&mut group, "lines, new ids", Claims::lines(Some(horizon_secs)));
    claim_new_ids(&mut group, "scc, new ids", Claims::scc(Some(horizon_secs)));
    group.finish();
}

fn claim_new_ids(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut claims: Claims) {
    let (keys, mut stream) = (HashKeys::random(), Stream::new());
    group.bench_function(name, |b| {
        b.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            for _ in 0..iterations {
                let (first, passed) = stream.next();
                if passed {
                    // The sweep works in steps. After these sweeps, the tables have rotated before the next ids arrive.
                    (0..100).for_each(|_| claims.sweep(stream.now_ms));
                }
                let batch: Vec<_> = (first..first + BATCH).map(|id| keys.event(&id.to_string())).collect();
                let start = Instant::now();
                assert_eq!(claims.claim(black_box(&batch), stream.now_ms), batch.len());
                took += start.elapsed();
            }
            took
        });
    });
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(BATCH));
    let records: Box<[u128]> = (0..u128::from(BATCH)).collect();
    let mut appends = Appends::new(2_048);
    group.bench_function("one second", |b| {
        b.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            for iteration in 0..iterations {
                let records = records.clone();
                let start = Instant::now();
                appends.append(1, black_box(records));
                took += start.elapsed();
                if iteration % 1_000 == 999 {
                    appends.drain();
                }
            }
            appends.drain();
            took
        });
    });
}

/// Ingests `batches` batches without a fold.
fn ingest_batches(engine: &Engine, stream: &mut Stream, batches: u64, users: u64) {
    for _ in 0..batches {
        let (first, _) = stream.next();
        let body = body(Format::Json, first, users, engine.now_ms() - (first / BATCH % 10) as i64 * 1_000);
        let mut batch = engine.decode(body, Format::Json).expect("valid");
        engine.ingest(&mut batch, engine.now_ms()).expect("capacity");
    }
}

fn fold(c: &mut Criterion) {
    let mut group = c.benchmark_group("fold");
    let batches = 100;
    group.throughput(Throughput::Elements(batches * BATCH));
    for users in [10_000, 100_000, 1_000_000] {
        let ((engine, clock), mut stream) = (engine(), Stream::new());
        group.sample_size(20);
        group.bench_function(BenchmarkId::new("users", users), |b| {
            b.iter_batched(
                || {
                    clock.advance(1_000);
                    if stream.next_id.is_multiple_of(20 * batches * BATCH) {
                        clock.advance(3_600_000);
                        engine.sweep();
                        engine.tick();
                    }
                    ingest_batches(&engine, &mut stream, batches, users);
                },
                |()| engine.tick(),
                BatchSize::PerIteration,
            );
        });
    }
}

fn query(c: &mut Criterion) {
    let mut group = c.benchmark_group("query");
    let (engine, clock) = engine();
    let table: Vec<String> = (0..100_000)
        .map(|user| format!(r#""user-{user:08}":{{"plan":"p{}","region":"r{}"}}"#, user % 4, user % 5))
        .collect();
    let table = format!(r#"{{"user_metadata":{{{}}},"ts":"{}"}}"#, table.join(","), format_ms(START_MS));
    engine.change_reference(Change::Replace, table.into(), &Preconditions::default(), START_MS).expect("a valid table");
    let mut stream = Stream::new();
    for _ in 0..1_800 {
        clock.advance(1_000);
        ingest_batches(&engine, &mut stream, 1, 100_000);
        engine.tick();
    }
    for window_secs in [60, 300, 1_800] {
        group.bench_function(BenchmarkId::new("window", window_secs), |b| b.iter(|| engine.metrics(window_secs)));
    }
    for window_secs in [60, 300, 1_800] {
        let types = Some(["click".to_owned()].into());
        let clicks = Query { filter: Filter { types, ..Filter::default() }, ..Query::window(window_secs) };
        group.bench_function(BenchmarkId::new("window of a type", window_secs), |b| b.iter(|| engine.query(&clicks)));
        let past = Query { end_secs: Some(second_of(engine.now_ms()) - 1), ..Query::window(window_secs - 1) };
        group.bench_function(BenchmarkId::new("window of the past", window_secs), |b| b.iter(|| engine.query(&past)));
        group.bench_function(BenchmarkId::new("series of 60 points", window_secs), |b| {
            b.iter(|| {
                engine.series(&Query::window(window_secs), window_secs / 60).map(|series| series.points().count())
            });
        });
    }
}

fn ingest(c: &mut Criterion) {
    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Elements(BATCH));
    ingest_one_by_one(&mut group, "lines, json", Format::Json, DedupBackend::Lines);
    ingest_one_by_one(&mut group, "lines, ndjson", Format::Ndjson, DedupBackend::Lines);
    ingest_one_by_one(&mut group, "scc, json", Format::Json, DedupBackend::Scc);
    group.finish();
}

fn ingest_one_by_one(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, format: Format, dedup: DedupBackend) {
    let ((engine, clock), mut stream) = (engine_with(dedup), Stream::new());
    group.bench_function(name, |b| {
        b.iter_batched(
            || {
                let (first, passed) = stream.next();
                if passed {
                    clock.set(stream.now_ms);
                    (0..100).for_each(|_| engine.sweep());
                }
                if first.is_multiple_of(100 * BATCH) {
                    engine.tick();
                }
                body(format, first, 100_000, engine.now_ms())
            },
            |body| {
                let mut batch = engine.decode(body, format).expect("valid");
                assert_eq!(engine.ingest(&mut batch, engine.now_ms()).expect("capacity").accepted, BATCH as usize);
            },
            BatchSize::PerIteration,
        );
    });
}

/// Each thread ingests at most this many batches before the next batches are generated.
const ROUND: u64 = 64;

fn ingest_by_threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("ingest by threads");
    for threads in [1, 2] {
        group.throughput(Throughput::Elements(threads * BATCH));
        for (name, dedup) in [("lines", DedupBackend::Lines), ("scc", DedupBackend::Scc)] {
            let ((engine, clock), mut stream) = (engine_with(dedup), Stream::new());
            group.bench_function(BenchmarkId::new(name, threads), |b| {
                b.iter_custom(|iterations| {
                    let rounds = (0..iterations).step_by(ROUND as usize).map(|done| ROUND.min(iterations - done));
                    rounds.map(|batches| ingest_round(&engine, &clock, &mut stream, threads, batches)).sum()
                });
            });
        }
    }
}

/// Returns the time that `threads` parallel threads take for `batches` batches each.
fn ingest_round(engine: &Engine, clock: &ManualClock, stream: &mut Stream, threads: u64, batches: u64) -> Duration {
    let mut bodies = || {
        let (first, passed) = stream.next();
        if passed {
            clock.set(stream.now_ms);
            (0..100).for_each(|_| engine.sweep());
        }
        body(Format::Json, first, 100_000, engine.now_ms())
    };
    let work: Vec<Vec<_>> = (0..threads).map(|_| (0..batches).map(|_| bodies()).collect()).collect();
    engine.tick();
    let begin = &Barrier::new(threads as usize + 1);
    thread::scope(|scope| {
        let ingest = |bodies: Vec<_>| {
            begin.wait();
            for body in bodies {
                let mut batch = engine.decode(body, Format::Json).expect("valid");
                engine.ingest(&mut batch, engine.now_ms()).expect("capacity");
            }
        };
        let running: Vec<_> = work.into_iter().map(|bodies| scope.spawn(move || ingest(bodies))).collect();
        begin.wait();
        let start = Instant::now();
        running.into_iter().for_each(|thread| thread.join().expect("no ingest panics"));
        start.elapsed()
    })
}

criterion_group!(benches, decode, claim, append, fold, query, ingest, ingest_by_threads);
criterion_main!(benches);
