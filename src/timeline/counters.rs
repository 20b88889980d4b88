//! Counters by index: an array where many of them are used, a hash map where few are.

use crate::limits::SPARSE_COUNTER_BYTES_MAX;
use hashbrown::HashMap;

/// Up to this number, counters are an array from the start.
const SMALL_MAX: usize = 64;

/// The most counters that are kept as an array. Of a larger number, one second uses few.
const DENSE_MAX: usize = 1_024;

/// A hash map becomes an array when it has this part of the counters: then the array needs no more memory.
const DENSE_PART: usize = 4;

/// Counters with the indices `0..len`. All start at zero.
pub(crate) enum Counters {
    Dense(Box<[u64]>),
    /// Only the non-zero counters.
    Sparse(SparseCounters),
}

pub(crate) struct SparseCounters {
    counts: HashMap<u32, u64, std::hash::BuildHasherDefault<FibonacciHasher>>,
    /// The number of all counters, the zero ones included.
    len: usize,
}

impl Counters {
    pub(crate) fn new(len: usize) -> Self {
        if len <= SMALL_MAX {
            Self::Dense(vec![0; len].into())
        } else {
            Self::Sparse(SparseCounters { counts: HashMap::default(), len })
        }
    }

    #[inline]
    pub(crate) fn is_dense(&self) -> bool {
        matches!(self, Self::Dense(_))
    }

    /// Memory that the counters occupy.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(counts) => size_of_val(&**counts),
            Self::Sparse(SparseCounters { counts, .. }) => counts.allocation_size(),
        }
    }

    /// The most memory that the counters occupy while more are added.
    pub(crate) fn growing_bytes(&self) -> usize {
        match self {
            Self::Dense(_) => self.bytes(),
            Self::Sparse(SparseCounters { counts, .. }) => self.bytes().max(counts.len() * SPARSE_COUNTER_BYTES_MAX),
        }
    }

    /// Memory that `len` counters occupy before the first is used.
    pub(crate) fn initial_bytes(len: usize) -> usize {
        if len <= SMALL_MAX { len * size_of::<u64>() } else { 0 }
    }

    #[inline]
    pub(crate) fn add(&mut self, index: u32, n: u64) {
        match self {
            Self::Dense(counts) => counts[index as usize] += n,
            Self::Sparse(sparse) => {
                if let Some(dense) = sparse.add(index, n) {
                    *self = Self::Dense(dense);
                }
            }
        }
    }

    /// Adds to the counters from index `start` on.
    #[inline]
    pub(crate) fn add_row(&mut self, start: u32, row: &[u16]) {
        match self {
            Self::Dense(counts) => {
                let counts = &mut counts[start as usize..][..row.len()];
                counts.iter_mut().zip(row).for_each(|(count, n)| *count += u64::from(*n));
            }
            Self::Sparse(_) => {
                let non_zero = (start..).zip(row).filter(|(_, n)| **n > 0);
                non_zero.for_each(|(index, n)| self.add(index, u64::from(*n)));
            }
        }
    }

    /// Subtracts one from a counter that is not zero.
    pub(crate) fn decrement(&mut self, index: u32) {
        match self {
            Self::Dense(counts) => counts[index as usize] -= 1,
            Self::Sparse(SparseCounters { counts, .. }) => {
                let count = counts.get_mut(&index);
                debug_assert!(count.is_some(), "counter {index} is zero");
                if let Some(n) = count {
                    *n -= 1;
                    if *n == 0 {
                        counts.remove(&index);
                    }
                }
            }
        }
    }

    /// Adds each counter to the element of `sums` with the same index.
    pub(crate) fn add_to(&self, sums: &mut [u64]) {
        match self {
            Self::Dense(counts) => sums.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n),
            Self::Sparse(SparseCounters { counts, .. }) => {
                counts.iter().for_each(|(index, n)| sums[*index as usize] += n);
            }
        }
    }
}

impl SparseCounters {
    /// Adds to a counter. Returns all counters as an array if that needs no more memory.
    fn add(&mut self, index: u32, n: u64) -> Option<Box<[u64]>> {
        *self.counts.entry(index).or_insert(0) += n;
        (self.len <= DENSE_MAX && self.counts.len() * DENSE_PART > self.len).then(|| {
            let mut dense: Box<[u64]> = vec![0; self.len].into();
            self.counts.iter().for_each(|(index, n)| dense[*index as usize] = *n);
            dense
        })
    }
}

/// Fibonacci hashing (Knuth, TAOCP 6.4): spreads small integers over 64 bits. The engine numbers the groups, not a
/// client, so the hash needs no key.
#[derive(Default)]
pub(crate) struct FibonacciHasher(u64);

impl std::hash::Hasher for FibonacciHasher {
    fn write_u32(&mut self, index: u32) {
        self.0 = u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("indices are 32-bit integers")
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    #[test]
    fn arrays_and_maps_count_the_same() {
        for len in [SMALL_MAX, SMALL_MAX + 1, DENSE_MAX, DENSE_MAX + 1] {
            let mut counters = Counters::new(len);
            assert_eq!(counters.is_dense(), len == SMALL_MAX);
            let last = len as u32 - 1;
            counters.add(0, 1);
            counters.add(last, 5);
            counters.add(last, 2);
            counters.decrement(last);
            counters.decrement(0);
            counters.add_row(last - 2, &[3, 0, 1]);
            let mut sums = vec![10; len];
            counters.add_to(&mut sums);
            assert_eq!((sums[0], sums[1], sums[len - 3], sums[len - 1]), (10, 10, 13, 17), "{len}");
            if let Counters::Sparse(SparseCounters { counts, .. }) = counters {
                assert_eq!(counts.len(), 2, "a counter that is zero is not kept");
            }
        }
    }

    #[test]
    fn a_map_becomes_an_array_when_a_quarter_of_the_counters_is_used() {
        for (len, becomes_dense) in [(SMALL_MAX + 4, true), (DENSE_MAX, true), (DENSE_MAX + 4, false)] {
            let mut counters = Counters::new(len);
            let quarter = len as u32 / 4;
            (0..quarter).for_each(|index| counters.add(index, u64::from(index) + 1));
            assert!(!counters.is_dense() && counters.growing_bytes() >= len * size_of::<u64>(), "{len}");
            counters.add(quarter, u64::from(quarter) + 1);
            assert_eq!(counters.is_dense(), becomes_dense, "{len}");
            let mut sums = vec![0; len];
            counters.add_to(&mut sums);
            let expected = (0..len as u64).map(|index| if index <= u64::from(quarter) { index + 1 } else { 0 });
            assert!(sums.into_iter().eq(expected), "{len}");
        }
    }

    #[test]
    fn the_memory_of_counters_is_known_before_they_exist_and_while_they_grow() {
        for len in [1, SMALL_MAX, SMALL_MAX + 1, DENSE_MAX + 1] {
            assert_eq!(Counters::initial_bytes(len), Counters::new(len).bytes(), "{len}");
        }
        let mut counters = Counters::new(DENSE_MAX + 1);
        (0..100).for_each(|index| counters.add(index, 1));
        assert_eq!(counters.growing_bytes(), 100 * SPARSE_COUNTER_BYTES_MAX);
    }

    /// hashbrown uses the low bits for the bucket and the top seven for the tag.
    #[test]
    fn neighbouring_indices_are_spread_over_buckets_and_tags() {
        let hashes = || (0..1_024_u32).map(|index| BuildHasherDefault::<FibonacciHasher>::default().hash_one(index));
        let buckets: BTreeSet<u64> = hashes().map(|hash| hash % 1_024).collect();
        let tags: BTreeSet<u64> = hashes().map(|hash| hash >> 57).collect();
        assert!(buckets.len() > 1_024 / 2, "{}", buckets.len());
        assert_eq!(tags.len(), 128);
    }
}
