//! Errors of the decoders, with what to do next.

use std::io::{self, ErrorKind, Read};

/// Reads from a decoder, and says what to do about its errors.
pub(super) struct DecoderErrors<R>(pub(super) R);

impl<R: Read> Read for DecoderErrors<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the compressed data ends early; create or copy the file again")
            }
            // The crate zstd has no kind for this error, only this text.
            _ if error.to_string().contains("too much memory") => io::Error::other(
                "the window of the zstd data is too large; decompress it first, with zstd -dc --long=31",
            ),
            _ => error,
        })
    }
}
