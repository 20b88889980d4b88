//! The journal on a real disk: commits with their fsync for entries of three sizes, then the size of the file while
//! each append trims an entry. Takes 5 s.
//!
//! ```sh
//! cargo run --release -p weir-benches --bin journal -- /var/lib/weir
//! ```
//!
//! The argument is a directory on the disk. Without it, the disk is that of the system's temporary directory.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use weir_log::journal::{Journal, Settings};
use weir_log::{Log, Place};

/// How long each of the four parts takes.
const PART: Duration = Duration::from_millis(1_250);

/// A heartbeat, a frame of 1,000 rows, and the largest frame.
const ENTRY_BYTES: [usize; 3] = [300, 34_000, 126 << 10];

/// The live entries of the last part.
const LIVE_ENTRIES: u64 = 400;

fn main() {
    let place = std::env::args().nth(1);
    println!("entry bytes  commits/s    MB/s  p50 us  p99 us  max us  file/live");
    for bytes in ENTRY_BYTES {
        measure(place.as_deref(), &bytes.to_string(), u64::MAX, |_| bytes);
    }
    // The sizes 200 to 129,000 in a fixed order without a pattern.
    measure(place.as_deref(), "200..126Ki", LIVE_ENTRIES, |n| 200 + (n * 7_919 % 1_289 * 100) as usize);
}

/// Appends entries to a new journal, keeps `live` of them, and prints a line.
fn measure(place: Option<&str>, name: &str, live: u64, bytes_of: impl Fn(u64) -> usize) {
    let dir = place.map_or_else(tempfile::tempdir, tempfile::tempdir_in).expect("a temporary directory");
    let latencies_us = Arc::new(Mutex::new(Histogram::<u64>::new_with_max(60_000_000, 3).expect("a minute")));
    let journal = open(dir.path(), Arc::clone(&latencies_us));
    let mut log = journal.frames();
    let (begun, mut count, mut written, mut turns) = (Instant::now(), 0_u64, 0, Vec::new());
    while begun.elapsed() < PART {
        count += 1;
        let bytes = vec![count as u8; bytes_of(count)];
        written += bytes.len();
        log.trim(Place(count.saturating_sub(live)));
        log.append(bytes.into(), Box::new(|result| assert!(result.is_ok(), "{result:?}")));
        if count.is_multiple_of(live) {
            turns.push(file_per_live(&journal));
        }
    }
    let secs = begun.elapsed().as_secs_f64();
    turns.push(file_per_live(&journal));
    let latencies_us = latencies_us.lock().expect("no thread panicked");
    println!(
        "{name:>11} {:>10.0} {:>7.1} {:>7} {:>7} {:>7}  {}",
        count as f64 / secs,
        written as f64 / secs / 1e6,
        latencies_us.value_at_quantile(0.5),
        latencies_us.value_at_quantile(0.99),
        latencies_us.max(),
        turns.iter().map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(" "),
    );
}

fn open(dir: &Path, latencies_us: Arc<Mutex<Histogram<u64>>>) -> Journal {
    let record = move |elapsed: Duration| {
        latencies_us.lock().expect("no thread panicked").saturating_record(elapsed.as_micros() as u64);
    };
    let settings = Settings {
        max_bytes: 16 << 30,
        must_exist: false,
        fingerprint: [].into(),
        now_ms: 0,
        on_commit: Some(Arc::new(record)),
    };
    Journal::open(dir, settings).expect("a new journal")
}

/// The bytes of the file for each live byte.
fn file_per_live(journal: &Journal) -> f64 {
    let status = journal.status();
    status.file_bytes.expect("the size of the file") as f64 / status.live_bytes() as f64
}
