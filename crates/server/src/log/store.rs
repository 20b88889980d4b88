//! Where the entries of a log are: in the journal of this machine, or on the servers of a cluster.

#[cfg(feature = "cluster")]
use crate::log::is_old;
use crate::log::state::{Fault, LogState};
use crate::log::steady_clock::SteadyClock;
use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "cluster")]
use weir_log::LostKind;
#[cfg(feature = "cluster")]
use weir_log::jetstream::{self, Cluster};
use weir_log::journal::{self, Journal, JournalError};
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

impl StoreStatus {
    /// The newest place of the frames.
    pub(crate) fn place(&self) -> u64 {
        match self {
            Self::Journal(journal) => journal.frames.last.0,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.frames.last,
        }
    }
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
    pub(super) fn failed(&self, lost: Lost) -> LogState {
        let fault = match self {
            Self::Journal { .. } => Fault::Journal,
            #[cfg(feature = "cluster")]
            Self::Cluster { cluster, .. } => cluster_fault(went_back(&cluster.status()).is_some(), lost.kind),
        };
        LogState::Failed(fault, lost.why)
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
            Self::Cluster { cluster, .. } => cluster_state(went_back(&cluster.status()), figures, age_ms),
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

/// The fault of a node that has lost the log.
#[cfg(feature = "cluster")]
fn cluster_fault(has_gone_back: bool, kind: LostKind) -> Fault {
    match kind {
        _ if has_gone_back => Fault::WentBack,
        LostKind::JudgedDifferently => Fault::OutcomesDiffer,
        LostKind::Log => Fault::Cluster,
    }
}

/// The state of a node after its replay.
#[cfg(feature = "cluster")]
fn cluster_state(went_back: Option<String>, figures: &Figures, age_ms: i64) -> LogState {
    match went_back {
        Some(why) => LogState::Failed(Fault::WentBack, why),
        None if figures.is_clock_off => LogState::ClockOff(figures.clock_offset_ms.unwrap_or_default()),
        None if is_old(age_ms) => LogState::Unavailable(age_ms),
        None => LogState::Ready,
    }
}

#[cfg(all(test, feature = "cluster"))]
mod tests {
    use super::*;
    use weir_log::Place;

    #[test]
    fn a_node_that_lost_the_log_says_whether_it_or_the_log_is_at_fault() {
        assert_eq!(cluster_fault(false, LostKind::JudgedDifferently), Fault::OutcomesDiffer);
        assert_eq!(cluster_fault(false, LostKind::Log), Fault::Cluster);
        assert_eq!(cluster_fault(true, LostKind::Log), Fault::WentBack);
    }

    #[test]
    fn a_node_is_ready_if_its_clock_is_right_and_the_log_is_recent_and_has_not_gone_back() {
        let figures = Figures {
            applied: Place(7),
            waiting_batches: 0,
            waiting_rows: 0,
            lag_ms: 0,
            void_frames: 0,
            judgements_compared: 0,
            judged_in_replay: 0,
            waiting_barriers: 0,
            clock_offset_ms: Some(-2_500),
            is_clock_off: false,
            judgements_disputed: 0,
            differing_frames: 0,
            suspect_frames: 0,
            peers: 2,
            version_read_by_all: 1,
            is_peer_full: false,
        };
        assert_eq!(cluster_state(None, &figures, 2_000), LogState::Ready);
        let old = cluster_state(None, &figures, 2_001);
        assert_eq!(
            old.detail().split(" ms old").next(),
            Some("log_unavailable: the newest entry of the cluster is 2001")
        );
        let off = Figures { is_clock_off: true, ..figures };
        let detail = cluster_state(None, &off, 9_000).detail();
        assert!(detail.starts_with("clock_off: the clock of the cluster is -2500 ms ahead"), "{detail}");
        let detail = cluster_state(Some("it is gone".to_owned()), &off, 0).detail();
        assert!(detail.starts_with("log_went_back: ") && detail.ends_with("the cause: it is gone"), "{detail}");
    }
}
