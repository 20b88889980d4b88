//! A finished run: its results, and whether it succeeded.

use crate::load::options::{LoadOptions, Rate};
use crate::load::recorder::{Records, ms};
use crate::load::schedule::scheduled_requests;
use std::fmt;
use std::time::Duration;
use weir::Format;
use weir_api::IngestCounts;

/// The quantiles in the report, with their names.
pub(super) const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

/// Steps of the percentile curve per halving of the distance to 100 %, the default of the HdrHistogram tools.
pub(super) const STEPS_PER_HALF: u32 = 5;

/// A finished run. Its [`Display`](fmt::Display) form is the table for the terminal.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The options of the run.
    pub options: LoadOptions,
    /// The records of the run.
    pub records: Records,
    /// The time from the start until a signal ended the run. None if the run was complete.
    pub interrupted_after: Option<Duration>,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunFailure {
    /// The server's counts are not the counts of the events that it acknowledged.
    Mismatch {
        /// The number of responses with other counts than expected.
        mismatches: u64,
        /// The number of all responses.
        responses: u64,
        /// The expected counts of the first mismatch.
        expected: IngestCounts,
        /// The reported counts of the first mismatch.
        reported: IngestCounts,
    },
    /// This number of requests failed. Overload is not a failure.
    RequestsFailed(u64),
    /// A signal ended the run after this time.
    Interrupted(Duration),
    /// No request was acknowledged, so nothing was checked.
    Unchecked,
}

impl std::error::Error for RunFailure {}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { mismatches, responses, expected, reported } => {
                write!(f, "the server's counts do not match what was sent in {mismatches} of {responses} responses; ")?;
                write!(f, "the first mismatch is {reported}, expected {expected}")
            }
            Self::RequestsFailed(requests) => write!(
                f,
                "{requests} requests failed, see the report; if the status is 401 or 403, set WEIR_INGEST_TOKEN to a \
                 valid token; if it is 404, check --url, which is the address of the server without the path /events"
            ),
            Self::Interrupted(after) => {
                write!(f, "a signal ended the run after {after:.3?}; the report is of the requests before it")
            }
            Self::Unchecked => f.write_str("no request was acknowledged"),
        }
    }
}

impl Report {
    pub(crate) fn new(options: LoadOptions, records: Records, interrupted_after: Option<Duration>) -> Self {
        Self { options, records, interrupted_after }
    }

    /// Whether the run succeeded: the server's counts match the events that were sent, no request failed, and no signal
    /// ended the run. A 503 is not a failure, because the server accepted nothing of that request.
    ///
    /// The counts of each response are compared with the expected counts of its request, so errors cannot cancel out.
    /// The totals of the server are not compared: other clients may send to it, and it is unknown whether it accepted a
    /// failed request.
    ///
    /// # Errors
    /// The most serious failure.
    pub(crate) fn check(&self) -> Result<(), RunFailure> {
        let Records { mismatches, acknowledged, .. } = self.records;
        if let Some([expected, reported]) = self.records.first_mismatch {
            return Err(RunFailure::Mismatch { mismatches, responses: acknowledged, expected, reported });
        }
        match (self.records.failed(), self.interrupted_after, acknowledged) {
            (failed @ 1.., ..) => Err(RunFailure::RequestsFailed(failed)),
            (0, Some(after), _) => Err(RunFailure::Interrupted(after)),
            (0, None, 0) => Err(RunFailure::Unchecked),
            (0, None, _) => Ok(()),
        }
    }

    /// Acknowledged events per second, on average over the whole run.
    #[must_use]
    pub(crate) fn events_per_sec(&self) -> f64 {
        // The last response of a schedule can come before the end of the schedule.
        let elapsed = self.records.elapsed.max(self.scheduled_duration());
        self.records.expected.events() as f64 / elapsed.as_secs_f64()
    }

    /// Requests that were due before the end of the run, but for which no connection was free.
    #[must_use]
    pub(crate) fn unsent(&self) -> u64 {
        let LoadOptions { rate, batch_events, .. } = self.options;
        let scheduled = scheduled_requests(rate, self.scheduled_duration(), batch_events);
        scheduled.map_or(0, |scheduled| scheduled.saturating_sub(self.records.requests))
    }

    /// The duration of the schedule, up to the signal that ended it.
    fn scheduled_duration(&self) -> Duration {
        self.interrupted_after.unwrap_or(self.options.duration)
    }

    /// The average time to fill an event, in nanoseconds of one core.
    #[must_use]
    pub(crate) fn refill_ns_per_event(&self) -> f64 {
        let events = self.records.requests * self.options.batch_events as u64;
        if events == 0 { 0.0 } else { self.records.refill_time.as_nanos() as f64 / events as f64 }
    }

    /// The start of the latency. The text is part of the JSON report.
    pub(super) fn latency_from(&self) -> &'static str {
        match self.options.rate {
            Rate::EventsPerSec(_) => "from when a request was due",
            Rate::Max => "from when a request was sent: service time, since a closed loop has no schedule",
        }
    }

    /// The percentile curve: quantiles, and their latencies in milliseconds.
    pub(super) fn percentiles(&self) -> impl Iterator<Item = (f64, f64)> {
        let steps = self.records.latency.iter_quantiles(STEPS_PER_HALF);
        steps.map(|step| (step.quantile_iterated_to(), ms(step.value_iterated_to())))
    }

    /// The name of the format of the bodies.
    pub(super) fn format_name(&self) -> &'static str {
        match self.options.workload.format {
            Format::Ndjson => "ndjson",
            _ => "json",
        }
    }
}
