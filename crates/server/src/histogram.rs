//! Histograms of durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds for stages of the engine. The fastest stages take less than a microsecond.
pub(crate) const STAGE_BOUNDS_NS: &[u64] = &[
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
];

/// The upper bounds for requests. The slowest requests wait for their bodies.
pub(crate) const REQUEST_BOUNDS_NS: &[u64] = &[
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// A histogram of durations. A duration counts in the bucket with the smallest upper bound that it does not exceed.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds_ns: &'static [u64],
    /// One bucket for each bound, and one for durations above all bounds.
    counts: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

/// The content of a histogram at one time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HistogramSnapshot {
    /// The sum of all durations.
    pub(crate) sum_secs: f64,
    /// The number of durations, which is the sum of the buckets.
    pub(crate) count: u64,
    /// The upper bound of each bucket in seconds, and its own count (not cumulative). The last bound is infinite.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// An empty histogram with these bounds, in ascending order.
    pub(crate) fn new(bounds_ns: &'static [u64]) -> Self {
        let counts = (0..=bounds_ns.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds_ns, counts, sum_ns: AtomicU64::new(0) }
    }

    /// Counts a duration.
    pub(crate) fn observe(&self, elapsed: Duration) {
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds_ns.partition_point(|bound_ns| *bound_ns < elapsed_ns);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(elapsed_ns, Ordering::Relaxed);
    }

    /// Reads all buckets.
    pub(crate) fn read(&self) -> HistogramSnapshot {
        let bounds_secs = self.bounds_ns.iter().map(|bound_ns| *bound_ns as f64 / 1e9).chain([f64::INFINITY]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds_secs.zip(counts).collect();
        HistogramSnapshot {
            sum_secs: self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9,
            // From the same reads as the buckets, so that the buckets add up to it.
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_under_the_smallest_bound_that_it_does_not_exceed() {
        let histogram = Histogram::new(&[1_000, 5_000]);
        for elapsed_ns in [0, 999, 1_000, 1_001, 5_000, 5_001] {
            histogram.observe(Duration::from_nanos(elapsed_ns));
        }
        let buckets = vec![(1e-6, 3), (5e-6, 2), (f64::INFINITY, 1)];
        assert_eq!(histogram.read(), HistogramSnapshot { sum_secs: 13_001e-9, count: 6, buckets });
    }

    #[test]
    fn bounds_are_ascending() {
        for bounds_ns in [STAGE_BOUNDS_NS, REQUEST_BOUNDS_NS] {
            assert!(bounds_ns.is_sorted_by(|a, b| a < b));
        }
    }
}
