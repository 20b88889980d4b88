//! A large array of atomic words that start as zero, in cache lines, on huge pages where the system has them.
#![allow(unsafe_code, reason = "memory from the system is given a type here; each block says why it may")]

use super::{AtomicU64, Ordering};
use crate::prefetch::prefetch;
use memmap2::MmapRaw;
use std::io;

/// The words of a cache line.
pub(crate) const LINE_WORDS: usize = 8;

/// A cache line of words.
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [AtomicU64; LINE_WORDS]);

/// Which words of a line were the one asked for, and which were zero, when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Two bits a word, both set where it is the one.
    same: u32,
    zero: u32,
}

impl Look {
    #[inline(always)]
    pub(crate) fn has_word(self) -> bool {
        self.same != 0
    }

    /// The first place that was zero.
    #[inline(always)]
    pub(crate) fn first_zero(self) -> Option<usize> {
        (self.zero != 0).then(|| self.zero.trailing_zeros() as usize / 2)
    }
}

impl Line {
    /// Looks at every word once, Relaxed, in any order. Without a branch: where in a line of keys one is found or the
    /// empty cells begin is as good as random, so that a loop would be mispredicted for nearly every key.
    #[inline(always)]
    pub(crate) fn look(&self, word: u64) -> Look {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx") {
            // SAFETY: there is AVX.
            return unsafe { self.look_avx(word) };
        }
        self.look_word_by_word(word)
    }

    #[inline(always)]
    fn look_word_by_word(&self, word: u64) -> Look {
        let mut look = Look { same: 0, zero: 0 };
        for (place, held) in self.0.iter().enumerate() {
            let held = held.load(Ordering::Relaxed);
            look.same |= if held == word { 0b11 << (2 * place) } else { 0 };
            look.zero |= if held == 0 { 0b11 << (2 * place) } else { 0 };
        }
        look
    }

    /// Four loads of two words each. They are not Rust's, for which a vector is no atomic access; the processor makes
    /// them atomic: with AVX every aligned load of 16 bytes is (Intel, "Software Developer's Manual", 3A, 9.1.1; AMD,
    /// "Architecture Programmer's Manual", 2, 7.3.2).
    ///
    /// # Safety
    /// The processor has AVX.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn look_avx(&self, word: u64) -> Look {
        let (same, zero);
        // SAFETY: reads the 64 aligned bytes of the line, which are only ever accessed atomically; writes registers.
        unsafe {
            std::arch::asm!(
                "vmovq {k}, {word}",
                "vpunpcklqdq {k}, {k}, {k}",
                "vpxor {z}, {z}, {z}",
                "vmovdqa {a}, [{line}]",
                "vmovdqa {b}, [{line} + 16]",
                "vmovdqa {c}, [{line} + 32]",
                "vmovdqa {d}, [{line} + 48]",
                "vpcmpeqq {e}, {a}, {k}",
                "vpcmpeqq {f}, {b}, {k}",
                "vpackssdw {e}, {e}, {f}",
                "vpcmpeqq {f}, {c}, {k}",
                "vpcmpeqq {k}, {d}, {k}",
                "vpackssdw {f}, {f}, {k}",
                "vpacksswb {e}, {e}, {f}",
                "vpmovmskb {same:e}, {e}",
                "vpcmpeqq {a}, {a}, {z}",
                "vpcmpeqq {b}, {b}, {z}",
                "vpackssdw {a}, {a}, {b}",
                "vpcmpeqq {c}, {c}, {z}",
                "vpcmpeqq {d}, {d}, {z}",
                "vpackssdw {c}, {c}, {d}",
                "vpacksswb {a}, {a}, {c}",
                "vpmovmskb {zero:e}, {a}",
                line = in(reg) &raw const self.0,
                word = in(reg) word,
                same = lateout(reg) same,
                zero = lateout(reg) zero,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                e = out(xmm_reg) _,
                f = out(xmm_reg) _,
                k = out(xmm_reg) _,
                z = out(xmm_reg) _,
                options(nostack, readonly, preserves_flags),
            );
        }
        Look { same, zero }
    }
}

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
        prefetch(self.map.as_ptr().cast::<Line>().wrapping_add(index));
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(words: [u64; LINE_WORDS]) -> Line {
        Line(words.map(AtomicU64::new))
    }

    #[test]
    fn every_place_is_told_apart() {
        for place in 0..LINE_WORDS {
            let mut words = [7; LINE_WORDS];
            words[place] = 0;
            let look = line(words).look(9);
            assert_eq!((look.has_word(), look.first_zero()), (false, Some(place)));
            words[place] = 9;
            let look = line(words).look(9);
            assert_eq!((look.has_word(), look.first_zero()), (true, None));
        }
        // Alike in one half only.
        let look = line([9 << 32 | 9; LINE_WORDS]).look(9);
        assert_eq!((look.has_word(), look.first_zero()), (false, None));
    }

    proptest! {
        #[test]
        fn a_line_is_seen_alike_whichever_way_it_is_looked_at(
            words in prop::array::uniform8(prop_oneof![Just(0), Just(u64::MAX), 0..4_u64, any::<u64>()]),
            other in any::<u64>(),
        ) {
            let line = line(words);
            for word in words.into_iter().chain([other, 1]) {
                let look = line.look(word);
                prop_assert_eq!(look, line.look_word_by_word(word));
                prop_assert_eq!(look.has_word(), words.contains(&word));
                prop_assert_eq!(look.first_zero(), words.iter().position(|word| *word == 0));
            }
        }
    }
}
