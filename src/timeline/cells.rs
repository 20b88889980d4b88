//! Counters by index, dense where there are few.

use crate::limits::SPARSE_CELL_BYTES_MAX;
use hashbrown::HashMap;

/// Up to this many cells are kept as an array; beyond, a second holds few of them.
const DENSE_MAX: usize = 1_024;

/// Counters with the indices `0..len`, all zero at first.
pub(crate) enum Cells {
    Dense(Box<[u64]>),
    /// Non-zero ones only.
    Sparse(HashMap<u32, u64, std::hash::BuildHasherDefault<Spread>>),
}

impl Cells {
    pub(crate) fn new(len: usize) -> Self {
        if len <= DENSE_MAX { Self::Dense(vec![0; len].into()) } else { Self::Sparse(HashMap::default()) }
    }

    #[inline]
    pub(crate) fn is_dense(&self) -> bool {
        matches!(self, Self::Dense(_))
    }

    /// What the counters take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(cells) => size_of_val(&**cells),
            Self::Sparse(cells) => cells.allocation_size(),
        }
    }

    /// What they take while there come more, at the worst.
    pub(crate) fn growing_bytes(&self) -> usize {
        match self {
            Self::Dense(_) => self.bytes(),
            Self::Sparse(cells) => self.bytes().max(cells.len() * SPARSE_CELL_BYTES_MAX),
        }
    }

    /// What so many counters take from the start.
    pub(crate) fn bytes_of_empty(len: usize) -> usize {
        if len <= DENSE_MAX { len * size_of::<u64>() } else { 0 }
    }

    pub(crate) fn add(&mut self, cell: u32, n: u64) {
        match self {
            Self::Dense(cells) => cells[cell as usize] += n,
            Self::Sparse(cells) => *cells.entry(cell).or_insert(0) += n,
        }
    }

    /// Takes one off a cell that has it.
    pub(crate) fn decrement(&mut self, cell: u32) {
        match self {
            Self::Dense(cells) => cells[cell as usize] -= 1,
            Self::Sparse(cells) => {
                if let Some(n) = cells.get_mut(&cell) {
                    *n -= 1;
                    if *n == 0 {
                        cells.remove(&cell);
                    }
                }
            }
        }
    }

    /// Adds every cell to the one of the same index in `sums`.
    pub(crate) fn add_to(&self, sums: &mut [u64]) {
        match self {
            Self::Dense(cells) => sums.iter_mut().zip(cells).for_each(|(sum, n)| *sum += n),
            Self::Sparse(cells) => cells.iter().for_each(|(cell, n)| sums[*cell as usize] += n),
        }
    }
}

/// Spreads small integers over 64 bits (Fibonacci hashing; Knuth, TAOCP 6.4). Groups are numbered by us, not by clients.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl std::hash::Hasher for Spread {
    fn write_u32(&mut self, cell: u32) {
        self.0 = u64::from(cell).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("cells are 32-bit integers")
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
    fn dense_and_sparse_count_alike() {
        for len in [DENSE_MAX, DENSE_MAX + 1] {
            let mut cells = Cells::new(len);
            assert_eq!(cells.is_dense(), len == DENSE_MAX);
            cells.add(0, 1);
            cells.add(1_000, 5);
            cells.add(1_000, 2);
            cells.decrement(1_000);
            cells.decrement(0);
            let mut sums = vec![10; len];
            cells.add_to(&mut sums);
            assert_eq!((sums[0], sums[1], sums[1_000]), (10, 10, 16), "{len}");
            if let Cells::Sparse(cells) = cells {
                assert_eq!(cells.len(), 1, "a cell that is zero again is gone");
            }
        }
    }

    /// hashbrown takes the low bits for the bucket and the top seven for the tag.
    #[test]
    fn neighbours_are_spread_over_buckets_and_tags() {
        let hashes = || (0..1_024_u32).map(|cell| BuildHasherDefault::<Spread>::default().hash_one(cell));
        let buckets: BTreeSet<u64> = hashes().map(|hash| hash % 1_024).collect();
        let tags: BTreeSet<u64> = hashes().map(|hash| hash >> 57).collect();
        assert!(buckets.len() > 1_024 / 2, "{}", buckets.len());
        assert_eq!(tags.len(), 128);
    }
}
