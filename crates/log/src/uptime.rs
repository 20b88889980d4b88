//! A clock for durations.

use weir::Clock;

/// A clock that cannot be set: the time since the machine started, sleep included. A machine that wakes up has a right
/// wall clock.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
pub struct Uptime;

#[cfg(target_os = "linux")]
impl Uptime {
    /// Starts the clock.
    #[must_use]
    pub fn start() -> Self {
        Self
    }
}

#[cfg(target_os = "linux")]
impl Clock for Uptime {
    fn now_ms(&self) -> i64 {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
    }
}

/// A clock that cannot be set: the time since the process started.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy, Debug)]
pub struct Uptime(std::time::Instant);

#[cfg(not(target_os = "linux"))]
impl Uptime {
    /// Starts the clock.
    #[must_use]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }
}

#[cfg(not(target_os = "linux"))]
impl Clock for Uptime {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}
