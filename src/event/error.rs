//! Why a body cannot be decoded.

use crate::json::Malformed;
use std::fmt;

/// The body has no verdicts at all: nothing of it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body is not JSON. Never for NDJSON, where each malformed line has its own verdict.
    Malformed(Malformed),
    /// The body has more events than a request may hold. A body that is malformed after that many events gives this
    /// error.
    TooManyEvents {
        /// The largest number of events in a request.
        max: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => write!(f, "the body is {malformed}"),
            Self::TooManyEvents { max } => write!(f, "the body holds more than {max} events"),
        }
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_wrong_with_the_body() {
        let malformed: Box<dyn std::error::Error> = Box::new(DecodeError::Malformed(Malformed { offset: 7 }));
        assert_eq!(malformed.to_string(), "the body is not valid JSON at byte 7");
        assert_eq!(DecodeError::TooManyEvents { max: 3 }.to_string(), "the body holds more than 3 events");
    }
}
