//! Numbers as bytes, little-endian or as varints, and back. Reading checks everything and never panics.

/// Appends a number in groups of seven bits, the lowest first.
pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Appends a signed number, so that a small one takes few bytes whatever its sign is.
pub(crate) fn put_signed(bytes: &mut Vec<u8>, value: i64) {
    put_varint(bytes, (value << 1 ^ value >> 63).cast_unsigned());
}

/// Whether the bytes begin with these four, and end with the CRC-32 of all before it: they are what weir has written,
/// of whatever version.
pub(crate) fn is_sealed(bytes: &[u8], magic: &[u8; 4]) -> bool {
    let content =
        bytes.split_last_chunk().filter(|(content, crc)| crc32fast::hash(content) == u32::from_le_bytes(**crc));
    content.is_some_and(|(content, _)| content.starts_with(magic))
}

/// The part of a message that is not read yet. Every read returns none if the message ends before.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A varint in its shortest form. So each number has one form only.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || (shift > 0 && byte == 0) {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(crate) fn len(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size_come_back() {
        let values = (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1, !(1 << bit)]).chain([0, u64::MAX]);
        for value in values {
            let mut bytes = vec![];
            put_varint(&mut bytes, value);
            put_signed(&mut bytes, value.cast_signed());
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.varint(), reader.signed()), (Some(value), Some(value.cast_signed())));
            assert!(reader.rest().is_empty());
            assert_eq!(Reader::new(&bytes[..bytes.len() - 1]).take(bytes.len()), None);
        }
    }

    #[test]
    fn a_number_has_one_form() {
        for bytes in [&[0x80, 0x00][..], &[0xff; 10], &[0x80; 11], &[0x80], &[]] {
            assert_eq!(Reader::new(bytes).varint(), None, "{bytes:?}");
        }
        let mut greatest = [0xff; 10];
        greatest[9] = 1;
        assert_eq!(Reader::new(&greatest).varint(), Some(u64::MAX));
        greatest[9] = 2;
        assert_eq!(Reader::new(&greatest).varint(), None, "a bit beyond the number");
    }
}
