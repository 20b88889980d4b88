//! A large array of lines, all cells zero at start.
#![allow(unsafe_code, reason = "memory from the system gets a type here; each block says why that is sound")]

use super::Ordering;
use super::line::Line;
use crate::limits::{DEDUP_OVERFLOW_LINES_MIN, DEDUP_TABLE_BYTES_MIN};
use crate::prefetch::prefetch;
use memmap2::MmapRaw;
use std::io;

/// The number of lines of the smallest array that grows and shrinks.
pub(crate) const LINES_MIN: usize = DEDUP_TABLE_BYTES_MIN / size_of::<Line>();

/// The number of lines of the smallest array for ids without a cell.
pub(crate) const OVERFLOW_LINES_MIN: usize = DEDUP_OVERFLOW_LINES_MIN;

/// The pages of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Without huge pages, almost every access also misses the TLB.
    Huge,
    /// The system clears a page when it is first accessed, which takes milliseconds for a huge page.
    Small,
}

/// An array of lines whose cells are zero at start. The system provides the memory of a page when the page is first
/// accessed.
pub(crate) struct Lines {
    /// Invariant: page-aligned, readable and writable, `len` lines long, and mapped until the drop.
    map: MmapRaw,
    len: usize,
}

impl Lines {
    /// `len` lines, every cell zero.
    ///
    /// # Errors
    /// If the system has no free range of addresses of that size.
    pub(crate) fn new(len: usize, pages: Pages) -> io::Result<Self> {
        let bytes = len.checked_mul(size_of::<Line>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let map = MmapRaw::from(memmap2::MmapOptions::new().len(bytes).map_anon()?);
        // This is only advice, so a failure is ignored.
        #[cfg(target_os = "linux")]
        let _ = map.advise(match pages {
            Pages::Huge => memmap2::Advice::HugePage,
            Pages::Small => memmap2::Advice::NoHugePage,
        });
        #[cfg(not(target_os = "linux"))]
        let _ = pages;
        Ok(Self { map, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// # Panics
    /// If there is no such line.
    #[inline(always)]
    pub(crate) fn line(&self, index: usize) -> &Line {
        assert!(index < self.len);
        let line = self.map.as_ptr().cast::<Line>().wrapping_add(index);
        // SAFETY: the assertion keeps the address within the mapping, and the invariant aligns it. Zero is a valid
        // value of every cell, and only atomic operations change cells.
        unsafe { &*line }
    }

    /// Prefetches a line into the processor's cache; changes nothing else.
    #[inline(always)]
    pub(crate) fn prefetch(&self, index: usize) {
        prefetch(self.map.as_ptr().cast::<Line>().wrapping_add(index));
    }

    /// Writes to every page, so that the memory is resident before it is needed. No other thread may use the lines yet.
    pub(crate) fn prefault(&self) {
        const PAGE_LINES: usize = 4_096 / size_of::<Line>();
        for index in (0..self.len).step_by(PAGE_LINES) {
            self.line(index).0[0].store(0, Ordering::Relaxed);
        }
    }
}
