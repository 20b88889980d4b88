//! What the server says, as far as it is shown.

use serde::Deserialize;
use serde_json::{Map, Value};

/// What is shown: the figures of the window, and the last minute second by second.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) metrics: Metrics,
    /// Events in each second, oldest first; none of a server that does not tell.
    pub(super) minute: Vec<u64>,
}

/// The answer to `GET /metrics`.
#[derive(Debug, Deserialize)]
pub(super) struct Metrics {
    pub(super) window_sec: u32,
    pub(super) events_per_sec: f64,
    pub(super) unique_users: u64,
    pub(super) unknown: u64,
    pub(super) total_events: u64,
    pub(super) generation: u64,
    pub(super) as_of: String,
    /// The maps are among these.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// The answer to `GET /metrics/series`.
#[derive(Debug, Deserialize)]
pub(super) struct Series {
    points: Vec<Point>,
}

#[derive(Debug, Deserialize)]
struct Point {
    events: u64,
}

/// How the events divide by the type or by an attribute of the user.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Breakdown<'a> {
    pub(super) name: &'a str,
    /// Most events first.
    pub(super) values: Vec<(&'a str, u64)>,
}

impl Metrics {
    /// The part of the events whose users are unknown, from 0 to 1.
    pub(super) fn unknown_share(&self) -> f64 {
        self.unknown as f64 / self.total_events.max(1) as f64
    }

    /// By type, and then by each attribute.
    pub(super) fn breakdowns(&self) -> Vec<Breakdown<'_>> {
        let maps = self.rest.iter().filter_map(|(name, map)| Some((name.strip_prefix("by_")?, map.as_object()?)));
        let mut all: Vec<_> = maps.map(|(name, map)| Breakdown { name, values: most_first(map) }).collect();
        all.sort_by_key(|breakdown| breakdown.name != "type");
        all
    }
}

impl Series {
    pub(super) fn events(&self) -> Vec<u64> {
        self.points.iter().map(|point| point.events).collect()
    }
}

fn most_first(map: &Map<String, Value>) -> Vec<(&str, u64)> {
    let mut values: Vec<_> =
        map.iter().map(|(value, events)| (value.as_str(), events.as_u64().unwrap_or_default())).collect();
    values.sort_by(|(a, a_events), (b, b_events)| b_events.cmp(a_events).then_with(|| a.cmp(b)));
    values
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::top) fn metrics() -> Metrics {
        let json = r#"{"window_sec":300,"events_per_sec":52.3,"unique_users":140,"unknown":155,
            "by_plan":{"free":380,"pro":220},"by_region":{},"by_type":{"click":500,"purchase":20,"view":100,"vow":20},
            "total_events":620,"generation":7,"as_of":"2025-10-08T12:34:56.789Z"}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn breakdowns_come_by_type_first_and_largest_first() {
        let metrics = metrics();
        let expected = [
            ("type", vec![("click", 500), ("view", 100), ("purchase", 20), ("vow", 20)]),
            ("plan", vec![("free", 380), ("pro", 220)]),
            ("region", vec![]),
        ];
        assert_eq!(metrics.breakdowns(), expected.map(|(name, values)| Breakdown { name, values }));
        assert_eq!(metrics.unknown_share(), 0.25);
    }

    #[test]
    fn a_series_is_the_events_of_its_points() {
        let json = r#"{"points":[{"start":"x","events":3,"by_type":{}},{"events":0}],"generation":1}"#;
        assert_eq!(serde_json::from_str::<Series>(json).unwrap().events(), [3, 0]);
    }
}
