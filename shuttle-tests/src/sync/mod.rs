//! `crate::sync` as the shipped source expects it, made of shuttle's types: every access is a point where another
//! thread may go on. Every ordering is sequentially consistent here; weak ones are loom's to check.

#[path = "../../../loom-tests/src/sync/buckets.rs"]
pub(crate) mod buckets;
#[path = "../../../src/sync/published.rs"]
mod published;
#[path = "../../../loom-tests/src/sync/reclaim.rs"]
pub mod reclaim;

pub(crate) use published::Published;
pub(crate) use shuttle::sync::atomic::{AtomicI64, AtomicIsize, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
/// Of the observer, which no scenario sets.
pub(crate) use std::sync::OnceLock;

/// Threads' numbers differ, and stay small.
pub(crate) fn thread_number() -> usize {
    shuttle::current::me().into()
}
