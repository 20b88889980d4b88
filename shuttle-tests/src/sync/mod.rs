//! `crate::sync` as the shipped source expects it, made of shuttle's types: every access is a point where another
//! thread may go on. Every ordering is sequentially consistent here; weak ones are loom's to check.

#[path = "../../../src/sync/line.rs"]
pub(crate) mod line;
#[path = "../../../loom-tests/src/sync/lines.rs"]
pub(crate) mod lines;
#[path = "../../../src/sync/padded.rs"]
mod padded;
#[path = "../../../src/sync/phases.rs"]
pub(crate) mod phases;
#[path = "../../../src/sync/published.rs"]
mod published;
#[path = "../../../loom-tests/src/sync/reclaim.rs"]
pub mod reclaim;
#[path = "../../../src/sync/step_cell.rs"]
mod step_cell;
#[path = "../../../loom-tests/src/sync/vector.rs"]
pub(crate) mod vector;

pub(crate) use padded::Padded;
pub(crate) use published::Published;
pub(crate) use shuttle::sync::atomic::{AtomicI64, AtomicIsize, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
pub(crate) use shuttle::thread::yield_now;
/// Of the observer, which no scenario sets, and of segments, which are set in one step of a scenario.
pub(crate) use std::sync::OnceLock;
pub(crate) use step_cell::StepCell;

/// Threads' numbers differ, and stay small.
pub(crate) fn thread_number() -> usize {
    shuttle::current::me().into()
}

/// The stripes of the counts of pinned threads; with two, threads share a stripe or have different ones.
pub(crate) const PIN_STRIPES: usize = 2;

/// The cells of a half of a line; two are enough for a race for the first free cell and for a full half.
pub(crate) const HALF_CELLS: usize = 2;
