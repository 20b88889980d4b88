//! The facade for atomics, locks and deferred reclamation.
//!
//! Everything that the engine's threads share on the paths of ingest, fold and query is made of the types in this
//! module; the exceptions are the scc map (`dedup/scc_map.rs`) and arc-swap (`reference/publication.rs`). A model
//! checker compiles the same source with a `crate::sync` of its own. So no other file depends on the model checker, and
//! there is no configuration for it.

pub(crate) mod line;
pub(crate) mod lines;
mod padded;
pub(crate) mod phases;
mod published;
pub(crate) mod reclaim;
mod step_cell;
mod thread_number;
pub(crate) mod vector;

pub(crate) use padded::Padded;
pub(crate) use published::Published;
pub(crate) use std::sync::atomic::{AtomicI64, AtomicIsize, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};
pub(crate) use std::thread::yield_now;
pub(crate) use step_cell::StepCell;
pub(crate) use thread_number::thread_number;

/// The stripes of the counts of pinned threads.
pub(crate) const PIN_STRIPES: usize = crate::limits::DEDUP_PIN_STRIPES;

/// The cells of a half of a line; a whole line fills a cache line.
pub(crate) const HALF_CELLS: usize = 4;
