//! The samples of an exposition.

use super::Reply;
use std::collections::{BTreeMap, BTreeSet};

/// The samples of an exposition by names and labels, as they are written.
pub(crate) struct Samples {
    pub text: String,
    values: BTreeMap<String, f64>,
}

impl Samples {
    /// The samples of an answer, after a check that each occurs once and that its value is a number.
    pub(crate) fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{reply:?}");
        let text = reply.text().to_owned();
        let mut values = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(values.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} occurs twice");
        }
        Self { text, values }
    }

    /// The value of a sample, which must exist.
    pub(crate) fn get(&self, name: &str) -> f64 {
        *self.values.get(name).unwrap_or_else(|| panic!("no {name} in\n{}", self.text))
    }

    /// The number of samples whose names and labels begin with `prefix`.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        self.values.keys().filter(|name| name.starts_with(prefix)).count()
    }

    /// The samples whose names and labels begin with `prefix`: the text after the prefix, and the value.
    pub(crate) fn after(&self, prefix: &str) -> impl Iterator<Item = (&str, f64)> {
        self.values.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, *value)))
    }

    /// All series: the name and the sorted labels. The bounds of buckets are written in one way, as the formats differ
    /// there. A label's value must not contain a quote.
    pub(crate) fn series(&self) -> BTreeSet<(String, Vec<String>)> {
        let label = |label: &str| match label.strip_prefix("le=\"") {
            Some(bound) => format!("le=\"{}", bound.parse::<f64>().unwrap()),
            None => label.to_owned(),
        };
        let series = |name: &String| {
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let mut labels: Vec<_> = labels.trim_end_matches("\"}").split("\",").map(label).collect();
            labels.sort();
            (name.to_owned(), labels)
        };
        self.values.keys().map(series).collect()
    }

    /// The names, without labels.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.values.keys().map(|name| name.split('{').next().unwrap().to_owned()).collect()
    }
}
