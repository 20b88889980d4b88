//! The answer to a windowed question.

use crate::reference::Generation;
use crate::timeline::second::Shape;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A window's counts by group and kind, as they leave the timeline's lock.
pub(crate) struct Sums {
    pub(crate) window_secs: u32,
    pub(crate) now_ms: i64,
    pub(crate) generation: Arc<Generation>,
    /// Events by (group, kind), numbered as in [`Shape`].
    pub(crate) events: Vec<u64>,
    /// Distinct users by group.
    pub(crate) uniques: Vec<u64>,
}

/// The figures of one window, all under one reference generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// The window: the whole seconds `now - window_secs + 1 ..= now`, the current one included as far as it has come.
    pub window_secs: u32,
    /// Distinct users.
    pub unique_users: u64,
    /// Events of users who are not in the reference table.
    pub unknown: u64,
    /// For each configured attribute, in order: its name, and events by value (non-zero, sorted).
    pub by_attribute: Vec<(String, BTreeMap<String, u64>)>,
    /// Events by type (non-zero, sorted).
    pub by_type: BTreeMap<String, u64>,
    /// Events.
    pub total_events: u64,
    /// The number of the reference generation.
    pub generation: u64,
    /// The engine's time of the answer, in milliseconds since the Unix epoch.
    pub as_of_ms: i64,
}

impl Sums {
    /// Names the groups and kinds.
    pub(crate) fn into_metrics(self, event_types: &[String]) -> Metrics {
        let shape = Shape::of(&self.generation, event_types.len());
        let by_group: Vec<u64> = self.events.chunks(shape.kinds).map(|kinds| kinds.iter().sum()).collect();
        let by_kind = |kind: usize| self.events.iter().skip(kind).step_by(shape.kinds).sum::<u64>();
        let by_value = |attribute: usize| {
            let mut by_value = BTreeMap::new();
            for (group, events) in (0..).zip(&by_group).skip(1).filter(|(_, events)| **events > 0) {
                // Looked up before it is made: most groups share their value with another.
                let value = self.generation.value(group, attribute);
                match by_value.get_mut(value) {
                    Some(sum) => *sum += events,
                    None => {
                        by_value.insert(value.to_owned(), *events);
                    }
                }
            }
            by_value
        };
        let attributes = self.generation.attributes().iter().enumerate();
        Metrics {
            window_secs: self.window_secs,
            unique_users: self.uniques.iter().sum(),
            unknown: by_group[0],
            by_attribute: attributes.map(|(index, name)| (name.to_string(), by_value(index))).collect(),
            by_type: (0..)
                .zip(event_types)
                .map(|(kind, name)| (name.clone(), by_kind(kind)))
                .filter(|(_, events)| *events > 0)
                .collect(),
            total_events: by_group.iter().sum(),
            generation: self.generation.number(),
            as_of_ms: self.now_ms,
        }
    }
}
