//! The errors of the engine as a whole.

use std::fmt;

/// The engine has no room for the batch; nothing of it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room for the batch at the moment; nothing of it was taken")
    }
}

impl std::error::Error for Overloaded {}

/// A setting that is out of its range; displays as one line that names its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    /// What follows the name of the field in the line, punctuation included.
    reason: String,
}

impl ConfigError {
    /// `reason` continues a line that starts with the name of the field.
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }

    /// The field of [`EngineConfig`](crate::EngineConfig) that is wrong, such as `retention_secs`.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The same line with another name for the setting, such as the one that it has on a command line.
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
