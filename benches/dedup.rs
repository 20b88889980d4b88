//! The dedup backends beside each other, in a steady state with two generations of live ids. The backends take turns,
//! round by round, and the result is the median of the rounds.
//!
//! ```sh
//! cargo run --release -p weir-benches --bin dedup -- 10000000 20 lines scc
//! ```
//!
//! The arguments are the ids of a horizon, the number of rounds, and the backends.

use std::time::Instant;
use weir::internals::{Claims, HashKeys};

const HORIZON_SECS: u64 = 2_040;
const BATCH: u64 = 1_000;
/// One of so many ids was claimed a short time before.
const DUPLICATE_EVERY: u64 = 20;
const START_MS: i64 = 1_760_000_000_000;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Backend {
    name: String,
    claims: Claims,
    keys: HashKeys,
    ids_per_horizon: u64,
    next_id: u64,
    swept: u64,
    round_ns: Vec<f64>,
    longest_us: f64,
}

impl Backend {
    fn new(name: String, ids_per_horizon: u64) -> Self {
        let capacity = ids_per_horizon as usize;
        let claims = match name.as_str() {
            "lines" => Claims::lines(Some(HORIZON_SECS)),
            "lines-with-capacity" => Claims::lines_with_capacity(Some(HORIZON_SECS), capacity),
            "scc" => Claims::scc(Some(HORIZON_SECS)),
            other => panic!("no backend {other:?}"),
        };
        Self {
            name,
            claims,
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
        let inserted = self.claims.claim(&batch, now_ms);
        let took_ns = cpu_ns() - start_cpu_ns;
        self.longest_us = self.longest_us.max(start.elapsed().as_secs_f64() * 1e6);
        assert!(inserted as u64 >= BATCH - BATCH / DUPLICATE_EVERY - 1, "{}: {inserted} inserted", self.name);
        let sweep = self.next_id * 128 / self.ids_per_horizon;
        if sweep != self.swept {
            self.swept = sweep;
            self.claims.sweep(now_ms);
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

/// The processor time of this thread: other processes do not count.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|argument| argument.parse::<u64>().ok());
    let (Some(ids), Some(rounds)) = (number(), number()) else {
        println!("usage: dedup IDS_PER_HORIZON ROUNDS BACKEND...");
        return;
    };
    let mut backends: Vec<_> = arguments.map(|name| Backend::new(name, ids)).collect();
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
        let [least, median, most] = [0, rounds as usize / 2, rounds as usize - 1].map(|at| backend.round_ns[at]);
        let (remembered, bytes) = backend.claims.sizes();
        println!(
            "{}: median {median:.1} ns a claim ({least:.1} to {most:.1}), longest batch {:.0} us, {remembered} ids \
             remembered, {:.1} bytes an id of a horizon",
            backend.name,
            backend.longest_us,
            bytes as f64 / (ids as f64 * 0.95)
        );
    }
}
