//! An array that grows without moving.

use crate::prefetch::prefetch;
use std::ops::{Index, IndexMut};

const CHUNK: usize = 1 << 12;

/// Elements by `u32` index, in chunks of 4,096: growth never copies what is there, so it never stalls a reader for long.
pub(crate) struct Chunked<T> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T> Chunked<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    /// What the elements take, and the next chunk.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Vec<T>>() + (self.chunks.len() + 1) * CHUNK * size_of::<T>()
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Appends and returns the index.
    pub(crate) fn push(&mut self, value: T) -> u32 {
        if self.len as usize == self.chunks.len() * CHUNK {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks.last_mut().expect("a chunk with room").push(value);
        self.len = self.len.checked_add(1).expect("fewer than 2^32 elements");
        self.len - 1
    }

    /// Asks for an element ahead of its use.
    #[inline]
    pub(crate) fn prefetch(&self, index: u32) {
        if let Some(chunk) = self.chunks.get(index as usize / CHUNK) {
            prefetch(chunk.as_ptr().wrapping_add(index as usize % CHUNK));
        }
    }

    /// Removes the last element, if there is one, and frees its chunk when that is empty then.
    pub(crate) fn pop(&mut self) {
        let Some(chunk) = self.chunks.last_mut() else { return };
        chunk.pop();
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.pop();
        }
    }
}

impl<T: Clone> Chunked<T> {
    /// A copy of all elements.
    pub(crate) fn to_vec(&self) -> Vec<T> {
        self.chunks.concat()
    }
}

impl<T> Index<u32> for Chunked<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Chunked<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_chunks() {
        let mut array = Chunked::new();
        for i in 0..3 * CHUNK as u32 + 1 {
            assert_eq!(array.push(i), i);
        }
        array[CHUNK as u32] = 7;
        assert_eq!(
            (array[CHUNK as u32 - 1], array[CHUNK as u32], array.len()),
            (CHUNK as u32 - 1, 7, 3 * CHUNK as u32 + 1)
        );
        assert!(array.chunks.iter().all(|chunk| chunk.capacity() == CHUNK), "no chunk was reallocated");
    }

    #[test]
    fn shrinks_by_chunks() {
        let mut array = Chunked::new();
        (0..2 * CHUNK as u32 + 1).for_each(|i| _ = array.push(i));
        assert_eq!(array.chunks.len(), 3);
        array.pop();
        assert_eq!((array.chunks.len(), array.len(), array[2 * CHUNK as u32 - 1]), (2, 8_192, 8_191));
        (0..2 * CHUNK).for_each(|_| array.pop());
        assert_eq!((array.chunks.len(), array.len()), (0, 0));
        array.pop();
        assert_eq!((array.push(7), array[0]), (0, 7));
    }
}
