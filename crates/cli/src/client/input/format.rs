//! The format of an input, by its first bytes.

/// The format of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Uncompressed text.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// A format that weir does not read. The text says which it is, and what to do.
    Unsupported(&'static str),
}

/// The number of bytes that determine the format.
pub(super) const HEAD_BYTES: u64 = 6;

const UTF_16: &str = "it is UTF-16, which weir does not read; save it as UTF-8";

impl Format {
    /// The format of an input that begins with these bytes. Plain JSON and CSV begin like no other format.
    ///
    /// A gzip or zstd file that is cut within its first four bytes is still recognized, so that its decoder reports it.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            // RFC 1952, 2.3.1: the only method is 8, and three flags are reserved.
            [0x1f, 0x8b] | [0x1f, 0x8b, 8] => Self::Gzip,
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Self::Gzip,
            [0x1f, 0x8b, ..] => Self::Unsupported("it is a damaged gzip file; create it again"),
            // RFC 8878, 3.1.1 and 3.1.2: a frame, or a frame to skip. All output of pzstd begins with the latter.
            [0x28, 0xb5] | [0x28, 0xb5, 0x2f] | [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Self::Unsupported(
                "it is compressed with xz, which weir does not read; decompress it first, with xz -dc",
            ),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Unsupported(
                "it is compressed with bzip2, which weir does not read; decompress it first, with bzip2 -dc",
            ),
            // A frame, and a frame of the legacy format.
            [0x04, 0x22, 0x4d, 0x18, ..] | [0x02, 0x21, 0x4c, 0x18, ..] => Self::Unsupported(
                "it is compressed with lz4, which weir does not read; decompress it first, with lz4 -dc",
            ),
            // A zip file, and one without entries.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Unsupported(
                "it is a zip archive or a spreadsheet, which weir does not read; extract it, or export it as CSV",
            ),
            // A byte order mark, or ASCII characters, each with a NUL byte.
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Self::Unsupported(UTF_16),
            [first, 0, second, 0, ..] | [0, first, 0, second, ..] if *first != 0 && *second != 0 => {
                Self::Unsupported(UTF_16)
            }
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_plain() {
        for text in [
            "",
            "{",
            "{}",
            "[]\n",
            "{\"user_id\":1}",
            "user_id,plan",
            "\u{feff}{}",
            "(",
            "P*",
            "PK",
            "BZ",
            "\0\0\0\0{}",
        ] {
            assert_eq!(Format::of(text.as_bytes()), Format::Plain, "{text}");
        }
        // The first two bytes are those of a zstd frame.
        assert_eq!(Format::of(b"\x28\xb5\x2f\xfe"), Format::Plain);
        assert_eq!(Format::of(b"P*M\x19"), Format::Plain);
    }

    #[test]
    fn compressed_data_is_recognized_even_if_it_is_cut() {
        for length in 2..=6 {
            assert_eq!(Format::of(&b"\x1f\x8b\x08\x00ab"[..length]), Format::Gzip, "{length}");
            assert_eq!(Format::of(&b"\x28\xb5\x2f\xfdab"[..length]), Format::Zstd, "{length}");
        }
        for first in 0x50..=0x5f {
            assert_eq!(Format::of(&[first, 0x2a, 0x4d, 0x18, 4, 0]), Format::Zstd, "{first}");
        }
    }

    #[test]
    fn unsupported_formats_are_named() {
        for (head, name) in [
            (&b"\xfd7zXZ\0"[..], "xz"),
            (b"BZh91A", "bzip2"),
            (b"\x04\x22\x4d\x18\x64\x40", "lz4"),
            (b"PK\x03\x04\x14\0", "zip"),
            (b"\xff\xfe{\0\"\0", "UTF-16"),
            (b"\xfe\xff\0{\0\"", "UTF-16"),
            (b"{\0\"\0", "UTF-16"),
            (b"\0{\0\"", "UTF-16"),
            (b"\x1f\x8b\x07\0", "gzip"),
            (b"\x1f\x8b\x08\xff", "gzip"),
        ] {
            let format = Format::of(head);
            assert!(matches!(format, Format::Unsupported(text) if text.contains(name)), "{name}: {format:?}");
        }
    }
}
