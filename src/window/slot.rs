//! The list of chunks of one second, behind one atomic word.

use crate::sync::reclaim::{EpochGuard, Owned};
use crate::sync::{AtomicPtr, Ordering};
use crate::window::chunk::{Chunk, ChunkBody, Record, free_list};
use std::ptr;

/// The result of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The records are published.
    Stored,
    /// The slot already has a newer second. So the second of these records is out of the retention, and they are
    /// dropped.
    Expired,
}

/// A list of chunks of one second, newest first.
///
/// Invariant: the chunk at `head`, and all chunks that are reachable from there, were published by one of the swaps
/// below. A chunk is freed only through [`EpochGuard::retire`], after one of these swaps has unlinked it.
pub(crate) struct Slot {
    head: AtomicPtr<Chunk>,
}

/// The list of a slot at one instant.
pub(crate) struct Snapshot<'g> {
    head: *mut Chunk,
    guard: &'g EpochGuard,
}

impl Slot {
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Publishes `records` in `second`, and unlinks an older second that the slot still has. `guard` spans the load and
    /// the swap, so the address that the swap compares cannot be freed and reused in between.
    pub(crate) fn append(&self, second: i64, records: Box<[Record]>, guard: &EpochGuard) -> Appended {
        let mut chunk = Chunk::new(second, 0, records);
        // Acquire: pairs with the Release half of the three swaps in this file. If a swap came first, this thread sees
        // its chunk as a whole. If the swap comes after this load, the swap below fails and the loop retries.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            // SAFETY: null, or loaded from the slot under `guard`.
            let below = unsafe { guard.deref(head) }.map(Chunk::body);
            let (next, stale) = match below {
                Some(below) if below.second > second => return Appended::Expired,
                Some(below) if below.second == second => (head, ptr::null_mut()),
                _ => (ptr::null_mut(), head),
            };
            chunk.link(next, below.map_or(0, |below| below.sequence));
            let published = chunk.into_ptr();
            // Release: publishes the chunk to every Acquire load of the head. On success, the old head is the one that
            // was acquired above. Acquire on failure: pairs with the swap that succeeded, whose head the next iteration
            // reads.
            match self.head.compare_exchange(head, published, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.retire_list(stale, guard);
                    if !stale.is_null() {
                        guard.flush();
                    }
                    return Appended::Stored;
                }
                Err(now) => {
                    // SAFETY: 1. `into_ptr` above gave up the ownership; 2. the swap that would have published it has
                    // failed.
                    chunk = unsafe { Owned::from_ptr(published) };
                    head = now;
                }
            }
        }
    }

    /// The current list of the slot; `None` if it is empty. Wait-free.
    pub(crate) fn snapshot<'g>(&self, guard: &'g EpochGuard) -> Option<Snapshot<'g>> {
        // Acquire: pairs with the Release half of the swaps. If a swap came first, this thread sees its list as a
        // whole. If not, this thread sees the whole list that the swap replaces, and `guard` keeps that list allocated.
        let head = self.head.load(Ordering::Acquire);
        (!head.is_null()).then_some(Snapshot { head, guard })
    }

    /// Replaces a list that has been read by an empty chunk of the same second and sequence. Returns false, and keeps
    /// the list, if a chunk was appended since.
    pub(crate) fn retire(&self, read: &Snapshot<'_>) -> bool {
        let body = read.body();
        if body.next.is_null() && body.records.is_empty() {
            return true;
        }
        self.replace(read, Chunk::new(body.second, body.sequence, Box::new([])).into_ptr())
    }

    /// Empties the slot. Returns false, and keeps the list, if a chunk was appended since.
    pub(crate) fn clear(&self, read: &Snapshot<'_>) -> bool {
        self.replace(read, ptr::null_mut())
    }

    /// Swaps the list of `read` for `new`, which is null or a chunk that its owner has given up for this call.
    fn replace(&self, read: &Snapshot<'_>, new: *mut Chunk) -> bool {
        // Release: publishes `new` to every Acquire load of the head. If an append came first, this swap fails and
        // changes nothing. If the append comes after, its own swap fails and it retries. Relaxed on failure: the new
        // head is not read.
        match self.head.compare_exchange(read.head, new, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(list) => {
                self.retire_list(list, read.guard);
                true
            }
            Err(_) => {
                // SAFETY: 1. null, or given up by the caller; 2. it was not published.
                unsafe { free_list(new) };
                false
            }
        }
    }

    /// Retires a list that the caller's successful swap has unlinked.
    #[expect(clippy::unused_self, reason = "the list belonged to this slot")]
    fn retire_list(&self, list: *mut Chunk, guard: &EpochGuard) {
        if !list.is_null() {
            // SAFETY: 1. the slot's word was the only link to the list, and the caller's swap has changed that word for
            // good. (A head never comes back: its address stays allocated while any thread might compare it.) 2. a swap
            // succeeds for one thread only; 3. chunks hold plain data, and the list is whole.
            unsafe { guard.retire(list, free_list) };
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Relaxed: `&mut self` has ordered all earlier accesses.
        let head = self.head.load(Ordering::Relaxed);
        // SAFETY: 1. the invariant of the slot; 2. `&mut self`, and no chunk that was unlinked before is reachable from
        // here.
        unsafe { free_list(head) };
    }
}

impl<'g> Snapshot<'g> {
    fn body(&self) -> &'g ChunkBody {
        // SAFETY: loaded from the slot under the guard.
        unsafe { self.guard.deref(self.head) }.expect("a snapshot's head is not null").body()
    }

    /// The second of every chunk in the list.
    pub(crate) fn second(&self) -> i64 {
        self.body().second
    }

    /// The number of records published in this slot since it was last null.
    pub(crate) fn sequence(&self) -> u64 {
        self.body().sequence
    }

    /// Passes the records after `sequence` to `read`, chunk by chunk, newest first.
    pub(crate) fn since(&self, sequence: u64, mut read: impl FnMut(&[Record])) {
        debug_assert!(sequence <= self.sequence(), "more records were read than published");
        let mut at = self.head;
        // SAFETY: null, or reachable from the head when the head was loaded under the guard.
        while let Some(body) = unsafe { self.guard.deref(at) }.map(Chunk::body) {
            if body.sequence <= sequence {
                break;
            }
            read(&body.records);
            at = body.next;
        }
    }
}
