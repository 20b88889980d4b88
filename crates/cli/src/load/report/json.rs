//! The report as JSON. Its members are an interface for programs.

use crate::load::recorder::Second;
use crate::load::report::finished_run::{QUANTILES, Report};
use serde::Serialize;
use std::collections::BTreeMap;
use weir_api::IngestCounts;

#[derive(Serialize)]
struct JsonReport<'a> {
    url: String,
    rate: String,
    batch_events: usize,
    connections: usize,
    duration_sec: f64,
    /// The time until a signal ended the run; null if the run was complete.
    interrupted_after_sec: Option<f64>,
    users: u32,
    zipf_exponent: Option<f64>,
    duplicates: f64,
    late: f64,
    format: &'static str,
    minimal: bool,
    seed: u64,
    elapsed_sec: f64,
    events_per_sec: f64,
    latency_from: &'static str,
    latency_ms: BTreeMap<&'static str, f64>,
    expected: IngestCounts,
    /// The counts that the server reported.
    told: IngestCounts,
    mismatches: u64,
    requests: RequestCounts,
    failures: BTreeMap<String, u64>,
    /// The average time to fill an event.
    renewing_ns_per_event: f64,
    /// Quantiles, and their latencies.
    percentiles_ms: Vec<(f64, f64)>,
    seconds: &'a [Second],
}

#[derive(Serialize)]
struct RequestCounts {
    sent: u64,
    answered: u64,
    overloaded: u64,
    failed: u64,
    unsent: u64,
}

pub(super) fn text(report: &Report) -> String {
    let Report { options, records, interrupted_after } = report;
    let workload = &options.workload;
    let json = JsonReport {
        url: options.target.to_string(),
        rate: options.rate.to_string(),
        batch_events: options.batch_events,
        connections: options.connections,
        duration_sec: options.duration.as_secs_f64(),
        interrupted_after_sec: interrupted_after.map(|after| after.as_secs_f64()),
        users: workload.users,
        zipf_exponent: workload.zipf_exponent,
        duplicates: workload.duplicates,
        late: workload.late,
        format: report.format_name(),
        minimal: workload.minimal,
        seed: workload.seed,
        elapsed_sec: records.elapsed.as_secs_f64(),
        events_per_sec: report.events_per_sec(),
        latency_from: report.latency_from(),
        latency_ms: QUANTILES.iter().map(|&(name, quantile)| (name, records.latency_ms(quantile))).collect(),
        expected: records.expected,
        told: records.reported,
        mismatches: records.mismatches,
        requests: RequestCounts {
            sent: records.requests,
            answered: records.acknowledged,
            overloaded: records.overloaded,
            failed: records.failed(),
            unsent: report.unsent(),
        },
        failures: records.failures.iter().map(|(error, count)| (error.to_string(), *count)).collect(),
        renewing_ns_per_event: report.refill_ns_per_event(),
        percentiles_ms: report.percentiles().collect(),
        seconds: &records.seconds,
    };
    serde_json::to_string_pretty(&json).expect("a report is JSON")
}
