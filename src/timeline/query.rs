//! Questions about a window.

use crate::reference::Generation;
use std::collections::{BTreeMap, BTreeSet};

/// A question about the seconds up to now, or up to an earlier second.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// The length of the window: the whole seconds `end - window_secs + 1 ..= end`. The engine limits it to
    /// 1..=retention.
    pub window_secs: u32,
    /// The last second of the window, in seconds since the Unix epoch; none for the second of the engine's clock.
    pub end_secs: Option<i64>,
    /// Which events count.
    pub filter: Filter,
    /// Attributes by whose combinations of values the events are also counted, as indices into the configured list.
    /// Indices beyond the list are ignored.
    pub group_by: Vec<usize>,
}

/// Which events count. An event must pass both parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The types that pass; none for all types. A type that is not configured matches no event.
    pub types: Option<BTreeSet<String>>,
    /// By the index of an attribute in the configured list, the values that pass. An event of an unknown user has no
    /// values, so it does not pass. For an index beyond the list, no event has a value.
    pub attributes: BTreeMap<usize, BTreeSet<String>>,
}

impl Query {
    /// All events of the last `window_secs` seconds.
    #[must_use]
    pub fn window(window_secs: u32) -> Self {
        Self { window_secs, end_secs: None, filter: Filter::default(), group_by: Vec::new() }
    }

    /// Whether the answer needs the entries of each second, and not only its totals. The totals know the distinct users
    /// of all types in a window that ends now.
    #[must_use]
    pub fn needs_scan(&self) -> bool {
        self.filter.types.is_some() || self.end_secs.is_some()
    }
}

impl Filter {
    /// The kinds that pass.
    pub(crate) fn kinds(&self, event_types: &[String]) -> KindSet {
        let passes = |name: &String| self.types.as_ref().is_none_or(|types| types.contains(name));
        KindSet((0..).zip(event_types).fold(0, |set, (kind, name)| set | u64::from(passes(name)) << kind))
    }

    /// Whether a group of users passes.
    pub(crate) fn passes(&self, generation: &Generation, group: u32) -> bool {
        let known = generation.attributes().len();
        let mut attributes = self.attributes.iter();
        attributes.all(|(attribute, values)| {
            group != Generation::UNKNOWN && *attribute < known && values.contains(generation.value(group, *attribute))
        })
    }
}

/// A set of kinds; there are at most 64, see [`EVENT_TYPES`](crate::limits::EVENT_TYPES).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KindSet(u64);

impl KindSet {
    #[inline]
    pub(crate) fn contains(self, kind: u8) -> bool {
        self.0 >> kind & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EVENT_TYPES;

    #[test]
    fn only_a_filter_by_types_and_an_earlier_end_need_a_scan() {
        let window = Query::window(60);
        assert!(!window.needs_scan());
        assert!(!Query { group_by: vec![0], ..window.clone() }.needs_scan());
        let attributes = BTreeMap::from([(0, BTreeSet::from(["pro".to_owned()]))]);
        let by_attribute = Filter { attributes, ..Filter::default() };
        assert!(!Query { filter: by_attribute, ..window.clone() }.needs_scan());
        let by_type = Filter { types: Some(BTreeSet::new()), ..Filter::default() };
        assert!(Query { filter: by_type, ..window.clone() }.needs_scan());
        assert!(Query { end_secs: Some(1), ..window }.needs_scan());
    }

    #[test]
    fn a_set_holds_every_kind() {
        let names: Vec<String> = (0..*EVENT_TYPES.end()).map(|kind| kind.to_string()).collect();
        let passing = |types: Option<&[&str]>| {
            let types = types.map(|types| types.iter().map(ToString::to_string).collect());
            let set = Filter { types, ..Filter::default() }.kinds(&names);
            (0..names.len() as u8).filter(|kind| set.contains(*kind)).collect::<Vec<_>>()
        };
        assert_eq!(passing(None).len(), *EVENT_TYPES.end());
        assert_eq!(passing(Some(&[])), Vec::<u8>::new());
        assert_eq!(passing(Some(&["63", "0", "64", "7"])), [0, 7, 63]);
    }
}
