//! When requests are due.

use crate::load::options::Rate;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const NANOS_PER_SEC: u128 = 1_000_000_000;

/// The turns of a run, which connections take in order as they are free to.
#[derive(Debug)]
pub(super) struct Schedule {
    /// When the first turn is due.
    pub(super) start: Instant,
    end: Instant,
    rate: Rate,
    batch_events: usize,
    next: AtomicU64,
}

/// One request's place in the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Counts from 0; no two turns have the same.
    pub(super) number: u64,
    /// When the request is meant to be sent; none where that is as soon as it is ready.
    pub(super) due: Option<Instant>,
}

impl Turn {
    /// Sleeps until the turn is due, and returns from when its latency counts.
    pub(super) fn wait(self) -> Instant {
        let now = Instant::now();
        let due = self.due.unwrap_or(now);
        if due > now {
            thread::sleep(due - now);
        }
        due
    }
}

impl Schedule {
    /// From `start` on for `duration`.
    pub(super) fn new(start: Instant, duration: Duration, rate: Rate, batch_events: usize) -> Self {
        Self { start, end: start + duration, rate, batch_events, next: AtomicU64::new(0) }
    }

    /// The next turn at the time `now`; none when the run is over, even where turns are left.
    ///
    /// By a rate, turn n is due n batches after the start, whenever it is taken: past, or yet to come.
    pub(super) fn take(&self, now: Instant) -> Option<Turn> {
        // Relaxed: a number is all that is shared.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = match self.rate {
            Rate::EventsPerSec(events_per_sec) => Some(self.start + self.offset(number, events_per_sec)),
            Rate::Max => None,
        };
        (now.max(due.unwrap_or(now)) < self.end).then_some(Turn { number, due })
    }

    /// When a turn is due after the start, cut to the nanosecond: errors do not add up, and a turn is due before the end
    /// just where [`turns`] counts it.
    fn offset(&self, number: u64, events_per_sec: u64) -> Duration {
        let events = u128::from(number) * self.batch_events as u128;
        let nanos = events * NANOS_PER_SEC / u128::from(events_per_sec);
        Duration::from_nanos_u128(nanos)
    }
}

/// How many turns a run has, taken or not; none where that depends on the answers.
pub(super) fn turns(rate: Rate, duration: Duration, batch_events: usize) -> Option<u64> {
    let Rate::EventsPerSec(events_per_sec) = rate else { return None };
    let batch_nanos = batch_events as u128 * NANOS_PER_SEC;
    let events_nanos = duration.as_nanos() * u128::from(events_per_sec);
    Some(events_nanos.div_ceil(batch_nanos) as u64)
}

/// Lets the calling thread's sleeps end on time: Linux adds up to 50 µs by default, which would be measured as latency.
/// Where that is refused, sleeps are as they were.
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
        (start, Schedule::new(start, duration, rate, batch_events))
    }

    #[test]
    fn turns_are_due_a_batch_apart_whenever_they_are_taken() {
        let (start, schedule) = schedule(Rate::EventsPerSec(3_000), 1_000, Duration::from_secs(1));
        let late = start + Duration::from_millis(999);
        for (number, nanos, now) in [(0, 0, start), (1, 333_333_333, late), (2, 666_666_666, start)] {
            assert_eq!(schedule.take(now), Some(Turn { number, due: Some(start + Duration::from_nanos(nanos)) }));
        }
        assert_eq!(schedule.take(start), None);
    }

    #[test]
    fn as_many_turns_are_taken_as_are_counted() {
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
            let taken = std::iter::from_fn(|| schedule.take(start)).count() as u64;
            assert_eq!(turns(rate, duration, batch_events), Some(taken), "{events_per_sec}, {batch_events}, {nanos}");
        }
    }

    #[test]
    fn turns_that_are_left_at_the_end_are_not_taken() {
        let (start, schedule) = schedule(Rate::EventsPerSec(1_000), 1, Duration::from_secs(1));
        assert_eq!(schedule.take(start + Duration::from_secs(1)), None);
    }

    #[test]
    fn at_the_maximum_each_turn_is_due_as_soon_as_it_is_ready() {
        let (start, schedule) = schedule(Rate::Max, 10, Duration::from_secs(1));
        let turn = schedule.take(start + Duration::from_millis(700)).unwrap();
        assert_eq!(turn, Turn { number: 0, due: None });
        assert!(turn.wait() >= start);
        assert_eq!(schedule.take(start + Duration::from_secs(2)), None);
        assert_eq!(turns(Rate::Max, Duration::from_secs(1), 10), None);
    }

    #[test]
    fn latency_counts_from_when_a_turn_was_due_however_late_it_is_taken() {
        let start = Instant::now();
        let past = start - Duration::from_millis(5);
        assert_eq!(Turn { number: 0, due: Some(past) }.wait(), past);
        let due = start + Duration::from_millis(5);
        assert_eq!(Turn { number: 0, due: Some(due) }.wait(), due);
        assert!(Instant::now() >= due);
    }

    #[test]
    fn the_extremes_of_the_options_do_not_overflow() {
        assert_eq!(turns(Rate::EventsPerSec(1_000_000_000), DAY, 1), Some(86_400_000_000_000));
        let (start, slow) = schedule(Rate::EventsPerSec(1), 100_000, DAY);
        slow.next.store(u64::from(u32::MAX), Ordering::Relaxed);
        assert_eq!(slow.take(start), None);
    }
}
