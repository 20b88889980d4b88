//! What a publication carries: a generation, and the groups that were prepared for it.

use super::generation::Generation;
use crate::key::UserKey;
use crate::sync::Mutex;
use std::sync::{Arc, PoisonError};

/// Users and their groups under one generation, by the timeline's user index.
pub(crate) type UserGroups = Vec<(UserKey, u32)>;

/// A generation, with the groups of the users that the timeline knew shortly before publication.
///
/// The groups are computed without the timeline's lock, before the generation is published. The timeline takes them
/// when it switches to the generation, so they occupy memory only until then.
pub(crate) struct PublishedGeneration {
    generation: Arc<Generation>,
    groups: Mutex<UserGroups>,
}

impl PublishedGeneration {
    pub(super) fn new(generation: Arc<Generation>, groups: UserGroups) -> Self {
        Self { generation, groups: Mutex::new(groups) }
    }

    pub(crate) fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// The prepared groups. They are handed out once; later calls get none.
    pub(crate) fn take_groups(&self) -> UserGroups {
        std::mem::take(&mut *self.groups.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Memory that the table occupies, and the prepared groups until they are taken.
    pub(crate) fn bytes(&self) -> usize {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner).capacity();
        self.generation.bytes() + groups * size_of::<(UserKey, u32)>()
    }
}
