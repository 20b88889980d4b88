//! An adaptive limit of the batches in flight. It follows the queueing delay of batches: how long a ready task waits
//! for a worker of the runtime, and then for a pass.
//!
//! A queue that never empties is the sign of overload, whatever the load consists of (RFC 8289, Controlled Delay Active
//! Queue Management). While requests arrive faster than they complete, each request waits longer than the one before.
//! Then the limit is set so that the delay stays near its maximum. Further batches are rejected before their bodies are
//! read, which costs a fraction of ingesting them. A single long delay is not a queue: the operating system may have
//! given the time to other processes.

use crate::http::ingest_pacer::IngestPacer;
use crate::http::problem::{Overload, Problem};
use crate::http::run_queue::pass_through_run_queue;
use crate::limits;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Counts the batches in flight, from their admission to the response. The counters order no other memory, so every
/// access is Relaxed.
#[derive(Debug)]
pub(super) struct AdaptiveLimit {
    max_queue_delay: Duration,
    in_flight: AtomicUsize,
    /// The most batches in flight; [`UNLIMITED`] while there is no queue.
    limit: AtomicUsize,
}

/// More than the number of connections can be.
const UNLIMITED: usize = usize::MAX >> 1;

/// The permit of one batch in flight. Dropping it releases it.
#[derive(Debug)]
pub(super) struct AdaptivePermit<'a>(&'a AdaptiveLimit);

impl Drop for AdaptivePermit<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AdaptiveLimit {
    /// A limit that keeps the queueing delay near `max_queue_delay` under overload.
    pub(super) fn new(max_queue_delay: Duration) -> Self {
        Self { max_queue_delay, in_flight: AtomicUsize::new(0), limit: AtomicUsize::new(UNLIMITED) }
    }

    /// Admits a batch.
    ///
    /// # Errors
    /// [`Problem::Overloaded`] when the limit is reached.
    pub(super) fn try_acquire(&self) -> Result<AdaptivePermit<'_>, Problem> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let admitted = AdaptivePermit(self);
        if before < self.limit.load(Ordering::Relaxed) {
            Ok(admitted)
        } else {
            Err(Problem::Overloaded(Overload::AdaptiveLimit))
        }
    }

    /// Measures the queueing delay every few milliseconds, and adapts the limit to it. A measurement is a timer, then
    /// one run through the queue of ready tasks, then a wait for a pass of the batches. It must run in a
    /// spawned task, because the main task does not run on a worker.
    pub(super) async fn probe(&self, pacer: &IngestPacer) -> Infallible {
        let mut late = LateProbes::default();
        loop {
            let due = Instant::now() + limits::QUEUE_PROBE_PERIOD;
            sleep(limits::QUEUE_PROBE_PERIOD).await;
            pass_through_run_queue().await;
            pacer.acquire(1).await;
            self.on_probe(due.elapsed(), &mut late);
        }
    }

    /// Adapts the limit to the delay of a probe. The limit rises by an eighth and one after a short delay, and is cut
    /// after [`limits::LATE_PROBES`] consecutive long ones.
    fn on_probe(&self, delay: Duration, late: &mut LateProbes) {
        let limit = self.limit.load(Ordering::Relaxed);
        if delay <= self.max_queue_delay {
            *late = LateProbes::default();
            self.limit.store(limit.saturating_add(1 + limit / 8).min(UNLIMITED), Ordering::Relaxed);
            return;
        }
        let shortest_delay = if late.count == 0 { delay } else { late.shortest_delay.min(delay) };
        *late = LateProbes { count: late.count + 1, shortest_delay };
        if late.count == limits::LATE_PROBES {
            // The delay is proportional to the length of the queue. So the limit is scaled by allowed delay / measured
            // delay.
            let share = self.max_queue_delay.as_secs_f64() / late.shortest_delay.as_secs_f64();
            let in_flight = self.in_flight.load(Ordering::Relaxed).min(limit);
            let limit = (in_flight as f64 * share) as usize;
            self.limit.store(limit.max(limits::ADAPTIVE_LIMIT_MIN), Ordering::Relaxed);
            *late = LateProbes::default();
        }
    }
}

/// Consecutive probes whose delay was too long.
#[derive(Default)]
struct LateProbes {
    count: usize,
    shortest_delay: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const MAX_WAIT: Duration = Duration::from_millis(25);
    const LATE: Duration = Duration::from_millis(100);

    /// Acquires permits until the limit or `max` is reached.
    fn fill(limit: &AdaptiveLimit, max: usize) -> Vec<AdaptivePermit<'_>> {
        (0..max).map_while(|_| limit.try_acquire().ok()).collect()
    }

    /// Reports the delays of consecutive probes.
    fn on_probes(limit: &AdaptiveLimit, delays: &[Duration]) {
        let mut late = LateProbes::default();
        delays.iter().for_each(|delay| limit.on_probe(*delay, &mut late));
    }

    #[test]
    fn consecutive_long_delays_lower_the_limit() {
        let limit = AdaptiveLimit::new(MAX_WAIT);
        let mut admitted = fill(&limit, 100);
        on_probes(&limit, &[LATE, LATE, MAX_WAIT, LATE, LATE]);
        admitted.push(limit.try_acquire().unwrap());
        on_probes(&limit, &[LATE * 9, LATE, LATE * 2]);
        assert!(matches!(limit.try_acquire(), Err(Problem::Overloaded(Overload::AdaptiveLimit))));
        drop(admitted);
        assert_eq!(
            fill(&limit, 100).len(),
            25,
            "the allowed delay is a quarter of the shortest one, so the limit is a quarter of the queue"
        );
        assert_eq!(limit.in_flight.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_limit_follows_the_delay_and_ends_without_one() {
        let limit = AdaptiveLimit::new(MAX_WAIT);
        let filled = || fill(&limit, 1_000).len();
        let admitted = fill(&limit, 64);
        on_probes(&limit, &[LATE; limits::LATE_PROBES]);
        drop(admitted);
        assert_eq!(filled(), 16);
        on_probes(&limit, &[MAX_WAIT]);
        assert_eq!(filled(), 19);
        let admitted = fill(&limit, 1_000);
        on_probes(&limit, &[MAX_WAIT * 2; 2 * limits::LATE_PROBES - 1]);
        drop(admitted);
        assert_eq!(filled(), 9, "delays from before a cut do not cut the limit again");
        on_probes(&limit, &[LATE; limits::LATE_PROBES]);
        assert_eq!(filled(), limits::ADAPTIVE_LIMIT_MIN);
        while limit.limit.load(Ordering::Relaxed) < UNLIMITED {
            on_probes(&limit, &[MAX_WAIT]);
        }
    }

    #[tokio::test]
    async fn a_delayed_probe_lowers_the_limit() {
        let limit = Arc::new(AdaptiveLimit::new(Duration::ZERO));
        let probed = Arc::clone(&limit);
        let probe = tokio::spawn(async move { probed.probe(&IngestPacer::new(1)).await });
        while limit.limit.load(Ordering::Relaxed) == UNLIMITED {
            // Let the probe run. Then block the worker until the probe is due again.
            tokio::task::yield_now().await;
            std::thread::sleep(limits::QUEUE_PROBE_PERIOD);
        }
        probe.abort();
        assert_eq!(fill(&limit, 100).len(), limits::ADAPTIVE_LIMIT_MIN);
    }
}
