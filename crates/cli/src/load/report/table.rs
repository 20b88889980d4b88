//! The report for the terminal.

use crate::load::options::LoadOptions;
use crate::load::recorder::Records;
use crate::load::report::finished_run::{QUANTILES, Report};
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadOptions { target, rate, batch_events, connections, duration, workload } = &self.options;
        let Records { requests, acknowledged, overloaded, failures, expected, reported, .. } = &self.records;
        let format = self.format_name();
        writeln!(f, "{target}: {rate} events/s for {duration:?}, {connections} connections")?;
        writeln!(f, "{batch_events} events per request ({format}), {} users, seed {}", workload.users, workload.seed)?;
        if let Some(after) = self.interrupted_after {
            writeln!(f, "interrupted after {after:.3?}; the figures are of that time")?;
        }
        writeln!(f, "\nlatency in ms, {}", self.latency_from())?;
        for (name, quantile) in QUANTILES {
            writeln!(f, "  {name:<10} {:>14.3}", self.records.latency_ms(quantile))?;
        }
        writeln!(f, "\nevents/s     {:>14.0}", self.events_per_sec())?;
        writeln!(f, "\nevents       {:>14} {:>14}", "expected", "reported")?;
        for (name, expected, reported) in [
            ("accepted", expected.accepted, reported.accepted),
            ("duplicates", expected.duplicates, reported.duplicates),
            ("rejected", expected.rejected, reported.rejected),
        ] {
            writeln!(f, "  {name:<10} {expected:>14} {reported:>14}")?;
        }
        writeln!(f, "\nrequests     {requests:>14}")?;
        let mut line = |name: &str, count: u64| writeln!(f, "  {name:<10} {count:>14}");
        line("answered", *acknowledged)?;
        line("overloaded", *overloaded)?;
        line("failed", self.records.failed())?;
        line("unsent", self.unsent())?;
        for (error, count) in failures {
            writeln!(f, "failed       {count:>14}  {error}")?;
        }
        writeln!(f, "\ngenerator    {:>14.1}  ns per event", self.refill_ns_per_event())
    }
}
