//! Folds and answers of the engine, in nanoseconds of the processor.
//!
//! ```sh
//! cargo run --release -p weir-benches --bin timeline -- 20 10000 100000 1000000
//! ```
//!
//! The arguments are the number of rounds, and the numbers of users. The numbers of users take turns, round by round,
//! and each result is the median of the rounds. Processor time leaves out what other processes take. With the word
//! `put`, the first query after a change of the whole reference table is measured:
//!
//! ```sh
//! cargo run --release -p weir-benches --bin timeline -- put 20 1000000
//! ```
//!
//! With the word `threads`, two threads fold, and the result is their speedup over one thread, round by round:
//!
//! ```sh
//! cargo run --release -p weir-benches --bin timeline -- threads 20 1000000
//! ```
//!
//! With the word `steady` before all that, the retention is short, and full before the first round. So the seconds of a
//! round use memory of expired seconds, as those of a server do after its first half hour:
//!
//! ```sh
//! cargo run --release -p weir-benches --bin timeline -- steady 20 10000 100000 1000000
//! ```

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;
use weir::{Change, Engine, EngineConfig, Format, ManualClock, Preconditions, format_ms};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const START_MS: i64 = 1_760_000_000_000;
const BATCH: u64 = 1_000;
/// Batches of a fold.
const FOLD_BATCHES: u64 = 100;
/// The retention of a steady state.
const STEADY_SECS: u32 = 60;

/// An engine, and events of a number of users that are chosen at random.
struct Subject {
    engine: Engine,
    clock: Arc<ManualClock>,
    users: u64,
    next_id: u64,
    round_ns: Vec<f64>,
}

impl Subject {
    fn new(users: u64, is_steady: bool) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let mut config = EngineConfig::default();
        if is_steady {
            (config.retention_secs, config.max_skew_secs) = (STEADY_SECS, 5);
        }
        let engine = Engine::new(config, clock.clone()).expect("the settings are valid");
        Self { engine, clock, users, next_id: 0, round_ns: vec![] }
    }

    /// Ingests a batch with the present time.
    fn ingest(&mut self) {
        let ts = format_ms(self.engine.now_ms());
        let mut body = String::new();
        for id in self.next_id..self.next_id + BATCH {
            let user = (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % self.users;
            let kind = ["click", "view", "purchase"][(id % 3) as usize];
            let _ = writeln!(body, r#"{{"event_id":"{id}","user_id":"user-{user:08}","type":"{kind}","ts":"{ts}"}}"#);
        }
        self.next_id += BATCH;
        if self.next_id.is_multiple_of(10 * BATCH) {
            self.engine.sweep();
        }
        let mut batch = self.engine.decode(body.into(), Format::Ndjson).expect("valid");
        let accepted = self.engine.try_ingest(&mut batch, self.engine.now_ms()).expect("capacity").accepted;
        assert_eq!(accepted as u64, BATCH);
    }

    /// Makes all users known.
    fn meet_users(&mut self) {
        while (self.engine.sizes().users as u64) < self.users * 99 / 100 {
            (0..1 + self.users / BATCH).for_each(|_| self.ingest());
            self.engine.tick();
        }
    }

    /// The next second, with events. The cut is new before they come, so that a tick only folds them.
    fn begin_second(&mut self) {
        self.clock.advance(1_000);
        let _ = self.engine.metrics(1);
        (0..FOLD_BATCHES).for_each(|_| self.ingest());
    }

    /// Lets the first seconds expire.
    fn fill_retention(&mut self) {
        for _ in 0..2 * STEADY_SECS {
            self.begin_second();
            self.engine.tick();
        }
    }

    fn fold_round(&mut self) {
        self.begin_second();
        let start_ns = cpu_ns();
        self.engine.tick();
        self.round_ns.push((cpu_ns() - start_ns) as f64 / (FOLD_BATCHES * BATCH) as f64);
    }

    /// Folds with one thread, and with two.
    fn threads_round(&mut self) {
        let elapsed_ns = [1, 2].map(|threads| {
            self.begin_second();
            let engine = &self.engine;
            let start = Instant::now();
            std::thread::scope(|scope| {
                (1..threads).for_each(|thread| _ = scope.spawn(move || engine.tick_share(thread, threads)));
                engine.tick_share(0, threads);
            });
            start.elapsed().as_nanos() as f64
        });
        self.round_ns.push(elapsed_ns[0] / elapsed_ns[1]);
    }

    /// Replaces the table, and asks the first query afterwards.
    fn put_round(&mut self, round: u64) {
        self.clock.advance(1_000);
        let mut table = String::from(r#"{"user_metadata":{"#);
        for user in 0..self.users {
            let (plan, region) = (user.wrapping_add(round) % 4, user % 5);
            let separator = if user == 0 { "" } else { "," };
            let _ = write!(table, r#"{separator}"user-{user:08}":{{"plan":"p{plan}","region":"r{region}"}}"#);
        }
        let _ = write!(table, r#"}},"ts":"{}"}}"#, format_ms(self.engine.now_ms()));
        let now_ms = self.engine.now_ms();
        let change = self.engine.change_reference(Change::Replace, table.into(), &Preconditions::default(), now_ms);
        change.expect("a valid table");
        let start_ns = cpu_ns();
        let metrics = self.engine.metrics(60);
        self.round_ns.push((cpu_ns() - start_ns) as f64);
        assert_eq!(metrics.stats.unknown, 0);
    }

    fn median(&mut self) -> f64 {
        self.round_ns.sort_by(f64::total_cmp);
        self.round_ns[self.round_ns.len() / 2]
    }
}

#[cfg(target_os = "linux")]
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(not(target_os = "linux"))]
fn cpu_ns() -> u64 {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let is_steady = arguments.next_if(|argument| argument == "steady").is_some();
    let mode = arguments.next_if(|argument| argument.parse::<u64>().is_err()).unwrap_or_default();
    let mut numbers = arguments.map(|argument| argument.parse::<u64>().expect("a number"));
    let rounds = numbers.next().expect("the number of rounds");
    let mut subjects: Vec<_> = numbers.map(|users| Subject::new(users, is_steady)).collect();
    subjects.iter_mut().for_each(Subject::meet_users);
    if is_steady {
        subjects.iter_mut().for_each(Subject::fill_retention);
    }
    for round in 0..rounds {
        subjects.iter_mut().for_each(|subject| match mode.as_str() {
            "put" => subject.put_round(round),
            "threads" => subject.threads_round(),
            _ => subject.fold_round(),
        });
    }
    for subject in &mut subjects {
        let (users, median) = (subject.users, subject.median());
        let (least, most) = (subject.round_ns[0], subject.round_ns[subject.round_ns.len() - 1]);
        match mode.as_str() {
            "put" => println!("{users} users: first query {:.1} ms, least {:.1} ms", median / 1e6, least / 1e6),
            "threads" => println!("{users} users: {median:.2} times as fast, {least:.2} to {most:.2}"),
            _ => println!("{users} users: {median:.1} ns a record, least {least:.1} ns"),
        }
    }
}
