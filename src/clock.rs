//! Time as a value.
//!
//! Instants are whole milliseconds since 1970-01-01T00:00:00Z, signed; a second is such an instant divided by 1,000,
//! rounded down.

use crate::sync::{AtomicI64, Ordering, Padded};

/// Where the engine's time comes from.
pub trait Clock: Send + Sync {
    /// The time, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
}

/// The wall clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now_ms(&self) -> i64 {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let ms = |d: std::time::Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        since_epoch.map_or_else(|before| -ms(before.duration()), ms)
    }
}

/// A clock that moves only by calls.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock at `now_ms`.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Sets the clock to `now_ms`, which may be earlier or later than before.
    pub fn set(&self, now_ms: i64) {
        // Release; pairs with the Acquire of `now_ms`. A thread that reads this time also sees what was done before it
        // was set; a thread that reads an earlier time sees no more than that time.
        self.0.store(now_ms, Ordering::Release);
    }

    /// Moves the clock by `ms`, forward or backward.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::AcqRel);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now_ms(&self) -> i64 {
        (**self).now_ms()
    }
}

/// A clock that never runs backwards, on top of another one that may.
pub(crate) struct MonotonicClock {
    source: Box<dyn Clock>,
    latest_ms: Padded<AtomicI64>,
}

impl MonotonicClock {
    pub(crate) fn new(source: Box<dyn Clock>) -> Self {
        let latest_ms = Padded(AtomicI64::new(source.now_ms()));
        Self { source, latest_ms }
    }

    /// The time of the source, or the latest known time if that is later.
    pub(crate) fn now_ms(&self) -> i64 {
        self.observe(self.source.now_ms())
    }

    /// Records a time from elsewhere, and returns the latest known time.
    pub(crate) fn observe(&self, now_ms: i64) -> i64 {
        // Usually another call of the same millisecond comes first, and there is no write to the shared cache line.
        // Acquire; pairs with the AcqRel below. The maximum only rises: a call that starts after another has returned
        // (a GET after a 200) reads at least the value that the other has read or written.
        let latest_ms = self.latest_ms.load(Ordering::Acquire);
        if latest_ms >= now_ms {
            return latest_ms;
        }
        // A read-modify-write, so that no earlier time overwrites a later one. AcqRel; pairs with the loads and with
        // itself. Two concurrent calls may come in either order; both return at least their own time.
        self.latest_ms.fetch_max(now_ms, Ordering::AcqRel).max(now_ms)
    }

    /// How far the source is behind the latest known time: above zero after the source was set back.
    pub(crate) fn behind_ms(&self) -> i64 {
        // Acquire; pairs with the AcqRel of `observe`, as there.
        self.latest_ms.load(Ordering::Acquire).saturating_sub(self.source.now_ms()).max(0)
    }
}

/// The second that contains an instant.
#[inline]
#[must_use]
pub fn second_of(ms: i64) -> i64 {
    ms.div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_monotonic_clock_never_runs_backwards() {
        let source = Arc::new(ManualClock::new(5_000));
        let clock = MonotonicClock::new(Box::new(source.clone()));
        assert_eq!((clock.now_ms(), clock.behind_ms()), (5_000, 0));
        source.set(1_000);
        assert_eq!((clock.now_ms(), clock.behind_ms()), (5_000, 4_000));
        source.set(6_000);
        assert_eq!((clock.now_ms(), clock.behind_ms()), (6_000, 0));
        assert_eq!(clock.observe(9_000), 9_000);
        assert_eq!(clock.now_ms(), 9_000);
    }

    #[test]
    fn seconds_round_down_on_both_sides_of_the_epoch() {
        assert_eq!([-1_001, -1_000, -1, 0, 999, 1_000].map(second_of), [-2, -1, -1, 0, 0, 1]);
    }

    #[test]
    fn the_system_clock_is_in_this_century() {
        assert!(SystemClock.now_ms() > 1_577_836_800_000);
    }
}
