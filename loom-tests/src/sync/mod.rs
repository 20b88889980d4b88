//! `crate::sync` as the shipped source expects it, made of loom's types.

mod atomics;
#[path = "../../../src/sync/line.rs"]
pub(crate) mod line;
pub(crate) mod lines;
mod mutex;
#[path = "../../../src/sync/phases.rs"]
pub(crate) mod phases;
mod published;
pub(crate) mod reclaim;
mod step_cell;
pub(crate) mod vector;

pub(crate) use atomics::{AtomicI64, AtomicIsize, AtomicPtr, AtomicU64, AtomicUsize};
pub(crate) use loom::sync::atomic::{Ordering, fence};
pub(crate) use mutex::{Mutex, MutexGuard};
pub(crate) use published::Published;
/// Of the sets for ids without a cell. They are made in one step of a model.
pub(crate) use std::sync::OnceLock;
pub(crate) use step_cell::StepCell;

/// The cells of a half of a line. Two are enough for a race for the first free cell and for a full half.
pub(crate) const HALF_CELLS: usize = 2;
