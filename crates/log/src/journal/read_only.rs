//! Reading a journal that must not change: for tools.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir::EngineConfig;

use super::directory::Directory;
use super::disk::{Disk, FileDisk, prepare};
use super::error::JournalError;
use super::meta::{FORMAT, Meta};
use super::overlay::Overlay;
use super::store::{Span, Store, Topic};
use crate::fingerprint;
use crate::topic::{Entry, Place};

/// A journal that is only read. Nothing on the disk changes.
pub struct ReadOnlyJournal {
    store: Store,
    meta: Meta,
    frames: Span,
    reference: Span,
    file_bytes: u64,
    // Dropped after the database.
    directory: Directory,
}

impl ReadOnlyJournal {
    /// # Errors
    /// As [`Journal::open_read_only`](super::Journal::open_read_only).
    pub(super) fn open(dir: &Path) -> Result<Self, JournalError> {
        Self::open_in(Directory::lock_shared(dir)?)
    }

    /// Opens the journal of a directory that is locked.
    ///
    /// # Errors
    /// As [`Journal::open_read_only`](super::Journal::open_read_only), but for the lock.
    pub(super) fn open_in(mut directory: Directory) -> Result<Self, JournalError> {
        let disk: Arc<dyn Disk> = Arc::new(FileDisk(directory.open_file_read_only()?));
        let dir = directory.path();
        let file_bytes = disk.used_bytes().map_err(|error| JournalError::io("read", dir, error))?;
        let (_, store, meta) = open_store(dir, &disk)?;
        let of_database = |error| JournalError::of_database(dir, error);
        let frames = store.span(Topic::Frames).map_err(of_database)?;
        let reference = store.span(Topic::Reference).map_err(of_database)?;
        Ok(Self { store, meta, frames, reference, file_bytes, directory })
    }

    /// What the journal says of itself.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The settings of the engine that the journal belongs to. What a fingerprint does not say has its default.
    ///
    /// # Errors
    /// If the fingerprint says no valid settings.
    pub fn config(&self) -> Result<EngineConfig, JournalError> {
        fingerprint::config(&self.meta.fingerprint).map_err(|error| self.damaged(error.to_string()))
    }

    /// The directory of the journal, which this process has locked.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The error of a journal whose entries are not what was written.
    pub(super) fn damaged(&self, detail: impl Into<String>) -> JournalError {
        JournalError::Damaged { dir: self.directory.path().to_owned(), detail: detail.into() }
    }

    /// The places and the live bytes of a topic.
    #[must_use]
    pub fn span(&self, topic: Topic) -> Span {
        match topic {
            Topic::Frames => self.frames,
            Topic::Reference => self.reference,
        }
    }

    /// The bytes that the file takes on the disk.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The entries of a topic, in their order.
    #[must_use]
    pub fn entries(&self, topic: Topic) -> Entries<'_> {
        let span = self.span(topic);
        Entries {
            store: &self.store,
            dir: self.directory.path(),
            topic,
            next: span.first,
            last: span.last,
            read: Vec::new(),
        }
    }

    /// Reads every entry. Opening has compared each page with its checksum; this checks that no entry is missing.
    ///
    /// # Errors
    /// If an entry is missing, or the disk fails.
    pub fn verify(&self) -> Result<(), JournalError> {
        [Topic::Frames, Topic::Reference]
            .into_iter()
            .flat_map(|topic| self.entries(topic))
            .try_for_each(|entry| entry.map(|_| ()))
    }
}

/// The entries of a topic of a [`ReadOnlyJournal`].
pub struct Entries<'a> {
    store: &'a Store,
    dir: &'a Path,
    topic: Topic,
    next: Place,
    last: Place,
    /// What was read and not yet taken, last first.
    read: Vec<Entry>,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next > self.last {
            return None;
        }
        if self.read.is_empty() {
            match self.store.read(self.topic, self.next) {
                Ok(read) => self.read = read.into_iter().rev().collect(),
                Err(error) => return Some(Err(self.end(|dir| JournalError::of_database(dir, error)))),
            }
        }
        match self.read.pop() {
            Some(entry) if entry.place == self.next => {
                self.next = Place(self.next.0 + 1);
                Some(Ok(entry))
            }
            _ => {
                let detail = format!("place {} is missing", self.next.0);
                Some(Err(self.end(|dir| JournalError::Damaged { dir: PathBuf::from(dir), detail })))
            }
        }
    }
}

impl Entries<'_> {
    /// Nothing comes after an error.
    fn end(&mut self, error: impl FnOnce(&Path) -> JournalError) -> JournalError {
        self.next = Place(self.last.0 + 1);
        error(self.dir)
    }
}

/// Opens the database of a journal, and reads what the journal says of itself. `dir` is for error messages. Nothing on
/// the disk changes before the writes of the overlay are released.
///
/// # Errors
/// If the disk fails, or has no journal, a damaged one, or one of a newer format.
pub(super) fn open_store(dir: &Path, disk: &Arc<dyn Disk>) -> Result<(Overlay, Store, Meta), JournalError> {
    let of_database = |error| JournalError::of_database(dir, error);
    let io = |error| JournalError::io("read", dir, error);
    prepare(&**disk).map_err(io)?;
    if disk.used_bytes().map_err(io)? == 0 {
        return Err(JournalError::Damaged { dir: dir.to_owned(), detail: "the file is empty".to_owned() });
    }
    let overlay = Overlay::new(Arc::clone(disk)).map_err(io)?;
    let store = Store::open(overlay.clone()).map_err(of_database)?;
    let format = store.format().map_err(of_database)?;
    if format > FORMAT {
        return Err(JournalError::NewerFormat { dir: dir.to_owned(), found: format, known: FORMAT });
    }
    let meta = store.meta().map_err(of_database)?;
    Ok((overlay, store, meta))
}
