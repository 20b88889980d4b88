//! An engine over a journal, without HTTP: throughput, and the time and memory of a replay. `run.sh` calls it, and its
//! README has the details.
//!
//! ```sh
//! journal-engine ingest SECS [DIR]     # events per second, through a journal in DIR or without one
//! journal-engine fill DIR ROWS         # a journal of this many accepted rows
//! journal-engine replay DIR            # the time to open and to replay it, and the memory
//! ```
//!
//! Each prints one line of JSON.

#[path = "../template.rs"]
mod template;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;
use template::{BATCH, Template, config};
use weir::{Clock as _, Engine, Format, Maintenance, Secret, SystemClock};
use weir_log::fingerprint::fingerprint;
use weir_log::journal::{Journal, Settings};
use weir_log::{Logged, Progress, Submission, Uptime};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Batches that have no answer yet. A server has about as many requests in flight.
const IN_FLIGHT: usize = 16;

/// The number of users.
const USERS: u64 = 10_000;

/// The size limit of the journal.
const MAX_BYTES: u64 = 1 << 40;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ingest", secs] => ingest(number(secs), None),
        ["ingest", secs, dir] => ingest(number(secs), Some(dir)),
        ["fill", dir, rows] => fill(dir, number(rows)),
        ["replay", dir] => replay(dir),
        _ => {
            eprintln!("usage: journal-engine ingest SECS [DIR] | fill DIR ROWS | replay DIR");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn number(text: &str) -> u64 {
    text.parse().expect("a whole number")
}

/// Posts batches from one thread for some seconds.
fn ingest(secs: u64, dir: Option<&str>) {
    let until = Instant::now() + Duration::from_secs(secs);
    let begun = Instant::now();
    let events = match dir {
        None => {
            let engine = Arc::new(Engine::new(config(), SystemClock).expect("the settings are valid"));
            let _maintenance = Maintenance::start(&engine).expect("threads");
            batches(
                || Instant::now() < until,
                |body, now_ms| {
                    let mut batch = engine.decode(body, Format::Ndjson).expect("NDJSON");
                    let tally = engine.ingest(&mut batch, now_ms).expect("room");
                    assert_eq!(tally.accepted, BATCH as usize);
                },
            )
        }
        Some(dir) => Node::open(dir).post(|| Instant::now() < until),
    };
    println!("{{\"events_per_sec\":{:.0}}}", events as f64 / begun.elapsed().as_secs_f64());
}

/// Makes a journal of at least this many rows.
fn fill(dir: &str, rows: u64) {
    let (node, mut posted) = (Node::open(dir), 0);
    let events = node.post(|| {
        posted += BATCH;
        posted <= rows.next_multiple_of(BATCH)
    });
    let (status, rss_bytes) = (node.journal.status(), memory_bytes("VmRSS"));
    node.stop();
    println!(
        "{{\"rows\":{events},\"live_bytes\":{},\"file_bytes\":{},\"rss_bytes\":{rss_bytes}}}",
        status.live_bytes(),
        status.file_bytes.expect("the size of the file")
    );
}

/// Opens a journal and replays it.
fn replay(dir: &str) {
    let begun = Instant::now();
    let node = Node::open(dir);
    let (opened, ready) = (node.opened, begun.elapsed());
    let secs = (ready - opened).as_secs_f64();
    let rows = node.engine.metrics(1_800).stats.events;
    println!(
        "{{\"rows\":{rows},\"open_secs\":{:.2},\"replay_secs\":{secs:.2},\"rows_per_sec\":{:.0},\
         \"rss_bytes\":{},\"peak_rss_bytes\":{}}}",
        opened.as_secs_f64(),
        rows as f64 / secs,
        memory_bytes("VmRSS"),
        memory_bytes("VmHWM")
    );
    node.stop();
}

/// An engine over a journal.
struct Node {
    engine: Arc<Engine>,
    _maintenance: Maintenance,
    logged: Logged,
    journal: Journal,
    /// The time until the database was open.
    opened: Duration,
}

impl Node {
    /// Returns after the replay.
    fn open(dir: &str) -> Self {
        let (config, begun) = (config(), Instant::now());
        let settings = Settings {
            max_bytes: MAX_BYTES,
            must_exist: false,
            fingerprint: fingerprint(&config),
            now_ms: SystemClock.now_ms(),
            on_commit: None,
        };
        let journal = Journal::open(Path::new(dir), settings).expect("a journal");
        let opened = begun.elapsed();
        let secret = Secret::from_bytes(journal.meta().secret);
        let engine = Arc::new(Engine::with_secret(config, SystemClock, &secret).expect("the settings are valid"));
        let (frames, reference) = (Box::new(journal.frames()), Box::new(journal.reference()));
        let logged = Logged::start(&engine, frames, reference, SystemClock, Uptime::start()).expect("threads");
        let maintenance = Maintenance::start(&engine).expect("threads");
        loop {
            match logged.progress() {
                Progress::Ready => break,
                Progress::Failed(lost) => panic!("{}", lost.why),
                Progress::Replaying { .. } => thread::sleep(Duration::from_millis(1)),
            }
        }
        Self { engine, _maintenance: maintenance, logged, journal, opened }
    }

    /// Posts batches while there is `more`, some of them at the same time. Returns the number of accepted events.
    fn post(&self, more: impl FnMut() -> bool) -> u64 {
        // A batch is posted when one of the earlier ones has its answer.
        let (answer, answers) = sync_channel(IN_FLIGHT);
        let mut in_flight = 0;
        let accept = || {
            let told: weir_log::Answer = answers.recv().expect("every batch is answered");
            assert!(told.expect("the journal takes the batch").refused().is_empty());
        };
        let events = batches(more, |body, now_ms| {
            let mut batch = self.engine.decode(body, Format::Ndjson).expect("NDJSON");
            let (rows, reservation) = self.engine.prepare(&mut batch, now_ms).expect("room");
            let answer = answer.clone();
            let asker = Box::new(move |told| answer.send(told).expect("the receiver waits"));
            let _ticket = self.logged.submit(Submission { rows, reservation, received_at_ms: now_ms, asker });
            in_flight += 1;
            if in_flight == IN_FLIGHT {
                accept();
                in_flight -= 1;
            }
        });
        (0..in_flight).for_each(|_| accept());
        events
    }

    fn stop(self) {
        drop(self.logged);
        self.journal.stop().expect("a clean stop");
    }
}

/// Makes bodies of new events of now, and hands each to `post`. Returns the number of events. A body is a copy of the
/// last one with other ids, so that making it takes little of the measured time.
fn batches(mut more: impl FnMut() -> bool, mut post: impl FnMut(Vec<u8>, i64)) -> u64 {
    let (mut events, mut now_ms) = (0, SystemClock.now_ms());
    let mut template = template_at(now_ms);
    let first = u64::from(std::process::id()) << 40;
    while more() {
        if SystemClock.now_ms() > now_ms + 1_000 {
            now_ms = SystemClock.now_ms();
            template = template_at(now_ms);
        }
        template.set_ids(first + events);
        post(template.body(), SystemClock.now_ms());
        events += BATCH;
    }
    events
}

fn template_at(now_ms: i64) -> Template {
    let mut template = Template::new("0000000000000000", "u0000", now_ms);
    template.set_users(|line| line * 7_919 % USERS);
    template
}

/// The resident memory by its name in Linux: `VmRSS` now, or `VmHWM`, the largest so far.
fn memory_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = value.and_then(|value| value.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}
