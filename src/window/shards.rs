//! The window: one ring of slots for each shard.

use crate::window::chunk::{Chunk, Record};
use crate::window::ring::Ring;
use crate::window::slot::{Appended, Slot};

/// All shards. Any thread may use any shard; shards only reduce contention.
pub(crate) struct Window {
    pub(super) shards: Box<[Ring]>,
}

impl Window {
    /// `shards` rings of `slots` seconds, both powers of two.
    pub(crate) fn new(shards: usize, slots: usize) -> Self {
        assert!(shards.is_power_of_two());
        Self { shards: (0..shards).map(|_| Ring::new(slots)).collect() }
    }

    /// The memory of a window, with the empty chunk that a fold leaves in each slot.
    pub(crate) fn bytes_for(shards: usize, slots: usize) -> usize {
        shards * (slots * (size_of::<Slot>() + size_of::<Chunk>()) + slots.div_ceil(8))
    }

    /// Publishes `records` in `second`. All snapshots and folds that start after this returns include them.
    ///
    /// Lock-free. The shard is `shard_hint` modulo the number of shards. `records` is not empty.
    pub(crate) fn append(&self, shard_hint: usize, second: i64, records: Box<[Record]>) -> Appended {
        self.shards[shard_hint & (self.shards.len() - 1)].append(second, records)
    }

    /// The number of slots of each ring.
    pub(super) fn slots(&self) -> usize {
        self.shards[0].len()
    }
}
