//! Generations that are made and not in force yet.

use super::generation::Generation;
use crate::sync::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

/// Successive generations, each made from the one before it. The first is a successor of the generation in force.
#[derive(Default)]
pub(crate) struct PreparedGenerations(Mutex<VecDeque<Arc<Generation>>>);

impl PreparedGenerations {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Generation>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, generation: Arc<Generation>) {
        self.lock().push_back(generation);
    }

    pub(crate) fn newest(&self) -> Option<Arc<Generation>> {
        self.lock().back().cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Memory that the tables occupy. What they share is counted for each one.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().iter().map(|generation| generation.bytes()).sum()
    }

    /// Removes the generations up to `number`; returns the newest of them.
    pub(crate) fn take_up_to(&self, number: u64) -> Option<Arc<Generation>> {
        let mut generations = self.lock();
        std::iter::from_fn(|| generations.pop_front_if(|generation| generation.number() <= number)).last()
    }
}
