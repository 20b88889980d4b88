//! The window of a partition: a slot for each second, and the bitmap of slots with unfolded records.

use crate::sync::reclaim::pin;
use crate::window::chunk::{Chunk, Record};
use crate::window::dirty::{DirtyBits, Marks};
use crate::window::slot::{Appended, Slot};

/// A ring of slots. The slot of second `s` is `s` modulo the number of slots.
pub(crate) struct Window {
    slots: Box<[Slot]>,
    pub(super) dirty: DirtyBits,
}

impl Window {
    /// A window of `slots` seconds; `slots` is a power of two.
    pub(crate) fn new(slots: usize) -> Self {
        assert!(slots.is_power_of_two());
        Self { slots: (0..slots).map(|_| Slot::new()).collect(), dirty: DirtyBits::new(slots) }
    }

    /// The memory of a window, with the empty chunk that a fold leaves in each slot.
    pub(crate) fn bytes_for(slots: usize) -> usize {
        slots * (size_of::<Slot>() + size_of::<Chunk>()) + slots.div_ceil(8)
    }

    /// Appends the records of a batch. They are part of every fold that starts after the drop of the result. Until
    /// then, a fold may take some of them and leave the others to a later fold.
    pub(crate) fn begin_appends(&self) -> Appends<'_> {
        Appends { window: self, marks: self.dirty.marks() }
    }

    /// Appends the records of one second; see [`Appends::append`].
    #[allow(dead_code, reason = "tests and benchmarks append single seconds")]
    pub(crate) fn append(&self, second: i64, records: Box<[Record]>) -> Appended {
        self.begin_appends().append(second, records)
    }

    /// The number of slots.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The index of a second's slot. Seconds before 1970 are correct too (two's complement).
    pub(super) fn slot_index(&self, second: i64) -> usize {
        second as usize & (self.slots.len() - 1)
    }

    pub(super) fn slot(&self, index: usize) -> &Slot {
        &self.slots[index]
    }
}

/// The appends of a batch. The slots are marked after the publication: at the latest in the drop.
pub(crate) struct Appends<'w> {
    window: &'w Window,
    marks: Marks<'w>,
}

impl Appends<'_> {
    /// Publishes records in their second, and then marks the slot. With the other order, a fold could take the mark
    /// before the records are in the slot, and a later fold would not look at the slot.
    ///
    /// Lock-free. `records` is not empty.
    pub(crate) fn append(&mut self, second: i64, records: Box<[Record]>) -> Appended {
        debug_assert!(!records.is_empty(), "an append without records");
        let index = self.window.slot_index(second);
        let appended = self.window.slots[index].append(second, records, &pin());
        if appended == Appended::Stored {
            self.marks.add(index);
        }
        appended
    }
}
