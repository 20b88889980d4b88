//! The errors of the engine as a whole.

use crate::event::format_ms;
use std::fmt;

/// The engine has no capacity for the batch now. No event of the batch was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the engine has no capacity for this batch now; no event of it was accepted")
    }
}

impl std::error::Error for Overloaded {}

/// The window of a query has an end at which it does not lie within the retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOutOfRange {
    /// The first second at which this window may end, in seconds since the Unix epoch.
    pub earliest_secs: i64,
    /// The last second at which it may end: that of the engine's clock.
    pub latest_secs: i64,
}

impl fmt::Display for EndOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [earliest, latest] = [self.earliest_secs, self.latest_secs].map(|secs| format_ms(secs * 1_000));
        write!(f, "the end of this window must be from {earliest} to {latest}, so that the window is in the retention")
    }
}

impl std::error::Error for EndOutOfRange {}

/// An invalid setting. It is displayed as one line that starts with the name of the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    /// The rest of the line after the name of the field, with its punctuation.
    reason: String,
}

impl ConfigError {
    /// `reason` continues a line that starts with the name of the field.
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }

    /// The field of [`EngineConfig`](crate::EngineConfig) that is invalid, such as `retention_secs`.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The same line with another name for the setting, such as its option on a command line.
    #[must_use]
    pub fn display_as(&self, name: &str) -> String {
        format!("{name}{}", self.reason)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display_as(self.field))
    }
}

impl std::error::Error for ConfigError {}
