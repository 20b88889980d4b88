//! The answers to windowed questions.

use crate::reference::Generation;
use std::collections::BTreeMap;

/// Statistics of the events that pass a filter in some seconds, all under one reference generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events.
    pub events: u64,
    /// Distinct users.
    pub unique_users: u64,
    /// Events of users who are not in the reference table.
    pub unknown: u64,
    /// For each configured attribute, in order: its name, and events by value (non-zero, sorted).
    pub by_attribute: Vec<(String, BTreeMap<String, u64>)>,
    /// Events by type (non-zero, sorted).
    pub by_type: BTreeMap<String, u64>,
}

/// The answer to a [`Query`](crate::Query).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// The length of the window: the whole seconds `end - window_secs + 1 ..= end`. The current second is included as
    /// far as it has come.
    pub window_secs: u32,
    /// The end of the query; none if the window ends with the second of `as_of_ms`.
    pub end_secs: Option<i64>,
    /// All events of the window that pass the filter.
    pub stats: Stats,
    /// The same events by combinations of attribute values; none if the query has no `group_by`.
    pub groups: Option<Groups>,
    /// The number of the reference generation.
    pub generation: u64,
    /// The engine's time of the answer, in milliseconds since the Unix epoch.
    pub as_of_ms: i64,
}

/// Events and users by the values of some attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The names of the attributes, in the order of the query.
    pub attributes: Vec<String>,
    /// The combinations that have events, sorted. The combination of unknown users comes last.
    pub groups: Vec<Group>,
}

/// One combination of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The values, in the order of the query's attributes; none for users who are not in the reference table.
    pub values: Option<Vec<String>>,
    /// Events.
    pub events: u64,
    /// Distinct users.
    pub unique_users: u64,
}

impl Stats {
    /// The stats of no events.
    pub(crate) fn none(generation: &Generation) -> Self {
        let by_attribute = generation.attributes().iter().map(|name| (name.to_string(), BTreeMap::new())).collect();
        Self { events: 0, unique_users: 0, unknown: 0, by_attribute, by_type: BTreeMap::new() }
    }
}
