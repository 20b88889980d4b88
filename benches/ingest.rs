//! Whole ingest without HTTP, in a steady state: bodies into verdicts, with two generations of live ids and a full
//! window. Ids come at a steady rate, and a manual clock follows their number. So each horizon has the same number of
//! ids, and the horizon ends again and again while the program measures.
//!
//! ```sh
//! cargo run --release -p weir-benches --bin ingest -- 10000000 3 1 2 1+fold 2+fold
//! ```
//!
//! The arguments are the ids of a horizon, the number of horizons, and what to measure. There are at least 5,000,000
//! ids, so that a round lasts less than the max-skew. The number `1` or `2` is the number of threads that ingest. With
//! `+fold`, another thread folds meanwhile; without, it folds between two rounds. These modes take turns, round by
//! round, in one engine, forwards and backwards. The results are medians of the rounds, with quartiles. Sweeps run
//! between two rounds.

mod template;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvError, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use template::{BATCH, Template, config};
use weir::{Engine, Format, ManualClock, Observer, Stage, second_of};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const START_MS: i64 = 1_760_000_000_000;
const USERS: u64 = 100_000;
/// The batches of a thread in a round. Their bodies stay in the third-level cache, as those of a server do that has
/// just received them.
const ROUND_BATCHES: u64 = 64;
/// Sweeps after each round. A server with a real clock sweeps far more often in a horizon.
const ROUND_SWEEPS: usize = 32;
/// The ids before the first measurement, in tenths of a horizon: tables reach their size, and the second generation
/// begins.
const WARM_TENTHS: u64 = 35;

/// What a round measures.
#[derive(Clone, Copy)]
struct Mode {
    threads: usize,
    folds: bool,
}

/// The nanoseconds of the stages so far.
#[derive(Default)]
struct Stages([AtomicU64; Stage::ALL.len()]);

impl Observer for Stages {
    fn observe(&self, stage: Stage, elapsed: Duration) {
        self.0[stage as usize].fetch_add(elapsed.as_nanos() as u64, Ordering::Relaxed);
    }
}

/// The batches of one thread in one round, and when it may begin.
struct Work {
    bodies: Vec<(Vec<u8>, i64)>,
    begin: Arc<Barrier>,
}

/// When a thread has worked, and for how long it had a processor.
struct Worked {
    start: Instant,
    end: Instant,
    cpu_ns: u64,
}

/// One result of a mode: figures of an event in nanoseconds.
struct Sample {
    elapsed_ns: f64,
    cpu_ns: f64,
    stages_ns: [f64; Stage::ALL.len()],
}

/// An engine in a steady state, and the threads that ingest.
struct Bench {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    stages: Arc<Stages>,
    threads: Vec<(Sender<Work>, Receiver<Worked>)>,
    template: Template,
    ids_per_horizon: u64,
    next_id: u64,
}

impl Mode {
    fn parse(text: &str) -> Self {
        let threads = text.trim_end_matches("+fold");
        Self { threads: threads.parse().expect("a number of threads"), folds: threads != text }
    }

    fn name(self) -> String {
        format!("{}{}", self.threads, if self.folds { "+fold" } else { "" })
    }

    fn events(self) -> u64 {
        self.threads as u64 * ROUND_BATCHES * BATCH
    }
}

impl Bench {
    fn new(ids_per_horizon: u64, threads: usize) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let engine = Arc::new(Engine::new(config(), clock.clone()).expect("the settings are valid"));
        let stages = Arc::new(Stages::default());
        assert!(engine.set_observer(stages.clone()));
        let threads = (0..threads).map(|_| start_thread(engine.clone())).collect();
        let template = template_at(START_MS);
        Self { engine, clock, stages, threads, template, ids_per_horizon, next_id: 0 }
    }

    /// The time at which the next id arrives.
    fn now_ms(&self) -> i64 {
        let horizon_ms = u128::from(self.engine.config().horizon_secs().expect("ids expire")) * 1_000;
        START_MS + (u128::from(self.next_id) * horizon_ms / u128::from(self.ids_per_horizon)) as i64
    }

    /// The next body, and when it arrives. Its events are of the second of that time.
    fn body(&mut self) -> (Vec<u8>, i64) {
        let (now_ms, first) = (self.now_ms(), self.next_id);
        if second_of(now_ms) != second_of(self.engine.now_ms()) {
            self.template = template_at(now_ms);
        }
        self.clock.set(now_ms);
        self.template.set_ids(first);
        self.template.set_users(|line| ((first + line).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % USERS);
        self.next_id += BATCH;
        (self.template.body(), now_ms)
    }

    /// Measures one round, in which the horizon may end.
    fn round(&mut self, mode: Mode) -> Sample {
        let begin = Arc::new(Barrier::new(mode.threads + usize::from(mode.folds)));
        let mut work: Vec<_> = (0..mode.threads).map(|_| Work { bodies: vec![], begin: begin.clone() }).collect();
        for _ in 0..ROUND_BATCHES {
            work.iter_mut().for_each(|work| work.bodies.push(self.body()));
        }
        let before = self.stages_ns();
        let threads = &self.threads[..mode.threads];
        let engine = &self.engine;
        let done = &AtomicBool::new(false);
        let worked: Vec<Result<Worked, RecvError>> = thread::scope(|scope| {
            if mode.folds {
                scope.spawn(|| {
                    begin.wait();
                    while !done.load(Ordering::Acquire) {
                        engine.tick();
                    }
                });
            }
            threads.iter().zip(work).for_each(|((sender, _), work)| sender.send(work).expect("a thread waits"));
            let worked = threads.iter().map(|(_, receiver)| receiver.recv()).collect();
            done.store(true, Ordering::Release);
            worked
        });
        let worked: Vec<_> = worked.into_iter().map(|worked| worked.expect("no ingest panics")).collect();
        self.engine.tick();
        let after = self.stages_ns();
        (0..ROUND_SWEEPS).for_each(|_| self.engine.sweep());
        let [start, end] = [
            worked.iter().map(|worked| worked.start).min().expect("a thread"),
            worked.iter().map(|worked| worked.end).max().expect("a thread"),
        ];
        let of_event = |ns: u64| ns as f64 / mode.events() as f64;
        Sample {
            elapsed_ns: of_event((end - start).as_nanos() as u64),
            cpu_ns: of_event(worked.iter().map(|worked| worked.cpu_ns).sum()),
            stages_ns: std::array::from_fn(|stage| of_event(after[stage] - before[stage])),
        }
    }

    fn stages_ns(&self) -> [u64; Stage::ALL.len()] {
        self.stages.0.each_ref().map(|ns| ns.load(Ordering::Relaxed))
    }

    /// Whether ids have come for this number of tenths of a horizon.
    fn has_passed(&self, tenths: u64) -> bool {
        self.next_id >= self.ids_per_horizon / 10 * tenths
    }
}

/// Starts a thread that ingests. It ends with the sender.
fn start_thread(engine: Arc<Engine>) -> (Sender<Work>, Receiver<Worked>) {
    let ((work, todo), (done, worked)) = (channel::<Work>(), channel());
    thread::spawn(move || {
        while let Ok(Work { bodies, begin }) = todo.recv() {
            begin.wait();
            let (start, start_cpu_ns) = (Instant::now(), cpu_ns());
            for (body, now_ms) in bodies {
                let mut batch = engine.decode(body, Format::Ndjson).expect("NDJSON");
                let tally = engine.ingest(&mut batch, now_ms).expect("capacity");
                assert_eq!(tally.accepted as u64, BATCH);
            }
            let worked = Worked { start, end: Instant::now(), cpu_ns: cpu_ns() - start_cpu_ns };
            if done.send(worked).is_err() {
                break;
            }
        }
    });
    (work, worked)
}

fn template_at(now_ms: i64) -> Template {
    Template::new("evt-000000000000000000000000", "user-00000000", now_ms)
}

/// The processor time of this thread: other threads do not count.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The least, a quarter, the median, three quarters and the most.
fn quartiles(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> [f64; 5] {
    let mut figures: Vec<_> = samples.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    [0, 1, 2, 3, 4].map(|quarter| figures[(figures.len() - 1) * quarter / 4])
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [ids, horizons, modes @ ..] = &arguments[..] else {
        println!("usage: ingest IDS_PER_HORIZON HORIZONS MODE...");
        return;
    };
    let (ids, horizons): (u64, u64) = (ids.parse().expect("a number"), horizons.parse().expect("a number"));
    let modes: Vec<_> = modes.iter().map(|mode| Mode::parse(mode)).collect();
    let mut bench = Bench::new(ids, modes.iter().map(|mode| mode.threads).max().expect("a mode"));
    while !bench.has_passed(WARM_TENTHS) {
        modes.iter().for_each(|mode| _ = bench.round(*mode));
    }
    let mut samples: Vec<_> = modes.iter().map(|_| vec![]).collect();
    while !bench.has_passed(WARM_TENTHS + 10 * horizons) {
        (0..modes.len()).for_each(|mode| samples[mode].push(bench.round(modes[mode])));
        (0..modes.len()).rev().for_each(|mode| samples[mode].push(bench.round(modes[mode])));
    }
    let sizes = bench.engine.sizes();
    println!("{} ids remembered, {} users, {horizons} horizons", sizes.dedup_ids, sizes.users);
    for (mode, samples) in modes.iter().zip(&samples) {
        report(*mode, samples);
    }
}

fn report(mode: Mode, samples: &[Sample]) {
    let [least, low, median, high, most] = quartiles(samples, |sample| 1_000.0 / sample.elapsed_ns);
    let [cpu_least, _, cpu, ..] = quartiles(samples, |sample| sample.cpu_ns);
    println!(
        "{:7} {median:.2} M events/s ({low:.2} to {high:.2}; {least:.2} to {most:.2}), {} rounds; processor time of \
         an event {cpu:.1} ns (least {cpu_least:.1})",
        mode.name(),
        samples.len(),
    );
    let stages = [Stage::Decode, Stage::Claim, Stage::Append, Stage::Fold].map(|stage| {
        let [least, low, median, high, _] = quartiles(samples, |sample| sample.stages_ns[stage as usize]);
        format!("{} {median:.1} ({low:.1} to {high:.1}, least {least:.1})", stage.name())
    });
    println!("        ns: {}", stages.join(", "));
}
