//! Why a journal cannot be opened, read or stopped. Each error is one line that says what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be opened, read or stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// The directory is there, but holds no journal.
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// What was found instead of a journal.
        found: String,
    },
    /// There is no journal, and none may be created.
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has the journal open.
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The journal is not what was written.
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A newer version of weir wrote the journal.
    NewerFormat {
        /// The directory.
        dir: PathBuf,
        /// The format of the journal.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The journal belongs to another configuration.
    Fingerprint {
        /// The directory.
        dir: PathBuf,
        /// Each setting that differs: its name, its value in the journal, its value in the configuration.
        differences: Vec<Difference>,
    },
    /// The disk failed while the journal was open, so there is no clean stop.
    Failed {
        /// The directory.
        dir: PathBuf,
        /// The error of the disk.
        why: String,
    },
    /// The journal cannot be carried over to other settings.
    NotMigrated {
        /// The directory.
        dir: PathBuf,
        /// The reason, and what to do next.
        why: String,
    },
    /// A setting of the journal itself is out of range.
    Setting(String),
    /// The operating system refused something.
    Io {
        /// What was tried, and on which path.
        what: String,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// A setting whose value in the journal is not the one of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The name of the setting.
    pub name: String,
    /// The value in the journal.
    pub journal: Option<String>,
    /// The value in the configuration.
    pub configured: Option<String>,
}

impl JournalError {
    /// An error of the operating system, with what was tried.
    pub(super) fn io(what: &str, path: &Path, source: io::Error) -> Self {
        Self::Io { what: format!("cannot {what} {}", path.display()), source }
    }

    /// What an error of the database means for the journal in `dir`.
    pub(super) fn of_database(dir: &Path, error: impl Into<redb::Error>) -> Self {
        let dir = dir.to_owned();
        let detail = |text: String| text.replace('\n', " ");
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { dir },
            redb::Error::PreviousIo => {
                Self::io("read or write the journal in", &dir, io::Error::other("the disk failed before"))
            }
            redb::Error::Io(source)
                if !matches!(source.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) =>
            {
                Self::io("read or write the journal in", &dir, source)
            }
            redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. } => {
                Self::Foreign { dir, found: "it is a database of another program".to_owned() }
            }
            other => Self::Damaged { dir, detail: detail(other.to_string()) },
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { dir, found } => write!(
                f,
                "{} holds no journal ({found}); name an empty directory, or the directory of a journal",
                dir.display()
            ),
            Self::Missing { dir } => write!(
                f,
                "{} holds no journal; check the path and that its volume is mounted, or allow a new journal",
                dir.display()
            ),
            Self::InUse { dir } => write!(
                f,
                "another process has the journal in {} open; stop that process, or name another directory",
                dir.display()
            ),
            Self::Damaged { dir, detail } => write!(
                f,
                "the journal in {} is damaged ({detail}); restore a copy of the directory, or name an empty directory",
                dir.display()
            ),
            Self::NewerFormat { dir, found, known } => write!(
                f,
                "the journal in {} has format {found}, and this version knows up to {known}; use a newer weir",
                dir.display()
            ),
            Self::Fingerprint { dir, differences } => {
                write!(f, "the journal in {} belongs to another configuration: ", dir.display())?;
                for (index, difference) in differences.iter().enumerate() {
                    write!(f, "{}{difference}", if index == 0 { "" } else { ", " })?;
                }
                write!(f, "; use the settings of the journal, or name an empty directory")
            }
            Self::Failed { dir, why } => write!(
                f,
                "the journal in {} failed ({why}); entries with a place are on the disk; check it and start again",
                dir.display()
            ),
            Self::NotMigrated { dir, why } => write!(f, "the journal in {} cannot be migrated: {why}", dir.display()),
            Self::Setting(text) => f.write_str(text),
            Self::Io { what, source } => write!(f, "{what}: {source}; check the disk, the path and its permissions"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(f, "{} is {} in the journal and {} now", self.name, text(&self.journal), text(&self.configured))
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
