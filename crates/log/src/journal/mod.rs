//! The log on this machine: a directory with one database file, which holds two topics.
//!
//! A commit is one entry, with an fsync. What was committed survives a crash and a power cut. After an error of the
//! disk the journal takes no more entries, because an fsync that failed cannot be repeated: the operating system may
//! have dropped what it could not write. A restart reads what the disk has.
//!
//! The database is redb, in its own file format. Only `store.rs` knows its tables.

mod core;
mod directory;
mod disk;
mod error;
mod handle;
mod judged;
mod meta;
mod migrate;
mod overlay;
mod pieces;
mod read_only;
mod rewrite;
mod space;
mod store;
mod survey;
mod tail;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use self::core::Core;
use self::directory::Directory;
use self::disk::FileDisk;
use self::overlay::Overlay;
use self::store::Store;
use crate::limits::{JOURNAL_BYTES, JOURNAL_FINGERPRINT_NAMES_MAX};

pub use self::core::{OnCommit, State, Status};
pub use self::disk::Disk;
pub use self::error::{Difference, JournalError};
pub use self::handle::TopicLog;
pub use self::meta::{FORMAT, Meta};
pub use self::migrate::StoppedJournal;
pub use self::read_only::{Entries, ReadOnlyJournal};
pub use self::rewrite::Migration;
pub use self::store::{Span, Topic};
pub use self::survey::{Survey, Table, survey};

/// How a journal is opened.
#[derive(Clone)]
pub struct Settings {
    /// The bound of the live bytes of both topics. Ordinary entries fill 90 % of it. Necessary ones are few, and always
    /// have room: without them, nothing is trimmed.
    pub max_bytes: u64,
    /// Refuses to create a journal. A volume that is not mounted looks like an empty directory.
    pub must_exist: bool,
    /// The settings that the entries depend on, by name. They must be those that the journal was created with, but
    /// event types may be appended. The journal then keeps the longer list.
    pub fingerprint: BTreeMap<String, String>,
    /// The wall clock, in milliseconds since the epoch. A new journal keeps it.
    pub now_ms: i64,
    /// Called with the time of each commit.
    pub on_commit: Option<OnCommit>,
}

/// An open journal. Dropping it closes it without the mark of a clean stop.
pub struct Journal {
    core: Arc<Core>,
    meta: Meta,
    /// The settings that the journal has now.
    fingerprint: BTreeMap<String, String>,
    is_new: bool,
    /// Held until the database is closed.
    directory: Option<Directory>,
}

impl Journal {
    /// Opens the journal in a directory. Creates the directory and the journal if they are missing.
    ///
    /// # Errors
    /// If the directory holds something else, the journal is damaged, in use, of a newer format or of another
    /// configuration, or the disk fails. Nothing that is in the journal is lost.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, JournalError> {
        check(&settings)?;
        let mut directory = Directory::lock(dir, settings.must_exist)?;
        let is_new = !directory.has_journal()?;
        if is_new {
            directory.create_file(|file| create(dir, Arc::new(FileDisk(file)), &settings))?;
        }
        let disk = Arc::new(FileDisk(directory.open_file()?));
        let mut journal = Self::open_disk(dir, disk, settings)?;
        directory.restrict_file()?;
        journal.is_new = is_new;
        journal.directory = Some(directory);
        Ok(journal)
    }

    /// Opens the journal on a disk that is not a file. An empty disk gets a new journal. `name` is for error messages.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(disk: Arc<dyn Disk>, name: &Path, settings: Settings) -> Result<Self, JournalError> {
        check(&settings)?;
        let is_new = disk.len().map_err(|error| JournalError::io("read", name, error))? == 0;
        if is_new {
            create(name, Arc::clone(&disk), &settings)?;
        }
        let mut journal = Self::open_disk(name, disk, settings)?;
        journal.is_new = is_new;
        Ok(journal)
    }

    /// Opens the journal in a directory without changing anything on the disk, also after its process was killed.
    ///
    /// # Errors
    /// If there is no journal, a process has it open, it is damaged, or the disk fails.
    pub fn open_read_only(dir: &Path) -> Result<ReadOnlyJournal, JournalError> {
        ReadOnlyJournal::open(dir)
    }

    fn open_disk(dir: &Path, disk: Arc<dyn Disk>, settings: Settings) -> Result<Self, JournalError> {
        let (overlay, store, meta) = read_only::open_store(dir, &disk)?;
        let differences = meta.differences(&settings.fingerprint);
        if !differences.is_empty() {
            return Err(JournalError::Fingerprint { dir: dir.to_owned(), differences });
        }
        overlay.release().map_err(|error| JournalError::io("repair the journal in", dir, error))?;
        if meta.stopped || meta.fingerprint != settings.fingerprint {
            let opened = store.set_stopped(false, &settings.fingerprint);
            opened.map_err(|error| JournalError::of_database(dir, error))?;
        }
        let core = Core::new(disk, store, settings.max_bytes, settings.on_commit);
        let core = Arc::new(core.map_err(|error| JournalError::of_database(dir, error))?);
        Ok(Self { core, meta, fingerprint: settings.fingerprint, is_new: false, directory: None })
    }

    /// The frames of batches.
    #[must_use]
    pub fn frames(&self) -> TopicLog {
        TopicLog::new(Arc::clone(&self.core), Topic::Frames)
    }

    /// The changes of the reference table.
    #[must_use]
    pub fn reference(&self) -> TopicLog {
        TopicLog::new(Arc::clone(&self.core), Topic::Reference)
    }

    /// What the journal says of itself, as it was when it was opened.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Whether opening created the journal.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the journal takes entries.
    #[must_use]
    pub fn state(&self) -> State {
        self.core.state()
    }

    /// The figures of the journal. This waits for no commit.
    #[must_use]
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// Marks the journal as stopped and closes it. Its handles take no more entries.
    ///
    /// # Errors
    /// If the disk fails, or has failed before. Entries that have a place stay in the journal.
    pub fn stop(self) -> Result<(), JournalError> {
        self.stop_with(&Meta { fingerprint: self.fingerprint.clone(), stopped: true, ..self.meta.clone() })
    }

    /// Closes the journal, which then says of itself what it said before it was opened. For a process that has found a
    /// reason not to use the journal.
    ///
    /// # Errors
    /// As [`Journal::stop`].
    pub fn put_back(self) -> Result<(), JournalError> {
        self.stop_with(&self.meta)
    }

    fn stop_with(&self, meta: &Meta) -> Result<(), JournalError> {
        let dir = self.directory.as_ref().map_or(Path::new("memory"), Directory::path);
        if let State::Failed(why) = self.core.state() {
            return Err(JournalError::Failed { dir: dir.to_owned(), why });
        }
        self.core.stop(meta).map_err(|error| JournalError::of_database(dir, error))
    }
}

/// The database is closed before the lock of the directory is released, also if there are still handles.
impl Drop for Journal {
    fn drop(&mut self) {
        self.core.close();
    }
}

/// Checks the settings before anything on the disk changes.
fn check(settings: &Settings) -> Result<(), JournalError> {
    if !JOURNAL_BYTES.contains(&settings.max_bytes) {
        let (min, max) = JOURNAL_BYTES.into_inner();
        let text = format!("the journal's size limit is {} bytes; give {min} to {max} bytes", settings.max_bytes);
        return Err(JournalError::Setting(text));
    }
    if settings.fingerprint.len() > JOURNAL_FINGERPRINT_NAMES_MAX {
        let text = format!("a fingerprint has at most {JOURNAL_FINGERPRINT_NAMES_MAX} settings; give fewer");
        return Err(JournalError::Setting(text));
    }
    Ok(())
}

fn create(dir: &Path, disk: Arc<dyn Disk>, settings: &Settings) -> Result<(), JournalError> {
    let meta = Meta::new(settings.fingerprint.clone(), settings.now_ms);
    let meta =
        meta.map_err(|error| JournalError::io("make the secret of", dir, std::io::Error::other(error.to_string())))?;
    Store::create(Overlay::released(disk), &meta).map_err(|error| JournalError::of_database(dir, error))
}
