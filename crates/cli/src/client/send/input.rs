//! The input: a file or a pipe, plain or compressed.

use crate::client::Source;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};

/// The text of the events.
pub(super) type Input = Box<dyn BufRead + Send>;

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

/// The decompressed text. The first bytes of gzip and zstd are not the start of any JSON.
pub(super) fn decompressed(mut bytes: impl Read + Send + 'static) -> io::Result<Input> {
    let mut head = Vec::new();
    bytes.by_ref().take(2).read_to_end(&mut head)?;
    let format = head.clone();
    let bytes = BufReader::new(Cursor::new(head).chain(bytes));
    Ok(match format.as_slice() {
        // RFC 1952, 2.3.1.
        [0x1f, 0x8b] => Box::new(BufReader::new(MultiGzDecoder::new(bytes))),
        // RFC 8878, 3.1.1.
        [0x28, 0xb5] => Box::new(BufReader::new(zstd::Decoder::with_buffer(bytes)?)),
        _ => Box::new(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn text(bytes: &[u8]) -> String {
        let mut text = String::new();
        decompressed(Cursor::new(bytes.to_vec())).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(vec![], Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_text_is_not_changed() {
        for plain in ["", "{", "{}", "{}\n[]\n"] {
            assert_eq!(text(plain.as_bytes()), plain);
        }
    }

    #[test]
    fn compression_is_detected_from_the_first_bytes() {
        assert_eq!(text(&gzip("{}\n{}")), "{}\n{}");
        assert_eq!(text(&[gzip("a\n"), gzip("b\n")].concat()), "a\nb\n");
        let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(text(&zstd("{}\n{}")), "{}\n{}");
        assert_eq!(text(&[zstd("a\n"), zstd("b\n")].concat()), "a\nb\n");
    }

    #[test]
    fn a_directory_and_a_missing_file_are_errors() {
        for path in ["/", "/nowhere"] {
            assert!(open(&Source::File(path.into())).is_err(), "{path}");
        }
    }
}
