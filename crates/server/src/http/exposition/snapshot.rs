//! What is exposed: the figures of the moment, and what the instruments have counted.

use crate::http::app::App;
use crate::http::exposition::writer::{self, ExpositionFormat, Writer};
use crate::http::server_metrics::{MethodSnapshot, ServerMetrics};
use crate::{limits, process};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use weir::{MemoryUse, Metrics, Sizes};

/// The value that stands for all values of an attribute that are not shown by themselves. A real value of this name is
/// never shown by itself either, so it is counted there and cannot be taken for it.
const OTHER: &str = "other";

/// The attribute by which the types of events are shown; no configured attribute may be called so.
const TYPE: &str = "type";

/// The figures of one moment.
pub(super) struct Snapshot {
    lag_ms: i64,
    sizes: Sizes,
    memory: MemoryUse,
    dedup_bytes: usize,
    window: Metrics,
    reference: ReferenceStats,
    connections: usize,
    resident_bytes: Option<usize>,
}

/// Of the reference table in force.
struct ReferenceStats {
    generation: u64,
    users: usize,
    bytes: usize,
    /// None before the first one.
    age_ms: Option<i64>,
}

impl Snapshot {
    /// Asks the engine as a query does, and waits for the timeline as one does.
    pub(super) fn collect(app: &App) -> Self {
        let engine = &app.engine;
        // Before the query, which folds what there is.
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
            resident_bytes: process::resident_bytes(),
        }
    }

    /// Writes them, and what the instruments have counted, in a format.
    pub(super) fn write(self, instruments: &Arc<ServerMetrics>, format: ExpositionFormat) -> String {
        let instruments = Arc::clone(instruments);
        writer::text(format, move |writer| {
            write_counts(&instruments, writer)?;
            self.write_window(writer)?;
            self.write_engine(writer)?;
            self.write_process(&instruments, writer)
        })
    }

    fn write_window(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let window = &self.window;
        let events_per_sec = window.stats.events as f64 / f64::from(window.window_secs);
        writer.gauge(
            "weir_window_seconds",
            "Length of the window that weir_window_* are of.",
            window.window_secs.into(),
        )?;
        writer.gauge("weir_window_events_per_second", "Events in the window, by its length.", events_per_sec)?;
        writer.gauge("weir_window_unique_users", "Distinct users in the window.", window.stats.unique_users as f64)?;
        let help = "Events in the window of users who are not in the reference table.";
        writer.gauge("weir_window_unknown_events", help, window.stats.unknown as f64)?;
        let by_attribute = window.stats.by_attribute.iter().map(|(attribute, events)| (attribute.as_str(), events));
        let samples = by_attribute.chain([(TYPE, &window.stats.by_type)]).flat_map(|(attribute, events)| {
            largest(events)
                .into_iter()
                .map(move |(value, events)| ([("attribute", attribute), ("value", value)], events as f64))
        });
        let help =
            "Events in the window by the values of an attribute, and by type; the smallest ones together as other.";
        writer.gauges("weir_window_events", help, samples)
    }

    fn write_engine(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let Self { sizes, memory, reference, .. } = self;
        let count = |count: usize| count as f64;
        writer.gauge("weir_dedup_ids", "Event ids that are remembered.", count(sizes.dedup_ids))?;
        writer.gauge("weir_dedup_bytes", "Memory of the remembered event ids.", count(self.dedup_bytes))?;
        let help = "Events that are accepted, or being judged, and not folded yet.";
        writer.gauge("weir_unfolded_records", help, count(sizes.backlog))?;
        let help = "Memory set aside for them, at the worst that each can come to.";
        writer.gauge("weir_unfolded_bytes", help, count(memory.backlog_bytes))?;
        writer.gauge("weir_timeline_users", "Users seen within the retention.", count(sizes.users))?;
        writer.gauge(
            "weir_timeline_bytes",
            "Memory of the seconds and users within the retention.",
            count(memory.timeline_bytes),
        )?;
        let help = "Time since the last fold began that left nothing behind: no accepted event has waited longer.";
        writer.gauge("weir_timeline_lag_seconds", help, secs(self.lag_ms))?;
        writer.gauge(
            "weir_epoch_garbage_bytes",
            "Folded records that are not freed yet.",
            count(memory.garbage_bytes),
        )?;
        writer.gauge(
            "weir_reference_generation",
            "Number of the reference table in force.",
            reference.generation as f64,
        )?;
        writer.gauge("weir_reference_users", "Users in the reference reference.", count(reference.users))?;
        writer.gauge("weir_reference_bytes", "Memory of the reference tables in use.", count(reference.bytes))?;
        if let Some(age_ms) = reference.age_ms {
            let help = "Time since the change arrived that made the reference reference.";
            writer.gauge("weir_reference_age_seconds", help, secs(age_ms))?;
        }
        let help = "Memory that counts against the limit: ids, events, users, tables, and what is fixed or set aside.";
        writer.gauge("weir_memory_used_bytes", help, count(memory.used_bytes()))?;
        match memory.max_bytes {
            Some(bytes) => writer.gauge("weir_memory_limit_bytes", "Limit of what is used.", count(bytes)),
            None => Ok(()),
        }
    }

    fn write_process(&self, instruments: &ServerMetrics, writer: &mut Writer<'_>) -> fmt::Result {
        writer.gauge("weir_connections", "Connections that are open.", self.connections as f64)?;
        writer.info("weir_build", "The program.", &[("version", env!("CARGO_PKG_VERSION"))])?;
        if let Some(bytes) = self.resident_bytes {
            writer.gauge("process_resident_memory_bytes", "Resident memory of the process.", bytes as f64)?;
        }
        let help = "When the server began, since the Unix epoch.";
        writer.gauge("process_start_time_seconds", help, secs(instruments.started_ms))
    }
}

fn write_counts(instruments: &ServerMetrics, writer: &mut Writer<'_>) -> fmt::Result {
    let by = |label: &'static str| move |(value, count)| ([(label, value)], count);
    let help = "Events that were judged, by verdict.";
    writer.counters("weir_ingest_events", help, instruments.verdicts.read().map(by("verdict")))?;
    let asked: Vec<_> = instruments.requests.read().collect();
    let requests = asked.iter().flat_map(|MethodSnapshot { route, method, statuses, .. }| {
        let labels = |status: u16| {
            [("route", (*route).to_owned()), ("method", (*method).to_owned()), ("status", status.to_string())]
        };
        statuses.iter().map(move |(status, count)| (labels(*status), *count))
    });
    writer.counters("weir_http_requests", "Requests that were answered.", requests)?;
    let durations = asked
        .iter()
        .filter(|asked| asked.durations.count > 0)
        .map(|asked| ([("route", asked.route), ("method", asked.method)], asked.durations.clone()));
    let help = "Time from a request's head to its answer's, its body included.";
    writer.histograms("weir_http_request_duration_seconds", help, durations)?;
    let stages = instruments.stages.read().map(|(stage, reading)| ([("stage", stage)], reading));
    let help = "Time that a stage of the engine takes for a batch, a slice or a query.";
    writer.histograms("weir_engine_stage_duration_seconds", help, stages)?;
    let help = "Requests and connections that were refused because of overload.";
    writer.counters("weir_overload_rejections", help, instruments.overloads.read().map(by("reason")))
}

/// The values with the most events, as many as are shown by themselves, and the sum of the others; sorted.
fn largest(events: &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
    let mut by_count: Vec<_> = events.iter().filter(|(value, _)| *value != OTHER).collect();
    by_count.sort_by_key(|(_, events)| Reverse(**events));
    by_count.truncate(limits::VALUES_EXPOSED_MAX);
    let mut shown: BTreeMap<_, _> = by_count.into_iter().map(|(value, events)| (value.as_str(), *events)).collect();
    let rest = events.values().sum::<u64>() - shown.values().sum::<u64>();
    if rest > 0 {
        shown.insert(OTHER, rest);
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
    fn the_largest_values_are_shown_and_the_rest_is_summed_up() {
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
    fn a_real_value_called_other_is_one_of_the_others() {
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
