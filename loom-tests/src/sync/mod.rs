//! `crate::sync` as the shipped source expects it, made of loom's types.

mod atomics;
#[path = "../../../src/sync/line.rs"]
pub(crate) mod line;
pub(crate) mod lines;
mod mutex;
mod once_lock;
#[path = "../../../src/sync/padded.rs"]
mod padded;
#[path = "../../../src/sync/phases.rs"]
pub(crate) mod phases;
mod published;
pub(crate) mod reclaim;
mod step_cell;
pub(crate) mod vector;

pub(crate) use atomics::{AtomicI64, AtomicIsize, AtomicPtr, AtomicU64, AtomicUsize};
pub(crate) use loom::sync::atomic::{Ordering, fence};
pub(crate) use loom::thread::yield_now;
pub(crate) use mutex::{Mutex, MutexGuard};
pub(crate) use once_lock::OnceLock;
pub(crate) use padded::Padded;
pub(crate) use published::Published;
pub(crate) use step_cell::StepCell;

/// The stripes of the counts of pinned threads; with two, threads share a stripe or have different ones.
pub(crate) const PIN_STRIPES: usize = 2;

/// The cells of a half of a line. Two are enough for a race for the first free cell and for a full half.
pub(crate) const HALF_CELLS: usize = 2;

/// Threads' numbers differ, and stay small.
pub(crate) fn thread_number() -> usize {
    let id = format!("{:?}", loom::thread::current().id());
    id.trim_matches(|other: char| !other.is_ascii_digit()).parse().expect("an id of loom has a number")
}
