//! `GET /metrics`, `GET /metrics/series` and `GET /metrics/stream`.

use crate::breakdowns::{Breakdowns, Counts, GroupValues};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The metrics of a window. All of them use one generation of the reference table, and all counts are exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Metrics, example = json!({
    "window_sec": 60, "events_per_sec": 0.05, "unique_users": 2, "unknown": 1, "by_{attribute}": {"some": 2},
    "by_type": {"{event_type}": 3}, "total_events": 3, "generation": 7, "as_of": "2025-10-08T12:34:56.789Z"
}))]
pub struct MetricsResponse {
    /// The length of the window in seconds. The window is the whole seconds up to its end. Without `end` in the query,
    /// the window ends with the current partial second.
    pub window_sec: u32,
    /// Only with `end` in the query: the last second of the window (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub end: Option<String>,
    /// Events per second: `total_events / window_sec`.
    pub events_per_sec: f64,
    /// The number of distinct users.
    pub unique_users: u64,
    /// The number of events of users who are not in the reference table.
    pub unknown: u64,
    /// The number of events of known users, by the value of each attribute.
    #[serde(flatten)]
    #[schema(inline)]
    pub by_attribute: Breakdowns,
    /// The number of events by type.
    pub by_type: Counts,
    /// The number of all events.
    pub total_events: u64,
    /// The generation of the reference table; 0 before the first table.
    pub generation: u64,
    /// The time of the query, by the clock of the server (RFC 3339).
    #[schema(format = DateTime)]
    pub as_of: String,
    /// Only with `group_by`: the combinations of values that have events, sorted. The group of unknown users is last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub groups: Option<Vec<GroupCounts>>,
}

/// The metrics of one combination of attribute values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Group)]
pub struct GroupCounts {
    /// The value of each attribute of `group_by`.
    #[serde(flatten)]
    #[schema(inline)]
    pub values: GroupValues,
    /// The number of events.
    pub events: u64,
    /// The number of distinct users.
    pub unique_users: u64,
}

/// The metrics of a window, step by step. All of them use one generation of the reference table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Series, example = json!({
    "window_sec": 10, "step_sec": 10, "points": [{
        "start": "2025-10-08T12:34:47.000Z", "events": 3, "unique_users": 2, "unknown": 1,
        "by_{attribute}": {"some": 2}, "by_type": {"{event_type}": 3}
    }], "generation": 7, "as_of": "2025-10-08T12:34:56.789Z"
}))]
pub struct SeriesResponse {
    /// The length of the window in seconds.
    pub window_sec: u32,
    /// Only with `end` in the query: the last second of the window (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub end: Option<String>,
    /// The length of a step in seconds. It divides the window.
    pub step_sec: u32,
    /// One point for each step, oldest first. Their events add up to the events of the window.
    pub points: Vec<SeriesPoint>,
    /// The generation of the reference table; 0 before the first table.
    pub generation: u64,
    /// The time of the query, by the clock of the server (RFC 3339).
    #[schema(format = DateTime)]
    pub as_of: String,
}

/// The metrics of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Point)]
pub struct SeriesPoint {
    /// The start of the first second of the step (RFC 3339).
    #[schema(format = DateTime)]
    pub start: String,
    /// The number of events.
    pub events: u64,
    /// The number of distinct users within the step.
    pub unique_users: u64,
    /// The number of events of users who are not in the reference table.
    pub unknown: u64,
    /// The number of events of known users, by the value of each attribute.
    #[serde(flatten)]
    #[schema(inline)]
    pub by_attribute: Breakdowns,
    /// The number of events by type.
    pub by_type: Counts,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|&(value, events)| (value.to_owned(), events)).collect()
    }

    #[test]
    fn members_are_in_order_with_a_map_for_every_attribute() {
        let mut metrics = MetricsResponse {
            window_sec: 10,
            end: None,
            events_per_sec: 0.7,
            unique_users: 2,
            unknown: 1,
            by_attribute: Breakdowns(vec![
                ("tier".into(), counts(&[("b", 1), ("a", 5)])),
                ("plan".into(), counts(&[])),
            ]),
            by_type: counts(&[("view", 7)]),
            total_events: 7,
            generation: 3,
            as_of: "2025-10-08T12:34:56.789Z".into(),
            groups: None,
        };
        let json = concat!(
            r#"{"window_sec":10,"events_per_sec":0.7,"unique_users":2,"unknown":1,"by_tier":{"a":5,"b":1},"#,
            r#""by_plan":{},"by_type":{"view":7},"total_events":7,"generation":3,"as_of":"2025-10-08T12:34:56.789Z"}"#
        );
        assert_eq!(serde_json::to_string(&metrics).unwrap(), json);
        assert_eq!(serde_json::from_str::<MetricsResponse>(json).unwrap(), metrics);
        let group = |values: [Option<&str>; 2], events, unique_users| {
            let attributes = ["region", "plan"].into_iter().zip(values);
            let values = attributes.map(|(attribute, value)| (attribute.to_owned(), value.map(str::to_owned)));
            GroupCounts { values: GroupValues(values.collect()), events, unique_users }
        };
        metrics.groups = Some(vec![group([Some("eu"), Some("x\"y")], 6, 1), group([None, None], 1, 1)]);
        let groups = concat!(
            r#","groups":[{"region":"eu","plan":"x\"y","events":6,"unique_users":1},"#,
            r#"{"region":null,"plan":null,"events":1,"unique_users":1}]}"#
        );
        let json = json.replace("Z\"}", "Z\"") + groups;
        assert_eq!(serde_json::to_string(&metrics).unwrap(), json);
        metrics.end = Some("2025-10-08T12:34:50.000Z".into());
        let json = json.replace("\"events_per_sec\"", "\"end\":\"2025-10-08T12:34:50.000Z\",\"events_per_sec\"");
        assert_eq!(serde_json::to_string(&metrics).unwrap(), json);
        assert_eq!(serde_json::from_str::<MetricsResponse>(&json).unwrap(), metrics);
    }

    #[test]
    fn a_point_has_its_events_first() {
        let point = SeriesPoint {
            start: "T".into(),
            events: 3,
            unique_users: 2,
            unknown: 1,
            by_attribute: Breakdowns(vec![("plan".into(), counts(&[("pro", 2)]))]),
            by_type: counts(&[("click", 3)]),
        };
        let json = r#"{"start":"T","events":3,"unique_users":2,"unknown":1,"by_plan":{"pro":2},"by_type":{"click":3}}"#;
        assert_eq!(serde_json::to_string(&point).unwrap(), json);
        assert_eq!(serde_json::from_str::<SeriesPoint>(json).unwrap(), point);
    }

    #[test]
    fn members_of_a_newer_server_are_ignored() {
        let json =
            r#"{"start":"T","events":0,"unique_users":0,"unknown":0,"by_type":{},"new":[1],"by_x":[1],"by_plan":{}}"#;
        let point: SeriesPoint = serde_json::from_str(json).unwrap();
        assert_eq!(point.by_attribute, Breakdowns(vec![("plan".into(), counts(&[]))]));
        let json = r#"{"plan":"pro","events":1,"unique_users":1,"new":[1]}"#;
        let group: GroupCounts = serde_json::from_str(json).unwrap();
        assert_eq!(group.values, GroupValues(vec![("plan".into(), Some("pro".into()))]));
    }
}
