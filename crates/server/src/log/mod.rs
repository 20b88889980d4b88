//! The log of a server with a journal or a cluster: it is opened, replayed, written, watched and stopped here.
//!
//! ```text
//! settings -> open_journal, open_cluster (store, engine) -> EventLog (submit, change, barrier, state) -> stop
//! ```

use crate::limits;

mod durations;
mod event_log;
mod measured;
#[cfg(feature = "cluster")]
mod open_cluster;
mod open_journal;
#[cfg(feature = "cluster")]
mod secret_file;
mod state;
mod steady_clock;
mod store;
#[cfg(test)]
pub(crate) mod testing;
mod watch;

pub(crate) use event_log::{EventLog, LogSnapshot};
#[cfg(feature = "cluster")]
pub(crate) use open_cluster::open_cluster;
#[cfg(feature = "cluster")]
pub use open_cluster::{ClusterPermission, allow_in_cluster};
pub use open_journal::ClockBehind;
pub(crate) use open_journal::open_journal;
pub(crate) use state::LogState;
pub(crate) use store::StoreStatus;
pub(crate) use watch::watch;

/// Whether log time is too old for a node that should be up to date.
pub(crate) fn is_old(age_ms: i64) -> bool {
    u128::try_from(age_ms).is_ok_and(|age_ms| age_ms > limits::LOG_TIME_AGE_MAX.as_millis())
}
