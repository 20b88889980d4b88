//! Lookup of an event type among the configured ones, without a branch that depends on the type.
//!
//! The types of a stream come in a random order, so the processor would mispredict such a branch.

/// Slots for each configured name, so that almost every lookup ends at its first slot.
const SLOTS_PER_NAME: usize = 8;

/// Maps the name of a type to its kind, which is its index in the configured set: a hash table with linear probing.
pub(super) struct Kinds {
    names: Box<[Box<str>]>,
    /// A power of two of them, most of them empty.
    slots: Box<[Option<Slot>]>,
}

#[derive(Clone, Copy)]
struct Slot {
    digest: Digest,
    kind: u8,
}

impl Kinds {
    pub(super) fn new(names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let names: Box<[Box<str>]> = names.into_iter().map(Into::into).collect();
        let mut slots = vec![None; (names.len() * SLOTS_PER_NAME).next_power_of_two()];
        for (kind, name) in names.iter().enumerate() {
            let digest = Digest::of(name.as_bytes());
            let mut at = digest.hash() & (slots.len() - 1);
            while slots[at].is_some() {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = Some(Slot { digest, kind: kind as u8 });
        }
        Self { names, slots: slots.into() }
    }

    /// The kind of the type with this name. O(1), and a comparison of the whole name if it has more than 16 bytes.
    pub(super) fn find(&self, name: &[u8]) -> Option<u8> {
        self.find_digest(Digest::of(name), || Some(name))
    }

    /// [`find`](Self::find) for the name with this digest. `name` is only called for names that their digests do not
    /// tell apart.
    #[inline(always)]
    pub(super) fn find_digest<'n>(&self, digest: Digest, name: impl Fn() -> Option<&'n [u8]>) -> Option<u8> {
        let mut at = digest.hash();
        loop {
            let slot = self.slots[at & (self.slots.len() - 1)]?;
            let is_equal = slot.digest == digest
                && (digest.len <= Digest::EXACT_BYTES || self.names[usize::from(slot.kind)].as_bytes() == name()?);
            if is_equal {
                return Some(slot.kind);
            }
            at += 1;
        }
    }
}

/// The length of a name, its first eight bytes and its last eight bytes. Zeros follow a shorter name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest {
    len: usize,
    first: u64,
    last: u64,
}

impl Digest {
    /// Up to this length, names with equal digests are equal.
    const EXACT_BYTES: usize = 16;

    /// The digest of a name of `len` bytes with these first and last eight bytes. If it is shorter, both begin with it,
    /// and any bytes follow.
    #[inline(always)]
    pub(super) fn new(first: [u8; 8], last: [u8; 8], len: usize) -> Self {
        // Two shifts of half the bits, because one shift may not be by all 64 bits.
        let half_bits = 8_usize.saturating_sub(len) * 4;
        let mask = u64::MAX >> half_bits >> half_bits;
        Self { len, first: u64::from_le_bytes(first) & mask, last: u64::from_le_bytes(last) & mask }
    }

    fn of(name: &[u8]) -> Self {
        let mut padded = [0; 8];
        match (name.first_chunk(), name.last_chunk()) {
            (Some(first), Some(last)) => Self::new(*first, *last, name.len()),
            _ => {
                padded[..name.len()].copy_from_slice(name);
                Self::new(padded, padded, name.len())
            }
        }
    }

    /// Not keyed: the names in the table are those of the configuration.
    #[inline(always)]
    fn hash(self) -> usize {
        let words = self.first ^ self.last.rotate_left(23) ^ self.len as u64;
        (words.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EVENT_TYPES;
    use proptest::prelude::*;

    #[test]
    fn names_that_differ_in_one_byte_have_different_kinds() {
        let names = [
            "a",
            "b",
            "aa",
            "a\0",
            "\0a",
            "abc",
            "abcd",
            "abcdefgh",
            "abcdefghi",
            "abcd-efgh",
            "abcd+efgh",
            "sixteen bytes -a",
            "sixteen bytes +a",
            "seventeen bytes a",
            "seventeen_bytes a",
            "more than-sixteen",
            "more than a block - of the text",
            "more than a block + of the text",
        ];
        let kinds = Kinds::new(names);
        for (kind, name) in names.iter().enumerate() {
            assert_eq!(kinds.find(name.as_bytes()), Some(kind as u8), "{name}");
        }
        for name in [
            "",
            "\0",
            "A",
            "ab",
            "ac",
            "abcdefg",
            "abcdefgi",
            "abcd efgh",
            "abcd-efg",
            "abcdxefgh",
            "seventeen-bytes a",
        ] {
            assert_eq!(kinds.find(name.as_bytes()), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn the_kind_is_the_index_of_the_name(
            names in prop::collection::btree_set("[ab]{1,20}", 1..=*EVENT_TYPES.end()),
            name in "[ab]{0,20}",
        ) {
            let index = names.iter().position(|other| *other == name);
            prop_assert_eq!(Kinds::new(names).find(name.as_bytes()).map(usize::from), index);
        }

        #[test]
        fn bytes_after_a_short_name_change_nothing(name in "[ab]{0,8}", after in any::<[u8; 16]>()) {
            let text = [name.as_bytes(), &after].concat();
            let starts = Digest::new(*text.first_chunk().unwrap(), *text.first_chunk().unwrap(), name.len());
            prop_assert!(starts == Digest::of(name.as_bytes()));
        }
    }
}
