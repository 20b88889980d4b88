//! `crate::sync` as the shipped source expects it, made of loom's types.

mod atomics;
pub(crate) mod buckets;
mod mutex;
mod published;
pub(crate) mod reclaim;

pub(crate) use atomics::{AtomicIsize, AtomicPtr, AtomicU64, AtomicUsize};
pub(crate) use loom::sync::atomic::{Ordering, fence};
pub(crate) use mutex::{Mutex, MutexGuard};
pub(crate) use published::Published;
