//! Where a text stops being JSON.

use std::fmt;

/// The text is not JSON by RFC 8259, or it nests deeper than [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The first byte that cannot be part of a valid document: all bytes before it are the beginning of one.
    ///
    /// - The end of the text has the text's length as its offset.
    /// - A bracket that nests too deep is itself the offset.
    /// - An invalid character has the offset of its start: the backslash of a lone surrogate's escape, or the first
    ///   byte of an ill-formed UTF-8 sequence.
    pub offset: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid JSON at byte {}", self.offset)
    }
}

impl std::error::Error for Malformed {}

/// Where a text is malformed, and how many elements of its top-level array are complete before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) malformed: Malformed,
    /// Elements that were read to their last byte; 0 if the top-level value is not an array.
    pub(crate) elements: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_byte() {
        let error: Box<dyn std::error::Error> = Box::new(Malformed { offset: 7 });
        assert_eq!(error.to_string(), "not valid JSON at byte 7");
    }
}
