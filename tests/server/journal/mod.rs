//! `weir serve` with a journal: restarts, kills, refused starts, full journals and faults of the disk.

mod faults;
mod refusals;
mod restart;

use crate::common::Running;
use crate::common::requests::{end, get, now_ms, post, put, readiness, request, samples, total_events};

/// A process with a journal in a directory. Waits until the journal is replayed.
fn serve(dir: &str, args: &[&str]) -> Running {
    let running = Running::serve(&[&["--journal", dir], args].concat());
    running.stderr.line_with("the log is replayed");
    running
}

/// The frames that the last replay had to judge.
fn judged_frames(running: &Running) -> f64 {
    samples(running).get("weir_log_replay_judged_frames")
}

/// Stops a process with a signal that lets it stop the journal.
fn stop(running: Running) {
    let (code, log) = end(running, "TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped the journal"), "{log}");
}
