//! Errors of the input.

use std::fmt;
use std::io;

/// Why the reader stopped before the end of the input.
#[derive(Debug)]
pub(super) enum InputError {
    /// This line does not fit into a request. All lines before it fit.
    LineTooLong { line: u64, bytes_max: usize },
    /// Reading failed after this line.
    Read { line: u64, error: io::Error },
    /// A signal came after this line.
    Interrupted { line: u64 },
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong { line, bytes_max } => write!(
                f,
                "line {line} is longer than {bytes_max} bytes; the lines before it were sent; check that the input is \
                 NDJSON, with one event per line"
            ),
            Self::Read { line, error } => write!(f, "reading failed after line {line}: {error}"),
            Self::Interrupted { line } => write!(f, "interrupted after line {line}; all lines up to it were sent"),
        }
    }
}
