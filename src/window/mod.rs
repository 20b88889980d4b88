//! The lock-free window: rings of per-second slots.
//!
//! ```text
//! Window ── shard 0 ── Ring ── slot 0   head ─> chunk ─> chunk ─> null     (one second's batches, newest first)
//!        │                  ├─ slot 1   head ─> null
//!        │                  └─ ...      slot = second mod slots
//!        └─ shard 1 ── ...
//! ```
//!
//! A slot is one atomic word: the address of its newest chunk, or null. A chunk is immutable once that address is
//! published, and carries the second it belongs to; so the slot's second and its data change in the same
//! compare-and-swap and can never disagree. Three kinds of change exist, each one compare-and-swap of that word:
//!
//! - [`append`](Window::append) puts a chunk on top; where the slot still holds an older second (the ring has wrapped),
//!   the same swap unlinks that second's list, and whoever swapped retires it;
//! - a fold replaces the list it has read by an empty chunk (`Slot::retire`);
//! - the janitor empties a slot whose second is over (`Slot::clear`).
//!
//! Writers never wait for anyone: a swap fails only because another one succeeded. A snapshot is one load, wait-free.
//!
//! This module knows records (128 bits), seconds and counts; nothing of HTTP, JSON, time or logging.
#![allow(unsafe_code, reason = "lists shared without locks; every block names why it may")]

mod chunk;
mod dirty;
mod folder;
mod ring;
pub(crate) mod slot;

pub(crate) use chunk::Record;
pub(crate) use folder::{Consumed, Folder};
pub(crate) use slot::Appended;

use ring::Ring;
use std::ops::Range;

/// All shards. Any thread may use any shard: they only spread contention.
pub(crate) struct Window {
    shards: Box<[Ring]>,
}

impl Window {
    /// `shards` rings of `slots` seconds, both powers of two.
    pub(crate) fn new(shards: usize, slots: usize) -> Self {
        assert!(shards.is_power_of_two());
        Self { shards: (0..shards).map(|_| Ring::new(slots)).collect() }
    }

    /// What a window of so many shards and slots takes with its folder, and with the empty chunk that a fold leaves in a
    /// slot.
    pub(crate) fn bytes_for(shards: usize, slots: usize) -> usize {
        let slot_bytes = size_of::<slot::Slot>() + size_of::<chunk::Chunk>() + Folder::SLOT_BYTES;
        let bits_bytes = 2 * slots.div_ceil(8);
        shards * (slots * slot_bytes + bits_bytes)
    }

    /// Publishes `records` in `second`: they are in every snapshot and every fold that starts after this returns.
    /// Lock-free; the shard is `hint` modulo their number.
    pub(crate) fn append(&self, hint: usize, second: i64, records: Box<[Record]>) -> Appended {
        self.shards[hint & (self.shards.len() - 1)].append(second, records)
    }

    fn shards(&self) -> Range<usize> {
        0..self.shards.len()
    }

    fn slots(&self) -> usize {
        self.shards[0].len()
    }
}
