//! A disk in memory whose power can be cut.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;
use weir_log::journal::{Disk, Journal, JournalError, Settings};

use crate::helpers::Random;

/// What a disk writes at once or not at all.
const SECTOR: u64 = 512;

/// What a file system gives a file at once.
const PAGE: u64 = 4096;

/// A disk in memory. A clone is another handle of the same disk.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// What survives a power cut.
    durable: Vec<u8>,
    /// What a reader sees: the copies of the operating system.
    cached: Vec<u8>,
    /// What was written since the last sync.
    unsynced: Vec<Unsynced>,
    /// The pages that were ever written. The others are holes.
    written_pages: BTreeSet<u64>,
    /// How many more changes the disk makes before it is off.
    changes_left: u64,
    /// After how many more syncs a sync fails.
    syncs_left: u64,
    /// How long the file may be.
    capacity: u64,
    free_bytes: u64,
    /// How often the cached pages were dropped.
    drops: u32,
}

#[derive(Debug)]
enum Unsynced {
    Bytes(u64, Vec<u8>),
    Len(u64),
}

impl SimDisk {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            durable: Vec::new(),
            cached: Vec::new(),
            unsynced: Vec::new(),
            written_pages: BTreeSet::new(),
            changes_left: u64::MAX,
            syncs_left: u64::MAX,
            capacity: u64::MAX,
            free_bytes: u64::MAX / 2,
            drops: 0,
        })))
    }

    /// Opens the journal on the disk.
    pub(crate) fn open(&self, settings: Settings) -> Result<Journal, JournalError> {
        Journal::open_on(Arc::new(self.clone()), Path::new("the simulated disk"), settings)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// The disk is off after `changes` more writes, syncs and changes of the length.
    pub(crate) fn off_after(&self, changes: u64) {
        self.lock().changes_left = changes;
    }

    /// A sync fails after `syncs` more. The operating system then drops what it could not write, and keeps its copies.
    pub(crate) fn fail_sync_after(&self, syncs: u64) {
        self.lock().syncs_left = syncs;
    }

    /// The file cannot become longer than it is.
    pub(crate) fn fill(&self) {
        let mut inner = self.lock();
        inner.capacity = inner.cached.len() as u64;
    }

    pub(crate) fn set_free_bytes(&self, bytes: u64) {
        self.lock().free_bytes = bytes;
    }

    pub(crate) fn drops(&self) -> u32 {
        self.lock().drops
    }

    /// The bytes that a reader sees.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.lock().cached.clone()
    }

    /// The disk works again, and the process starts anew. What was written and not synced is still in the cache.
    pub(crate) fn restart(&self) {
        let mut inner = self.lock();
        (inner.changes_left, inner.syncs_left, inner.capacity) = (u64::MAX, u64::MAX, u64::MAX);
    }

    /// Cuts the power: of what was not synced, any sectors are on the disk, and any of the lengths is.
    pub(crate) fn cut(&self, random: &mut Random) {
        let mut inner = self.lock();
        let unsynced = std::mem::take(&mut inner.unsynced);
        let mut disk = std::mem::take(&mut inner.durable);
        let mut lengths = vec![disk.len() as u64];
        for change in &unsynced {
            let len = *lengths.last().unwrap();
            match change {
                Unsynced::Bytes(offset, data) => lengths.push(len.max(offset + data.len() as u64)),
                Unsynced::Len(len) => lengths.push(*len),
            }
        }
        let len = lengths[random.below(lengths.len() as u64) as usize];
        disk.resize(len as usize, 0);
        // Of 16 sectors, this number is kept: none and all are as likely as any other share.
        let kept_of_16 = random.below(17);
        for change in &unsynced {
            let Unsynced::Bytes(offset, data) = change else { continue };
            for (from, sector) in sectors(*offset, data) {
                if random.below(16) < kept_of_16 {
                    write(&mut disk, from, sector, len);
                }
            }
        }
        inner.cached.clone_from(&disk);
        inner.durable = disk;
        drop(inner);
        self.restart();
    }
}

/// Writes what lies within `len`.
fn write(disk: &mut Vec<u8>, offset: u64, data: &[u8], len: u64) {
    let end = (offset + data.len() as u64).min(len);
    if offset < end {
        disk.resize(disk.len().max(end as usize), 0);
        disk[offset as usize..end as usize].copy_from_slice(&data[..(end - offset) as usize]);
    }
}

/// The parts of a write that lie in one sector each.
fn sectors(offset: u64, data: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let from = offset + at as u64;
        let end = ((SECTOR - from % SECTOR) as usize + at).min(data.len());
        let sector = &data[at..end];
        at = end;
        (!sector.is_empty()).then_some((from, sector))
    })
}

impl Inner {
    /// Counts a change; an error if the power is off.
    fn change(&mut self) -> io::Result<()> {
        self.changes_left = self.changes_left.checked_sub(1).ok_or_else(|| io::Error::other("the power is off"))?;
        Ok(())
    }

    fn apply(&self, to: &mut Vec<u8>) {
        for change in &self.unsynced {
            match change {
                Unsynced::Bytes(offset, data) => write(to, *offset, data, u64::MAX),
                Unsynced::Len(len) => to.resize(*len as usize, 0),
            }
        }
    }
}

impl StorageBackend for SimDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.lock();
        let there = inner.cached.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.change()?;
        if len > inner.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inner.cached.resize(len as usize, 0);
        inner.unsynced.push(Unsynced::Len(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.lock();
        inner.change()?;
        if inner.syncs_left == 0 {
            inner.unsynced.clear();
            return Err(io::Error::other("the disk does not sync"));
        }
        inner.syncs_left -= 1;
        let mut durable = std::mem::take(&mut inner.durable);
        inner.apply(&mut durable);
        inner.unsynced.clear();
        inner.durable = durable;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inner = self.lock();
        inner.change()?;
        if offset + data.len() as u64 > inner.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut cached = std::mem::take(&mut inner.cached);
        write(&mut cached, offset, data, u64::MAX);
        inner.cached = cached;
        inner.written_pages.extend(offset / PAGE..(offset + data.len() as u64).div_ceil(PAGE));
        inner.unsynced.push(Unsynced::Bytes(offset, data.to_vec()));
        Ok(())
    }
}

impl Disk for SimDisk {
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.lock().free_bytes)
    }

    fn used_bytes(&self) -> io::Result<u64> {
        Ok(self.lock().written_pages.len() as u64 * PAGE)
    }

    fn drop_cached_pages(&self) -> io::Result<()> {
        let mut inner = self.lock();
        let mut cached = inner.durable.clone();
        inner.apply(&mut cached);
        inner.cached = cached;
        inner.drops += 1;
        Ok(())
    }
}
