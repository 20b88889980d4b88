//! The minimum transfer rate of a peer, with a grace period.

use crate::limits;
use std::time::Duration;
use tokio::time::Instant;

/// How long a peer may take to send and to receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a request head, from its first byte. For the first head and the TLS handshake, from the start of the
    /// connection.
    pub head: Duration,
    /// For the next request on a keep-alive connection to start.
    pub idle: Duration,
    /// For the next bytes of a request body or a response. It is also the grace period of the minimum rate,
    /// [`TRANSFER_BYTES_PER_SEC_MIN`](limits::TRANSFER_BYTES_PER_SEC_MIN).
    pub transfer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { head: limits::HEAD_TIMEOUT, idle: limits::IDLE_TIMEOUT, transfer: limits::TRANSFER_TIMEOUT }
    }
}

/// A deadline that each transferred byte extends. A peer may stall for the grace period. Beyond it, the peer must keep
/// up [`TRANSFER_BYTES_PER_SEC_MIN`](limits::TRANSFER_BYTES_PER_SEC_MIN). A faster peer never earns more than the grace
/// period, so it cannot transfer much at first and then hold the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinRate {
    deadline: Instant,
    grace: Duration,
}

impl MinRate {
    /// A deadline one grace period after `now`.
    pub(crate) fn from(now: Instant, grace: Duration) -> Self {
        Self { deadline: now + grace, grace }
    }

    /// The time at which the peer is too slow, if no more bytes pass.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Extends the deadline by the time that `bytes` take at the minimum rate.
    pub(crate) fn passed(&mut self, bytes: usize, now: Instant) {
        let earned_secs = bytes as f64 / limits::TRANSFER_BYTES_PER_SEC_MIN as f64;
        let most = now + self.grace;
        self.deadline = self.deadline.checked_add(Duration::from_secs_f64(earned_secs)).map_or(most, |at| at.min(most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);
    const SEC: Duration = Duration::from_secs(1);
    const RATE: usize = limits::TRANSFER_BYTES_PER_SEC_MIN;

    #[test]
    fn a_peer_at_the_minimum_rate_is_never_too_slow_and_a_slower_one_is() {
        let start = Instant::now();
        let lasts = |bytes_per_sec: usize| {
            let mut rate = MinRate::from(start, GRACE);
            (1..1_000).find(|secs| {
                let now = start + *secs * SEC;
                let is_late = now > rate.deadline();
                rate.passed(bytes_per_sec, now);
                is_late
            })
        };
        assert_eq!([lasts(0), lasts(1), lasts(RATE / 2), lasts(RATE)], [Some(31), Some(31), Some(60), None]);
    }

    #[test]
    fn a_fast_start_earns_at_most_the_grace_period() {
        let start = Instant::now();
        let mut rate = MinRate::from(start, GRACE);
        rate.passed(1 << 30, start + SEC);
        assert_eq!(rate.deadline(), start + SEC + GRACE);
        rate.passed(usize::MAX, start + SEC);
        assert_eq!(rate.deadline(), start + SEC + GRACE);
    }
}
