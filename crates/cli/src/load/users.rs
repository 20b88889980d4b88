//! Whose events they are.

use crate::limits;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Zipf};
use std::sync::Arc;

/// A source of users, numbered from 0.
#[derive(Clone, Debug)]
pub(crate) enum Users {
    /// Each of so many is equally likely.
    Uniform(u32),
    /// The more likely the lower the number.
    Zipf(Ring),
}

/// Draws made in advance, since one costs more than all else that is done for an event. They come round in order: a
/// population's rarest members may be missing from them.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    draws: Arc<[u32]>,
    next: usize,
}

impl Users {
    /// `count` users, with likelihoods proportional to the `-exponent`th power of 1, 2, 3 and so on, if there is an
    /// exponent.
    pub(crate) fn new(count: u32, zipf_exponent: Option<f64>, seed: u64) -> Self {
        let Some(exponent) = zipf_exponent else { return Self::Uniform(count) };
        let zipf = Zipf::new(f64::from(count), exponent).expect("the count is positive, the exponent not negative");
        let draws = zipf.sample_iter(SmallRng::seed_from_u64(seed)).take(limits::LOAD_ZIPF_DRAWS);
        Self::Zipf(Ring { draws: draws.map(|rank| rank as u32 - 1).collect(), next: 0 })
    }

    /// The same users, from another place on.
    pub(crate) fn starting_anywhere(mut self, rng: &mut SmallRng) -> Self {
        if let Self::Zipf(ring) = &mut self {
            ring.next = rng.random_range(0..ring.draws.len());
        }
        self
    }

    /// The next event's user.
    #[inline]
    pub(crate) fn draw(&mut self, rng: &mut SmallRng) -> u32 {
        match self {
            Self::Uniform(count) => rng.random_range(0..*count),
            Self::Zipf(Ring { draws, next }) => {
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

    fn counts(users: Users, draws: usize) -> Vec<usize> {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut users = users.starting_anywhere(&mut rng);
        let mut counts = vec![0; 100];
        for _ in 0..draws {
            counts[users.draw(&mut rng) as usize] += 1;
        }
        counts
    }

    #[test]
    fn uniform_users_are_equally_likely() {
        let counts = counts(Users::new(100, None, 1), 1_000_000);
        assert!(counts.iter().all(|count| (9_000..11_000).contains(count)), "{counts:?}");
    }

    #[test]
    fn zipf_users_are_likely_by_rank() {
        let counts = counts(Users::new(100, Some(1.0), 1), limits::LOAD_ZIPF_DRAWS);
        // The first of a hundred has 1 / (1 + 1/2 + ... + 1/100) = 19.3 %, the second half as much.
        let share = |user: usize| counts[user] as f64 / limits::LOAD_ZIPF_DRAWS as f64;
        assert!((share(0) - 0.1928).abs() < 0.005 && (share(1) - 0.0964).abs() < 0.005, "{counts:?}");
        assert!(counts[99] > 0);
    }

    #[test]
    fn one_user_is_always_the_same() {
        for exponent in [None, Some(0.0), Some(10.0)] {
            assert_eq!(counts(Users::new(1, exponent, 1), 1_000)[0], 1_000);
        }
    }
}
