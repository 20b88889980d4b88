//! How many batches are let in, by how long a task that is ready waits for a worker of the runtime.
//!
//! A queue that does not empty is the sign of overload, whatever the load is made of (Nichols and Jacobson, Controlling
//! Delay Management, RFC 8289): while requests come faster than they are answered, every one of them waits longer than
//! the one before. Then only so many batches are let in that the wait is about as long as it may be, and the others are
//! refused before their bodies are read, which costs a fraction of taking them. One long wait is no queue: the system may
//! have given the time to somebody else.

use crate::http::problem::{Overload, Problem};
use crate::limits;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Counts the batches that are let in and not answered yet. The counters order nothing: every access is Relaxed.
#[derive(Debug)]
pub(super) struct AdaptiveLimit {
    max_queue_delay: Duration,
    in_flight: AtomicUsize,
    /// How many may be; [`UNLIMITED`] without a queue.
    limit: AtomicUsize,
}

/// More than there can be connections.
const UNLIMITED: usize = usize::MAX >> 1;

/// A batch that was let in, until it is answered.
#[derive(Debug)]
pub(super) struct AdaptivePermit<'a>(&'a AdaptiveLimit);

impl Drop for AdaptivePermit<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AdaptiveLimit {
    /// A wait of more than `max_queue_delay` is too long.
    pub(super) fn new(max_queue_delay: Duration) -> Self {
        Self { max_queue_delay, in_flight: AtomicUsize::new(0), limit: AtomicUsize::new(UNLIMITED) }
    }

    /// Lets a batch in.
    ///
    /// # Errors
    /// [`Problem::Overloaded`] when there are as many as the runtime can bear.
    pub(super) fn try_acquire(&self) -> Result<AdaptivePermit<'_>, Problem> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let admitted = AdaptivePermit(self);
        if before < self.limit.load(Ordering::Relaxed) {
            Ok(admitted)
        } else {
            Err(Problem::Overloaded(Overload::AdaptiveLimit))
        }
    }

    /// Sets a timer every few milliseconds, waits behind the queue when it goes off, and moves the limit by how long that
    /// took. It has to be a task of its own: the main task is no worker's.
    pub(super) async fn probe(&self) -> Infallible {
        let mut late = LateProbes::default();
        loop {
            let due = Instant::now() + limits::QUEUE_PROBE_PERIOD;
            sleep(limits::QUEUE_PROBE_PERIOD).await;
            wait_behind_the_queue().await;
            self.on_probe(due.elapsed(), &mut late);
        }
    }

    /// Moves the limit after a probe that has waited so long.
    fn on_probe(&self, wait: Duration, late: &mut LateProbes) {
        let limit = self.limit.load(Ordering::Relaxed);
        if wait <= self.max_queue_delay {
            *late = LateProbes::default();
            self.limit.store(limit.saturating_add(1 + limit / 8).min(UNLIMITED), Ordering::Relaxed);
            return;
        }
        *late = LateProbes {
            count: late.count + 1,
            shortest: if late.count == 0 { wait } else { late.shortest.min(wait) },
        };
        if late.count == limits::LATE_PROBES {
            // As the wait is to the queue, so is the longest one allowed to the longest queue.
            let share = self.max_queue_delay.as_secs_f64() / late.shortest.as_secs_f64();
            let in_flight = self.in_flight.load(Ordering::Relaxed).min(limit);
            let limit = (in_flight as f64 * share) as usize;
            self.limit.store(limit.max(limits::ADAPTIVE_LIMIT_MIN), Ordering::Relaxed);
            *late = LateProbes::default();
        }
    }
}

/// Waits that were too long, one after the other.
#[derive(Default)]
struct LateProbes {
    count: usize,
    shortest: Duration,
}

/// Waits until the worker has run what is ready. What was woken last is what it runs next (tokio's LIFO slot), so that a
/// task must lose that place to another to come to the end of the queue.
async fn wait_behind_the_queue() {
    let mut tasks = JoinSet::new();
    tasks.spawn(std::future::ready(()));
    tasks.spawn(std::future::ready(()));
    while tasks.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    const MAX_WAIT: Duration = Duration::from_millis(25);
    const LATE: Duration = Duration::from_millis(100);

    /// Lets in what can be, up to so many.
    fn fill(admission: &AdaptiveLimit, most: usize) -> Vec<AdaptivePermit<'_>> {
        (0..most).map_while(|_| admission.try_acquire().ok()).collect()
    }

    /// Tells of these waits, one after the other.
    fn on_probe(admission: &AdaptiveLimit, waits: &[Duration]) {
        let mut late = LateProbes::default();
        waits.iter().for_each(|wait| admission.on_probe(*wait, &mut late));
    }

    #[test]
    fn waits_that_are_too_long_again_and_again_limit_what_is_let_in() {
        let admission = AdaptiveLimit::new(MAX_WAIT);
        let mut admitted = fill(&admission, 100);
        on_probe(&admission, &[LATE, LATE, MAX_WAIT, LATE, LATE]);
        admitted.push(admission.try_acquire().unwrap());
        on_probe(&admission, &[LATE * 9, LATE, LATE * 2]);
        assert!(matches!(admission.try_acquire(), Err(Problem::Overloaded(Overload::AdaptiveLimit))));
        drop(admitted);
        assert_eq!(fill(&admission, 100).len(), 25, "a quarter of the shortest wait, a quarter of the queue");
        assert_eq!(admission.in_flight.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_limit_follows_the_wait_and_goes_with_it() {
        let admission = AdaptiveLimit::new(MAX_WAIT);
        let filled = || fill(&admission, 1_000).len();
        let admitted = fill(&admission, 64);
        on_probe(&admission, &[LATE; limits::LATE_PROBES]);
        drop(admitted);
        assert_eq!(filled(), 16);
        on_probe(&admission, &[MAX_WAIT]);
        assert_eq!(filled(), 19);
        let admitted = fill(&admission, 1_000);
        on_probe(&admission, &[MAX_WAIT * 2; 2 * limits::LATE_PROBES - 1]);
        drop(admitted);
        assert_eq!(filled(), 9, "what was measured before it was lowered does not lower it again");
        on_probe(&admission, &[LATE; limits::LATE_PROBES]);
        assert_eq!(filled(), limits::ADAPTIVE_LIMIT_MIN);
        while admission.limit.load(Ordering::Relaxed) < UNLIMITED {
            on_probe(&admission, &[MAX_WAIT]);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_ready_comes_first() {
        let look = async {
            let seen = Arc::new(Mutex::new(0));
            for _ in 0..3 {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move { *seen.lock().unwrap() += 1 });
            }
            wait_behind_the_queue().await;
            *seen.lock().unwrap()
        };
        assert_eq!(tokio::spawn(look).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_probe_that_does_not_get_its_turn_lowers_the_limit() {
        let admission = Arc::new(AdaptiveLimit::new(Duration::ZERO));
        let probed = Arc::clone(&admission);
        let probe = tokio::spawn(async move { probed.probe().await });
        while admission.limit.load(Ordering::Relaxed) == UNLIMITED {
            // Let the probe run, and then the time pass in which it is due again.
            tokio::task::yield_now().await;
            std::thread::sleep(limits::QUEUE_PROBE_PERIOD);
        }
        probe.abort();
        assert_eq!(fill(&admission, 100).len(), limits::ADAPTIVE_LIMIT_MIN);
    }
}
