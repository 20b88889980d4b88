//! A vector that grows without moving its elements.

use std::ops::{Index, IndexMut};

/// Elements of a segment.
const SEGMENT: usize = 1 << 10;

/// Elements by `u32` index, in segments of 1,024. Growth adds a segment and copies nothing, so it never makes a reader
/// wait for long.
pub(crate) struct SegmentedVec<T> {
    segments: Vec<Vec<T>>,
    len: u32,
}

impl<T> SegmentedVec<T> {
    pub(crate) fn new() -> Self {
        Self { segments: Vec::new(), len: 0 }
    }

    /// The most memory that the elements and the next one occupy. Each element adds the same to it, so that no single
    /// one is charged for a whole segment. The list of segments never shrinks.
    pub(crate) fn bytes(&self) -> usize {
        let segments = self.segments.capacity().max(4 * (self.segments.len() + 1));
        let of_list = segments * size_of::<Vec<T>>();
        of_list + (self.len as usize + 2 * SEGMENT) * size_of::<T>()
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Appends and returns the index.
    pub(crate) fn push(&mut self, value: T) -> u32 {
        if self.len as usize == self.segments.len() * SEGMENT {
            self.segments.push(Vec::with_capacity(SEGMENT));
        }
        self.segments.last_mut().expect("the last segment is not full").push(value);
        self.len = self.len.checked_add(1).expect("fewer than 2^32 elements");
        self.len - 1
    }

    /// Removes the last element, if there is one. Frees its segment when no element is left in it.
    pub(crate) fn pop(&mut self) {
        let Some(segment) = self.segments.last_mut() else { return };
        segment.pop();
        self.len -= 1;
        if segment.is_empty() {
            self.segments.pop();
        }
    }
}

impl<T: Clone> SegmentedVec<T> {
    /// A copy of all elements.
    pub(crate) fn to_vec(&self) -> Vec<T> {
        self.segments.concat()
    }
}

impl<T> Index<u32> for SegmentedVec<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.segments[index as usize / SEGMENT][index as usize % SEGMENT]
    }
}

impl<T> IndexMut<u32> for SegmentedVec<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.segments[index as usize / SEGMENT][index as usize % SEGMENT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_segments() {
        let mut array = SegmentedVec::new();
        for i in 0..3 * SEGMENT as u32 + 1 {
            assert_eq!(array.push(i), i);
        }
        array[SEGMENT as u32] = 7;
        assert_eq!(
            (array[SEGMENT as u32 - 1], array[SEGMENT as u32], array.len()),
            (SEGMENT as u32 - 1, 7, 3 * SEGMENT as u32 + 1)
        );
        assert!(array.segments.iter().all(|segment| segment.capacity() == SEGMENT), "no segment was reallocated");
    }

    #[test]
    fn shrinks_by_segments() {
        let mut array = SegmentedVec::new();
        (0..2 * SEGMENT as u32 + 1).for_each(|i| _ = array.push(i));
        assert_eq!(array.segments.len(), 3);
        array.pop();
        assert_eq!((array.segments.len(), array.len(), array[2 * SEGMENT as u32 - 1]), (2, 2_048, 2_047));
        (0..2 * SEGMENT).for_each(|_| array.pop());
        assert_eq!((array.segments.len(), array.len()), (0, 0));
        array.pop();
        assert_eq!((array.push(7), array[0]), (0, 7));
    }

    #[test]
    fn the_memory_is_that_of_the_elements_and_of_a_list_that_doubles() {
        let mut array = SegmentedVec::<u32>::new();
        let vec_bytes = size_of::<Vec<u32>>();
        assert_eq!(array.bytes(), 4 * vec_bytes + 2 * SEGMENT * 4);
        (0..10 * SEGMENT as u32).for_each(|i| _ = array.push(i));
        assert_eq!(array.bytes(), 4 * 11 * vec_bytes + 12 * SEGMENT * 4);
        assert!(array.segments.capacity() > 4);
        (0..10 * SEGMENT).for_each(|_| array.pop());
        assert_eq!(array.bytes(), array.segments.capacity() * vec_bytes + 2 * SEGMENT * 4, "the list stays");
    }
}
