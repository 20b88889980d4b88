//! The rate of the traffic: a wave with noise.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use std::f64::consts::TAU;
use std::time::Duration;

/// The period of the wave.
const PERIOD: Duration = Duration::from_secs(90);

/// The amplitude of the wave, as a part of the mean.
const SWING: f64 = 0.5;

/// The largest noise of a tick, as a part of the rate.
const NOISE: f64 = 0.25;

/// The number of events of the tick at `elapsed`, at a mean of `rate` events per second.
pub(super) fn events(elapsed: Duration, tick: Duration, rate: u32, rng: &mut SmallRng) -> usize {
    let swing = SWING * (TAU * elapsed.as_secs_f64() / PERIOD.as_secs_f64()).sin();
    let noise = rng.random_range(-NOISE..=NOISE);
    let mean = f64::from(rate) * tick.as_secs_f64();
    // The random part rounds a fraction of an event up or down, so low rates have the right mean, too.
    (mean * (1.0 + swing) * (1.0 + noise) + rng.random_range(0.0..1.0)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    const TICK: Duration = Duration::from_millis(100);

    fn sum(ticks: std::ops::Range<u32>, rate: u32) -> usize {
        let mut rng = SmallRng::seed_from_u64(1);
        ticks.map(|tick| events(TICK * tick, TICK, rate, &mut rng)).sum()
    }

    #[test]
    fn the_mean_is_the_rate_and_the_crest_is_higher_than_the_trough() {
        let whole = sum(0..900, 1_000);
        assert!((85_500..94_500).contains(&whole), "{whole}");
        let (crest, trough) = (sum(200..250, 1_000), sum(650..700, 1_000));
        assert!(crest > 2 * trough, "{crest}, {trough}");
        let slow = sum(0..900, 1);
        assert!((60..120).contains(&slow), "{slow}");
    }
}
