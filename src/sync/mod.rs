//! The only door to atomics, locks and deferred reclamation for the engine.
//!
//! Whatever threads of the engine share, they share by what stands here. A model checker compiles the same source with a
//! `crate::sync` of its own, so nothing here, and nothing there, knows that checker.

pub(crate) mod cells;
mod published;
pub(crate) mod reclaim;
mod thread_number;

pub(crate) use published::Published;
pub(crate) use std::sync::atomic::{AtomicI64, AtomicIsize, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock};
pub(crate) use thread_number::thread_number;
