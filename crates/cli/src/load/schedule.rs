//! The schedule of requests.

use crate::limits;
use crate::load::options::Rate;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

const NANOS_PER_SEC: u128 = 1_000_000_000;

/// The schedule of a run. Each connection takes the next request when it is free.
#[derive(Debug)]
pub(super) struct Schedule {
    /// When the first request is due.
    pub(super) start: Instant,
    end: Instant,
    rate: Rate,
    batch_events: usize,
    next_number: AtomicU64,
    /// Set by a signal.
    stop: Arc<AtomicBool>,
    /// When a thread first saw that `stop` was set.
    stopped_at: OnceLock<Instant>,
}

/// One request of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScheduledRequest {
    /// Counts from 0. Each number is used once.
    pub(super) number: u64,
    /// When the request is due. None means as soon as it is ready.
    pub(super) due: Option<Instant>,
}

impl Schedule {
    /// A schedule that starts at `start` and lasts for `duration`, or until `stop` is set.
    pub(super) fn new(
        start: Instant,
        duration: Duration,
        rate: Rate,
        batch_events: usize,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let (end, stopped_at) = (start + duration, OnceLock::new());
        Self { start, end, rate, batch_events, next_number: AtomicU64::new(0), stop, stopped_at }
    }

    /// The next request. None if the run is over at `now`, even if the schedule has more requests, or if it is stopped.
    ///
    /// With a rate, request n is due n batches after the start. That time can be in the past or in the future.
    pub(super) fn next(&self, now: Instant) -> Option<ScheduledRequest> {
        if self.is_stopped() {
            return None;
        }
        // Relaxed: the number is the only shared data. The operation is atomic with itself: whichever thread comes
        // first gets the lower number, and no two threads get the same.
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let due = match self.rate {
            Rate::EventsPerSec(events_per_sec) => Some(self.start + self.offset(number, events_per_sec)),
            Rate::Max => None,
        };
        (now.max(due.unwrap_or(now)) < self.end).then_some(ScheduledRequest { number, due })
    }

    /// Sleeps until the request is due, and returns the time from which its latency counts. None if the run was stopped
    /// before.
    pub(super) fn wait(&self, request: ScheduledRequest) -> Option<Instant> {
        let due = request.due.unwrap_or_else(Instant::now);
        while !self.is_stopped() {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(due);
            }
            thread::sleep(left.min(limits::SIGNAL_POLL_PERIOD));
        }
        None
    }

    /// Whether a signal stopped the run.
    pub(super) fn is_stopped(&self) -> bool {
        // Relaxed: the flag orders nothing else. A load that misses the signal is followed by another load.
        let is_stopped = self.stop.load(Ordering::Relaxed);
        if is_stopped {
            self.stopped_at.get_or_init(Instant::now);
        }
        is_stopped
    }

    /// The time from the start until a signal stopped the run. None if no signal came before its end.
    pub(super) fn interrupted_after(&self) -> Option<Duration> {
        let stopped_at = self.stopped_at.get().filter(|at| **at < self.end)?;
        Some(stopped_at.saturating_duration_since(self.start))
    }

    /// The time from the start until a request is due, rounded down to nanoseconds. The rounding errors do not add up.
    /// A request is due before the end exactly if [`scheduled_requests`] counts it.
    fn offset(&self, number: u64, events_per_sec: u64) -> Duration {
        let events = u128::from(number) * self.batch_events as u128;
        let nanos = events * NANOS_PER_SEC / u128::from(events_per_sec);
        Duration::from_nanos_u128(nanos)
    }
}

/// The number of requests in the schedule of a run. None for a closed loop, where the number depends on the responses.
pub(super) fn scheduled_requests(rate: Rate, duration: Duration, batch_events: usize) -> Option<u64> {
    let Rate::EventsPerSec(events_per_sec) = rate else { return None };
    let batch_nanos = batch_events as u128 * NANOS_PER_SEC;
    let events_nanos = duration.as_nanos() * u128::from(events_per_sec);
    Some(events_nanos.div_ceil(batch_nanos) as u64)
}

/// Makes the sleeps of the calling thread end on time. By default Linux adds up to 50 µs, which would be measured as
/// latency. If the system refuses, nothing changes.
pub(super) fn sleep_precisely() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn schedule(rate: Rate, batch_events: usize, duration: Duration) -> (Instant, Schedule) {
        let start = Instant::now();
        (start, Schedule::new(start, duration, rate, batch_events, Arc::default()))
    }

    #[test]
    fn requests_are_due_one_batch_apart() {
        let (start, schedule) = schedule(Rate::EventsPerSec(3_000), 1_000, Duration::from_secs(1));
        let late = start + Duration::from_millis(999);
        for (number, nanos, now) in [(0, 0, start), (1, 333_333_333, late), (2, 666_666_666, start)] {
            assert_eq!(
                schedule.next(now),
                Some(ScheduledRequest { number, due: Some(start + Duration::from_nanos(nanos)) })
            );
        }
        assert_eq!(schedule.next(start), None);
    }

    #[test]
    fn the_schedule_has_as_many_requests_as_are_counted() {
        for (events_per_sec, batch_events, nanos) in [
            (1, 1, 1_000_000),
            (7, 3, 10_000_000_000),
            (1_000, 10, 500_000_000),
            (1_001, 10, 500_000_000),
            (9, 1, 1_000_000_000),
            (3, 1, 333_333_334),
            (3, 1, 333_333_333),
        ] {
            let (rate, duration) = (Rate::EventsPerSec(events_per_sec), Duration::from_nanos(nanos));
            let (start, schedule) = schedule(rate, batch_events, duration);
            let taken = std::iter::from_fn(|| schedule.next(start)).count() as u64;
            assert_eq!(
                scheduled_requests(rate, duration, batch_events),
                Some(taken),
                "{events_per_sec}, {batch_events}, {nanos}"
            );
        }
    }

    #[test]
    fn no_request_is_taken_after_the_end() {
        let (start, schedule) = schedule(Rate::EventsPerSec(1_000), 1, Duration::from_secs(1));
        assert_eq!(schedule.next(start + Duration::from_secs(1)), None);
    }

    #[test]
    fn without_a_rate_each_request_is_due_as_soon_as_it_is_ready() {
        let (start, schedule) = schedule(Rate::Max, 10, Duration::from_secs(1));
        let request = schedule.next(start + Duration::from_millis(700)).unwrap();
        assert_eq!(request, ScheduledRequest { number: 0, due: None });
        assert!(schedule.wait(request).unwrap() >= start);
        assert_eq!(schedule.next(start + Duration::from_secs(2)), None);
        assert_eq!(scheduled_requests(Rate::Max, Duration::from_secs(1), 10), None);
    }

    #[test]
    fn latency_counts_from_when_a_request_was_due() {
        let (start, schedule) = schedule(Rate::Max, 1, DAY);
        let past = start - Duration::from_millis(5);
        assert_eq!(schedule.wait(ScheduledRequest { number: 0, due: Some(past) }), Some(past));
        let due = start + limits::SIGNAL_POLL_PERIOD + Duration::from_millis(5);
        assert_eq!(schedule.wait(ScheduledRequest { number: 0, due: Some(due) }), Some(due));
        assert!(Instant::now() >= due);
    }

    #[test]
    fn a_stopped_schedule_has_no_more_requests() {
        let (start, schedule) = schedule(Rate::EventsPerSec(1), 1, DAY);
        let request = schedule.next(start).unwrap();
        assert_eq!((schedule.wait(request), schedule.interrupted_after()), (Some(start), None));
        let later = ScheduledRequest { number: 1, due: Some(start + DAY) };
        thread::scope(|scope| {
            let waiting = scope.spawn(|| schedule.wait(later));
            schedule.stop.store(true, Ordering::Relaxed);
            assert_eq!(waiting.join().unwrap(), None, "a wait of a day ends");
        });
        assert_eq!(schedule.next(start), None);
        assert!(schedule.interrupted_after().unwrap() < DAY);
    }

    #[test]
    fn a_signal_after_the_end_interrupts_nothing() {
        let start = Instant::now() - Duration::from_secs(2);
        let stop = Arc::new(AtomicBool::new(true));
        let schedule = Schedule::new(start, Duration::from_secs(1), Rate::Max, 1, stop);
        assert!(schedule.is_stopped());
        assert_eq!(schedule.interrupted_after(), None);
    }

    #[test]
    fn the_extremes_of_the_options_do_not_overflow() {
        assert_eq!(scheduled_requests(Rate::EventsPerSec(1_000_000_000), DAY, 1), Some(86_400_000_000_000));
        let (start, slow) = schedule(Rate::EventsPerSec(1), 100_000, DAY);
        slow.next_number.store(u64::from(u32::MAX), Ordering::Relaxed);
        assert_eq!(slow.next(start), None);
    }
}
