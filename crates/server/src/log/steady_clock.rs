//! A wall clock that does not jump.

use crate::limits;
use std::sync::atomic::{AtomicI64, Ordering};
use weir::{Clock, SystemClock};
use weir_log::Uptime;

/// The wall clock, as long as it agrees with a clock that cannot be set. After a jump it goes on without the jump,
/// until the wall clock is right again.
///
/// A log keeps each reading of the clock for ever. A reading far in the future would make all later starts forget what
/// the log has.
pub(crate) struct SteadyClock {
    wall: Box<dyn Clock>,
    uptime: Box<dyn Clock>,
    /// The wall clock minus the uptime, when they last agreed. It orders nothing, so every access is Relaxed.
    offset_ms: AtomicI64,
}

impl SteadyClock {
    /// The wall clock of the system.
    pub(crate) fn of_system() -> Self {
        Self::new(Box::new(SystemClock), Box::new(Uptime::start()))
    }

    /// A clock that shows the time of `wall`. `uptime` cannot be set, and starts anywhere.
    pub(crate) fn new(wall: Box<dyn Clock>, uptime: Box<dyn Clock>) -> Self {
        let offset_ms = AtomicI64::new(wall.now_ms().saturating_sub(uptime.now_ms()));
        Self { wall, uptime, offset_ms }
    }

    /// How far the wall clock has jumped, in milliseconds; 0 if it has not, or is right again.
    pub(crate) fn jump_ms(&self) -> i64 {
        self.read().1
    }

    /// The time, and the jump.
    fn read(&self) -> (i64, i64) {
        let (wall_ms, uptime_ms) = (self.wall.now_ms(), self.uptime.now_ms());
        let known_ms = self.offset_ms.load(Ordering::Relaxed);
        let jump_ms = wall_ms.saturating_sub(uptime_ms).saturating_sub(known_ms);
        if jump_ms.abs() > limits::CLOCK_JUMP_MS_MAX {
            return (uptime_ms.saturating_add(known_ms), jump_ms);
        }
        // So a wall clock that is slowly adjusted never seems to jump.
        self.offset_ms.store(known_ms.saturating_add(jump_ms), Ordering::Relaxed);
        (wall_ms, 0)
    }
}

impl Clock for SteadyClock {
    fn now_ms(&self) -> i64 {
        self.read().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use weir::ManualClock;

    fn clocks() -> (Arc<ManualClock>, Arc<ManualClock>, SteadyClock) {
        let (wall, uptime) = (Arc::new(ManualClock::new(1_000_000)), Arc::new(ManualClock::new(7)));
        let steady = SteadyClock::new(Box::new(Arc::clone(&wall)), Box::new(Arc::clone(&uptime)));
        (wall, uptime, steady)
    }

    #[test]
    fn a_jump_is_left_out_until_the_clock_is_right_again() {
        for direction in [1, -1] {
            let (wall, uptime, steady) = clocks();
            let jump_ms = direction * (limits::CLOCK_JUMP_MS_MAX + 1);
            wall.advance(500 + jump_ms);
            uptime.advance(500);
            assert_eq!((steady.now_ms(), steady.jump_ms()), (1_000_500, jump_ms));
            wall.set(1_002_000);
            uptime.advance(1_000);
            assert_eq!((steady.now_ms(), steady.jump_ms()), (1_002_000, 0));
        }
    }

    #[test]
    fn small_steps_are_followed_for_ever() {
        let (wall, uptime, steady) = clocks();
        for step in 1..=10 {
            wall.advance(limits::CLOCK_JUMP_MS_MAX);
            let now_ms = 1_000_000 + step * limits::CLOCK_JUMP_MS_MAX;
            assert_eq!((steady.now_ms(), steady.jump_ms()), (now_ms, 0));
        }
        wall.advance(3_600_000);
        uptime.advance(3_600_000);
        assert_eq!((steady.now_ms(), steady.jump_ms()), (wall.now_ms(), 0));
    }

    #[test]
    fn the_uptime_passes() {
        let uptime = Uptime::start();
        let start_ms = uptime.now_ms();
        while uptime.now_ms() == start_ms {
            std::thread::yield_now();
        }
        assert!(uptime.now_ms() > start_ms);
    }
}
