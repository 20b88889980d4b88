//! Changes of the reference table.

mod logged;
mod prepared;
mod successors;
#[cfg(test)]
mod tests;

use super::Engine;
use super::partition::Partition;
use crate::error::Overloaded;
use crate::memory::Reservation;
use crate::reference::{Change, Generation, Preconditions, PublishedGeneration, ReferenceError, UserGroups};
use std::sync::Arc;
use successors::{Admission, Request, Successors};

/// Users whose keys are copied under one hold of the timeline's lock.
const KEYS_SLICE: usize = 1 << 16;

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
        let request = Request { admission: Admission::Checked, change, preconditions, received_at_ms };
        Successors::read(self, request, body, |successors| self.publish_next(|base| successors.of(base)))
    }

    fn reserve(&self, admission: Admission, bytes: usize) -> Result<Reservation<'_>, Overloaded> {
        match admission {
            Admission::Checked => self.memory.reserve(bytes, || self.backlog.in_use()),
            Admission::Logged => Ok(self.memory.reserve_unchecked(bytes)),
        }
    }

    /// Publishes the generation that `successor_of` makes of the one in force. When another one was published
    /// meanwhile, it makes one of that. If there is none to make, the generation in force is the result. The second
    /// part of what `successor_of` returns is kept until the generation is published.
    fn publish_next<T, E>(
        &self,
        successor_of: impl Fn(&Generation) -> Result<Option<(Arc<Generation>, T)>, E>,
    ) -> Result<Arc<Generation>, E> {
        let mut base = self.reference.published();
        loop {
            let Some((successor, _kept)) = successor_of(base.generation())? else {
                return Ok(Arc::clone(base.generation()));
            };
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
