//! `Content-Encoding`: compressed bodies.
//!
//! Own negotiation: the crate headers does not find `GZIP` in a list, and cannot tell `gzip, gzip` from `gzip`.

use crate::http::header;
use crate::limits;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use flate2::bufread::GzDecoder;
use std::io::{self, Read};

/// The content coding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    /// Not compressed.
    Identity,
    /// RFC 1952, with one member or several.
    Gzip,
    /// RFC 8878, with any number of frames. The window is at most that of RFC 9659.
    Zstd,
}

/// The coding of a body is not one of [`ACCEPTED_CODINGS`](weir_api::headers::ACCEPTED_CODINGS), or the body was coded
/// more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnsupportedEncoding;

/// Why a body could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecompressError {
    /// It is corrupt or cut short, or other bytes follow it.
    Malformed,
    /// It is a zstd frame with a larger window than 2^[`limits::ZSTD_WINDOW_LOG_MAX`] bytes.
    WindowTooLarge,
    /// It is larger than the limit.
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
}

impl ContentEncoding {
    /// The coding of a request's body. A body that was coded twice is not supported.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Result<Self, UnsupportedEncoding> {
        // Almost no body is coded.
        if !headers.contains_key(CONTENT_ENCODING) {
            return Ok(Self::Identity);
        }
        if headers.get_all(CONTENT_ENCODING).iter().any(|value| value.to_str().is_err()) {
            return Err(UnsupportedEncoding);
        }
        let mut codings = header::members(headers, &CONTENT_ENCODING);
        match (codings.next().map(str::to_ascii_lowercase).as_deref(), codings.next()) {
            (None | Some("identity"), None) => Ok(Self::Identity),
            (Some("gzip" | "x-gzip"), None) => Ok(Self::Gzip),
            (Some("zstd"), None) => Ok(Self::Zstd),
            _ => Err(UnsupportedEncoding),
        }
    }

    /// The most memory that the decoded body takes in addition to the encoded body.
    pub(crate) fn decoded_bytes_max(self, max_bytes: usize) -> usize {
        if self == Self::Identity { 0 } else { max_bytes }
    }

    /// The decoded body, of at most `max_bytes`. The time is proportional to both lengths.
    pub(crate) fn decode(self, encoded: Vec<u8>, max_bytes: usize) -> Result<Vec<u8>, DecompressError> {
        let decoded = match self {
            Self::Identity if encoded.len() <= max_bytes => return Ok(encoded),
            Self::Identity => return Err(DecompressError::TooLarge { max_bytes }),
            _ if encoded.is_empty() => return Err(DecompressError::Malformed),
            Self::Gzip => gunzip(&encoded, max_bytes),
            Self::Zstd => unzstd(&encoded, max_bytes),
        };
        match decoded {
            Ok(Some(decoded)) => Ok(decoded),
            Ok(None) => Err(DecompressError::TooLarge { max_bytes }),
            Err(error) if is_window_error(&error) => Err(DecompressError::WindowTooLarge),
            Err(_) => Err(DecompressError::Malformed),
        }
    }
}

/// Whether zstd refuses a frame because of its window. The crate passes on only the text of the error.
fn is_window_error(error: &io::Error) -> bool {
    error.to_string() == "Frame requires too much memory for decoding"
}

fn gunzip(encoded: &[u8], max_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let (mut decoded, mut rest) = (Vec::new(), encoded);
    for _ in 0..limits::GZIP_MEMBERS_MAX {
        if !read_up_to(GzDecoder::new(&mut rest), &mut decoded, max_bytes)? {
            return Ok(None);
        }
        if rest.is_empty() {
            return Ok(Some(decoded));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn unzstd(encoded: &[u8], max_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(encoded)?;
    decoder.window_log_max(limits::ZSTD_WINDOW_LOG_MAX)?;
    let mut decoded = Vec::new();
    let fits = read_up_to(decoder, &mut decoded, max_bytes)?;
    Ok(fits.then_some(decoded))
}

/// Appends all output of `decoder` to `decoded`, and returns whether `decoded` stays within `max_bytes`.
fn read_up_to(mut decoder: impl Read, decoded: &mut Vec<u8>, max_bytes: usize) -> io::Result<bool> {
    const FIRST_BYTES: usize = 64 << 10;
    /// A large factor makes few steps. Each step leaves a block behind that the allocator keeps for a while. Capacity
    /// that is not used takes no memory.
    const GROWS_BY: usize = 7;
    // One byte more than allowed distinguishes a body that is too large from a body of exactly the allowed size. For
    // the latter, the decoder then reaches the end of the stream, and checks the checksum there.
    let read_bytes_max = max_bytes + 1;
    while decoded.len() < read_bytes_max {
        if decoded.len() == decoded.capacity() {
            // Never beyond the limit. A vector that grows by itself could exceed it.
            let more_bytes = decoded.len().saturating_mul(GROWS_BY).max(FIRST_BYTES);
            decoded.reserve_exact(more_bytes.min(read_bytes_max - decoded.len()));
        }
        let free_bytes = decoded.capacity().min(read_bytes_max) - decoded.len();
        if decoder.by_ref().take(free_bytes as u64).read_to_end(decoded)? < free_bytes {
            break;
        }
    }
    Ok(decoded.len() <= max_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 3).unwrap()
    }

    type Encode = fn(&[u8]) -> Vec<u8>;

    const CODINGS: [(ContentEncoding, Encode); 2] = [(ContentEncoding::Gzip, gzip), (ContentEncoding::Zstd, zstd)];

    fn negotiate(fields: &[&str]) -> Option<ContentEncoding> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(CONTENT_ENCODING, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        ContentEncoding::negotiate(&headers).ok()
    }

    #[test]
    fn one_known_coding_is_accepted() {
        assert_eq!(negotiate(&[]), Some(ContentEncoding::Identity));
        assert_eq!(negotiate(&[""]), Some(ContentEncoding::Identity));
        assert_eq!(negotiate(&["Identity"]), Some(ContentEncoding::Identity));
        assert_eq!(negotiate(&[" GZIP"]), Some(ContentEncoding::Gzip));
        assert_eq!(negotiate(&["x-gzip"]), Some(ContentEncoding::Gzip));
        assert_eq!(negotiate(&["zstd"]), Some(ContentEncoding::Zstd));
        for fields in [&["br"][..], &["gzip, gzip"], &["gzip", "zstd"], &["identity, gzip"], &["gzip;q=1"], &["é"]] {
            assert_eq!(negotiate(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn an_encoded_text_and_a_sequence_of_them_are_decoded() {
        for (coding, encode) in CODINGS {
            for text in [&b""[..], b"a", &[b'x'; 200_000]] {
                assert_eq!(coding.decode(encode(text), 200_000), Ok(text.to_vec()));
            }
            assert_eq!(coding.decode([encode(b"ab"), encode(b""), encode(b"c")].concat(), 3), Ok(b"abc".to_vec()));
        }
        assert_eq!(ContentEncoding::Identity.decode(vec![], 1), Ok(vec![]));
    }

    #[test]
    fn the_decoded_size_is_bounded() {
        for (coding, encode) in CODINGS {
            let bomb = encode(&[0; 1_000_000]);
            assert_eq!(coding.decode(bomb.clone(), 999_999), Err(DecompressError::TooLarge { max_bytes: 999_999 }));
            let text = coding.decode(bomb, 1_000_000).unwrap();
            assert_eq!(
                (text.len(), text.capacity() <= 1_000_001),
                (1_000_000, true),
                "the capacity stays within the limit"
            );
        }
        assert_eq!(ContentEncoding::Identity.decode(vec![1, 2], 1), Err(DecompressError::TooLarge { max_bytes: 1 }));
    }

    #[test]
    fn a_body_that_is_cut_anywhere_or_has_a_trailer_is_malformed() {
        for (coding, encode) in CODINGS {
            let whole = encode(b"some text that is long enough");
            for len in 0..whole.len() {
                assert_eq!(
                    coding.decode(whole[..len].to_vec(), 100),
                    Err(DecompressError::Malformed),
                    "{coding:?} {len}"
                );
            }
            for trailer in [&b"\0"[..], b"garbage", &whole[..5]] {
                let body = [&whole, trailer].concat();
                assert_eq!(coding.decode(body, 100), Err(DecompressError::Malformed), "{coding:?} {trailer:?}");
            }
            assert_eq!(coding.decode(b"{\"event_id\":1}".to_vec(), 100), Err(DecompressError::Malformed));
        }
    }

    #[test]
    fn the_number_of_gzip_members_is_bounded() {
        let member = gzip(b"");
        assert_eq!(ContentEncoding::Gzip.decode(member.repeat(limits::GZIP_MEMBERS_MAX), 1), Ok(vec![]));
        assert_eq!(
            ContentEncoding::Gzip.decode(member.repeat(limits::GZIP_MEMBERS_MAX + 1), 1),
            Err(DecompressError::Malformed)
        );
    }

    #[test]
    fn a_checksum_is_also_checked_at_exactly_the_limit() {
        let mut broken = gzip(b"abc");
        let crc = broken.len() - 8;
        broken[crc] ^= 1;
        assert_eq!(ContentEncoding::Gzip.decode(broken, 3), Err(DecompressError::Malformed));
    }

    #[test]
    fn a_zstd_frame_with_an_invalid_empty_last_block_is_malformed() {
        const COMPRESSED: &[u8] = b"\x28\xb5\x2f\xfd\x24\x00\x05\x00\x00\x99\xe9\xd8\x51";
        const ANNOUNCES_MORE: &[u8] = b"\x28\xb5\x2f\xfd\x24\xe1\x01\x00\x00\x99\xe9\xd8\x51";
        for frame in [COMPRESSED, ANNOUNCES_MORE] {
            let decoded = ContentEncoding::Zstd.decode(frame.to_vec(), 1 << 20);
            assert!(matches!(decoded, Err(DecompressError::Malformed)), "{decoded:?}");
        }
    }

    #[test]
    fn a_zstd_frame_with_a_larger_window_than_allowed_is_rejected_for_its_window() {
        let frame = |window_log| {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(window_log).unwrap();
            encoder.write_all(b"abc").unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(ContentEncoding::Zstd.decode(frame(23), 100), Ok(b"abc".to_vec()));
        assert_eq!(ContentEncoding::Zstd.decode(frame(24), 100), Err(DecompressError::WindowTooLarge));
    }

    #[test]
    fn skippable_zstd_frames_are_skipped_anywhere() {
        let skippable = |kind: u8, content: &[u8]| {
            let length = (content.len() as u32).to_le_bytes();
            [&[kind, 0x2a, 0x4d, 0x18][..], &length, content].concat()
        };
        let body = [skippable(0x50, b"four"), zstd(b"ab"), skippable(0x5f, b""), zstd(b"c"), skippable(0x57, b"x")];
        assert_eq!(ContentEncoding::Zstd.decode(body.concat(), 3), Ok(b"abc".to_vec()));
        let cut = [zstd(b"ab"), skippable(0x50, b"four")].concat();
        let cut = cut[..cut.len() - 1].to_vec();
        assert_eq!(ContentEncoding::Zstd.decode(cut, 3), Err(DecompressError::Malformed));
    }
}
