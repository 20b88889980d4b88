//! The facade for locks. A model checker compiles the same source with a `crate::sync` of its own.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Waits until `condvar` is notified, and at most for `patience`.
pub(crate) fn wait<'m, T>(condvar: &Condvar, guard: MutexGuard<'m, T>, patience: Duration) -> MutexGuard<'m, T> {
    condvar.wait_timeout(guard, patience).unwrap_or_else(PoisonError::into_inner).0
}
