//! The directory of a journal: its files, their modes, and the lock that keeps other processes away.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::JournalError;

/// The database.
const FILE: &str = "journal.redb";

/// A database that is being created. It gets its final name when it is complete, so a crash leaves no half journal.
const NEW_FILE: &str = "journal.redb.new";

/// The file whose lock belongs to the process that has the journal open.
const LOCK: &str = "lock";

/// What a directory without a journal may hold. A new file system has `lost+found`.
const HARMLESS: [&str; 3] = [NEW_FILE, LOCK, "lost+found"];

/// Only the owner: the journal holds the secret of the hash keys.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// The directory of a journal, locked by this process for as long as the value lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: Option<File>,
    /// The database, locked: the lock file may be removed while the journal is open. Handles of the journal may outlive
    /// this lock.
    database_lock: Option<File>,
}

impl Directory {
    /// Locks the directory for writing. Creates it if it is missing and may be.
    ///
    /// # Errors
    /// If the directory holds something else, is in use, or cannot be created.
    pub(super) fn lock(path: &Path, must_exist: bool) -> Result<Self, JournalError> {
        if !exists(path)? {
            if must_exist {
                return Err(JournalError::Missing { dir: path.to_owned() });
            }
            create_dir(path)?;
        }
        if !has_journal(path)? {
            if must_exist {
                return Err(JournalError::Missing { dir: path.to_owned() });
            }
            refuse_foreign(path)?;
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(path.join(LOCK));
        let lock = lock.map_err(|error| JournalError::io("create the lock file in", path, error))?;
        check_lock(path, lock.try_lock())?;
        Ok(Self { path: path.to_owned(), _lock: Some(lock), database_lock: None })
    }

    /// Locks the directory of an existing journal for reading. Changes nothing on the disk.
    ///
    /// # Errors
    /// If there is no journal, or a process has it open for writing.
    pub(super) fn lock_shared(path: &Path) -> Result<Self, JournalError> {
        if !exists(path)? || !has_journal(path)? {
            return Err(JournalError::Missing { dir: path.to_owned() });
        }
        let lock = match File::open(path.join(LOCK)) {
            Ok(lock) => {
                check_lock(path, lock.try_lock_shared())?;
                Some(lock)
            }
            // A copy without a lock file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(JournalError::io("open the lock file in", path, error)),
        };
        Ok(Self { path: path.to_owned(), _lock: lock, database_lock: None })
    }

    /// The path of the directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory holds a complete journal.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub(super) fn has_journal(&self) -> Result<bool, JournalError> {
        has_journal(&self.path)
    }

    /// Opens the database for writing, and locks it.
    ///
    /// # Errors
    /// If the operating system refuses, or a process has the database open.
    pub(super) fn open_file(&mut self) -> Result<File, JournalError> {
        let path = self.path.join(FILE);
        let open = || {
            let file = OpenOptions::new().read(true).write(true).open(&path);
            file.map_err(|error| JournalError::io("open", &path, error))
        };
        let lock = open()?;
        check_lock(&self.path, lock.try_lock())?;
        self.database_lock = Some(lock);
        open()
    }

    /// Makes the database readable for its owner only. A restored copy may have the default mode.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(super) fn restrict_file(&self) -> Result<(), JournalError> {
        let path = self.path.join(FILE);
        let io = |error| JournalError::io("restrict the permissions of", &path, error);
        if fs::metadata(&path).map_err(io)?.permissions().mode() & 0o777 != FILE_MODE {
            fs::set_permissions(&path, fs::Permissions::from_mode(FILE_MODE)).map_err(io)?;
        }
        Ok(())
    }

    /// Opens the database for reading, and locks it against a process that writes it.
    ///
    /// # Errors
    /// If the operating system refuses, or a process has the database open for writing.
    pub(super) fn open_file_read_only(&mut self) -> Result<File, JournalError> {
        let path = self.path.join(FILE);
        let open = || File::open(&path).map_err(|error| JournalError::io("open", &path, error));
        let lock = open()?;
        check_lock(&self.path, lock.try_lock_shared())?;
        self.database_lock = Some(lock);
        open()
    }

    /// Creates a database: `fill` writes it and syncs it, and then it gets its final name. A database that is there is
    /// replaced at once, and stays if this fails.
    ///
    /// # Errors
    /// If the operating system refuses, or `fill` fails.
    pub(super) fn create_file<T>(&self, fill: impl FnOnce(File) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let path = self.path.join(NEW_FILE);
        let io = |what| move |error| JournalError::io(what, &self.path, error);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("remove a file in")(error)),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(&path);
        let filled = fill(file.map_err(io("create a file in"))?).inspect_err(|_| {
            // It may have filled the disk. The next creation removes it, too.
            let _ = fs::remove_file(&path);
        })?;
        fs::rename(&path, self.path.join(FILE)).map_err(io("rename a file in"))?;
        sync_dir(&self.path)?;
        Ok(filled)
    }
}

/// What the result of a lock means for the journal in `dir`.
fn check_lock(dir: &Path, result: Result<(), TryLockError>) -> Result<(), JournalError> {
    match result {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(JournalError::io("lock", dir, error)),
    }
}

fn exists(path: &Path) -> Result<bool, JournalError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(JournalError::Foreign { dir: path.to_owned(), found: "it is a file".to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(JournalError::io("look at", path, error)),
    }
}

/// Also looks what kind of file it is: the opening of a pipe would wait for its other end.
fn has_journal(path: &Path) -> Result<bool, JournalError> {
    match fs::metadata(path.join(FILE)) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(JournalError::Foreign { dir: path.to_owned(), found: format!("{FILE} is not a regular file") }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(JournalError::io("look into", path, error)),
    }
}

/// Refuses a directory that holds anything which is not the journal's.
fn refuse_foreign(path: &Path) -> Result<(), JournalError> {
    let io = |error| JournalError::io("list", path, error);
    for entry in fs::read_dir(path).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if !HARMLESS.iter().any(|harmless| name == *harmless) {
            return Err(JournalError::Foreign {
                dir: path.to_owned(),
                found: format!("it contains {}", name.display()),
            });
        }
    }
    Ok(())
}

/// Creates the directory, but not its parents: a missing parent is more likely a missing volume.
fn create_dir(path: &Path) -> Result<(), JournalError> {
    match DirBuilder::new().mode(DIR_MODE).create(path) {
        // Another process was faster. The lock decides.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(JournalError::io("create the directory", path, error));
        }
        _ => {}
    }
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_dir(Path::new(".")),
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Makes the names in a directory durable.
fn sync_dir(path: &Path) -> Result<(), JournalError> {
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    synced.map_err(|error| JournalError::io("sync the directory", path, error))
}
