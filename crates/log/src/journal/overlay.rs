//! A disk whose writes stay in memory until they are released. So a journal that is refused, or only read, stays as it
//! is, also if it needs a repair.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::StorageBackend;

use super::disk::Disk;
use crate::limits::JOURNAL_OVERLAY_BYTES_MAX;

const PAGE_BYTES: usize = 4096;

/// A disk whose writes stay in memory until they are released. A clone is another handle of the same overlay.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    disk: Arc<dyn Disk>,
    /// None once the writes are released: then every call goes to the disk.
    held: Arc<RwLock<Option<Held>>>,
}

/// What was written and is not on the disk.
#[derive(Debug)]
struct Held {
    len: u64,
    /// Bytes of the disk beyond this are cut off.
    disk_len: u64,
    /// The pages that were written to, as they are now.
    pages: HashMap<u64, Box<[u8]>>,
    /// All writes in their order, for the release.
    writes: Vec<Write>,
    bytes: usize,
}

#[derive(Debug)]
enum Write {
    Bytes(u64, Box<[u8]>),
    Len(u64),
    Sync,
}

impl Overlay {
    /// # Errors
    /// If the disk does not say how long it is.
    pub(super) fn new(disk: Arc<dyn Disk>) -> io::Result<Self> {
        let len = disk.len()?;
        let held = Held { len, disk_len: len, pages: HashMap::new(), writes: Vec::new(), bytes: 0 };
        Ok(Self { disk, held: Arc::new(RwLock::new(Some(held))) })
    }

    /// An overlay that holds nothing: every call goes to the disk.
    pub(super) fn released(disk: Arc<dyn Disk>) -> Self {
        Self { disk, held: Arc::default() }
    }

    /// Makes the writes on the disk, in their order and with each sync between them. A power cut meanwhile leaves what
    /// it would leave without the overlay. Later writes go to the disk at once.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) fn release(&self) -> io::Result<()> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        for write in held.take().map(|held| held.writes).unwrap_or_default() {
            match write {
                Write::Bytes(offset, data) => self.disk.write(offset, &data)?,
                Write::Len(len) => self.disk.set_len(len)?,
                Write::Sync => self.disk.sync_data()?,
            }
        }
        Ok(())
    }

    fn held(&self) -> RwLockReadGuard<'_, Option<Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is held, or the disk if nothing is held.
    fn change(
        &self,
        hold: impl FnOnce(&mut Held) -> io::Result<()>,
        pass: impl FnOnce(&dyn Disk) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.held().is_none() {
            return pass(&*self.disk);
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.as_mut().map_or_else(|| pass(&*self.disk), hold)
    }
}

impl Held {
    fn read(&self, disk: &dyn Disk, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_disk(disk, self.disk_len, offset, out)?;
        for (page, within, part) in parts(offset, out.len()) {
            if let Some(page) = self.pages.get(&page) {
                let len = part.len();
                out[part].copy_from_slice(&page[within..within + len]);
            }
        }
        Ok(())
    }

    fn write(&mut self, disk: &dyn Disk, offset: u64, data: &[u8]) -> io::Result<()> {
        self.reserve(data.len())?;
        self.len = self.len.max(offset + data.len() as u64);
        for (page, within, part) in parts(offset, data.len()) {
            if !self.pages.contains_key(&page) {
                self.reserve(PAGE_BYTES)?;
                let mut bytes = vec![0; PAGE_BYTES].into_boxed_slice();
                read_disk(disk, self.disk_len, page * PAGE_BYTES as u64, &mut bytes)?;
                self.pages.insert(page, bytes);
            }
            if let Some(page) = self.pages.get_mut(&page) {
                page[within..within + part.len()].copy_from_slice(&data[part]);
            }
        }
        self.writes.push(Write::Bytes(offset, data.into()));
        Ok(())
    }

    fn set_len(&mut self, len: u64) {
        self.len = len;
        self.disk_len = self.disk_len.min(len);
        self.pages.retain(|page, bytes| {
            let kept = len.saturating_sub(page * PAGE_BYTES as u64).min(PAGE_BYTES as u64) as usize;
            bytes[kept..].fill(0);
            kept > 0
        });
        self.writes.push(Write::Len(len));
    }

    fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        self.bytes += bytes;
        if self.bytes > JOURNAL_OVERLAY_BYTES_MAX {
            return Err(io::Error::other("the repair needs more memory than it may take"));
        }
        Ok(())
    }
}

/// Fills `out` from the disk, and with zeros after its end.
fn read_disk(disk: &dyn Disk, disk_len: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
    let there = disk_len.saturating_sub(offset).min(out.len() as u64) as usize;
    let (from_disk, rest) = out.split_at_mut(there);
    rest.fill(0);
    if from_disk.is_empty() { Ok(()) } else { disk.read(offset, from_disk) }
}

/// The parts of a range of bytes: the page, the offset within the page, and the position within the range.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let position = offset + at as u64;
        let within = (position % PAGE_BYTES as u64) as usize;
        let part = at..(at + PAGE_BYTES - within).min(len);
        at = part.end;
        (!part.is_empty()).then_some((position / PAGE_BYTES as u64, within, part))
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        self.held().as_ref().map_or_else(|| self.disk.len(), |held| Ok(held.len))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.held().as_ref() {
            Some(held) => held.read(&*self.disk, offset, out),
            None => self.disk.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let hold = |held: &mut Held| {
            held.set_len(len);
            Ok(())
        };
        self.change(hold, |disk| disk.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let hold = |held: &mut Held| {
            held.writes.push(Write::Sync);
            Ok(())
        };
        self.change(hold, StorageBackend::sync_data)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|held| held.write(&*self.disk, offset, data), |disk| disk.write(offset, data))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::disk::FileDisk;
    use super::*;

    fn disk(path: &Path) -> Arc<dyn Disk> {
        Arc::new(FileDisk(fs::OpenOptions::new().read(true).write(true).open(path).unwrap()))
    }

    fn bytes(disk: &impl StorageBackend) -> Vec<u8> {
        let mut bytes = vec![0; disk.len().unwrap() as usize];
        disk.read(0, &mut bytes).unwrap();
        bytes
    }

    /// The state of a small generator (an LCG) is the only input, so a failure comes again.
    #[test]
    fn an_overlay_reads_like_a_file_and_the_file_changes_with_the_release_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut state = 1_u64;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        for round in 0..50 {
            let mut model: Vec<u8> = (0..below(30_000)).map(|n| n as u8).collect();
            fs::write(&path, &model).unwrap();
            let before = model.clone();
            let overlay = Overlay::new(disk(&path)).unwrap();
            for change in 0..20_u8 {
                if below(4) == 0 {
                    let len = below(40_000);
                    overlay.set_len(len).unwrap();
                    model.resize(len as usize, 0);
                } else {
                    let (offset, len) = (below(30_000) as usize, below(9_000) as usize);
                    overlay.write(offset as u64, &vec![change; len]).unwrap();
                    model.resize(model.len().max(offset + len), 0);
                    model[offset..offset + len].fill(change);
                }
                assert!(bytes(&overlay) == model, "round {round}, change {change}");
                assert!(overlay.read(model.len() as u64, &mut [0]).is_err(), "there is nothing after the end");
            }
            assert!(fs::read(&path).unwrap() == before, "round {round}: the file changed");
            overlay.release().unwrap();
            assert!(fs::read(&path).unwrap() == model && bytes(&overlay) == model, "round {round}: after the release");
            overlay.write(0, b"now").unwrap();
            assert!(fs::read(&path).unwrap().starts_with(b"now"));
        }
    }

    #[test]
    fn an_overlay_holds_a_bounded_number_of_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        let overlay = Overlay::new(disk(&path)).unwrap();
        let page = [1; PAGE_BYTES];
        let held = (0..).take_while(|n| overlay.write(n * PAGE_BYTES as u64, &page).is_ok()).count();
        assert_eq!(held, JOURNAL_OVERLAY_BYTES_MAX / PAGE_BYTES / 2, "the page and the write count");
    }
}
