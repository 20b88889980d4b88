//! A large array of atomic words that start as zero, in cache lines, on huge pages where the system has them.
#![allow(unsafe_code, reason = "memory from the system is given a type here; each block says why it may")]

use super::{AtomicU64, Ordering};
use memmap2::MmapRaw;
use std::io;

/// The words of a cache line.
pub(crate) const LINE_WORDS: usize = 8;

/// A cache line of words.
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [AtomicU64; LINE_WORDS]);

/// Lines of zeroed words. The system gives the memory behind them when they are first touched.
pub(crate) struct Lines {
    /// Invariant: page-aligned, readable and writable, `len` lines long, and mapped until the drop.
    map: MmapRaw,
    len: usize,
}

impl Lines {
    /// `len` lines, every word zero.
    ///
    /// # Errors
    /// When the system has no such stretch of addresses.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let bytes = len.checked_mul(size_of::<Line>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let map = MmapRaw::from(memmap2::MmapOptions::new().len(bytes).map_anon()?);
        // Without huge pages nearly every claim misses the translation cache as well. Only an advice: it may fail.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self { map, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// # Panics
    /// When there is no such line.
    #[inline(always)]
    pub(crate) fn line(&self, index: usize) -> &Line {
        assert!(index < self.len);
        let line = self.map.as_ptr().cast::<Line>().wrapping_add(index);
        // SAFETY: within the mapping by the assertion, aligned by the invariant; zero is a valid value of every word, and
        // words are changed by atomic operations only (`clear` acts as stores of zero).
        unsafe { &*line }
    }

    /// Asks the processor for a line ahead of its use; changes nothing.
    #[inline(always)]
    pub(crate) fn prefetch(&self, index: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let line = self.map.as_ptr().cast::<Line>().wrapping_add(index);
            // SAFETY: a prefetch of any address is allowed.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = index;
    }

    /// Makes every word zero and gives the memory back. Relaxed: whoever calls has the lines to itself.
    pub(crate) fn clear(&self) {
        // SAFETY: the mapping is private, anonymous and ours: its pages read as zero afterwards, as if every word had been
        // stored, and nobody else accesses them meanwhile.
        #[cfg(target_os = "linux")]
        if unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) }.is_ok() {
            return;
        }
        for index in 0..self.len {
            for word in &self.line(index).0 {
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Touches every page, so that the memory is there before it is needed. The lines are clear.
    pub(crate) fn populate(&self) {
        const PAGE_LINES: usize = 4_096 / size_of::<Line>();
        for index in (0..self.len).step_by(PAGE_LINES) {
            self.line(index).0[0].store(0, Ordering::Relaxed);
        }
    }
}
