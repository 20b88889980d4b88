//! The answers to windowed questions: counts by number, and then by name.

use crate::reference::Generation;
use crate::timeline::query::Query;
use crate::timeline::second::Shape;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Counts by group and kind.
pub(crate) struct Sums {
    /// Events by (group, kind), numbered as in [`Shape`].
    pub(crate) events: Vec<u64>,
    /// Distinct users by group.
    pub(crate) uniques: Vec<u64>,
}

/// A window's counts, as they leave the timeline's lock.
pub(crate) struct WindowSums {
    pub(crate) now_ms: i64,
    pub(crate) generation: Arc<Generation>,
    pub(crate) sums: Sums,
}

/// Figures of the events in some seconds that pass a filter, all under one reference generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
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

/// The figures of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// The window: the whole seconds `now - window_secs + 1 ..= now`, the current one included as far as it has come.
    pub window_secs: u32,
    /// What happened in it.
    pub figures: Figures,
    /// The same by the combinations of values that were asked for; none where none were.
    pub groups: Option<Groups>,
    /// The number of the reference generation.
    pub generation: u64,
    /// The engine's time of the answer, in milliseconds since the Unix epoch.
    pub as_of_ms: i64,
}

/// Events and users by the values of some attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The attributes' names, as asked for.
    pub attributes: Vec<String>,
    /// The combinations that have events, sorted; the one of unknown users comes last.
    pub groups: Vec<Group>,
}

/// One combination of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The values, in the order of the attributes asked for; none for users who are not in the reference table.
    pub values: Option<Vec<String>>,
    /// Events.
    pub events: u64,
    /// Distinct users.
    pub unique_users: u64,
}

impl Figures {
    /// Those of no events.
    pub(crate) fn none(generation: &Generation) -> Self {
        let by_attribute = generation.attributes().iter().map(|name| (name.to_string(), BTreeMap::new())).collect();
        Self { events: 0, unique_users: 0, unknown: 0, by_attribute, by_type: BTreeMap::new() }
    }
}

impl Sums {
    pub(crate) fn zero(shape: Shape) -> Self {
        Self { events: vec![0; shape.cells()], uniques: vec![0; shape.groups] }
    }

    pub(crate) fn clear(&mut self) {
        self.events.fill(0);
        self.uniques.fill(0);
    }

    /// Drops what does not pass: `passes` tells of every group.
    pub(crate) fn retain_groups(&mut self, kinds: usize, passes: impl Fn(u32) -> bool) {
        for ((group, uniques), events) in (0..).zip(&mut self.uniques).zip(self.events.chunks_mut(kinds)) {
            if !passes(group) {
                events.fill(0);
                *uniques = 0;
            }
        }
    }

    /// Names the groups and kinds.
    pub(crate) fn figures(&self, generation: &Generation, event_types: &[String]) -> Figures {
        let kinds = event_types.len();
        let by_group = self.by_group(kinds);
        let by_kind = |kind: usize| self.events.iter().skip(kind).step_by(kinds).sum::<u64>();
        let by_value = |attribute: usize| {
            let mut by_value = BTreeMap::new();
            for (group, events) in (0..).zip(&by_group).skip(1).filter(|(_, events)| **events > 0) {
                // Looked up before it is made: most groups share their value with another.
                let value = generation.value(group, attribute);
                match by_value.get_mut(value) {
                    Some(sum) => *sum += events,
                    None => {
                        by_value.insert(value.to_owned(), *events);
                    }
                }
            }
            by_value
        };
        let attributes = generation.attributes().iter().enumerate();
        let by_type = (0..).zip(event_types).map(|(kind, name)| (name.clone(), by_kind(kind)));
        Figures {
            events: by_group.iter().sum(),
            unique_users: self.uniques.iter().sum(),
            unknown: by_group[Generation::UNKNOWN as usize],
            by_attribute: attributes.map(|(index, name)| (name.to_string(), by_value(index))).collect(),
            by_type: by_type.filter(|(_, events)| *events > 0).collect(),
        }
    }

    /// The combinations of these attributes' values.
    fn groups(&self, generation: &Generation, kinds: usize, attributes: &[usize]) -> Groups {
        let mut by_values: BTreeMap<Option<Vec<&str>>, (u64, u64)> = BTreeMap::new();
        for ((group, events), uniques) in (0..).zip(self.by_group(kinds)).zip(&self.uniques) {
            if events > 0 {
                let value = |attribute: &usize| generation.value(group, *attribute);
                let values = (group != Generation::UNKNOWN).then(|| attributes.iter().map(value).collect());
                let sums = by_values.entry(values).or_default();
                *sums = (sums.0 + events, sums.1 + uniques);
            }
        }
        // None sorts first, and is to come last.
        let unknown = by_values.remove_entry(&None);
        let group = |(values, (events, unique_users)): (Option<Vec<&str>>, _)| Group {
            values: values.map(|values| values.into_iter().map(str::to_owned).collect()),
            events,
            unique_users,
        };
        Groups {
            attributes: attributes.iter().map(|attribute| generation.attributes()[*attribute].to_string()).collect(),
            groups: by_values.into_iter().chain(unknown).map(group).collect(),
        }
    }

    fn by_group(&self, kinds: usize) -> Vec<u64> {
        self.events.chunks(kinds).map(|kinds| kinds.iter().sum()).collect()
    }
}

impl WindowSums {
    /// The answer to `query`, whose types have been seen to.
    pub(crate) fn answer(mut self, query: &Query, window_secs: u32, event_types: &[String]) -> Metrics {
        let Self { now_ms, generation, sums } = &mut self;
        if !query.filter.attributes.is_empty() {
            sums.retain_groups(event_types.len(), |group| query.filter.passes(generation, group));
        }
        let known = |attribute: &usize| *attribute < generation.attributes().len();
        let group_by: Vec<usize> = query.group_by.iter().copied().filter(known).collect();
        Metrics {
            window_secs,
            figures: sums.figures(generation, event_types),
            groups: (!group_by.is_empty()).then(|| sums.groups(generation, event_types.len(), &group_by)),
            generation: generation.number(),
            as_of_ms: *now_ms,
        }
    }
}
