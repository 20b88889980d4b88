//! What is said about a run, on the terminal and in files.

mod chart;
mod hgrm;
mod html;
mod json;

use crate::load::options::{Options, Rate};
use crate::load::recorder::{Records, ms};
use crate::load::schedule;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use weir::Format;
use weir_api::IngestCounts;

/// The quantiles that are told, by name.
const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

/// Half-way steps of a percentile curve, as the HdrHistogram tools take them by default.
const STEPS_PER_HALF: u32 = 5;

/// A run that is over. Its [`Display`](fmt::Display) form is the table for the terminal.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// What was asked for.
    pub options: Options,
    /// What happened.
    pub records: Records,
}

/// Why a run is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsound {
    /// The server's counts are not those of the events that it acknowledged.
    Mismatch {
        /// Answers with other counts than they should have.
        answers: u64,
        /// Answers in all.
        of: u64,
        /// The first one's expected counts.
        expected: IngestCounts,
        /// The first one's counts.
        told: IngestCounts,
    },
    /// So many requests failed, for other reasons than overload.
    Failed(u64),
    /// No request was acknowledged, so nothing was checked.
    Unchecked,
}

impl std::error::Error for Unsound {}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { answers, of, expected, told } => {
                write!(f, "the server's counts do not match what was sent in {answers} of {of} answers; ")?;
                write!(f, "the first says {told}, not {expected}")
            }
            Self::Failed(requests) => write!(
                f,
                "{requests} requests failed, as the report says; with status 401 or 403, WEIR_INGEST_TOKEN holds no token that may"
            ),
            Self::Unchecked => f.write_str("no request was acknowledged"),
        }
    }
}

impl Report {
    pub(super) fn new(options: Options, records: Records) -> Self {
        Self { options, records }
    }

    /// Whether the server's counts are those of what was sent and nothing failed. What it refused with 503 is no failure:
    /// nothing of that was taken.
    ///
    /// Each answer is compared with what its own request must lead to, so that errors cannot cancel out. What the server
    /// counts in all is not asked: others may send to it, too, and a failed request may or may not have been taken.
    ///
    /// # Errors
    /// The gravest reason why not.
    pub(crate) fn check(&self) -> Result<(), Unsound> {
        let Records { mismatches, acknowledged, .. } = self.records;
        match (self.records.first_mismatch, self.records.failed(), acknowledged) {
            (Some([expected, told]), ..) => {
                Err(Unsound::Mismatch { answers: mismatches, of: acknowledged, expected, told })
            }
            (None, 0, 0) => Err(Unsound::Unchecked),
            (None, 0, _) => Ok(()),
            (None, failed, _) => Err(Unsound::Failed(failed)),
        }
    }

    /// Writes `latency.hgrm`, `report.json` and `report.html` into a directory, which is made if need be.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("latency.hgrm"), hgrm::text(&self.records.latency))?;
        fs::write(directory.join("report.json"), json::text(self))?;
        fs::write(directory.join("report.html"), html::page(self))
    }

    /// Events acknowledged a second, on average over the whole run.
    #[must_use]
    pub(crate) fn events_per_sec(&self) -> f64 {
        // The last turn of a schedule is over before the schedule is.
        let elapsed = self.records.elapsed.max(self.options.duration);
        self.records.expected.events() as f64 / elapsed.as_secs_f64()
    }

    /// Requests that were due before the end of the run and for which no connection was free until then.
    #[must_use]
    pub(crate) fn unsent(&self) -> u64 {
        let Options { rate, duration, batch_events, .. } = self.options;
        schedule::turns(rate, duration, batch_events).map_or(0, |turns| turns - self.records.requests)
    }

    /// What making an event new took on average, in nanoseconds of one core.
    #[must_use]
    pub(crate) fn renewing_ns_per_event(&self) -> f64 {
        let events = self.records.requests * self.options.batch_events as u64;
        if events == 0 { 0.0 } else { self.records.renewing.as_nanos() as f64 / events as f64 }
    }

    /// From when latency counts.
    fn latency_from(&self) -> &'static str {
        match self.options.rate {
            Rate::EventsPerSec(_) => "from when a request was due",
            Rate::Max => "from when a request was sent: service time, since a closed loop has no schedule",
        }
    }

    /// The percentile curve: shares of requests, and the latency in milliseconds that they did not exceed.
    fn percentiles(&self) -> impl Iterator<Item = (f64, f64)> {
        let steps = self.records.latency.iter_quantiles(STEPS_PER_HALF);
        steps.map(|step| (step.quantile_iterated_to(), ms(step.value_iterated_to())))
    }
}

/// The name of a format.
fn format_name(format: Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::Ndjson => "ndjson",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { target, rate, batch_events, connections, duration, workload } = &self.options;
        let Records { requests, acknowledged, overloaded, failures, expected, told, .. } = &self.records;
        let format = format_name(workload.format);
        writeln!(f, "{target}: {rate} events/s for {duration:?}, {connections} connections")?;
        writeln!(f, "{batch_events} events a request ({format}), {} users, seed {}", workload.users, workload.seed)?;
        writeln!(f, "\nlatency in ms, {}", self.latency_from())?;
        for (name, quantile) in QUANTILES {
            writeln!(f, "  {name:<10} {:>14.3}", self.records.latency_ms(quantile))?;
        }
        writeln!(f, "\nevents/s     {:>14.0}", self.events_per_sec())?;
        writeln!(f, "\nevents             expected           told")?;
        for (name, expected, told) in [
            ("accepted", expected.accepted, told.accepted),
            ("duplicates", expected.duplicates, told.duplicates),
            ("rejected", expected.rejected, told.rejected),
        ] {
            writeln!(f, "  {name:<10} {expected:>14} {told:>14}")?;
        }
        writeln!(f, "\nrequests     {requests:>14}")?;
        let mut line = |name: &str, count: u64| writeln!(f, "  {name:<10} {count:>14}");
        line("answered", *acknowledged)?;
        line("overloaded", *overloaded)?;
        line("failed", self.records.failed())?;
        line("unsent", self.unsent())?;
        for (failure, count) in failures {
            writeln!(f, "failed       {count:>14}  {failure}")?;
        }
        writeln!(f, "\ngenerator    {:>14.1}  ns an event", self.renewing_ns_per_event())
    }
}

#[cfg(test)]
mod tests;
