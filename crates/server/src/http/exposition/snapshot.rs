//! The content of the exposition: the present state of the engine, and the counts of the server's metrics.

use crate::http::app::App;
use crate::http::exposition::log_metrics::LogMetrics;
use crate::http::exposition::writer::{self, ExpositionFormat, Writer};
use crate::http::server_metrics::{MethodSnapshot, ServerMetrics};
use crate::{limits, process};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use weir::{MemoryUse, Metrics, Sizes};

/// The label value for the sum of all attribute values that have no sample of their own. A real value with this name is
/// always part of the sum, so it cannot be confused with the sum.
const OTHER: &str = "other";

/// The label value for the types of events. It is a reserved name, so no configured attribute has it.
const TYPE: &str = "type";

/// The state of the engine and of the process at one moment.
pub(super) struct Snapshot {
    lag_ms: i64,
    sizes: Sizes,
    memory: MemoryUse,
    dedup_bytes: usize,
    window: Metrics,
    reference: ReferenceStats,
    connections: usize,
    /// None without a journal.
    log: Option<LogMetrics>,
    resident_bytes: Option<usize>,
}

/// The state of the current reference table.
struct ReferenceStats {
    generation: u64,
    users: usize,
    bytes: usize,
    /// `None` before the first table.
    age_ms: Option<i64>,
}

impl Snapshot {
    /// Runs a query in the engine. Like every query, it may wait for the timeline's lock.
    pub(super) fn collect(app: &App) -> Self {
        let engine = &app.engine;
        // These are read before the query, because the query folds all records.
        let (lag_ms, memory, Sizes { backlog, .. }) = (engine.lag_ms(), engine.memory(), engine.sizes());
        let window_secs = limits::WINDOW_SECS_DEFAULT.min(engine.config().retention_secs);
        let window = engine.metrics(window_secs);
        let mut sizes = engine.sizes();
        sizes.backlog = backlog;
        let generation = engine.reference();
        let age_ms = generation.received_at_ms().map(|received_at_ms| (engine.now_ms() - received_at_ms).max(0));
        Self {
            lag_ms,
            sizes,
            memory,
            dedup_bytes: engine.dedup_bytes(),
            window,
            reference: ReferenceStats {
                generation: generation.number(),
                users: generation.users(),
                bytes: memory.reference_bytes,
                age_ms,
            },
            connections: app.connections(),
            log: app.intake.log().and_then(LogMetrics::of),
            resident_bytes: process::resident_bytes(),
        }
    }

    /// Writes the snapshot and the counts of the server's metrics in `format`.
    pub(super) fn write(self, server_metrics: &Arc<ServerMetrics>, format: ExpositionFormat) -> String {
        let server_metrics = Arc::clone(server_metrics);
        writer::text(format, move |writer| {
            write_counts(&server_metrics, self.log.as_ref(), writer)?;
            self.write_window(writer)?;
            self.write_engine(writer)?;
            self.log.as_ref().map_or(Ok(()), |log| log.write(writer))?;
            self.write_process(&server_metrics, writer)
        })
    }

    fn write_window(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let window = &self.window;
        let events_per_sec = window.stats.events as f64 / f64::from(window.window_secs);
        writer.gauge(
            "weir_window_seconds",
            "Length of the window of all other weir_window_* metrics.",
            window.window_secs.into(),
        )?;
        writer.gauge(
            "weir_window_events_per_second",
            "Events in the window, divided by its length.",
            events_per_sec,
        )?;
        writer.gauge("weir_window_unique_users", "Unique users in the window.", window.stats.unique_users as f64)?;
        let help = "Events in the window whose users are not in the reference table.";
        writer.gauge("weir_window_unknown_events", help, window.stats.unknown as f64)?;
        let by_attribute = window.stats.by_attribute.iter().map(|(attribute, events)| (attribute.as_str(), events));
        let samples = by_attribute.chain([(TYPE, &window.stats.by_type)]).flat_map(|(attribute, events)| {
            largest(events)
                .into_iter()
                .map(move |(value, events)| ([("attribute", attribute), ("value", value)], events as f64))
        });
        let help = "Events in the window by attribute value and by type. The smallest values are summed as other.";
        writer.gauges("weir_window_events", help, samples)
    }

    fn write_engine(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let Self { sizes, memory, reference, .. } = self;
        let count = |count: usize| count as f64;
        writer.gauge("weir_dedup_ids", "Event ids that are remembered.", count(sizes.dedup_ids))?;
        writer.gauge("weir_dedup_bytes", "Memory of the remembered event ids.", count(self.dedup_bytes))?;
        let help = "Records that are accepted, or are being validated, and are not folded yet.";
        writer.gauge("weir_unfolded_records", help, count(sizes.backlog))?;
        let help = "Memory reserved for unfolded records, each at its worst-case size.";
        writer.gauge("weir_unfolded_bytes", help, count(memory.backlog_bytes))?;
        writer.gauge("weir_timeline_users", "Users seen within the retention.", count(sizes.users))?;
        writer.gauge(
            "weir_timeline_bytes",
            "Memory of the seconds and users within the retention.",
            count(memory.timeline_bytes),
        )?;
        let help = "Time since the start of the last complete fold. No accepted event has waited longer.";
        writer.gauge("weir_timeline_lag_seconds", help, secs(self.lag_ms))?;
        writer.gauge(
            "weir_epoch_garbage_bytes",
            "Memory of folded records that are not freed yet.",
            count(memory.garbage_bytes),
        )?;
        writer.gauge(
            "weir_reference_generation",
            "Generation of the current reference table.",
            reference.generation as f64,
        )?;
        writer.gauge("weir_reference_users", "Users in the current reference table.", count(reference.users))?;
        writer.gauge("weir_reference_bytes", "Memory of the reference tables in use.", count(reference.bytes))?;
        if let Some(age_ms) = reference.age_ms {
            let help = "Time since the change that made the current reference table arrived.";
            writer.gauge("weir_reference_age_seconds", help, secs(age_ms))?;
        }
        let help =
            "Memory that counts against the limit: ids, events, users, tables, fixed memory and reserved memory.";
        writer.gauge("weir_memory_used_bytes", help, count(memory.used_bytes()))?;
        match memory.max_bytes {
            Some(bytes) => writer.gauge("weir_memory_limit_bytes", "Limit of the used memory.", count(bytes)),
            None => Ok(()),
        }
    }

    fn write_process(&self, server_metrics: &ServerMetrics, writer: &mut Writer<'_>) -> fmt::Result {
        writer.gauge("weir_connections", "Open connections.", self.connections as f64)?;
        writer.info("weir_build", "The version of the server.", &[("version", env!("CARGO_PKG_VERSION"))])?;
        if let Some(bytes) = self.resident_bytes {
            writer.gauge("process_resident_memory_bytes", "Resident memory of the process.", bytes as f64)?;
        }
        let help = "Start time of the server, since the Unix epoch.";
        writer.gauge("process_start_time_seconds", help, secs(server_metrics.started_ms))
    }
}

fn write_counts(server_metrics: &ServerMetrics, log: Option<&LogMetrics>, writer: &mut Writer<'_>) -> fmt::Result {
    let by = |label: &'static str| move |(value, count)| ([(label, value)], count);
    let help = "Events by verdict.";
    writer.counters("weir_ingest_events", help, server_metrics.verdicts.read().map(by("verdict")))?;
    let requests: Vec<_> = server_metrics.requests.read().collect();
    let counts = requests.iter().flat_map(|MethodSnapshot { route, method, statuses, .. }| {
        let labels = |status: u16| {
            [("route", (*route).to_owned()), ("method", (*method).to_owned()), ("status", status.to_string())]
        };
        statuses.iter().map(move |(status, count)| (labels(*status), *count))
    });
    writer.counters("weir_http_requests", "Answered requests.", counts)?;
    let durations = requests
        .iter()
        .filter(|request| request.durations.count > 0)
        .map(|request| ([("route", request.route), ("method", request.method)], request.durations.clone()));
    let help = "Time from the request head to the response head, including the request body.";
    writer.histograms("weir_http_request_duration_seconds", help, durations)?;
    let of_log = log.into_iter().flat_map(LogMetrics::stages);
    let stages = server_metrics.stages.read().chain(of_log).map(|(stage, durations)| ([("stage", stage)], durations));
    let help = "Time that a stage of the engine takes for a batch, a fold or a query.";
    writer.histograms("weir_engine_stage_duration_seconds", help, stages)?;
    let help = "Requests and connections that were rejected because of overload.";
    writer.counters("weir_overload_rejections", help, server_metrics.overloads.read().map(by("reason")))
}

/// The values with the most events, up to the limit, and the sum of all other values; sorted by value.
fn largest(events: &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
    let mut by_count: Vec<_> = events.iter().filter(|(value, _)| *value != OTHER).collect();
    by_count.sort_by_key(|(_, events)| Reverse(**events));
    by_count.truncate(limits::VALUES_EXPOSED_MAX);
    let mut shown: BTreeMap<_, _> = by_count.into_iter().map(|(value, events)| (value.as_str(), *events)).collect();
    let others = events.values().sum::<u64>() - shown.values().sum::<u64>();
    if others > 0 {
        shown.insert(OTHER, others);
    }
    shown
}

fn secs(ms: i64) -> f64 {
    ms as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts<'a>(pairs: impl IntoIterator<Item = (&'a str, u64)>) -> BTreeMap<String, u64> {
        pairs.into_iter().map(|(value, events)| (value.to_owned(), events)).collect()
    }

    #[test]
    fn the_largest_values_are_shown_and_the_others_are_summed() {
        let few = counts([("b", 1), ("a", 2)]);
        assert_eq!(largest(&few), BTreeMap::from([("a", 2), ("b", 1)]));
        assert_eq!(largest(&counts([])), BTreeMap::new());
        let names: Vec<_> = (0..limits::VALUES_EXPOSED_MAX + 3).map(|i| format!("v{i:02}")).collect();
        let many = counts(names.iter().map(String::as_str).zip(1..));
        let shown = largest(&many);
        assert_eq!((shown.len(), shown[OTHER]), (limits::VALUES_EXPOSED_MAX + 1, 1 + 2 + 3));
        assert_eq!(shown.values().sum::<u64>(), many.values().sum::<u64>());
        assert!(!shown.contains_key("v02") && shown["v03"] == 4);
    }

    #[test]
    fn a_real_value_with_the_name_other_is_part_of_the_sum() {
        assert_eq!(largest(&counts([(OTHER, 7)])), BTreeMap::from([(OTHER, 7)]));
        let names: Vec<_> = (0..limits::VALUES_EXPOSED_MAX).map(|i| format!("v{i:02}")).collect();
        let mut many = counts(names.iter().map(|name| (name.as_str(), 10)));
        many.insert(OTHER.to_owned(), 1_000);
        let shown = largest(&many);
        assert_eq!((shown.len(), shown[OTHER]), (limits::VALUES_EXPOSED_MAX + 1, 1_000));
        many.insert("w".to_owned(), 1);
        assert_eq!(largest(&many)[OTHER], 1_001);
    }
}
