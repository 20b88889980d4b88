//! Draws the users of the events.

use crate::limits;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Zipf};
use std::sync::Arc;

/// Draws users, numbered from 0.
#[derive(Clone, Debug)]
pub(crate) enum UserSampler {
    /// A uniform distribution of this number of users.
    Uniform(u32),
    /// A Zipf distribution: users with low numbers are more likely.
    Zipf(ZipfDraws),
}

/// Draws that were made in advance, because a draw costs more than all other work for an event. They repeat in the same
/// order. The rarest users of a large population may be missing.
#[derive(Clone, Debug)]
pub(crate) struct ZipfDraws {
    draws: Arc<[u32]>,
    next: usize,
}

impl UserSampler {
    /// Draws from `count` users. With an exponent, the probability of user n is proportional to (n + 1) to the power of
    /// `-exponent`; without one, all users are equally likely.
    pub(crate) fn new(count: u32, zipf_exponent: Option<f64>, seed: u64) -> Self {
        let Some(exponent) = zipf_exponent else { return Self::Uniform(count) };
        let zipf = Zipf::new(f64::from(count), exponent).expect("the count is positive, the exponent not negative");
        let draws = zipf.sample_iter(SmallRng::seed_from_u64(seed)).take(limits::LOAD_ZIPF_DRAWS);
        Self::Zipf(ZipfDraws { draws: draws.map(|rank| rank as u32 - 1).collect(), next: 0 })
    }

    /// The same distribution. Zipf draws start at a random position.
    pub(crate) fn with_random_start(mut self, rng: &mut SmallRng) -> Self {
        if let Self::Zipf(zipf) = &mut self {
            zipf.next = rng.random_range(0..zipf.draws.len());
        }
        self
    }

    /// The user of the next event.
    #[inline]
    pub(crate) fn draw(&mut self, rng: &mut SmallRng) -> u32 {
        match self {
            Self::Uniform(count) => rng.random_range(0..*count),
            Self::Zipf(ZipfDraws { draws, next }) => {
                let user = draws[*next];
                *next = if *next + 1 == draws.len() { 0 } else { *next + 1 };
                user
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(users: UserSampler, draws: usize) -> Vec<usize> {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut users = users.with_random_start(&mut rng);
        let mut counts = vec![0; 100];
        for _ in 0..draws {
            counts[users.draw(&mut rng) as usize] += 1;
        }
        counts
    }

    #[test]
    fn uniform_users_are_equally_likely() {
        let counts = counts(UserSampler::new(100, None, 1), 1_000_000);
        assert!(counts.iter().all(|count| (9_000..11_000).contains(count)), "{counts:?}");
    }

    #[test]
    fn zipf_users_are_likely_by_rank() {
        let counts = counts(UserSampler::new(100, Some(1.0), 1), limits::LOAD_ZIPF_DRAWS);
        // The first of 100 users has 1 / (1 + 1/2 + ... + 1/100) = 19.3 %. The second user has half of that.
        let share = |user: usize| counts[user] as f64 / limits::LOAD_ZIPF_DRAWS as f64;
        assert!((share(0) - 0.1928).abs() < 0.005 && (share(1) - 0.0964).abs() < 0.005, "{counts:?}");
        assert!(counts[99] > 0);
    }

    #[test]
    fn a_single_user_is_always_drawn() {
        for exponent in [None, Some(0.0), Some(10.0)] {
            assert_eq!(counts(UserSampler::new(1, exponent, 1), 1_000)[0], 1_000);
        }
    }
}
