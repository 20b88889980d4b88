//! Why a change of the reference table is refused.

use crate::error::Overloaded;
use crate::json::Malformed;
use std::fmt;

/// Why a change of the table was refused. The table in force stays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The body is not JSON.
    Malformed(Malformed),
    /// The body has the wrong structure, or the table would exceed a limit.
    Invalid {
        /// JSON Pointer (RFC 6901) of the first error in document order.
        pointer: String,
        /// What is wrong there.
        detail: String,
    },
    /// `ts` is ahead of the clock by more than the skew.
    TimestampInFuture {
        /// How far `ts` is ahead, in milliseconds.
        ahead_ms: i64,
        /// The skew, in milliseconds.
        max_skew_ms: i64,
    },
    /// A precondition does not hold.
    GenerationMismatch {
        /// The generation in force.
        current: u64,
    },
    /// `ts` is older than that of the table in force, or equal while the content differs.
    Stale {
        /// The `ts` of the table in force, in milliseconds since the Unix epoch.
        current_ts_ms: i64,
        /// The generation in force.
        current: u64,
    },
    /// There is currently not enough memory for the change.
    Overloaded,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(Malformed { offset }) => write!(f, "the body is not valid JSON at byte {offset}"),
            Self::Invalid { detail, .. } => f.write_str(detail),
            Self::TimestampInFuture { ahead_ms, max_skew_ms } => {
                write!(f, "ts is {ahead_ms} ms ahead of the server's clock; at most {max_skew_ms} ms are accepted")
            }
            Self::GenerationMismatch { current } => {
                write!(f, "generation {current} is in force, which the precondition rules out")
            }
            Self::Stale { current, .. } => {
                write!(
                    f,
                    "ts is older than that of generation {current}, which is in force, or equal with other content"
                )
            }
            Self::Overloaded => f.write_str("no room for the change at the moment; the table is as it was"),
        }
    }
}

impl std::error::Error for ReferenceError {}

impl From<Overloaded> for ReferenceError {
    fn from(Overloaded: Overloaded) -> Self {
        Self::Overloaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_sentences() {
        let invalid = ReferenceError::Invalid { pointer: "/ts".into(), detail: "ts is missing".into() };
        let future = ReferenceError::TimestampInFuture { ahead_ms: 5, max_skew_ms: 4 };
        let stale = ReferenceError::Stale { current_ts_ms: 1, current: 7 };
        for (error, text) in [
            (ReferenceError::Malformed(Malformed { offset: 7 }), "the body is not valid JSON at byte 7"),
            (invalid, "ts is missing"),
            (future, "ts is 5 ms ahead of the server's clock; at most 4 ms are accepted"),
            (
                ReferenceError::GenerationMismatch { current: 7 },
                "generation 7 is in force, which the precondition rules out",
            ),
            (ReferenceError::Overloaded, "no room for the change at the moment; the table is as it was"),
            (stale, "ts is older than that of generation 7, which is in force, or equal with other content"),
        ] {
            assert_eq!((&error as &dyn std::error::Error).to_string(), text);
        }
    }
}
