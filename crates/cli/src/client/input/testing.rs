//! What the tests of inputs share.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

pub(super) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

/// A zstd frame that decoders skip (RFC 8878, 3.1.2).
pub(super) fn skippable(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&b"\x50\x2a\x4d\x18"[..], &length, content].concat()
}
