//! How long to wait before a batch is tried again.

use crate::limits;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use std::time::{Duration, Instant};

/// Pauses that double up to a bound, with half of each left to chance, so that many senders that were turned away together do
/// not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    pauses: u32,
    /// When the batch was first tried, or last taken in part.
    since: Instant,
    give_up_after: Duration,
}

impl Backoff {
    pub(super) fn new(give_up_after: Duration) -> Self {
        Self { pauses: 0, since: Instant::now(), give_up_after }
    }

    /// The next pause, at least as long as the server asks for; none when it would end too late.
    pub(super) fn next(&mut self, retry_after: Option<Duration>, rng: &mut SmallRng) -> Option<Duration> {
        let waited = self.waited();
        let pause = pause(self.pauses, retry_after, rng.random_range(0.0..=1.0));
        self.pauses += 1;
        (waited.saturating_add(pause) <= self.give_up_after).then_some(pause)
    }

    /// How long nothing of the batch has been taken.
    pub(super) fn waited(&self) -> Duration {
        self.since.elapsed()
    }

    /// Begins again: the server has taken something.
    pub(super) fn reset(&mut self) {
        (self.pauses, self.since) = (0, Instant::now());
    }
}

/// The pause after so many others; `chance` is from 0 to 1.
fn pause(pauses: u32, retry_after: Option<Duration>, chance: f64) -> Duration {
    let (first, longest) = (*limits::SEND_PAUSE.start(), *limits::SEND_PAUSE.end());
    let half = first.saturating_mul(1 << pauses.min(16)).min(longest) / 2;
    retry_after.unwrap_or_default().max(half).saturating_add(half.mul_f64(chance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_a_bound() {
        let shortest: Vec<_> = (0..8).map(|pauses| pause(pauses, None, 0.0).as_millis()).collect();
        assert_eq!(shortest, [50, 100, 200, 400, 800, 1_600, 2_500, 2_500]);
        assert_eq!([0.0, 0.5, 1.0].map(|chance| pause(1, None, chance)), [100 * MS, 150 * MS, 200 * MS]);
        assert_eq!(pause(u32::MAX, None, 1.0), 5_000 * MS);
    }

    #[test]
    fn a_pause_is_as_long_as_the_server_asks_for() {
        let second = Some(Duration::from_secs(1));
        assert_eq!([0.0, 1.0].map(|chance| pause(0, second, chance)), [1_000 * MS, 1_050 * MS]);
        assert_eq!(pause(9, second, 0.0), 2_500 * MS);
        assert_eq!(pause(9, Some(Duration::MAX), 1.0), Duration::MAX);
    }

    #[test]
    fn a_pause_that_would_end_too_late_is_not_begun() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_secs(3_600));
        assert!(backoff.next(None, &mut rng).is_some());
        assert_eq!(backoff.next(Some(Duration::from_secs(3_600)), &mut rng), None);
        assert_eq!(Backoff::new(Duration::ZERO).next(None, &mut rng), None);
        backoff.reset();
        assert!(backoff.next(None, &mut rng).unwrap() <= 100 * MS);
    }
}
