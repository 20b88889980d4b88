//! The user indices that are free for reuse.

/// A set of indices, one bit for each. The lowest index is reused first.
pub(crate) struct FreeIndices {
    words: Vec<u64>,
    len: u32,
    /// No word before this one has a bit set.
    first: usize,
}

impl FreeIndices {
    pub(crate) fn new() -> Self {
        Self { words: Vec::new(), len: 0, first: 0 }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn contains(&self, index: u32) -> bool {
        self.words.get(index as usize / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Adds an index that is not in the set.
    pub(crate) fn insert(&mut self, index: u32) {
        debug_assert!(!self.contains(index), "index {index} is free already");
        let word = index as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (index % 64);
        self.len += 1;
        self.first = self.first.min(word);
    }

    /// Removes the lowest index and returns it. O(1), plus one pass over the words for all calls between two
    /// insertions.
    pub(crate) fn take_lowest(&mut self) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        while self.words[self.first] == 0 {
            self.first += 1;
        }
        let index = self.first as u32 * 64 + self.words[self.first].trailing_zeros();
        self.remove(index).then_some(index)
    }

    /// Removes `index`; returns false when it is not in the set.
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        let is_free = self.contains(index);
        if is_free {
            self.words[index as usize / 64] &= !(1 << (index % 64));
            self.len -= 1;
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_index_comes_first_in_any_order_of_insertion() {
        let mut free = FreeIndices::new();
        assert_eq!(free.take_lowest(), None);
        for index in [300, 64, 63, 1_000, 0] {
            free.insert(index);
        }
        assert_eq!([free.take_lowest(), free.take_lowest(), free.take_lowest()], [Some(0), Some(63), Some(64)]);
        free.insert(2);
        assert_eq!(free.len(), 3);
        assert_eq!(std::iter::from_fn(|| free.take_lowest()).collect::<Vec<_>>(), [2, 300, 1_000]);
        assert_eq!(free.len(), 0);
    }

    #[test]
    fn an_index_is_removed_once() {
        let mut free = FreeIndices::new();
        free.insert(70);
        assert_eq!([70, 70, 71, 5, 1_000_000].map(|index| free.remove(index)), [true, false, false, false, false]);
        assert_eq!((free.len(), free.take_lowest()), (0, None));
    }

    #[test]
    fn the_memory_is_a_bit_for_each_index_up_to_the_highest() {
        let mut free = FreeIndices::new();
        assert_eq!(free.bytes(), 0);
        free.insert(8_000);
        assert!((1_000..=2_016).contains(&free.bytes()), "{}", free.bytes());
    }
}
