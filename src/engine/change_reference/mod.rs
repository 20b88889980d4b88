//! Changes of the reference table.

mod logged;
mod prepared;
#[cfg(test)]
mod tests;

use super::Engine;
use super::partition::Partition;
use crate::error::Overloaded;
use crate::json::{self, Node};
use crate::limits;
use crate::memory::Reservation;
use crate::reference::{Change, Generation, Preconditions, PublishedGeneration, ReferenceError, UserGroups};
use std::sync::Arc;

/// Users whose keys are copied under one hold of the timeline's lock.
const KEYS_SLICE: usize = 1 << 16;

/// Whether a change is refused if there is not enough memory for it.
#[derive(Clone, Copy)]
enum Admission {
    Checked,
    /// The change has its place in a log, and every engine that follows the log has to make it.
    Logged,
}

/// The most memory that parsing a body takes.
fn parse_bytes_max(body_bytes: usize) -> usize {
    body_bytes.saturating_mul(limits::REFERENCE_BYTES_PER_BODY_BYTE)
}

impl Engine {
    /// Replaces or patches the reference table. An unchanged one (a safe retry) gives the current generation.
    ///
    /// # Errors
    /// When it is refused; the table stays as it was.
    pub fn change_reference(
        &self,
        change: Change,
        body: Vec<u8>,
        preconditions: &Preconditions,
        received_at_ms: i64,
    ) -> Result<Arc<Generation>, ReferenceError> {
        self.change_with(Admission::Checked, change, body, preconditions, received_at_ms)
    }

    fn change_with(
        &self,
        admission: Admission,
        change: Change,
        mut body: Vec<u8>,
        preconditions: &Preconditions,
        received_at_ms: i64,
    ) -> Result<Arc<Generation>, ReferenceError> {
        let _parse_reservation = self.reserve(admission, parse_bytes_max(body.len()))?;
        let publish = |nodes: &[Node<'_>]| self.publish_change(admission, change, nodes, preconditions, received_at_ms);
        json::with_nodes(&mut body, &mut json::Scratch::default(), publish).map_err(ReferenceError::Malformed)?
    }

    fn reserve(&self, admission: Admission, bytes: usize) -> Result<Reservation<'_>, Overloaded> {
        match admission {
            Admission::Checked => self.memory.reserve(bytes, || self.backlog.in_use()),
            Admission::Logged => Ok(self.memory.reserve_unchecked(bytes)),
        }
    }

    /// Makes a generation of the body and publishes it. When another change was published meanwhile, it starts again
    /// from that one.
    fn publish_change(
        &self,
        admission: Admission,
        change: Change,
        body: &[Node<'_>],
        preconditions: &Preconditions,
        received_at_ms: i64,
    ) -> Result<Arc<Generation>, ReferenceError> {
        // A whole table does not depend on the one in force, so it is read once; a patch is read against each base.
        let whole_table = match change {
            Change::Replace => Some(self.reference.read_table(body, &self.keys)?),
            Change::Merge => None,
        };
        let mut base = self.reference.published();
        loop {
            let table_bytes = self.table_bytes_max(change, base.generation());
            let _table_reservation = self.reserve(admission, table_bytes)?;
            let candidate = match &whole_table {
                Some(table) => table.clone(),
                None => self.reference.read_patch(body, base.generation(), &self.keys)?,
            };
            let successor = self.reference.successor(base.generation(), candidate, preconditions, received_at_ms)?;
            let Some(successor) = successor else { return Ok(Arc::clone(base.generation())) };
            match self.publish_generation(&base, successor) {
                Ok(generation) => return Ok(generation),
                Err(newer) => base = newer,
            }
        }
    }

    /// Publishes the successor of `base`, and switches the timelines to it.
    ///
    /// # Errors
    /// Another generation was published after `base`; this one is returned.
    fn publish_generation(
        &self,
        base: &Arc<PublishedGeneration>,
        successor: Arc<Generation>,
    ) -> Result<Arc<Generation>, Arc<PublishedGeneration>> {
        let groups = self.group_known_users(&successor);
        let generation = self.reference.try_publish(base, successor, groups)?;
        // So that no answer has to do it: it takes O(known users).
        self.advance();
        // The new table is counted before its reservation is released.
        self.refresh_usage();
        Ok(generation)
    }

    /// The groups that `successor` puts the users in that the timelines know, by partition. A timeline's lock is held
    /// only to copy keys, a slice of them at a time; the lookups, most of the work, are done without it.
    fn group_known_users(&self, successor: &Generation) -> Vec<UserGroups> {
        let of_partition = |partition: &Partition| {
            let mut groups = UserGroups::new();
            loop {
                let tables = partition.lock().user_keys(groups.len(), KEYS_SLICE);
                if tables.is_empty() {
                    return groups;
                }
                let with_group = |key| (key, successor.group_of(key));
                groups.extend(tables.into_iter().map(|keys| keys.into_iter().map(with_group).collect()));
            }
        };
        self.partitions.iter().map(of_partition).collect()
    }
}
