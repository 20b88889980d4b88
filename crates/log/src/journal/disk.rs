//! Where the bytes of a journal are: a file, or what a test puts in its place.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use redb::StorageBackend;

/// Where the bytes of a journal are. The journal uses a file. A test can use memory, and cut the power.
pub trait Disk: StorageBackend {
    /// Free bytes for a process without privileges.
    ///
    /// # Errors
    /// If the disk does not answer.
    fn free_bytes(&self) -> io::Result<u64>;

    /// The bytes that the disk holds for the journal. A file may have holes, which nothing was written to yet.
    ///
    /// # Errors
    /// If the disk does not answer.
    fn used_bytes(&self) -> io::Result<u64>;

    /// Makes later reads come from the disk itself, not from the operating system's copies in memory. After an fsync
    /// that failed, such a copy may be newer than the disk, and nothing will ever write it.
    ///
    /// # Errors
    /// If the operating system refuses.
    fn drop_cached_pages(&self) -> io::Result<()>;
}

/// The unit of a file's blocks (POSIX, `st_blocks` on every system that Rust knows).
const BLOCK_BYTES: u64 = 512;

/// A file as a disk. Another lock keeps other processes away, so it takes none of its own.
#[derive(Debug)]
pub(super) struct FileDisk(pub(super) File);

impl StorageBackend for FileDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

impl Disk for FileDisk {
    fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::fstatvfs(&self.0)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn used_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.blocks() * BLOCK_BYTES)
    }

    fn drop_cached_pages(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }
}

/// The byte of redb's file that holds its flags (docs/design.md of redb, "god byte").
const FLAGS_OFFSET: u64 = 9;

/// The flag that is set while a process has the file open for writing.
const FLAG_RECOVERY_REQUIRED: u8 = 0b10;

/// Prepares a disk for its first read: after an end that was not clean, copies in memory are dropped. A copy that is
/// still to be written stays, and is on the disk before the journal is open, because the database syncs the disk by
/// then.
///
/// # Errors
/// If the disk fails.
pub(super) fn prepare(disk: &dyn Disk) -> io::Result<()> {
    let mut flags = [FLAG_RECOVERY_REQUIRED];
    if disk.len()? > FLAGS_OFFSET {
        disk.read(FLAGS_OFFSET, &mut flags)?;
    }
    if flags[0] & FLAG_RECOVERY_REQUIRED != 0 {
        disk.drop_cached_pages()?;
    }
    Ok(())
}
