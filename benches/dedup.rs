//! The dedup backends beside each other, in a steady state with two generations of live ids. The backends take turns,
//! round by round, and the result is the median of the rounds.
//!
//! ```sh
//! cargo run --release -p weir-benches --bin dedup -- 10000000 20 lines scc
//! ```
//!
//! The arguments are the ids of a horizon, the number of rounds, and the backends. The backend `floor` is none: for
//! each id it reads a random line of memory of the same size and swaps a word of it, with the same prefetches. With the
//! word `grow`, the backends grow from empty, one after the other, while another thread sweeps:
//!
//! ```sh
//! cargo run --release -p weir-benches --bin dedup -- grow 50000000 2000000 lines
//! ```
//!
//! The arguments are the number of ids, the new ids in a second, and the backends.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use weir::internals::{Claims, HashKeys};

const HORIZON_SECS: u64 = 2_040;
const BATCH: u64 = 1_000;
/// Every twentieth id was claimed a short time before.
const DUPLICATE_EVERY: u64 = 20;
const START_MS: i64 = 1_760_000_000_000;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the rounds measure.
enum Store {
    Claims(Claims),
    /// A line of memory for each 40 bytes of ids.
    Floor(Vec<FloorLine>),
}

#[repr(align(64))]
#[derive(Default)]
struct FloorLine([AtomicU64; 8]);

struct Backend {
    name: String,
    store: Store,
    keys: HashKeys,
    ids_per_horizon: u64,
    next_id: u64,
    swept: u64,
    round_ns: Vec<f64>,
    longest_us: f64,
}

impl Backend {
    fn new(name: String, ids_per_horizon: u64) -> Self {
        Self {
            store: if name == "floor" {
                Store::Floor((0..ids_per_horizon * 40 / 64).map(|_| FloorLine::default()).collect())
            } else {
                Store::Claims(claims_of(&name, ids_per_horizon))
            },
            name,
            keys: HashKeys::from_seed(&[1; 32]),
            ids_per_horizon,
            next_id: 0,
            swept: 0,
            round_ns: vec![],
            longest_us: 0.0,
        }
    }

    fn now_ms(&self) -> i64 {
        START_MS
            + (u128::from(self.next_id) * 1_000 * u128::from(HORIZON_SECS) / u128::from(self.ids_per_horizon)) as i64
    }

    /// Claims a batch; returns the nanoseconds of processor time that it took.
    fn claim_batch(&mut self) -> u64 {
        let first = self.next_id;
        let id = |n: u64| if n.is_multiple_of(DUPLICATE_EVERY) && n > 5_000 { n - 2_999 } else { n };
        let batch: Vec<_> = (first..first + BATCH).map(|n| self.keys.event(&id(n).to_string())).collect();
        self.next_id += BATCH;
        let now_ms = self.now_ms();
        let (start, start_cpu_ns) = (Instant::now(), cpu_ns());
        let inserted = match &mut self.store {
            Store::Claims(claims) => claims.claim(&batch, now_ms),
            Store::Floor(lines) => visit(lines, first),
        };
        let took_ns = cpu_ns() - start_cpu_ns;
        self.longest_us = self.longest_us.max(start.elapsed().as_secs_f64() * 1e6);
        assert!(inserted as u64 >= BATCH - BATCH / DUPLICATE_EVERY - 1, "{}: {inserted} inserted", self.name);
        let sweep = self.next_id * 128 / self.ids_per_horizon;
        if sweep != self.swept {
            self.swept = sweep;
            if let Store::Claims(claims) = &self.store {
                claims.sweep(now_ms);
            }
        }
        took_ns
    }

    fn round(&mut self, batches: u64) {
        let mut total_ns = 0;
        for _ in 0..batches {
            total_ns += self.claim_batch();
        }
        self.round_ns.push(total_ns as f64 / (batches * BATCH) as f64);
    }
}

/// Reads a random line for each id of a batch, swaps a word of it, and prefetches it sixteen ids before. Returns the
/// number of ids.
fn visit(lines: &[FloorLine], first: u64) -> usize {
    let line = |n: u64| ((u128::from(mixed(n)) * lines.len() as u128) >> 64) as usize;
    let visited: [usize; BATCH as usize] = std::array::from_fn(|index| line(first + index as u64));
    for (index, line) in visited.iter().enumerate() {
        if let Some(ahead) = visited.get(index + 16) {
            prefetch(&raw const lines[*ahead]);
        }
        let words = lines[*line].0.each_ref().map(|word| word.load(Ordering::Relaxed));
        let free = words.iter().position(|word| *word == 0).unwrap_or(index % 8);
        let _ = lines[*line].0[free].compare_exchange(words[free], 1, Ordering::Relaxed, Ordering::Relaxed);
    }
    visited.len()
}

/// A random number for each number (SplitMix64).
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ n >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ n >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ n >> 31
}

#[allow(unsafe_code, reason = "the intrinsic is unsafe")]
fn prefetch(line: *const FloorLine) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing, and the processor ignores an invalid address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

fn claims_of(name: &str, ids_per_horizon: u64) -> Claims {
    match name {
        "lines" => Claims::lines(Some(HORIZON_SECS)),
        "lines-with-capacity" => Claims::lines_with_capacity(Some(HORIZON_SECS), ids_per_horizon as usize),
        "scc" => Claims::scc(Some(HORIZON_SECS)),
        other => panic!("no backend {other:?}"),
    }
}

/// The processor time of this thread: other processes do not count.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Claims new ids at a rate, and prints the longest claim of a batch and the memory.
fn grow(name: &str, ids: u64, ids_per_sec: u64) {
    let (mut claims, keys) = (claims_of(name, ids), HashKeys::from_seed(&[1; 32]));
    let (start, done) = (Instant::now(), AtomicBool::new(false));
    let now_ms = || START_MS + start.elapsed().as_millis() as i64;
    // The hash of the ids needs no memory beyond the caches. Its longest times show how busy the machine is.
    let (mut wall_us, mut cpu_us, mut hash_us) = (vec![], vec![], vec![]);
    let (mut slowest, stolen_before_ms) = (vec![], stolen_ms());
    let (mut bytes_an_id, mut most_bytes_an_id) = (vec![], 0.0_f64);
    let sweeps = claims.sweeps();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                sweeps.sweep(now_ms());
                thread::sleep(Duration::from_millis(50));
            }
        });
        for first in (0..ids).step_by(BATCH as usize) {
            let begin_cpu_ns = cpu_ns();
            let batch: Vec<_> = (first..first + BATCH).map(|n| keys.event(&n.to_string())).collect();
            hash_us.push((cpu_ns() - begin_cpu_ns) / 1_000);
            let due = Duration::from_nanos(first * 1_000_000_000 / ids_per_sec);
            thread::sleep(due.saturating_sub(start.elapsed()));
            let begin_faults = page_faults();
            let (begin, begin_cpu_ns) = (Instant::now(), cpu_ns());
            assert_eq!(claims.claim(&batch, now_ms()) as u64, BATCH);
            cpu_us.push((cpu_ns() - begin_cpu_ns) / 1_000);
            wall_us.push(begin.elapsed().as_micros() as u64);
            slowest.push((cpu_us[cpu_us.len() - 1], wall_us[wall_us.len() - 1], page_faults() - begin_faults, first));
            if first >= 100_000 && first.is_multiple_of(100 * BATCH) {
                let bytes = claims.sizes().1 as f64 / first as f64;
                bytes_an_id.push(bytes);
                most_bytes_an_id = most_bytes_an_id.max(bytes);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let mean_ns = cpu_us.iter().sum::<u64>() as f64 * 1_000.0 / ids as f64;
    let longest = |mut times: Vec<u64>| {
        times.sort_unstable();
        [times[times.len() * 999 / 1_000], times[times.len() - 1]]
    };
    println!(
        "{name}: {ids} ids in {:.1} s; a claim takes {mean_ns:.1} ns of processor time on average; a batch of {BATCH} \
         takes (p99.9, longest) {:?} us of processor time, {:?} us; to hash its ids takes {:?} us of processor \
         time; {:.0} bytes an id on average, {most_bytes_an_id:.0} at the peak, {:.0} in the end",
        start.elapsed().as_secs_f64(),
        longest(cpu_us),
        longest(wall_us),
        longest(hash_us),
        bytes_an_id.iter().sum::<f64>() / bytes_an_id.len() as f64,
        bytes_an_id.last().copied().unwrap_or(0.0),
    );
    println!("the machine took {} ms of processor time from this one meanwhile", stolen_ms() - stolen_before_ms);
    slowest.sort_unstable_by(|a, b| b.cmp(a));
    println!("the slowest batches: processor time in us, time in us, page faults, first id");
    slowest.iter().take(10).for_each(|batch| println!("    {batch:?}"));
}

/// The page faults of this thread that needed no disk.
fn page_faults() -> u64 {
    proc_number("/proc/thread-self/stat", 9)
}

/// The time that the hypervisor gave to other machines, in milliseconds.
fn stolen_ms() -> u64 {
    proc_number("/proc/stat", 8) * 10
}

/// A number of a line of `/proc`, or zero on a system without it.
fn proc_number(path: &str, column: usize) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().nth(column).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let grows = arguments.next_if_eq("grow").is_some();
    let mut number = || arguments.next().and_then(|argument| argument.parse::<u64>().ok());
    let (Some(ids), Some(second)) = (number(), number()) else {
        println!("usage: dedup IDS_PER_HORIZON ROUNDS BACKEND...\n       dedup grow IDS IDS_PER_SEC BACKEND...");
        return;
    };
    if grows {
        arguments.for_each(|name| grow(&name, ids, second));
    } else {
        compare(arguments, ids, second as usize);
    }
}

/// Lets the backends take turns, each in a steady state.
fn compare(names: impl Iterator<Item = String>, ids: u64, rounds: usize) {
    let mut backends: Vec<_> = names.map(|name| Backend::new(name, ids)).collect();
    for backend in &mut backends {
        // Until tables have their size for a steady state, and two generations are live.
        for _ in 0..ids * 7 / 2 / BATCH {
            backend.claim_batch();
        }
        println!("{} is warm", backend.name);
    }
    backends.iter_mut().for_each(|backend| backend.longest_us = 0.0);
    for _ in 0..rounds {
        backends.iter_mut().for_each(|backend| backend.round(ids / 20 / BATCH));
    }
    for backend in &mut backends {
        backend.round_ns.sort_by(f64::total_cmp);
        let [least, median, most] = [0, rounds / 2, rounds - 1].map(|at| backend.round_ns[at]);
        let (remembered, bytes) = match &backend.store {
            Store::Claims(claims) => claims.sizes(),
            Store::Floor(lines) => (0, size_of_val(&lines[..])),
        };
        println!(
            "{}: median {median:.1} ns a claim ({least:.1} to {most:.1}), longest batch {:.0} us, {remembered} ids \
             remembered, {:.1} bytes an id of a horizon",
            backend.name,
            backend.longest_us,
            bytes as f64 / (ids as f64 * 0.95)
        );
    }
}
