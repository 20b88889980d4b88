//! One batch's records of one second.

use crate::sync::Published;
use crate::sync::reclaim::Owned;
use std::ptr;

/// A user key and a kind, opaque here.
pub(crate) type Record = u128;

/// Immutable once its address is in a slot.
pub(crate) struct Chunk {
    body: Published<Body>,
}

pub(crate) struct Body {
    /// The second that the records belong to; the head's is the slot's.
    pub(crate) second: i64,
    /// Records published in this slot up to and including this chunk, since the slot was last null. It goes on across
    /// seconds, so it strictly grows from chunk to chunk and one number tells a folder what it has seen.
    pub(crate) depth: u64,
    /// The next older chunk of the same second.
    pub(crate) next: *mut Chunk,
    pub(crate) records: Box<[Record]>,
}

impl Chunk {
    /// A chunk that stands alone.
    pub(crate) fn new(second: i64, depth: u64, records: Box<[Record]>) -> Owned<Self> {
        Owned::new(Self { body: Published::new(Body { second, depth, next: ptr::null_mut(), records }) })
    }

    #[inline(always)]
    pub(crate) fn body(&self) -> &Body {
        self.body.get()
    }

    /// Places the chunk over what the slot holds now.
    pub(crate) fn place(&mut self, next: *mut Chunk, depth_below: u64) {
        let body = self.body.get_mut();
        body.next = next;
        body.depth = depth_below + body.records.len() as u64;
    }
}

/// Frees a whole list in a loop: a second can hold more chunks than a stack has frames.
///
/// # Safety
/// 1. `head` is null or heads a list of chunks that came from `Owned::into_ptr`.
/// 2. Nobody else can reach any of them, and nobody else frees them.
pub(crate) unsafe fn free_list(mut head: *mut Chunk) {
    while !head.is_null() {
        // SAFETY: by 1. `head` is a chunk that was given up, by 2. it is nobody else's.
        let chunk = unsafe { Owned::from_ptr(head) };
        head = chunk.body().next;
    }
}
