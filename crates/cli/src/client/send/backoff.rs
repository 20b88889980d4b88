//! The pauses between retries.

use crate::limits;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use std::time::{Duration, Instant};

/// Exponential backoff with jitter. The pauses double up to a maximum, and half of each pause is random. So senders
/// that failed at the same time do not retry at the same time.
#[derive(Debug)]
pub(super) struct Backoff {
    pauses: u32,
    /// When the batch was first sent, or when the server last accepted a part of it.
    since: Instant,
    retry_for: Duration,
}

impl Backoff {
    pub(super) fn new(retry_for: Duration) -> Self {
        Self { pauses: 0, since: Instant::now(), retry_for }
    }

    /// The next pause, which is at least `retry_after`. None if the pause would end after the retry time.
    pub(super) fn next(&mut self, retry_after: Option<Duration>, rng: &mut SmallRng) -> Option<Duration> {
        let waited = self.waited();
        let pause = pause(self.pauses, retry_after, rng.random_range(0.0..=1.0));
        self.pauses += 1;
        (waited.saturating_add(pause) <= self.retry_for).then_some(pause)
    }

    /// The time since the server last accepted a part of the batch.
    pub(super) fn waited(&self) -> Duration {
        self.since.elapsed()
    }

    /// Starts again, after the server accepted a part of the batch.
    pub(super) fn reset(&mut self) {
        (self.pauses, self.since) = (0, Instant::now());
    }
}

/// The pause after `pauses` pauses. `jitter` is from 0 to 1.
fn pause(pauses: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
    let (first, longest) = (*limits::SEND_PAUSE.start(), *limits::SEND_PAUSE.end());
    let half = first.saturating_mul(1 << pauses.min(16)).min(longest) / 2;
    retry_after.unwrap_or_default().max(half).saturating_add(half.mul_f64(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_a_maximum() {
        let shortest: Vec<_> = (0..8).map(|pauses| pause(pauses, None, 0.0).as_millis()).collect();
        assert_eq!(shortest, [50, 100, 200, 400, 800, 1_600, 2_500, 2_500]);
        assert_eq!([0.0, 0.5, 1.0].map(|jitter| pause(1, None, jitter)), [100 * MS, 150 * MS, 200 * MS]);
        assert_eq!(pause(u32::MAX, None, 1.0), 5_000 * MS);
    }

    #[test]
    fn a_pause_is_at_least_as_long_as_retry_after() {
        let second = Some(Duration::from_secs(1));
        assert_eq!([0.0, 1.0].map(|jitter| pause(0, second, jitter)), [1_000 * MS, 1_050 * MS]);
        assert_eq!(pause(9, second, 0.0), 2_500 * MS);
        assert_eq!(pause(9, Some(Duration::MAX), 1.0), Duration::MAX);
    }

    #[test]
    fn no_pause_ends_after_the_retry_time() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_secs(3_600));
        assert!(backoff.next(None, &mut rng).is_some());
        assert_eq!(backoff.next(Some(Duration::from_secs(3_600)), &mut rng), None);
        assert_eq!(Backoff::new(Duration::ZERO).next(None, &mut rng), None);
        backoff.reset();
        assert!(backoff.next(None, &mut rng).unwrap() <= 100 * MS);
    }
}
