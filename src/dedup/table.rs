//! An insert-only set of keys, in buckets of cells.
//!
//! The home of a key is a bucket. Cells are filled in order, bucket after bucket, and never emptied while claimants use
//! the table. So all claimants of a key probe the same cells and reach the same first empty cell, where one
//! compare-and-swap decides between them.

use crate::key::EventKey;
use crate::sync::Ordering;
use crate::sync::buckets::{BUCKET_WORDS, Bucket, Buckets};
use std::io;

/// Of ten cells, this number may be filled. A fuller table has long probe sequences.
const FILLED_OF_TEN: usize = 8;

pub(crate) struct BucketTable {
    buckets: Buckets,
}

impl BucketTable {
    /// A table for `keys` keys. At least a fifth of its cells stays empty, so every probe sequence ends.
    ///
    /// # Errors
    /// If the system has no memory for it.
    pub(crate) fn new(keys: usize) -> io::Result<Self> {
        let buckets = buckets_for(keys).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { buckets: Buckets::new(buckets)? })
    }

    /// The memory of a table for `keys` keys.
    pub(crate) fn bytes_for(keys: usize) -> usize {
        buckets_for(keys).unwrap_or(usize::MAX).saturating_mul(size_of::<Bucket>())
    }

    /// Inserts the key; returns whether the key was absent. Of all calls with one key, exactly one returns true.
    ///
    /// The caller guarantees that an empty cell is left.
    #[inline]
    pub(crate) fn insert(&self, key: EventKey) -> bool {
        let (mut at, word) = self.home(key);
        debug_assert_ne!(word, EMPTY, "an inserted key would look like an empty cell");
        loop {
            let bucket = self.buckets.bucket(at);
            let probe = bucket.probe(word);
            if probe.has_match() {
                return false;
            }
            match probe.first_zero() {
                None => at = self.next(at),
                Some(cell) => {
                    // Relaxed: a cell publishes nothing but its own word, and it changes once, from empty to one key.
                    // Pairs with the same swap of other claimants: exactly one of them fills the first empty cell. If
                    // another claimant was first, this swap fails, and the next probe of the bucket finds the other key
                    // there. That a claimant of a *later phase* sees the cells of earlier phases is guaranteed by the
                    // rotation.
                    if bucket.0[cell].compare_exchange(EMPTY, word, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                        return true;
                    }
                }
            }
        }
    }

    /// Whether the table has the key.
    #[inline]
    pub(crate) fn contains(&self, key: EventKey) -> bool {
        let (mut at, word) = self.home(key);
        loop {
            let probe = self.buckets.bucket(at).probe(word);
            if probe.has_match() || probe.first_zero().is_some() {
                return probe.has_match();
            }
            at = self.next(at);
        }
    }

    /// Prefetches the home bucket of the key.
    #[inline]
    pub(crate) fn prefetch(&self, key: EventKey) {
        self.buckets.prefetch(self.home(key).0);
    }

    /// Empties the table and returns its memory to the system. No other thread may use the table.
    pub(crate) fn clear(&self) {
        self.buckets.clear();
    }

    /// Makes the memory of an empty table resident before it is used.
    pub(crate) fn prefault(&self) {
        self.buckets.prefault();
    }

    /// The home bucket of a key, and the word that a cell keeps of it. The bucket comes from one half of the hash and
    /// the word from the other. So two different keys with equal words on one probe sequence have a probability of the
    /// number of probed cells in 2^64.
    #[inline(always)]
    fn home(&self, key: EventKey) -> (usize, u64) {
        let [for_bucket, kept] = key.0;
        // The high word of the product spreads the hash over any number of buckets (Lemire, "Fast random integer
        // generation in an interval", 2019).
        let bucket = ((u128::from(for_bucket) * self.buckets.len() as u128) >> 64) as usize;
        (bucket, kept.max(1))
    }

    #[inline(always)]
    fn next(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() { 0 } else { bucket + 1 }
    }
}

fn buckets_for(keys: usize) -> Option<usize> {
    let cells = keys.checked_mul(10)? / FILLED_OF_TEN + 1;
    Some(cells.div_ceil(BUCKET_WORDS))
}

/// The word of an empty cell. A key whose kept half is 0 is kept as 1.
const EMPTY: u64 = 0;
