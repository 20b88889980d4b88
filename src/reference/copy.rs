//! A generation as plain values, from which another engine with the same secret can make it again.

use super::error::ReferenceError;
use super::generation::{Candidate, Generation};
use super::table::{LimitExceeded, Row, TableBuilder, UserTable};
use crate::key::UserKey;
use crate::limits;
use std::fmt;
use std::sync::Arc;

/// A generation of the reference table, with its number and its times.
#[derive(Clone, PartialEq, Eq)]
pub struct ReferenceCopy {
    /// The number of the generation, from 1 on.
    pub number: u64,
    /// The timestamp in the table, in milliseconds since the Unix epoch.
    pub ts_ms: i64,
    /// When the change was received, in milliseconds since the Unix epoch.
    pub received_at_ms: i64,
    /// The distinct combinations of attribute values, in the order of the configured attributes.
    pub groups: Vec<Vec<String>>,
    /// The key of each user, and the index of its group.
    pub users: Vec<([u8; 16], u32)>,
}

impl fmt::Debug for ReferenceCopy {
    /// A summary only, because a table may hold millions of users.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceCopy")
            .field("number", &self.number)
            .field("ts_ms", &self.ts_ms)
            .field("users", &self.users.len())
            .finish_non_exhaustive()
    }
}

impl Generation {
    /// A copy of this generation; none for generation 0, which has no table. O(users).
    #[must_use]
    pub fn copy(&self) -> Option<ReferenceCopy> {
        let values = |group| (0..self.attributes().len()).map(|index| self.value(group, index).to_owned()).collect();
        Some(ReferenceCopy {
            number: self.number(),
            ts_ms: self.ts_ms()?,
            received_at_ms: self.received_at_ms()?,
            groups: (1..self.groups() as u32).map(values).collect(),
            users: self.table().entries().map(|(key, group)| (key.to_bytes(), group - 1)).collect(),
        })
    }

    /// The generation that `copy` is of, with the attributes of this one.
    ///
    /// # Errors
    /// The copy is not a table with these attributes.
    pub(super) fn restored(&self, copy: &ReferenceCopy) -> Result<Self, ReferenceError> {
        let table = table(copy, self.attributes().len()).map_err(|detail| ReferenceError::Invalid {
            pointer: String::new(),
            detail: format!("the copy of generation {} is not valid: {detail}", copy.number),
        })?;
        let candidate = Candidate { ts_ms: copy.ts_ms, table: Arc::new(table) };
        Ok(self.with_number(copy.number, candidate, copy.received_at_ms))
    }
}

fn table(copy: &ReferenceCopy, attributes: usize) -> Result<UserTable, String> {
    let mut builder = TableBuilder::new(attributes);
    let is_value = |value: &String| limits::ATTRIBUTE_VALUE_BYTES.contains(&value.len());
    if copy.number == 0 || copy.groups.iter().any(|values| values.len() != attributes || !values.iter().all(is_value)) {
        return Err("its number or its attribute values are out of range".to_owned());
    }
    let row = |values: &Vec<String>| -> Result<Row, LimitExceeded> {
        let mut row = Row::default();
        for (index, value) in values.iter().enumerate() {
            row[index] = builder.value(index, value)?;
        }
        Ok(row)
    };
    let rows = copy.groups.iter().map(row).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    for (bytes, group) in &copy.users {
        let key = UserKey::of_bytes(*bytes);
        let row = rows.get(*group as usize).ok_or("a user has an unknown group")?;
        if builder.contains(key) {
            return Err("a user is given more than once".to_owned());
        }
        builder.insert(key, row).map_err(|error| error.to_string())?;
    }
    Ok(builder.build())
}
