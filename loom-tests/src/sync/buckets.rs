//! Stand-in for the array of buckets. A bucket has two words, so that a small model can probe beyond the end of a
//! bucket. The memory is not mapped from the system.
//!
//! Not covered: the mapping itself, and that its memory reads as zero after it is returned.

use super::{AtomicU64, Ordering};
use std::io;

pub(crate) const BUCKET_WORDS: usize = 2;

pub(crate) struct Bucket(pub(crate) [AtomicU64; BUCKET_WORDS]);

impl Bucket {
    /// Compares the words in order, until one is equal or zero.
    pub(crate) fn probe(&self, word: u64) -> ProbeResult {
        for (index, held) in self.0.iter().enumerate() {
            match held.load(Ordering::Relaxed) {
                0 => return ProbeResult { has_match: false, first_zero: Some(index) },
                held if held == word => return ProbeResult { has_match: true, first_zero: None },
                _ => {}
            }
        }
        ProbeResult { has_match: false, first_zero: None }
    }
}

pub(crate) struct ProbeResult {
    has_match: bool,
    first_zero: Option<usize>,
}

impl ProbeResult {
    pub(crate) fn has_match(&self) -> bool {
        self.has_match
    }

    pub(crate) fn first_zero(&self) -> Option<usize> {
        self.first_zero
    }
}

pub(crate) struct Buckets(Vec<Bucket>);

impl Buckets {
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        Ok(Self((0..len).map(|_| Bucket(std::array::from_fn(|_| AtomicU64::new(0)))).collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bucket(&self, index: usize) -> &Bucket {
        &self.0[index]
    }

    pub(crate) fn prefetch(&self, _: usize) {}

    pub(crate) fn clear(&self) {
        for word in self.0.iter().flat_map(|bucket| &bucket.0) {
            word.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn prefault(&self) {}
}
