//! The options of a run.

use crate::limits;
use crate::load::target::Target;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use weir::Format;

/// What to send, where and how fast.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoadOptions {
    /// The server.
    pub target: Target,
    /// The rate.
    pub rate: Rate,
    /// Events in each request.
    pub batch_events: usize,
    /// The number of connections. Each has at most one request in flight.
    pub connections: usize,
    /// The length of the run.
    pub duration: Duration,
    /// The events.
    pub workload: Workload,
}

/// The events of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workload {
    /// The number of users.
    pub users: u32,
    /// The exponent of the Zipf distribution of users. Without it, the distribution is uniform.
    pub zipf_exponent: Option<f64>,
    /// The share of events that repeat an id, from 0 to 1.
    pub duplicates: f64,
    /// The share of events that are too old for any server, from 0 to 1.
    pub late: f64,
    /// The format of the bodies.
    pub format: Format,
    /// Whether to ask for the short response, with `Prefer: return=minimal`.
    pub minimal: bool,
    /// The seed of the random choices. Ids do not depend on it: they are new in every run.
    pub seed: u64,
}

/// The rate of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// This number of events per second, on a schedule that does not wait for responses: an open loop.
    EventsPerSec(u64),
    /// Each connection sends its next request as soon as it has a response: a closed loop.
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        let range = &limits::LOAD_EVENTS_PER_SEC;
        let events = text.parse().ok().filter(|events| range.contains(events));
        events
            .map(Self::EventsPerSec)
            .ok_or_else(|| format!("must be {} to {}, or \"max\"", range.start(), range.end()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventsPerSec(events) => events.fmt(f),
            Self::Max => f.write_str("max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_positive_whole_number_or_max() {
        assert_eq!("250000".parse(), Ok(Rate::EventsPerSec(250_000)));
        assert_eq!("MAX".parse(), Ok(Rate::Max));
        for text in ["", "0", "-1", "1.5", "1000000001", "99999999999999999999", "maximum"] {
            assert_eq!(text.parse::<Rate>(), Err("must be 1 to 1000000000, or \"max\"".to_owned()), "{text}");
        }
    }
}
