//! Lookup of an event type among the configured ones, without a branch that depends on the type.
//!
//! The types of a stream come in a random order, so the processor would mispredict such a branch.

/// Maps the name of a type to its kind, which is its index in the configured set.
pub(super) struct Kinds {
    names: Box<[Box<str>]>,
    /// The digest of each name.
    digests: Box<[Digest]>,
}

impl Kinds {
    pub(super) fn new(names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let names: Box<[Box<str>]> = names.into_iter().map(Into::into).collect();
        Self { digests: names.iter().map(|name| Digest::new(start_of(name.as_bytes()), name.len())).collect(), names }
    }

    /// The kind of the type with this name. O(configured types), a few instructions for each.
    #[inline(always)]
    pub(super) fn find(&self, name: &[u8]) -> Option<u8> {
        self.find_by_start(start_of(name), name.len(), || Some(name))
    }

    /// [`find`](Self::find) for a name of `len` bytes that begins with `start`. After the end of a short name, `start`
    /// has any bytes. `name` is only called for longer names.
    #[inline(always)]
    pub(super) fn find_by_start<'n>(
        &self,
        start: [u8; 8],
        len: usize,
        name: impl Fn() -> Option<&'n [u8]>,
    ) -> Option<u8> {
        let digest = Digest::new(start, len);
        let digests = self.digests.iter().enumerate();
        let mut candidates = digests.fold(0_u64, |bits, (kind, other)| bits | u64::from(other.equals(digest)) << kind);
        while candidates != 0 {
            let kind = candidates.trailing_zeros() as usize;
            if len <= Digest::EXACT_BYTES || self.names[kind].as_bytes() == name()? {
                return Some(kind as u8);
            }
            candidates &= candidates - 1;
        }
        None
    }
}

/// The first bytes of a name, followed by zeros.
fn start_of(name: &[u8]) -> [u8; 8] {
    let mut start = [0; 8];
    let len = name.len().min(start.len());
    start[..len].copy_from_slice(&name[..len]);
    start
}

/// The length of a name and its first eight bytes, followed by zeros.
#[derive(Clone, Copy)]
struct Digest {
    len: usize,
    start: u64,
}

impl Digest {
    /// Up to this length, names with equal digests are equal.
    const EXACT_BYTES: usize = 8;

    #[inline(always)]
    fn new(start: [u8; 8], len: usize) -> Self {
        let unused_bytes = Self::EXACT_BYTES.saturating_sub(len);
        // Two shifts of half the bits, because one shift may not be by all 64 bits.
        let mask = u64::MAX >> (unused_bytes * 4) >> (unused_bytes * 4);
        Self { len, start: u64::from_le_bytes(start) & mask }
    }

    #[inline(always)]
    fn equals(self, other: Self) -> bool {
        // `&` instead of `&&`, which would be a branch.
        (self.len == other.len) & (self.start == other.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EVENT_TYPES;
    use proptest::prelude::*;

    #[test]
    fn names_that_differ_in_one_byte_have_different_kinds() {
        let names = ["a", "b", "aa", "a\0", "\0a", "abc", "abcd", "abcdefgh", "abcdefghi", "abcd-efgh", "abcd+efgh"];
        let kinds = Kinds::new(names);
        for (kind, name) in names.iter().enumerate() {
            assert_eq!(kinds.find(name.as_bytes()), Some(kind as u8), "{name}");
        }
        for name in ["", "\0", "A", "ab", "ac", "abcdefg", "abcdefgi", "abcd efgh", "abcd-efg", "abcdxefgh"] {
            assert_eq!(kinds.find(name.as_bytes()), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn the_kind_is_the_index_of_the_name(
            names in prop::collection::btree_set("[ab]{1,12}", 1..=*EVENT_TYPES.end()),
            name in "[ab]{0,12}",
        ) {
            let index = names.iter().position(|other| *other == name);
            prop_assert_eq!(Kinds::new(names).find(name.as_bytes()).map(usize::from), index);
        }
    }
}
