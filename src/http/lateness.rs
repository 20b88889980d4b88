//! Whether the server keeps up, by how long a task that is ready waits for a worker of the runtime.
//!
//! A queue that does not empty is the sign of overload, whatever the load is made of (Nichols and Jacobson, Controlling
//! Delay Management, RFC 8289): while requests come faster than they are answered, every one of them waits longer than
//! the one before. New batches are refused then, which costs a fraction of taking them, until the wait is short again.

use crate::limits;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::yield_now;
use tokio::time::sleep;

/// How long the runtime lets its tasks wait.
#[derive(Debug)]
pub(super) struct Lateness {
    start: Instant,
    /// Since when the probe waits, in microseconds from the start; [`NOT_WAITING`] while it does not. It orders nothing:
    /// every access is Relaxed.
    waiting_since_us: AtomicU64,
    max_us: u64,
}

const NOT_WAITING: u64 = u64::MAX;

impl Lateness {
    /// A wait of more than `max` is too long.
    pub(super) fn new(max: Duration) -> Self {
        let max_us = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        Self { start: Instant::now(), waiting_since_us: AtomicU64::new(NOT_WAITING), max_us }
    }

    /// Whether tasks wait too long now.
    pub(super) fn is_too_long(&self) -> bool {
        let since_us = self.waiting_since_us.load(Ordering::Relaxed);
        since_us != NOT_WAITING && self.now_us().saturating_sub(since_us) > self.max_us
    }

    /// Joins the end of the runtime's queue every few milliseconds.
    pub(super) async fn probe(&self) -> Infallible {
        loop {
            sleep(limits::LATENESS_PROBE_PERIOD).await;
            self.waiting_since_us.store(self.now_us(), Ordering::Relaxed);
            yield_now().await;
            self.waiting_since_us.store(NOT_WAITING, Ordering::Relaxed);
        }
    }

    fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    #[tokio::test]
    async fn a_probe_that_waits_for_its_turn_tells_how_late_the_runtime_is() {
        let lateness = Lateness::new(Duration::ZERO);
        let mut probe = pin!(lateness.probe());
        while lateness.waiting_since_us.load(Ordering::Relaxed) == NOT_WAITING {
            assert!(!lateness.is_too_long(), "nothing waits while the probe sleeps");
            poll_fn(|cx| Poll::Ready(probe.as_mut().poll(cx).is_pending())).await;
            yield_now().await;
        }
        let since_us = lateness.waiting_since_us.load(Ordering::Relaxed);
        while lateness.now_us() <= since_us {}
        assert!(lateness.is_too_long());
        assert!(poll_fn(|cx| Poll::Ready(probe.as_mut().poll(cx).is_pending())).await);
        assert!(!lateness.is_too_long());
    }

    #[test]
    fn any_wait_will_do_where_there_is_no_bound() {
        let lateness = Lateness::new(Duration::MAX);
        lateness.waiting_since_us.store(0, Ordering::Relaxed);
        assert!(!lateness.is_too_long());
    }
}
