//! Splits the input into lines.

use crate::client::send::batch_queue::BatchQueue;
use crate::client::send::input_error::InputError;
use std::io::{BufRead, Read as _};

/// Some editors start a file with a byte order mark. The server would reject it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Puts every line that is not blank into the queue, and closes the queue.
pub(super) fn read(input: impl BufRead, queue: &BatchQueue) {
    queue.close(push_lines(input, queue));
}

fn push_lines(mut input: impl BufRead, queue: &BatchQueue) -> Result<(), InputError> {
    let bytes_max = queue.limits().line_bytes - 1;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        // One more byte than fits. The last byte is the line feed, or the line is too long.
        let mut rest = input.by_ref().take(bytes_max as u64 + 1);
        match rest.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(InputError::Read { line: number - 1, error }),
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > bytes_max {
            return Err(InputError::LineTooLong { line: number, bytes_max });
        }
        let line = match number {
            1 => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line),
            _ => &line,
        };
        if !is_blank(line) {
            queue.push(number, line);
        }
    }
    Ok(())
}

/// The server skips blank lines, and does not count them.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::send::batch_queue::{BatchLimits, Next};
    use std::io;
    use std::time::Duration;

    /// The bytes and the line numbers of all batches, if a request can have 8 bytes.
    fn read_all(input: impl BufRead + Send) -> (Vec<u8>, Vec<u64>, Result<(), String>) {
        let queue = BatchQueue::new(BatchLimits { events: 100, bytes: 8, line_bytes: 8, linger: Duration::MAX });
        std::thread::scope(|scope| {
            scope.spawn(|| read(input, &queue));
            let (mut bytes, mut numbers) = (vec![], vec![]);
            loop {
                match queue.next() {
                    Next::Batch(batch) => {
                        assert!(batch.bytes().len() <= 8);
                        bytes.extend_from_slice(batch.bytes());
                        numbers.extend((0..batch.len()).filter_map(|index| batch.line_number(index)));
                    }
                    Next::End(end) => return (bytes, numbers, end.map_err(|error| error.to_string())),
                }
            }
        })
    }

    #[test]
    fn all_lines_are_counted_and_blank_lines_are_skipped() {
        let (bytes, numbers, end) = read_all(&b"a\r\n\n \t\r\nb\n\nc"[..]);
        assert_eq!((bytes.as_slice(), numbers.as_slice(), end), (&b"a\r\nb\nc\n"[..], &[1, 4, 6][..], Ok(())));
        assert_eq!(read_all(&b""[..]), (vec![], vec![], Ok(())));
        assert_eq!(read_all(&b"\xef\xbb\xbfa\n\xef\xbb\xbf"[..]).0, b"a\n\xef\xbb\xbf\n");
    }

    #[test]
    fn the_error_names_a_line_that_is_too_long_and_the_lines_before_it_are_sent() {
        assert_eq!(read_all(&b"1234567\nb"[..]).2, Ok(()));
        for input in [&b"a\n\n12345678"[..], b"a\n\n12345678\nb\n", b"a\n\n1234567890123456789\n"] {
            let (bytes, _, end) = read_all(input);
            let error = end.unwrap_err();
            assert!(bytes == b"a\n" && error.starts_with("line 3 is longer than 7 bytes"), "{error}");
        }
    }

    #[test]
    fn a_read_error_names_the_last_line() {
        struct FailingRead;
        impl io::Read for FailingRead {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("no more"))
            }
        }
        let (bytes, _, end) = read_all(io::BufReader::new(io::Read::chain(&b"a\nb\n"[..], FailingRead)));
        assert_eq!(
            (bytes.as_slice(), end.unwrap_err().as_str()),
            (&b"a\nb\n"[..], "reading failed after line 2: no more")
        );
    }
}
