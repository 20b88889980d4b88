//! The metrics that `weir top` shows.

use weir_api::{ClusterStatus, Counts, JournalStatus, MetricsResponse};

/// The metrics of the window, the last minute second by second, and the log.
#[derive(Debug)]
pub(super) struct LiveMetrics {
    pub(super) window: MetricsResponse,
    /// Events in each second, oldest first. Empty if the server has no series.
    pub(super) last_minute: Vec<u64>,
    /// The journal of the server. None without a journal.
    pub(super) journal: Option<JournalStatus>,
    /// The node of a cluster that answers. None without a cluster.
    pub(super) cluster: Option<ClusterStatus>,
}

/// The events of a window by type, or by an attribute of the user.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Breakdown<'a> {
    pub(super) name: &'a str,
    /// Values and their events, most events first.
    pub(super) values: Vec<(&'a str, u64)>,
}

/// The share of the events whose users are unknown, from 0 to 1.
pub(super) fn unknown_share(metrics: &MetricsResponse) -> f64 {
    metrics.unknown as f64 / metrics.total_events.max(1) as f64
}

/// The breakdown by type, then the breakdown by each attribute.
pub(super) fn breakdowns(metrics: &MetricsResponse) -> Vec<Breakdown<'_>> {
    let by_type = ("type", &metrics.by_type);
    let by_attribute = metrics.by_attribute.0.iter().map(|(attribute, counts)| (attribute.as_str(), counts));
    let all = std::iter::once(by_type).chain(by_attribute);
    all.map(|(name, counts)| Breakdown { name, values: most_first(counts) }).collect()
}

fn most_first(counts: &Counts) -> Vec<(&str, u64)> {
    let mut values: Vec<_> = counts.iter().map(|(value, events)| (value.as_str(), *events)).collect();
    values.sort_by(|(a, a_events), (b, b_events)| b_events.cmp(a_events).then_with(|| a.cmp(b)));
    values
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn metrics() -> MetricsResponse {
        let json = r#"{"window_sec":300,"events_per_sec":52.3,"unique_users":140,"unknown":155,
            "by_plan":{"free":380,"pro":220},"by_region":{},"by_type":{"click":500,"purchase":20,"view":100,"vow":20},
            "total_events":620,"generation":7,"as_of":"2025-10-08T12:34:56.789Z"}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_breakdown_by_type_is_first_and_the_largest_values_are_first() {
        let metrics = metrics();
        let expected = [
            ("type", vec![("click", 500), ("view", 100), ("purchase", 20), ("vow", 20)]),
            ("plan", vec![("free", 380), ("pro", 220)]),
            ("region", vec![]),
        ];
        assert_eq!(breakdowns(&metrics), expected.map(|(name, values)| Breakdown { name, values }));
        assert_eq!(unknown_share(&metrics), 0.25);
    }
}
