//! All rings of the window.

use crate::window::chunk::{Chunk, Record};
use crate::window::ring::Ring;
use crate::window::slot::{Appended, Slot};
use std::ops::Range;

/// All shards. Any thread may use any shard: they only spread contention.
pub(crate) struct Window {
    pub(super) shards: Box<[Ring]>,
}

impl Window {
    /// `shards` rings of `slots` seconds, both powers of two.
    pub(crate) fn new(shards: usize, slots: usize) -> Self {
        assert!(shards.is_power_of_two());
        Self { shards: (0..shards).map(|_| Ring::new(slots)).collect() }
    }

    /// What a window of so many shards and slots takes, with the empty chunk that a fold leaves in a slot.
    pub(crate) fn bytes_for(shards: usize, slots: usize) -> usize {
        shards * (slots * (size_of::<Slot>() + size_of::<Chunk>()) + slots.div_ceil(8))
    }

    /// Publishes `records` in `second`: they are in every snapshot and every fold that starts after this returns.
    /// Lock-free; the shard is `hint` modulo their number.
    pub(crate) fn append(&self, hint: usize, second: i64, records: Box<[Record]>) -> Appended {
        self.shards[hint & (self.shards.len() - 1)].append(second, records)
    }

    pub(super) fn shards(&self) -> Range<usize> {
        0..self.shards.len()
    }

    pub(super) fn slots(&self) -> usize {
        self.shards[0].len()
    }
}
