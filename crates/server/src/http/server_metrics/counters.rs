//! Counters by a label with few values.

use std::sync::atomic::{AtomicU64, Ordering};
use weir::{Batch, Tally, Verdict};
use weir_api::VerdictCode;

/// One counter for each of `N` label values.
#[derive(Debug)]
pub(in crate::http) struct Counters<const N: usize> {
    labels: [&'static str; N],
    counts: [AtomicU64; N],
}

impl<const N: usize> Counters<N> {
    /// All counters at zero.
    pub(super) fn new(labels: [&'static str; N]) -> Self {
        Self { labels, counts: [const { AtomicU64::new(0) }; N] }
    }

    /// Adds `more` to the counter of the label at this index.
    pub(super) fn add(&self, index: usize, more: usize) {
        if more > 0 {
            self.counts[index].fetch_add(more as u64, Ordering::Relaxed);
        }
    }

    /// The labels and their counts.
    pub(in crate::http) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.labels.into_iter().zip(&self.counts).map(|(label, count)| (label, count.load(Ordering::Relaxed)))
    }
}

/// Events by their verdict.
#[derive(Debug)]
pub(in crate::http) struct VerdictCounters(Counters<8>);

/// The labels of [`VerdictCounters`]. The label of an error is its code.
const LABELS: [&str; 1 + VerdictCode::ALL.len()] = [
    "accepted",
    VerdictCode::DuplicateEvent.as_str(),
    VerdictCode::InvalidEvent.as_str(),
    VerdictCode::InvalidTimestamp.as_str(),
    VerdictCode::TooLate.as_str(),
    VerdictCode::TooEarly.as_str(),
    VerdictCode::MalformedJson.as_str(),
    VerdictCode::Overloaded.as_str(),
];

const ACCEPTED: usize = 0;
const DUPLICATE: usize = 1;

impl Default for VerdictCounters {
    fn default() -> Self {
        Self(Counters::new(LABELS))
    }
}

impl VerdictCounters {
    /// Counts the events of an ingested batch. The time is O(events) if an event was rejected, and O(1) otherwise.
    pub(in crate::http) fn count(&self, batch: &Batch, tally: Tally) {
        self.0.add(ACCEPTED, tally.accepted);
        self.0.add(DUPLICATE, tally.duplicates);
        if tally.rejected == 0 {
            return;
        }
        let mut counts = [0; LABELS.len()];
        (0..batch.len()).filter_map(|row| rejection(batch.verdict(row))).for_each(|label| counts[label] += 1);
        counts.into_iter().enumerate().for_each(|(label, count)| self.0.add(label, count));
    }

    /// The labels and their counts.
    pub(in crate::http) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.read()
    }
}

/// The index of a rejected event's label.
fn rejection(verdict: Verdict) -> Option<usize> {
    let code = verdict.code()?;
    LABELS.iter().position(|label| *label == code).filter(|label| *label != DUPLICATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir::Fault;

    #[test]
    fn a_rejection_is_counted_under_its_code() {
        let late = Verdict::TooLate { behind_ms: 2, max_skew_ms: 1 };
        let early = Verdict::TooEarly { ahead_ms: 2, max_skew_ms: 1 };
        let invalid = Verdict::Invalid(Fault::NotAnObject);
        let malformed = Verdict::MalformedJson { offset: 0 };
        for verdict in [invalid, Verdict::InvalidTimestamp, late, early, malformed, Verdict::Overloaded] {
            assert_eq!(rejection(verdict).map(|label| LABELS[label]), verdict.code(), "{verdict:?}");
        }
        assert_eq!([Verdict::Accepted, Verdict::Duplicate].map(rejection), [None, None]);
        assert_eq!(Verdict::Duplicate.code(), Some(LABELS[DUPLICATE]));
    }
}
