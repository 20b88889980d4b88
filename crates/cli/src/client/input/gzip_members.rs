//! Decompresses gzip members, one after the other.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// The text of gzip members (RFC 1952, 2.2). NUL bytes after a member are skipped: tapes and block devices pad a file
/// with them. gzip, Python and Node skip them, too. Other bytes after a member are an error.
pub(super) struct GzipMembers<R> {
    /// None after the last member.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    pub(super) fn new(bytes: R) -> Self {
        Self { member: Some(GzDecoder::new(bytes)) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let next = byte_after_padding(member.get_mut())?;
            // The member is dropped only after the padding was read: a read can be interrupted, and is then repeated.
            self.member = match (next, self.member.take()) {
                (Some(0x1f), Some(ended)) => Some(GzDecoder::new(ended.into_inner())),
                (Some(_), _) => return Err(invalid("other data follows the gzip data")),
                (None, _) => None,
            };
        }
        Ok(0)
    }
}

/// The first byte that is not NUL. None at the end of the input.
fn byte_after_padding(bytes: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffered = bytes.fill_buf()?;
        if buffered.is_empty() {
            return Ok(None);
        }
        match buffered.iter().position(|&byte| byte != 0) {
            Some(at) => {
                let byte = buffered[at];
                bytes.consume(at);
                return Ok(Some(byte));
            }
            None => {
                let padding = buffered.len();
                bytes.consume(padding);
            }
        }
    }
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::super::testing::gzip;
    use super::*;
    use std::io::BufReader;

    /// Decompresses with a small buffer, so that members and padding end within it and at its end.
    fn text(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        GzipMembers::new(BufReader::with_capacity(5, bytes)).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn padding_may_follow_each_member() {
        let (a, b) = (gzip("a\n"), gzip("b\n"));
        for (bytes, expected) in [
            (a.clone(), "a\n"),
            ([&a[..], &b].concat(), "a\nb\n"),
            ([&a[..], b"\0"].concat(), "a\n"),
            ([&a[..], &[0; 512], &b, &[0; 7], &a].concat(), "a\nb\na\n"),
        ] {
            assert_eq!(text(&bytes).unwrap(), expected);
        }
    }

    #[test]
    fn other_bytes_after_a_member_are_an_error() {
        let a = gzip("a\n");
        for rest in [&b"x"[..], b"\0\0x", b"\n"] {
            let error = text(&[&a[..], rest].concat()).unwrap_err().to_string();
            assert_eq!(error, "other data follows the gzip data", "{rest:?}");
        }
        for rest in [&b"\x1f"[..], b"\x1f\x8b", b"\0\x1fx"] {
            assert!(text(&[&a[..], rest].concat()).is_err(), "{rest:?}");
        }
    }

    #[test]
    fn a_member_that_is_cut_is_an_error() {
        let bytes = [gzip("a\n"), gzip("b\n")].concat();
        let member_ends = [bytes.len() / 2, bytes.len()];
        for length in 1..=bytes.len() {
            assert_eq!(text(&bytes[..length]).is_ok(), member_ends.contains(&length), "{length}");
        }
    }

    #[test]
    fn an_interrupted_read_of_the_padding_is_repeated() {
        /// Each read is first interrupted.
        struct Interrupted<'a>(&'a [u8], bool);
        impl Read for Interrupted<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(buffer) }
            }
        }
        let bytes = [&gzip("a\n")[..], &[0; 9], &gzip("b\n")].concat();
        let mut text = String::new();
        let bytes = BufReader::with_capacity(1, Interrupted(&bytes, false));
        GzipMembers::new(bytes).read_to_string(&mut text).unwrap();
        assert_eq!(text, "a\nb\n");
    }
}
