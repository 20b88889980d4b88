//! What a publication carries: a generation, and the groups that were prepared for it.

use super::generation::Generation;
use crate::key::UserKey;
use crate::sync::Mutex;
use std::sync::{Arc, PoisonError};

/// Users of a partition and their groups under one generation, in the order in which the partition's timeline gave
/// their keys: by sub-table.
pub(crate) type UserGroups = Vec<Vec<(UserKey, u32)>>;

/// A generation, with the groups of the users that the timelines knew shortly before publication.
///
/// The groups are computed without a timeline's lock, before the generation is published. The timelines take them when
/// they switch to the generation, so the groups occupy memory only until then.
pub(crate) struct PublishedGeneration {
    generation: Arc<Generation>,
    /// By partition.
    groups: Mutex<Vec<UserGroups>>,
}

impl PublishedGeneration {
    pub(super) fn new(generation: Arc<Generation>, groups: Vec<UserGroups>) -> Self {
        Self { generation, groups: Mutex::new(groups) }
    }

    pub(crate) fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// The prepared groups, by partition. They are handed out once; later calls get none.
    pub(crate) fn take_groups(&self) -> Vec<UserGroups> {
        std::mem::take(&mut *self.groups.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Memory that the table occupies, and the prepared groups until they are taken.
    pub(crate) fn bytes(&self) -> usize {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let users: usize = groups.iter().flatten().map(Vec::capacity).sum();
        self.generation.bytes() + users * size_of::<(UserKey, u32)>()
    }
}
