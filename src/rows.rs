//! A batch between the two halves of a logged ingest: the pending rows that go into the log, and their outcome.

use crate::dedup::Claim;
use crate::event::{Batch, Verdict};
use crate::key::EventKey;

/// The pending rows of a batch, as columns. That is all that a log has to keep of the batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub(crate) event_keys: Vec<EventKey>,
    /// The user key and the kind of each event, as a record of the window.
    pub(crate) records: Vec<u128>,
    pub(crate) seconds: Vec<i64>,
}

impl Rows {
    /// The pending rows of `batch`.
    pub(crate) fn pending(batch: &Batch) -> Self {
        let pending = || (0..batch.len()).filter(|row| batch.verdicts[*row] == Verdict::Pending);
        Self {
            event_keys: pending().map(|row| batch.event_keys[row]).collect(),
            records: pending().map(|row| batch.records[row]).collect(),
            seconds: pending().map(|row| crate::clock::second_of(batch.ts_ms[row])).collect(),
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.event_keys.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.event_keys.is_empty()
    }

    /// Removes all rows and keeps their memory for others.
    pub fn clear(&mut self) {
        self.event_keys.clear();
        self.records.clear();
        self.seconds.clear();
    }

    /// The event key, the record and the second of a row. The first byte of a record is the kind of the event: its
    /// index in [`EngineConfig::event_types`](crate::EngineConfig::event_types).
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> ([u8; 16], [u8; 16], i64) {
        let [low, high] = self.event_keys[row].0;
        let key = u128::from(high) << 64 | u128::from(low);
        (key.to_le_bytes(), self.records[row].to_le_bytes(), self.seconds[row])
    }

    /// Adds a row, in the form that [`row`](Self::row) returns. The caller has checked that the kind is one of the
    /// engine's event types.
    pub fn push(&mut self, event_key: [u8; 16], record: [u8; 16], second: i64) {
        let key = u128::from_le_bytes(event_key);
        self.event_keys.push(EventKey([key as u64, (key >> 64) as u64]));
        self.records.push(u128::from_le_bytes(record));
        self.seconds.push(second);
    }
}

/// Why a row was refused after it was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The id was accepted before.
    Duplicate,
    /// There was no capacity for the id, and it was not claimed.
    Overloaded,
}

/// What became of the rows of a batch: accepted, but for those that are listed as refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    rows: usize,
    refused: Vec<(u32, Refusal)>,
}

impl Outcome {
    /// `rows` rows, all of them accepted.
    #[must_use]
    pub fn accepted(rows: usize) -> Self {
        Self { rows, refused: Vec::new() }
    }

    /// `rows` rows, all of them refused for one reason.
    #[must_use]
    pub fn refused_all(rows: usize, refusal: Refusal) -> Self {
        Self { rows, refused: (0..rows as u32).map(|row| (row, refusal)).collect() }
    }

    pub(crate) fn of_claims(claims: &[Claim]) -> Self {
        let refused = claims.iter().zip(0..).filter_map(|(claim, row)| match claim {
            Claim::Inserted => None,
            Claim::Duplicate => Some((row, Refusal::Duplicate)),
            Claim::Full => Some((row, Refusal::Overloaded)),
        });
        Self { rows: claims.len(), refused: refused.collect() }
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The refused rows, in ascending order.
    #[must_use]
    pub fn refused(&self) -> &[(u32, Refusal)] {
        &self.refused
    }

    /// Refuses a row. It comes after the rows that are refused already.
    ///
    /// # Panics
    /// If there is no such row, or if it does not come after the refused rows.
    pub fn refuse(&mut self, row: u32, refusal: Refusal) {
        let is_next = self.refused.last().is_none_or(|(last, _)| *last < row);
        assert!(is_next && (row as usize) < self.rows, "row {row} of {} is not the next to refuse", self.rows);
        self.refused.push((row, refusal));
    }

    /// Adds the rows of the next part of the same batch.
    pub fn append(&mut self, part: &Self) {
        let before = self.rows as u32;
        self.refused.extend(part.refused.iter().map(|(row, refusal)| (before + row, *refusal)));
        self.rows += part.rows;
    }

    /// The indices of the accepted rows, in ascending order.
    pub(crate) fn accepted_rows(&self) -> impl Iterator<Item = usize> + Clone {
        let mut refused = self.refused.iter().map(|(row, _)| *row as usize).peekable();
        (0..self.rows).filter(move |row| refused.next_if_eq(row).is_none())
    }
}

impl Batch {
    /// Gives each pending event its verdict, in the order of the rows that were made of them. The others keep theirs.
    ///
    /// # Panics
    /// If the outcome is not that of the pending events.
    pub fn resolve(&mut self, outcome: &Outcome) {
        let mut row = 0;
        let mut refused = outcome.refused.iter().peekable();
        for verdict in self.verdicts.iter_mut().filter(|verdict| **verdict == Verdict::Pending) {
            *verdict = match refused.next_if(|(refused, _)| *refused == row) {
                None => Verdict::Accepted,
                Some((_, Refusal::Duplicate)) => Verdict::Duplicate,
                Some((_, Refusal::Overloaded)) => Verdict::Overloaded,
            };
            row += 1;
        }
        assert_eq!(row as usize, outcome.rows, "the outcome is that of another batch");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_same_after_its_bytes() {
        let mut rows = Rows::default();
        rows.push([1; 16], [2; 16], -7);
        rows.push(*b"0123456789abcdef", *b"fedcba9876543210", i64::MAX);
        let mut copy = Rows::default();
        for row in 0..rows.len() {
            let (key, record, second) = rows.row(row);
            copy.push(key, record, second);
        }
        assert_eq!(copy, rows);
        assert_eq!(rows.row(1), (*b"0123456789abcdef", *b"fedcba9876543210", i64::MAX));
    }

    #[test]
    fn the_outcome_of_two_parts_is_that_of_the_whole() {
        let claims = [Claim::Inserted, Claim::Duplicate, Claim::Full, Claim::Inserted, Claim::Duplicate];
        let whole = Outcome::of_claims(&claims);
        let mut parts = Outcome::of_claims(&claims[..2]);
        parts.append(&Outcome::of_claims(&claims[2..]));
        assert_eq!(parts, whole);
        assert_eq!(whole.refused(), [(1, Refusal::Duplicate), (2, Refusal::Overloaded), (4, Refusal::Duplicate)]);
        assert_eq!(whole.accepted_rows().collect::<Vec<_>>(), [0, 3]);
    }

    #[test]
    #[should_panic = "row 1 of 3 is not the next to refuse"]
    fn rows_are_refused_in_order() {
        let mut outcome = Outcome::accepted(3);
        outcome.refuse(1, Refusal::Duplicate);
        outcome.refuse(1, Refusal::Duplicate);
    }
}
