//! What a run is asked to do.

use crate::limits;
use crate::load::target::Target;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use weir::Format;

/// A run of the load generator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// Where to send.
    pub target: Target,
    /// How fast to send.
    pub rate: Rate,
    /// Events in each request.
    pub batch_events: usize,
    /// Connections, each with one request in flight at most.
    pub connections: usize,
    /// How long to send.
    pub duration: Duration,
    /// What to send.
    pub workload: Workload,
}

/// What the events are like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workload {
    /// How many users the events are drawn from.
    pub users: u32,
    /// The exponent of the Zipf distribution of users; all are equally likely where there is none.
    pub zipf_exponent: Option<f64>,
    /// The share of events that repeat an id, from 0 to 1.
    pub duplicates: f64,
    /// The share of events that are too old for any server, from 0 to 1.
    pub late: f64,
    /// What a body is.
    pub format: Format,
    /// Whether to ask for the short answer, `Prefer: return=minimal`.
    pub minimal: bool,
    /// Where the random choices start. Ids are fresh in every run all the same.
    pub seed: u64,
}

/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// So many events a second by a schedule that does not wait for answers: an open loop.
    EventsPerSec(u64),
    /// Each connection sends as soon as it has an answer: a closed loop.
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
            .ok_or_else(|| format!("neither {} to {} nor \"max\"", range.start(), range.end()))
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
            assert_eq!(text.parse::<Rate>(), Err("neither 1 to 1000000000 nor \"max\"".to_owned()), "{text}");
        }
    }
}
