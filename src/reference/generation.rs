//! One immutable state of the reference table.

use super::table::{UNKNOWN, UserTable};
use crate::key::UserKey;
use std::fmt;
use std::sync::Arc;

/// One immutable state of the reference table.
pub struct Generation {
    number: u64,
    ts_ms: Option<i64>,
    received_at_ms: Option<i64>,
    attributes: Arc<[Box<str>]>,
    table: Arc<UserTable>,
}

/// A table that may become the next generation, and its timestamp.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(super) ts_ms: i64,
    pub(super) table: Arc<UserTable>,
}

impl Generation {
    /// The group of users who are not in the table.
    pub(crate) const UNKNOWN: u32 = UNKNOWN;

    /// The number: 0 before the first table, then 1, 2, and so on.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The timestamp in the table itself, in milliseconds since the Unix epoch; none before the first table.
    #[must_use]
    pub fn ts_ms(&self) -> Option<i64> {
        self.ts_ms
    }

    /// When the change was received, in milliseconds of the engine's time; none before the first table.
    #[must_use]
    pub fn received_at_ms(&self) -> Option<i64> {
        self.received_at_ms
    }

    /// Users in the table.
    #[must_use]
    pub fn users(&self) -> usize {
        self.table.users()
    }

    /// The names of the configured attributes.
    #[must_use]
    pub fn attributes(&self) -> &[Box<str>] {
        &self.attributes
    }

    /// The user's attribute values, in the order of [`attributes`](Self::attributes); none for a user who is not in the
    /// table. O(attributes).
    pub(crate) fn user(&self, key: UserKey) -> Option<impl Iterator<Item = &str>> {
        let group = self.group_of(key);
        (group != UNKNOWN).then(|| (0..self.attributes.len()).map(move |attribute| self.value(group, attribute)))
    }

    /// The number of the user's group, in 1..groups: each distinct combination of attribute values is a group. 0 for a
    /// user who is not in the table.
    pub(crate) fn group_of(&self, key: UserKey) -> u32 {
        self.table.group_of(key)
    }

    /// Groups, the group of unknown users (0) included.
    pub(crate) fn groups(&self) -> usize {
        self.table.groups()
    }

    /// The value of the attribute with index `attribute` in a group other than that of the unknown users.
    pub(crate) fn value(&self, group: u32, attribute: usize) -> &str {
        self.table.value(group, attribute)
    }

    /// Generation 0: no table yet.
    pub(super) fn zero(attributes: &[String]) -> Self {
        Self {
            number: 0,
            ts_ms: None,
            received_at_ms: None,
            attributes: attributes.iter().map(|name| name.as_str().into()).collect(),
            table: Arc::new(UserTable::empty(attributes.len())),
        }
    }

    /// The generation after this one.
    pub(super) fn successor(&self, candidate: Candidate, received_at_ms: i64) -> Self {
        self.with_number(self.number + 1, candidate, received_at_ms)
    }

    /// A generation with a given number.
    pub(super) fn with_number(&self, number: u64, candidate: Candidate, received_at_ms: i64) -> Self {
        Self {
            number,
            ts_ms: Some(candidate.ts_ms),
            received_at_ms: Some(received_at_ms),
            attributes: Arc::clone(&self.attributes),
            table: candidate.table,
        }
    }

    /// Memory that the table occupies.
    pub(crate) fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Memory that the table occupies; 0 if it is the same table as that of `other`.
    pub(crate) fn bytes_unless_shared_with(&self, other: &Self) -> usize {
        if Arc::ptr_eq(&self.table, &other.table) { 0 } else { self.bytes() }
    }

    pub(super) fn table(&self) -> &Arc<UserTable> {
        &self.table
    }
}

impl fmt::Debug for Generation {
    /// A summary only, because a table may hold millions of users.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .field("ts_ms", &self.ts_ms)
            .field("attributes", &self.attributes)
            .field("users", &self.users())
            .field("groups", &self.groups())
            .finish_non_exhaustive()
    }
}
