//! Counts of events and users by number, and how they become answers with names.

use crate::reference::Generation;
use crate::timeline::metrics::{Group, Groups, Metrics, Stats};
use crate::timeline::query::Query;
use crate::timeline::second::CounterLayout;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Counts by group and kind.
pub(crate) struct Aggregates {
    /// Events by (group, kind), numbered as in [`CounterLayout`].
    pub(crate) events: Vec<u64>,
    /// Distinct users by group.
    pub(crate) uniques: Vec<u64>,
}

/// The counts of a window, as they leave the timeline's lock.
pub(crate) struct WindowAggregates {
    pub(crate) now_ms: i64,
    pub(crate) generation: Arc<Generation>,
    pub(crate) aggregates: Aggregates,
}

impl Aggregates {
    pub(crate) fn zero(layout: CounterLayout) -> Self {
        Self { events: vec![0; layout.len()], uniques: vec![0; layout.groups] }
    }

    pub(crate) fn clear(&mut self) {
        self.events.fill(0);
        self.uniques.fill(0);
    }

    /// Clears the counts of the groups for which `passes` is false.
    pub(crate) fn retain_groups(&mut self, kinds: usize, passes: impl Fn(u32) -> bool) {
        for ((group, uniques), events) in (0..).zip(&mut self.uniques).zip(self.events.chunks_mut(kinds)) {
            if !passes(group) {
                events.fill(0);
                *uniques = 0;
            }
        }
    }

    /// The stats, with names instead of numbers.
    pub(crate) fn stats(&self, generation: &Generation, event_types: &[String]) -> Stats {
        let kinds = event_types.len();
        let by_group = self.by_group(kinds);
        let by_kind = |kind: usize| self.events.iter().skip(kind).step_by(kinds).sum::<u64>();
        let by_value = |attribute: usize| {
            let mut by_value = BTreeMap::new();
            for (group, events) in (0..).zip(&by_group).skip(1).filter(|(_, events)| **events > 0) {
                // The lookup comes first, without a new string: most groups share their value with another.
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
        Stats {
            events: by_group.iter().sum(),
            unique_users: self.uniques.iter().sum(),
            unknown: by_group[Generation::UNKNOWN as usize],
            by_attribute: attributes.map(|(index, name)| (name.to_string(), by_value(index))).collect(),
            by_type: by_type.filter(|(_, events)| *events > 0).collect(),
        }
    }

    /// Events and users by the combinations of these attributes' values.
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
        // `None` sorts first, but unknown users come last.
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

impl WindowAggregates {
    /// The answer to `query`. These counts have only the types that pass its filter.
    pub(crate) fn answer(mut self, query: &Query, window_secs: u32, event_types: &[String]) -> Metrics {
        let Self { now_ms, generation, aggregates } = &mut self;
        if !query.filter.attributes.is_empty() {
            aggregates.retain_groups(event_types.len(), |group| query.filter.passes(generation, group));
        }
        let known = |attribute: &usize| *attribute < generation.attributes().len();
        let group_by: Vec<usize> = query.group_by.iter().copied().filter(known).collect();
        Metrics {
            window_secs,
            end_secs: query.end_secs,
            stats: aggregates.stats(generation, event_types),
            groups: (!group_by.is_empty()).then(|| aggregates.groups(generation, event_types.len(), &group_by)),
            generation: generation.number(),
            as_of_ms: *now_ms,
        }
    }
}
