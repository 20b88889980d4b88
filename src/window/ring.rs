//! One shard: a slot for each second, and the bitmap of slots with unfolded records.

use crate::sync::reclaim::pin;
use crate::window::chunk::Record;
use crate::window::dirty::DirtyBits;
use crate::window::slot::{Appended, Slot};

/// A ring of slots. The slot of second `s` is `s` modulo the number of slots.
pub(crate) struct Ring {
    slots: Box<[Slot]>,
    pub(crate) dirty: DirtyBits,
}

impl Ring {
    /// `slots` is a power of two.
    pub(crate) fn new(slots: usize) -> Self {
        assert!(slots.is_power_of_two());
        Self { slots: (0..slots).map(|_| Slot::new()).collect(), dirty: DirtyBits::new(slots) }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The index of a second's slot. Seconds before 1970 are correct too (two's complement).
    pub(crate) fn slot_index(&self, second: i64) -> usize {
        second as usize & (self.slots.len() - 1)
    }

    pub(crate) fn slot(&self, index: usize) -> &Slot {
        &self.slots[index]
    }

    /// Publishes the records, and then marks the slot. With the other order, a fold could take the mark before the
    /// records are in the slot, and a later fold would not look at the slot.
    pub(crate) fn append(&self, second: i64, records: Box<[Record]>) -> Appended {
        debug_assert!(!records.is_empty(), "an append without records");
        let index = self.slot_index(second);
        let appended = self.slots[index].append(second, records, &pin());
        if appended == Appended::Stored {
            self.dirty.mark(index);
        }
        appended
    }
}
