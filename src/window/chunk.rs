//! The records of one batch in one second.

use crate::sync::Published;
use crate::sync::reclaim::Owned;
use std::ptr;

/// A user key and a kind. The window does not read them.
pub(crate) type Record = u128;

/// Records of one second. A chunk is immutable once its address is in a slot.
pub(crate) struct Chunk {
    body: Published<ChunkBody>,
}

pub(crate) struct ChunkBody {
    /// The second of the records. The second of the head is the second of the slot.
    pub(crate) second: i64,
    /// The number of records published in this slot up to and including this chunk, since the slot was last null. The
    /// number continues across seconds, so it grows from chunk to chunk, and one number records how far a consumer has
    /// read.
    pub(crate) sequence: u64,
    /// The next older chunk of the same second, or null.
    pub(crate) next: *mut Chunk,
    pub(crate) records: Box<[Record]>,
}

impl Chunk {
    /// A chunk without a next chunk.
    pub(crate) fn new(second: i64, sequence: u64, records: Box<[Record]>) -> Owned<Self> {
        Owned::new(Self { body: Published::new(ChunkBody { second, sequence, next: ptr::null_mut(), records }) })
    }

    #[inline(always)]
    pub(crate) fn body(&self) -> &ChunkBody {
        self.body.get()
    }

    /// Links the chunk to the chunk below it, before the chunk is published.
    pub(crate) fn link(&mut self, next: *mut Chunk, sequence_below: u64) {
        let body = self.body.get_mut();
        body.next = next;
        body.sequence = sequence_below + body.records.len() as u64;
    }
}

/// Frees a whole list. It is a loop and not a recursion, because a second can have more chunks than a stack has frames.
///
/// # Safety
/// 1. `head` is null, or the head of a list of chunks that came from `Owned::into_ptr`.
/// 2. No other thread can reach any of them, and no other call frees them.
pub(crate) unsafe fn free_list(mut head: *mut Chunk) {
    while !head.is_null() {
        // SAFETY: by 1. `head` is a chunk whose ownership was given up, by 2. this call is its only owner.
        let chunk = unsafe { Owned::from_ptr(head) };
        head = chunk.body().next;
    }
}
