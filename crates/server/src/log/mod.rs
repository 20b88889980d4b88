//! The log of a server with a journal: it is opened, replayed, written, watched and stopped here.
//!
//! ```text
//! settings -> open (journal, clock, engine) -> EventLog (submit, change, state) -> stop
//! ```

mod durations;
mod event_log;
mod measured;
mod open;
mod steady_clock;
#[cfg(test)]
pub(crate) mod testing;
mod watch;

pub(crate) use event_log::{EventLog, LogSnapshot, LogState};
pub use open::ClockBehind;
pub(crate) use open::open;
pub(crate) use watch::watch;
