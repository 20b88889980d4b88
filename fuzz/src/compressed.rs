//! Compressed bodies: the decoder agrees with another interface of the same libraries, and keeps within every limit.
//!
//! The input is a byte that chooses the coding and the operation, an offset (two bytes), one more byte, and a text. The
//! text is used as a compressed body, or it is compressed first. In the second case, the body is left whole, cut at the
//! offset, followed by the byte, or changed by the byte at the offset. So most inputs pass the checksums.

use crate::Target;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use http::HeaderValue;
use std::cell::RefCell;
use std::io::{Read, Write};
use weir_server::internals::BodyCoding;
use weir_server::limits::ZSTD_WINDOW_LOG_MAX;
use zstd::stream::raw::{DParameter, Decoder, Operation};

/// Bodies in gzip and zstd.
pub const COMPRESSED: Target = Target { name: "compressed", words: WORDS, check };

const WORDS: &[&[u8]] = &[
    b"\x1f\x8b\x08\x00\0\0\0\0\0\xff",
    b"\x1f\x8b\x08\x1c",
    b"\x1f\x8b\x08\x00\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0",
    b"\x28\xb5\x2f\xfd",
    b"\x28\xb5\x2f\xfd\x00\x68",
    b"\x28\xb5\x2f\xfd\x24\x00\x01\0\0\x99\xe9\xd8\x51",
    b"\x50\x2a\x4d\x18\x04\0\0\0abcd",
    b"{\"event_id\":\"e\"}",
    &[b'x'; 256],
    &[0; 8],
];

/// The largest limit that is tried. Most inputs decode to less.
const CAP_BYTES: usize = 1 << 16;

type Compress = fn(&[u8]) -> Vec<u8>;

/// The decoded body by the library; `None` if the body is corrupt or cut short. A text above the cap may be cut off.
type Oracle = fn(&[u8]) -> Option<Vec<u8>>;

fn check(input: &[u8]) {
    let Some((&[choice, high, low, byte], text)) = input.split_first_chunk() else { return };
    let (name, compress, oracle): (_, Compress, Oracle) =
        if choice & 1 == 0 { ("gzip", gzip, gunzip) } else { ("zstd", zstd, unzstd) };
    let coding = BodyCoding::negotiate(&[HeaderValue::from_static(name)]).expect("the coding is known");
    let mut body = compress(text);
    let offset = usize::from(u16::from_be_bytes([high, low])) % body.len();
    let expected = match choice >> 1 & 7 {
        0 | 1 => {
            body = text.to_vec();
            oracle(text)
        }
        2 | 3 => Some(text.to_vec()),
        4 | 5 => {
            body.truncate(offset);
            None
        }
        6 => {
            body.push(byte);
            None
        }
        _ => {
            body[offset] ^= byte;
            oracle(&body)
        }
    };
    // A body that was compressed here and not changed has no such block, even if it is cut or has a trailer.
    let is_ambiguous = name == "zstd" && matches!(choice >> 1 & 7, 0 | 1 | 7) && may_have_an_empty_block(&body);
    if is_ambiguous {
        assert_bounded(coding, &body);
    } else {
        assert_decodes(coding, &body, expected.as_deref());
    }
}

/// Under every limit, the result is the text, an error if the text is larger, or an error if the body is malformed.
fn assert_decodes(coding: BodyCoding, body: &[u8], expected: Option<&[u8]>) {
    let len = expected.map_or(0, <[u8]>::len);
    for max_bytes in [CAP_BYTES, len, len.saturating_sub(1)] {
        let max_bytes = max_bytes.min(CAP_BYTES);
        match (coding.decode(body.to_vec(), max_bytes), expected) {
            (Ok(decoded), Some(text)) => assert!(decoded == text && len <= max_bytes, "{len} bytes within {max_bytes}"),
            (Err("payload_too_large"), Some(_)) => assert!(len > max_bytes, "{len} bytes within {max_bytes}"),
            // The output may exceed the limit before the corrupt byte is reached.
            (Err("malformed_encoding" | "payload_too_large"), None) => {}
            (decoded, _) => panic!("{decoded:?} instead of {expected:?} within {max_bytes}"),
        }
    }
}

/// For any body, no output exceeds its limit.
fn assert_bounded(coding: BodyCoding, body: &[u8]) {
    for max_bytes in [CAP_BYTES, 1, 0] {
        let decoded = coding.decode(body.to_vec(), max_bytes);
        assert!(decoded.is_err() || decoded.is_ok_and(|decoded| decoded.len() <= max_bytes), "more than {max_bytes}");
    }
}

/// Whether a zstd body may have an invalid empty block. The library decides in one way about such a frame as a whole,
/// and in another way piece by piece. There are two kinds (RFC 8878, 3.1.1): a compressed block that is too short for
/// the header of its literals, and an empty block before the announced size is reached.
fn may_have_an_empty_block(body: &[u8]) -> bool {
    body.windows(3).any(|header| matches!(header, [0..8, 0, 0]))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("a write to memory does not fail");
    encoder.finish().expect("a write to memory does not fail")
}

fn gunzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut decoder = MultiGzDecoder::new(body).take(CAP_BYTES as u64 + 1);
    decoder.read_to_end(&mut text).ok().filter(|_| !body.is_empty()).map(|_| text)
}

fn zstd(text: &[u8]) -> Vec<u8> {
    thread_local! {
        static COMPRESSOR: RefCell<zstd::bulk::Compressor<'static>> =
            RefCell::new(zstd::bulk::Compressor::new(1).expect("the level is one of zstd's"));
    }
    COMPRESSOR.with(|compressor| compressor.borrow_mut().compress(text).expect("the buffer is large enough"))
}

/// Decodes the frames one byte at a time.
fn unzstd(body: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new().ok()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).ok()?;
    let (mut text, mut buffer, mut is_whole) = (Vec::new(), [0; 4_096], false);
    for byte in body {
        let mut rest = std::slice::from_ref(byte);
        loop {
            let status = decoder.run_on_buffers(rest, &mut buffer).ok()?;
            rest = &rest[status.bytes_read..];
            text.extend_from_slice(&buffer[..status.bytes_written]);
            is_whole = status.remaining == 0;
            if text.len() > CAP_BYTES {
                return Some(text);
            }
            if rest.is_empty() && (is_whole || status.bytes_written < buffer.len()) {
                break;
            }
        }
    }
    is_whole.then_some(text)
}
