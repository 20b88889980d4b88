//! The one way to wait for a condition.

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a test waits for anything. Only a test that fails waits this long, however busy the machine is.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The pause between two checks of a condition.
const PERIOD: Duration = Duration::from_millis(10);

/// Waits until `condition` holds; panics with `what` after the [`DEADLINE`].
pub(crate) fn eventually(what: impl Display, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Waits until `find` returns a value, and returns it; panics with `what` after the [`DEADLINE`].
pub(crate) fn wait_for<T>(what: impl Display, mut find: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        sleep(PERIOD);
    }
}
