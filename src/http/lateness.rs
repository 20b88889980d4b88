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
    /// When the probe is due next, in microseconds from the start; [`NEVER`] without a probe. It orders nothing: every access
    /// is Relaxed.
    due_us: AtomicU64,
    max_us: u64,
}

const NEVER: u64 = u64::MAX;

/// A probe that is on its way.
struct Probe<'l>(&'l Lateness);

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.0.due_us.store(NEVER, Ordering::Relaxed);
    }
}

impl Lateness {
    /// A wait of more than `max` is too long.
    pub(super) fn new(max: Duration) -> Self {
        let max_us = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        Self { start: Instant::now(), due_us: AtomicU64::new(NEVER), max_us }
    }

    /// Whether tasks wait too long now.
    pub(super) fn is_too_long(&self) -> bool {
        self.now_us().saturating_sub(self.due_us.load(Ordering::Relaxed)) > self.max_us
    }

    /// Sets a timer every few milliseconds and joins the end of the runtime's queue when it goes off. Under load the
    /// runtime looks at timers and sockets alike only now and then, so that the timer is as late as a request that has just
    /// come; the queue is what those wait in that it has seen.
    pub(super) async fn probe(&self) -> Infallible {
        let _probe = Probe(self);
        loop {
            let due_us = self.now_us() + limits::LATENESS_PROBE_PERIOD.as_micros() as u64;
            self.due_us.store(due_us, Ordering::Relaxed);
            sleep(limits::LATENESS_PROBE_PERIOD).await;
            yield_now().await;
        }
    }

    fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets the time of the system pass.
    fn pass(time: Duration) {
        let start = Instant::now();
        while start.elapsed() <= time {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn a_probe_that_does_not_get_its_turn_tells_how_late_the_runtime_is() {
        let lateness = std::sync::Arc::new(Lateness::new(Duration::ZERO));
        pass(Duration::from_micros(10));
        assert!(!lateness.is_too_long(), "there is no probe");
        let probed = std::sync::Arc::clone(&lateness);
        let probe = tokio::spawn(async move { probed.probe().await });
        yield_now().await;
        pass(limits::LATENESS_PROBE_PERIOD);
        assert!(lateness.is_too_long(), "this task has not let the probe run");
        while lateness.is_too_long() {
            yield_now().await;
        }
        probe.abort();
        assert!(probe.await.is_err());
        pass(limits::LATENESS_PROBE_PERIOD);
        assert!(!lateness.is_too_long(), "there is no probe any more");
    }

    #[test]
    fn any_wait_will_do_where_there_is_no_bound() {
        let lateness = Lateness::new(Duration::MAX);
        lateness.due_us.store(0, Ordering::Relaxed);
        assert!(!lateness.is_too_long());
    }
}
