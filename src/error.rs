//! The errors of the engine as a whole.

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
