//! `crate::sync` as the shipped source expects it, made of shuttle's types.

pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::sync::PoisonError;
use std::time::Duration;

/// Waits until `condvar` is notified. There is no time here: a thread that is not notified waits for ever, and shuttle
/// reports it.
pub(crate) fn wait<'m, T>(condvar: &Condvar, guard: MutexGuard<'m, T>, _: Duration) -> MutexGuard<'m, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
