//! Fixed work of each stage, for a tool that counts instructions. `ci/perf.sh` runs it under valgrind.
//!
//! ```sh
//! cargo run --release -p weir-benches --bin instructions            # lists the stages, with the events of each
//! cargo run --release -p weir-benches --bin instructions -- fold
//! ```
//!
//! Only the part inside [`measured`] counts. All keys are fixed, so each run does the same work.

mod bodies;

use bodies::{BATCH, START_MS, body, shapes};
use std::hint::black_box;
use std::sync::Arc;
use weir::internals::{Claims, Decode, HashKeys};
use weir::{Engine, EngineConfig, Format, ManualClock, Secret};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USERS: u64 = 10_000;
/// Batches of a stage. The first ones fill caches and tables, and are not measured.
const BATCHES: u64 = 40;
const WARM_UP_BATCHES: u64 = 20;
const HORIZON_SECS: u64 = 2_040;
const QUERIES: u64 = 100;

/// The part of the work that counts: the tool collects inside this function.
#[inline(never)]
fn measured<R>(work: impl FnOnce() -> R) -> R {
    black_box(work())
}

fn main() {
    let stages = stages();
    let Some(wanted) = std::env::args().nth(1) else {
        stages.iter().for_each(|stage| println!("{}\t{}", stage.name, stage.units));
        return;
    };
    let stage = stages.into_iter().find(|stage| stage.name == wanted).expect("the name of a stage");
    (stage.run)();
}

struct Stage {
    name: String,
    /// The events or queries of the measured part.
    units: u64,
    run: Box<dyn FnOnce()>,
}

fn stage(name: impl Into<String>, units: u64, run: impl FnOnce() + 'static) -> Stage {
    Stage { name: name.into(), units, run: Box::new(run) }
}

fn stages() -> Vec<Stage> {
    let mut stages = Vec::new();
    for format in [Format::Json, Format::Ndjson] {
        for (shape, body) in shapes(format) {
            let name = format!("decode {format:?}, {shape}").to_lowercase();
            stages.push(stage(name, BATCH, move || decode(&body, format)));
        }
    }
    stages.push(stage("claim, new ids", BATCHES * BATCH, || claim(true)));
    stages.push(stage("claim, duplicates", BATCHES * BATCH, || claim(false)));
    stages.push(stage("validate, claim and append", BATCHES * BATCH, || Subject::new().ingest_measured()));
    stages.push(stage("fold", BATCHES * BATCH, || Subject::new().fold_measured()));
    stages.push(stage("query of 300 seconds", QUERIES, || Subject::new().query_measured()));
    stages
}

fn decode(body: &[u8], format: Format) {
    let mut decode = Decode::new(&["click", "view", "purchase"], BATCH as usize);
    drop(decode.decode(body.to_vec(), format).expect("valid"));
    let body = body.to_vec();
    let batch = measured(|| decode.decode(body, format));
    assert_eq!(batch.expect("valid").len(), BATCH as usize);
}

fn claim(is_new: bool) {
    let keys = HashKeys::from_seed(&[1; 32]);
    let mut claims = Claims::lines(Some(HORIZON_SECS));
    let batch = |number: u64| -> Vec<_> {
        (number * BATCH..(number + 1) * BATCH).map(|id| keys.event(&id.to_string())).collect()
    };
    let warm_up = (0..WARM_UP_BATCHES).map(batch);
    let measured_batches: Vec<_> = (WARM_UP_BATCHES..WARM_UP_BATCHES + BATCHES).map(batch).collect();
    let already_claimed = if is_new { &[] } else { &measured_batches[..] };
    for keys in warm_up.chain(already_claimed.iter().cloned()) {
        assert_eq!(claims.claim(&keys, START_MS), keys.len());
    }
    let inserted = if is_new { BATCH as usize } else { 0 };
    for keys in &measured_batches {
        assert_eq!(measured(|| claims.claim(keys, START_MS)), inserted);
    }
}

/// An engine that knows some users.
struct Subject {
    engine: Engine,
    clock: Arc<ManualClock>,
    next_id: u64,
}

impl Subject {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let mut config = EngineConfig::default();
        config.partitions = 2;
        let secret = Secret::from_bytes([1; 32]);
        let engine = Engine::with_secret(config, clock.clone(), &secret).expect("the settings are valid");
        let mut subject = Self { engine, clock, next_id: 0 };
        for _ in 0..WARM_UP_BATCHES {
            let batch = subject.batch();
            subject.ingest(batch);
            subject.clock.advance(1_000);
            subject.engine.tick();
        }
        subject
    }

    fn batch(&mut self) -> weir::Batch {
        let body = body(Format::Json, self.next_id, USERS, self.engine.now_ms());
        self.next_id += BATCH;
        self.engine.decode(body, Format::Json).expect("valid")
    }

    fn ingest(&self, mut batch: weir::Batch) {
        let tally = self.engine.ingest(&mut batch, self.engine.now_ms()).expect("capacity");
        assert_eq!(tally.accepted as u64, BATCH);
    }

    fn ingest_measured(mut self) {
        for _ in 0..BATCHES {
            let batch = self.batch();
            measured(|| self.ingest(batch));
        }
    }

    fn fold_measured(mut self) {
        for _ in 0..BATCHES {
            let batch = self.batch();
            self.ingest(batch);
        }
        measured(|| self.engine.tick());
    }

    fn query_measured(self) {
        for _ in 0..QUERIES {
            assert!(measured(|| self.engine.metrics(300)).stats.events > 0);
        }
    }
}
