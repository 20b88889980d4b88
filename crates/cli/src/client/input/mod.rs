//! The input of a command: a file or a pipe, plain or compressed.

mod decoder_errors;
mod format;
mod gzip_members;
#[cfg(test)]
mod testing;

use crate::client::Source;
use crate::limits;
use decoder_errors::DecoderErrors;
use format::{Format, HEAD_BYTES};
use gzip_members::GzipMembers;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};

/// The decompressed text of an input.
pub(super) type Text = Box<dyn BufRead + Send>;

/// The bytes of the source, and their number if it is known.
pub(super) fn open(source: &Source) -> io::Result<(Box<dyn Read + Send>, Option<u64>)> {
    match source {
        Source::Stdin => Ok((Box::new(io::stdin()), None)),
        Source::File(path) => {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let length = metadata.is_file().then_some(metadata.len());
            Ok((Box::new(file), length))
        }
    }
}

/// The decompressed text.
///
/// # Errors
/// The first bytes cannot be read, or they show a format that weir does not read.
pub(super) fn decompressed(bytes: impl Read + Send + 'static) -> io::Result<Text> {
    let (format, bytes) = recognize(BufReader::new(bytes))?;
    let text: Text = match format {
        Format::Plain => return Ok(bytes),
        Format::Gzip => Box::new(BufReader::new(DecoderErrors(GzipMembers::new(bytes)))),
        Format::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(bytes)?;
            decoder.window_log_max(limits::CLIENT_ZSTD_WINDOW_LOG_MAX)?;
            Box::new(BufReader::new(DecoderErrors(decoder)))
        }
        Format::Unsupported(reason) => return Err(unsupported(reason)),
    };
    match recognize(text)? {
        (Format::Plain, text) => Ok(text),
        (Format::Gzip | Format::Zstd, _) => Err(unsupported("it is compressed twice; decompress it once first")),
        (Format::Unsupported(reason), _) => Err(unsupported(reason)),
    }
}

/// The format of an input, and the whole input.
fn recognize(mut bytes: impl BufRead + Send + 'static) -> io::Result<(Format, Text)> {
    let mut head = Vec::new();
    bytes.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok((Format::of(&head), Box::new(Cursor::new(head).chain(bytes))))
}

fn unsupported(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::testing::{gzip, skippable, zstd};
    use super::*;

    fn text(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        decompressed(Cursor::new(bytes.to_vec()))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn plain_text_is_not_changed() {
        for plain in ["", "{", "{}", "{}\n[]\n"] {
            assert_eq!(text(plain.as_bytes()).unwrap(), plain);
        }
    }

    #[test]
    fn compression_is_detected_from_the_first_bytes() {
        assert_eq!(text(&gzip("{}\n{}")).unwrap(), "{}\n{}");
        assert_eq!(text(&[gzip("a\n"), gzip("b\n")].concat()).unwrap(), "a\nb\n");
        assert_eq!(text(&zstd("{}\n{}")).unwrap(), "{}\n{}");
        assert_eq!(text(&[zstd("a\n"), zstd("b\n")].concat()).unwrap(), "a\nb\n");
        assert_eq!(text(&gzip("")).unwrap(), "");
    }

    #[test]
    fn zstd_frames_to_skip_may_be_anywhere() {
        let (a, b, skip) = (zstd("a\n"), zstd("b\n"), skippable(b"size"));
        for (frames, expected) in [
            (vec![&skip, &a], "a\n"),
            (vec![&a, &skip, &b], "a\nb\n"),
            (vec![&a, &b, &skip], "a\nb\n"),
            (vec![&skip, &a, &skip, &skip, &b, &skip], "a\nb\n"),
            (vec![&skip], ""),
        ] {
            let bytes: Vec<u8> = frames.into_iter().flatten().copied().collect();
            assert_eq!(text(&bytes).unwrap(), expected);
        }
        assert_eq!(text(&[skippable(&[]), skippable(&[0; 300_000]), zstd("a\n")].concat()).unwrap(), "a\n");
    }

    #[test]
    fn compressed_data_that_is_cut_or_followed_by_other_data_is_an_error() {
        for compressed in [gzip("a\n"), zstd("a\n"), [skippable(b"size"), zstd("a\n")].concat()] {
            for length in 2..compressed.len() {
                // The first frame is complete. The rest is cut.
                let is_whole = compressed[0] == 0x50 && (length < 4 || length == 12);
                assert_eq!(text(&compressed[..length]).is_ok(), is_whole, "{length} of {compressed:x?}");
            }
            assert!(text(&[&compressed[..], b"{}\n"].concat()).is_err(), "{compressed:x?}");
        }
        // A pad is allowed after gzip only.
        assert_eq!(text(&[&gzip("a\n")[..], &[0; 9]].concat()).unwrap(), "a\n");
        assert!(text(&[&zstd("a\n")[..], &[0; 9]].concat()).is_err());
    }

    #[test]
    fn other_formats_are_named_even_within_compressed_data() {
        for (bytes, reason) in [
            (b"\xfd7zXZ\0".to_vec(), "it is compressed with xz"),
            (b"\xff\xfe{\0".to_vec(), "it is UTF-16"),
            (zstd("{\0}\0"), "it is UTF-16"),
            (gzip("BZh9"), "it is compressed with bzip2"),
            (zstd("P*M\u{18}"), "it is compressed twice"),
        ] {
            let error = text(&bytes).unwrap_err().to_string();
            assert!(error.starts_with(reason) && error.contains("; "), "{error}");
        }
    }

    #[test]
    fn errors_of_the_decoders_say_what_to_do() {
        for compressed in [gzip("a\n"), zstd("a\n")] {
            for length in 2..compressed.len() {
                let error = text(&compressed[..length]).unwrap_err().to_string();
                assert_eq!(error, "the compressed data ends early; create or copy the file again", "{length}");
            }
        }
        // A frame with a window of 2^(10 + exponent) bytes, and an empty block (RFC 8878, 3.1.1).
        let with_window = |log: u32| {
            let exponent = u8::try_from(log - 10).unwrap();
            text(&[0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3, 1, 0, 0])
        };
        assert_eq!(with_window(limits::CLIENT_ZSTD_WINDOW_LOG_MAX).unwrap(), "");
        let error = with_window(limits::CLIENT_ZSTD_WINDOW_LOG_MAX + 1).unwrap_err().to_string();
        assert!(error.ends_with("; decompress it first, with zstd -dc --long=31"), "{error}");
    }

    #[test]
    fn a_directory_and_a_missing_file_are_errors() {
        for path in ["/", "/nowhere"] {
            assert!(open(&Source::File(path.into())).is_err(), "{path}");
        }
    }
}
