//! One second's list of chunks behind one atomic word.

use crate::sync::reclaim::{Guard, Owned};
use crate::sync::{AtomicPtr, Ordering};
use crate::window::chunk::{Body, Chunk, Record, free_list};
use std::ptr;

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// Published.
    Stored,
    /// The slot serves a newer second already: these records have outlived the retention.
    Outlived,
}

/// A list of chunks of one second, newest first. Invariant: what `head` points to, and all that is reachable from there,
/// was published by one of the swaps below, and is freed only through [`Guard::retire`] after one of them unlinked it.
pub(crate) struct Slot {
    head: AtomicPtr<Chunk>,
}

/// A slot's list as it was at one instant.
pub(crate) struct Snapshot<'g> {
    head: *mut Chunk,
    guard: &'g Guard,
}

impl Slot {
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Publishes `records` in `second`, unlinking an older second that the slot still holds. `guard` spans the load and
    /// the swap, so the address that is compared cannot have been freed and used again in between.
    pub(crate) fn append(&self, second: i64, records: Box<[Record]>, guard: &Guard) -> Appended {
        let mut chunk = Chunk::new(second, 0, records);
        // Acquire: pairs with the Release half of the three swaps in this file. If one came first we see its chunk
        // whole; if it comes after this load, our swap fails and we look again.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            // SAFETY: null, or loaded from the slot under `guard`.
            let below = unsafe { guard.deref(head) }.map(Chunk::body);
            let (next, stale) = match below {
                Some(below) if below.second > second => return Appended::Outlived,
                Some(below) if below.second == second => (head, ptr::null_mut()),
                _ => (ptr::null_mut(), head),
            };
            chunk.place(next, below.map_or(0, |below| below.depth));
            let published = chunk.into_ptr();
            // Release: publishes the chunk to every Acquire load of the head. Acquire on failure: the head that won is
            // looked at next. On success the old head is the one that was acquired above.
            match self.head.compare_exchange(head, published, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.retire_list(stale, guard);
                    return Appended::Stored;
                }
                Err(now) => {
                    // SAFETY: 1. given up three lines above; 2. the swap that would have published it has failed.
                    chunk = unsafe { Owned::from_ptr(published) };
                    head = now;
                }
            }
        }
    }

    /// The slot's list as it is now; none when it is empty. Wait-free.
    pub(crate) fn snapshot<'g>(&self, guard: &'g Guard) -> Option<Snapshot<'g>> {
        // Acquire: pairs with the Release half of the swaps. If a swap came first we see its list whole; if not, we see
        // the whole list that it replaces, which `guard` keeps.
        let head = self.head.load(Ordering::Acquire);
        (!head.is_null()).then_some(Snapshot { head, guard })
    }

    /// Replaces a list that has been read by an empty chunk of the same second and depth; false when something was
    /// appended since, and the list stays.
    pub(crate) fn retire(&self, read: &Snapshot<'_>) -> bool {
        let body = read.body();
        if body.next.is_null() && body.records.is_empty() {
            return true;
        }
        self.replace(read, Chunk::new(body.second, body.depth, Box::new([])).into_ptr())
    }

    /// Empties the slot; false when something was appended since.
    pub(crate) fn clear(&self, read: &Snapshot<'_>) -> bool {
        self.replace(read, ptr::null_mut())
    }

    /// Swaps the list of `read` for `new`, which is null or given up by its owner for this call.
    fn replace(&self, read: &Snapshot<'_>, new: *mut Chunk) -> bool {
        // Release: publishes `new` to every Acquire load of the head. If an append came first, this fails and changes
        // nothing; if it comes after, its own swap fails and it looks again. Relaxed on failure: what won is not read.
        match self.head.compare_exchange(read.head, new, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(list) => {
                self.retire_list(list, read.guard);
                true
            }
            Err(_) => {
                // SAFETY: 1. null or given up by the caller; 2. it was not published.
                unsafe { free_list(new) };
                false
            }
        }
    }

    /// Retires a list that the caller's successful swap has unlinked.
    #[expect(clippy::unused_self, reason = "the list was this slot's")]
    fn retire_list(&self, list: *mut Chunk, guard: &Guard) {
        if !list.is_null() {
            // SAFETY: 1. the slot's word was the only way to it, and the caller's swap has changed that word for good
            // (a head never comes back: its address stays taken while anyone might compare it); 2. a swap succeeds for
            // one thread; 3. chunks hold plain data, and the list is whole.
            unsafe { guard.retire(list, free_list) };
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Relaxed: `&mut self` has ordered everything before it.
        let head = self.head.load(Ordering::Relaxed);
        // SAFETY: 1. the slot's invariant; 2. `&mut self`, and what was unlinked before is not reachable from here.
        unsafe { free_list(head) };
    }
}

impl<'g> Snapshot<'g> {
    fn body(&self) -> &'g Body {
        // SAFETY: loaded from the slot under the guard.
        unsafe { self.guard.deref(self.head) }.expect("a snapshot's head is not null").body()
    }

    /// The second of every chunk in the list.
    pub(crate) fn second(&self) -> i64 {
        self.body().second
    }

    /// Records published in this slot so far.
    pub(crate) fn depth(&self) -> u64 {
        self.body().depth
    }

    /// Hands over the records above `depth`, a chunk at a time, newest first.
    pub(crate) fn since(&self, depth: u64, mut read: impl FnMut(&[Record])) {
        let mut at = self.head;
        // SAFETY: null, or reachable from the head when that was loaded under the guard.
        while let Some(body) = unsafe { self.guard.deref(at) }.map(Chunk::body) {
            if body.depth <= depth {
                break;
            }
            read(&body.records);
            at = body.next;
        }
    }
}
