//! One shard: a slot for each second, and the bits that say where there is news.

use crate::sync::reclaim::pin;
use crate::window::chunk::Record;
use crate::window::dirty::DirtyBits;
use crate::window::slot::{Appended, Slot};

/// A ring of slots. Second `s` lives in slot `s` modulo their number.
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

    /// Where a second lives; before 1970, too (two's complement).
    pub(crate) fn index(&self, second: i64) -> usize {
        second as usize & (self.slots.len() - 1)
    }

    pub(crate) fn slot(&self, index: usize) -> &Slot {
        &self.slots[index]
    }

    /// Publishes, then marks.
    pub(crate) fn append(&self, second: i64, records: Box<[Record]>) -> Appended {
        let index = self.index(second);
        let appended = self.slots[index].append(second, records, &pin());
        if appended == Appended::Stored {
            self.dirty.mark(index);
        }
        appended
    }
}
