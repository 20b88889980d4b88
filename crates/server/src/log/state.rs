//! Whether a log takes entries, and if not, why.

/// Whether a log takes entries, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogState {
    /// The entries from before the start are read.
    Replaying {
        /// The frames that are applied.
        replayed: u64,
        /// The frames from before the start.
        total: u64,
    },
    /// It takes entries.
    Ready,
    /// The log cannot be written or read any more, for the reason in the text.
    Failed(Fault, String),
    /// The wall clock has jumped by this number of milliseconds.
    ClockJumped(i64),
    /// In a cluster: the clock of the log is ahead of the clock of this node by this number of milliseconds.
    ClockOff(i64),
    /// In a cluster: the newest entry that this node knows is this number of milliseconds old.
    Unavailable(i64),
    /// The server is stopping.
    Stopped,
}

/// Why a log has failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk of the journal has failed.
    Journal,
    /// The log of the cluster is not the log any more that this node has read.
    WentBack,
    /// This node has judged a batch otherwise than the log has recorded.
    OutcomesDiffer,
    /// The log of the cluster cannot be read, for another reason.
    Cluster,
}

impl Fault {
    /// The stable name.
    const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal_failed",
            Self::WentBack => "log_went_back",
            Self::OutcomesDiffer => "outcomes_differ",
            Self::Cluster => "log_failed",
        }
    }

    /// Whether the process ends. A new one starts again by what the log has.
    pub(super) const fn ends_process(self) -> bool {
        match self {
            // Queries go on.
            Self::Journal => false,
            // This process may be the only one that still has what is lost.
            Self::WentBack => false,
            Self::OutcomesDiffer | Self::Cluster => true,
        }
    }

    /// What the operator does next.
    const fn advice(self) -> &'static str {
        match self {
            Self::Journal => "nothing is accepted before a restart; queries go on",
            Self::WentBack => {
                "the NATS servers have lost entries that were acknowledged; compare the nodes before a restart of this \
                 one, because it still has them"
            }
            Self::OutcomesDiffer => "start this node again: it goes on by what the log has recorded",
            Self::Cluster => "start this node again",
        }
    }
}

impl LogState {
    /// The stable name of the state, with which its detail begins.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Replaying { .. } => "replaying",
            Self::Ready => "ready",
            Self::Failed(fault, _) => fault.name(),
            Self::ClockJumped(_) => "clock_jumped",
            Self::ClockOff(_) => "clock_off",
            Self::Unavailable(_) => "log_unavailable",
            Self::Stopped => "draining",
        }
    }

    /// The state in one line, for people.
    pub(crate) fn detail(&self) -> String {
        let detail = match self {
            Self::Replaying { replayed, total } => format!("{replayed} of {total} frames of the log are replayed"),
            Self::Ready => return self.name().to_owned(),
            Self::Failed(fault, why) => format!("{}; the cause: {why}", fault.advice()),
            Self::ClockJumped(jump_ms) => format!(
                "the clock has jumped by {jump_ms} ms; nothing is accepted until it is right again or the server is \
                 restarted"
            ),
            Self::ClockOff(ahead_ms) => format!(
                "the clock of the cluster is {ahead_ms} ms ahead of the clock of this node; nothing is accepted until \
                 it is set, for example by NTP"
            ),
            Self::Unavailable(age_ms) => {
                format!("the newest entry of the cluster is {age_ms} ms old; check the NATS servers and the network")
            }
            Self::Stopped => "the log is stopped".to_owned(),
        };
        format!("{}: {detail}", self.name())
    }
}
