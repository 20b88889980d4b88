//! Where the entries of a log are: in the journal of this machine, or on the servers of a cluster.

use crate::log::state::{Fault, LogState};
use crate::log::steady_clock::SteadyClock;
use std::path::PathBuf;
use std::sync::Arc;
use weir_log::journal::{self, Journal, JournalError};
#[cfg(feature = "cluster")]
use weir_log::jetstream::{self, Cluster};
use weir_log::{Figures, Lost};

/// Where the entries of a log are.
pub(super) enum Store {
    Journal {
        dir: PathBuf,
        journal: Journal,
        clock: Arc<SteadyClock>,
    },
    #[cfg(feature = "cluster")]
    Cluster {
        url: String,
        /// The name of this node, for people.
        node: String,
        cluster: Box<Cluster>,
    },
}

/// The figures of a store at one moment.
pub(crate) enum StoreStatus {
    Journal(journal::Status),
    #[cfg(feature = "cluster")]
    Cluster(jetstream::Status),
}

impl Store {
    /// Whether other nodes write into the log, too.
    pub(super) fn is_shared(&self) -> bool {
        !matches!(self, Self::Journal { .. })
    }

    /// The store, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Journal { dir, .. } => format!("the journal in {}", dir.display()),
            #[cfg(feature = "cluster")]
            Self::Cluster { url, .. } => format!("the cluster {url}"),
        }
    }

    /// The name of this node of a cluster.
    #[cfg(feature = "cluster")]
    pub(super) fn node(&self) -> String {
        match self {
            Self::Journal { .. } => String::new(),
            Self::Cluster { node, .. } => node.clone(),
        }
    }

    /// What the operator does if the store cannot be replayed.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Journal { .. } => "restore a copy of the directory",
            #[cfg(feature = "cluster")]
            Self::Cluster { .. } => "check the streams on the NATS servers",
        }
    }

    /// The first and the newest place of the frames.
    pub(super) fn frames(&self) -> (u64, u64) {
        match self.status() {
            StoreStatus::Journal(status) => (status.frames.first.0, status.frames.last.0),
            #[cfg(feature = "cluster")]
            StoreStatus::Cluster(status) => (status.frames.first, status.frames.last),
        }
    }

    pub(super) fn status(&self) -> StoreStatus {
        match self {
            Self::Journal { journal, .. } => StoreStatus::Journal(journal.status()),
            #[cfg(feature = "cluster")]
            Self::Cluster { cluster, .. } => StoreStatus::Cluster(cluster.status()),
        }
    }

    /// The state after the log was lost.
    pub(super) fn failed(&self, Lost(why): Lost) -> LogState {
        let fault = match self {
            Self::Journal { .. } => Fault::Journal,
            #[cfg(feature = "cluster")]
            Self::Cluster { cluster, .. } if went_back(&cluster.status()).is_some() => Fault::WentBack,
            #[cfg(feature = "cluster")]
            Self::Cluster { .. } if why.contains("was judged differently") => Fault::OutcomesDiffer,
            #[cfg(feature = "cluster")]
            Self::Cluster { .. } => Fault::Cluster,
        };
        LogState::Failed(fault, why)
    }

    /// The state after the replay. In a cluster, log time is `age_ms` old.
    #[cfg_attr(not(feature = "cluster"), expect(unused_variables, reason = "a journal needs neither"))]
    pub(super) fn state(&self, figures: &Figures, age_ms: i64) -> LogState {
        match self {
            Self::Journal { journal, clock, .. } => match (journal.state(), clock.jump_ms()) {
                (journal::State::Failed(why), _) => LogState::Failed(Fault::Journal, why),
                (_, 0) => LogState::Ready,
                (_, jump_ms) => LogState::ClockJumped(jump_ms),
            },
            #[cfg(feature = "cluster")]
            Self::Cluster { cluster, .. } => match (went_back(&cluster.status()), figures) {
                (Some(why), _) => LogState::Failed(Fault::WentBack, why),
                (_, Figures { is_clock_off: true, clock_offset_ms, .. }) => {
                    LogState::ClockOff(clock_offset_ms.unwrap_or_default())
                }
                _ if crate::log::is_old(age_ms) => LogState::Unavailable(age_ms),
                _ => LogState::Ready,
            },
        }
    }

    pub(super) fn stop(self) -> Result<(), JournalError> {
        match self {
            Self::Journal { journal, .. } => journal.stop(),
            #[cfg(feature = "cluster")]
            Self::Cluster { .. } => Ok(()),
        }
    }
}

/// Why a stream is no longer the log that this node has read.
#[cfg(feature = "cluster")]
fn went_back(status: &jetstream::Status) -> Option<String> {
    status.frames.went_back.clone().or_else(|| status.reference.went_back.clone())
}
