//! Bytes into lines.

use crate::client::send::handover::Handover;
use std::fmt;
use std::io::{self, BufRead, Read as _};

/// Why no more lines are read.
#[derive(Debug)]
pub(super) enum Stop {
    /// A line does not fit into a request; all before it did.
    TooLong { line: u64, bytes_max: usize },
    /// The input broke after this line.
    Broken { line: u64, error: io::Error },
    /// Somebody wants it to end, after this line.
    Interrupted { line: u64 },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { line, bytes_max } => write!(
                f,
                "line {line} is longer than {bytes_max} bytes; the lines before it were sent. Is it NDJSON, one event a line? \
                 --batch-bytes allows more"
            ),
            Self::Broken { line, error } => write!(f, "cannot read on after line {line}: {error}"),
            Self::Interrupted { line } => write!(f, "interrupted after line {line}; all up to it were sent"),
        }
    }
}

/// Some editors begin a file with it; to the server it is no JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Hands over every line that is not blank, and at last why there are no more.
pub(super) fn read(input: impl BufRead, handover: &Handover) {
    handover.finish(lines(input, handover));
}

fn lines(mut input: impl BufRead, handover: &Handover) -> Result<(), Stop> {
    let bytes_max = handover.bounds().bytes - 1;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        // One byte more than fits tells a line that is too long, and is its line feed otherwise.
        let mut rest = input.by_ref().take(bytes_max as u64 + 1);
        match rest.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(Stop::Broken { line: number - 1, error }),
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > bytes_max {
            return Err(Stop::TooLong { line: number, bytes_max });
        }
        let line = match number {
            1 => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line),
            _ => &line,
        };
        if !is_blank(line) {
            handover.put(number, line);
        }
    }
    Ok(())
}

/// The server skips such lines, and does not count them.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::send::handover::{Bounds, Taken};
    use std::time::Duration;

    /// What comes of an input where a request may have 8 bytes.
    fn read_all(input: impl BufRead + Send) -> (Vec<u8>, Vec<u64>, Result<(), String>) {
        let handover = Handover::new(Bounds { events: 100, bytes: 8, linger: Duration::MAX });
        std::thread::scope(|scope| {
            scope.spawn(|| read(input, &handover));
            let (mut bytes, mut numbers) = (vec![], vec![]);
            loop {
                match handover.take() {
                    Taken::Batch(batch) => {
                        assert!(batch.bytes().len() <= 8);
                        bytes.extend_from_slice(batch.bytes());
                        numbers.extend((0..batch.len()).filter_map(|index| batch.line_number(index)));
                    }
                    Taken::End(end) => return (bytes, numbers, end.map_err(|stop| stop.to_string())),
                }
            }
        })
    }

    #[test]
    fn lines_are_counted_and_blank_ones_are_left_out() {
        let (bytes, numbers, end) = read_all(&b"a\r\n\n \t\r\nb\n\nc"[..]);
        assert_eq!((bytes.as_slice(), numbers.as_slice(), end), (&b"a\r\nb\nc\n"[..], &[1, 4, 6][..], Ok(())));
        assert_eq!(read_all(&b""[..]), (vec![], vec![], Ok(())));
        assert_eq!(read_all(&b"\xef\xbb\xbfa\n\xef\xbb\xbf"[..]).0, b"a\n\xef\xbb\xbf\n");
    }

    #[test]
    fn a_line_that_is_too_long_is_named_and_those_before_it_are_sent() {
        assert_eq!(read_all(&b"1234567\nb"[..]).2, Ok(()));
        for input in [&b"a\n\n12345678"[..], b"a\n\n12345678\nb\n", b"a\n\n1234567890123456789\n"] {
            let (bytes, _, end) = read_all(input);
            let error = end.unwrap_err();
            assert!(bytes == b"a\n" && error.starts_with("line 3 is longer than 7 bytes"), "{error}");
        }
    }

    #[test]
    fn an_input_that_breaks_is_told_with_the_last_line() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("no more"))
            }
        }
        let (bytes, _, end) = read_all(io::BufReader::new(io::Read::chain(&b"a\nb\n"[..], Broken)));
        assert_eq!(
            (bytes.as_slice(), end.unwrap_err().as_str()),
            (&b"a\nb\n"[..], "cannot read on after line 2: no more")
        );
    }
}
