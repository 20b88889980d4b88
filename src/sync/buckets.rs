//! A large array of atomic words in buckets of one cache line, zero at start, on huge pages where the system has them.
#![allow(unsafe_code, reason = "memory from the system gets a type here; each block says why that is sound")]

use super::{AtomicU64, Ordering};
use crate::prefetch::prefetch;
use memmap2::MmapRaw;
use std::io;

/// The number of words in a bucket.
pub(crate) const BUCKET_WORDS: usize = 8;

/// A bucket: one cache line of words.
#[repr(C, align(64))]
pub(crate) struct Bucket(pub(crate) [AtomicU64; BUCKET_WORDS]);

/// The result of a probe: the words of a bucket that were equal to the probed word, and the words that were zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeResult {
    /// Two bits for each word, both set if the word is equal.
    equal: u32,
    /// Two bits for each word, both set if the word is zero.
    zero: u32,
}

impl ProbeResult {
    #[inline(always)]
    pub(crate) fn has_match(self) -> bool {
        self.equal != 0
    }

    /// The index of the first word that was zero.
    #[inline(always)]
    pub(crate) fn first_zero(self) -> Option<usize> {
        (self.zero != 0).then(|| self.zero.trailing_zeros() as usize / 2)
    }
}

impl Bucket {
    /// Compares every word with `word`. Each word is loaded once, Relaxed, in any order.
    ///
    /// There is no branch: the position of a key, and of the first empty cell, is random. The processor would
    /// mispredict a loop for almost every key.
    #[inline(always)]
    pub(crate) fn probe(&self, word: u64) -> ProbeResult {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx") {
            // SAFETY: the processor has AVX.
            return unsafe { self.probe_avx(word) };
        }
        self.probe_scalar(word)
    }

    #[inline(always)]
    fn probe_scalar(&self, word: u64) -> ProbeResult {
        let mut probe = ProbeResult { equal: 0, zero: 0 };
        for (index, held) in self.0.iter().enumerate() {
            let held = held.load(Ordering::Relaxed);
            probe.equal |= if held == word { 0b11 << (2 * index) } else { 0 };
            probe.zero |= if held == 0 { 0b11 << (2 * index) } else { 0 };
        }
        probe
    }

    /// Four loads of two words each. In Rust, a vector load is not an atomic access, so the loads are inline assembly.
    /// The processor makes them atomic: with AVX, every aligned load of 16 bytes is atomic (Intel, "Software
    /// Developer's Manual", 3A, 9.1.1; AMD, "Architecture Programmer's Manual", 2, 7.3.2).
    ///
    /// # Safety
    /// The processor must have AVX.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn probe_avx(&self, word: u64) -> ProbeResult {
        let (equal, zero);
        // SAFETY: the code reads the 64 aligned bytes of the bucket, which all other code accesses atomically, and
        // writes registers only.
        unsafe {
            std::arch::asm!(
                "vmovq {k}, {word}",
                "vpunpcklqdq {k}, {k}, {k}",
                "vpxor {z}, {z}, {z}",
                "vmovdqa {a}, [{bucket}]",
                "vmovdqa {b}, [{bucket} + 16]",
                "vmovdqa {c}, [{bucket} + 32]",
                "vmovdqa {d}, [{bucket} + 48]",
                "vpcmpeqq {e}, {a}, {k}",
                "vpcmpeqq {f}, {b}, {k}",
                "vpackssdw {e}, {e}, {f}",
                "vpcmpeqq {f}, {c}, {k}",
                "vpcmpeqq {k}, {d}, {k}",
                "vpackssdw {f}, {f}, {k}",
                "vpacksswb {e}, {e}, {f}",
                "vpmovmskb {equal:e}, {e}",
                "vpcmpeqq {a}, {a}, {z}",
                "vpcmpeqq {b}, {b}, {z}",
                "vpackssdw {a}, {a}, {b}",
                "vpcmpeqq {c}, {c}, {z}",
                "vpcmpeqq {d}, {d}, {z}",
                "vpackssdw {c}, {c}, {d}",
                "vpacksswb {a}, {a}, {c}",
                "vpmovmskb {zero:e}, {a}",
                bucket = in(reg) &raw const self.0,
                word = in(reg) word,
                equal = lateout(reg) equal,
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
        ProbeResult { equal, zero }
    }
}

/// An array of buckets whose words are zero at start. The system provides the memory of a page when the page is first
/// accessed.
pub(crate) struct Buckets {
    /// Invariant: page-aligned, readable and writable, `len` buckets long, and mapped until the drop.
    map: MmapRaw,
    len: usize,
}

impl Buckets {
    /// `len` buckets, every word zero.
    ///
    /// # Errors
    /// If the system has no free range of addresses of that size.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let bytes = len.checked_mul(size_of::<Bucket>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let map = MmapRaw::from(memmap2::MmapOptions::new().len(bytes).map_anon()?);
        // Without huge pages, almost every claim also misses the TLB. This is only advice, so a failure is ignored.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self { map, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// # Panics
    /// If there is no such bucket.
    #[inline(always)]
    pub(crate) fn bucket(&self, index: usize) -> &Bucket {
        assert!(index < self.len);
        let bucket = self.map.as_ptr().cast::<Bucket>().wrapping_add(index);
        // SAFETY: the assertion keeps the address within the mapping, and the invariant aligns it. Zero is a valid
        // value of every word, and only atomic operations change words (`clear` acts as stores of zero).
        unsafe { &*bucket }
    }

    /// Prefetches a bucket into the processor's cache; changes nothing else.
    #[inline(always)]
    pub(crate) fn prefetch(&self, index: usize) {
        prefetch(self.map.as_ptr().cast::<Bucket>().wrapping_add(index));
    }

    /// Makes every word zero and returns the memory to the system. Relaxed: the caller has exclusive access to the
    /// buckets.
    pub(crate) fn clear(&self) {
        // SAFETY: the mapping is private, anonymous and owned by `self`. Its pages read as zero afterwards, as after a
        // store to every word, and no other thread accesses them meanwhile.
        #[cfg(target_os = "linux")]
        if unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) }.is_ok() {
            return;
        }
        for index in 0..self.len {
            for word in &self.bucket(index).0 {
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Writes to every page, so that the memory is resident before it is needed. All words are zero before and after.
    pub(crate) fn prefault(&self) {
        const PAGE_BUCKETS: usize = 4_096 / size_of::<Bucket>();
        for index in (0..self.len).step_by(PAGE_BUCKETS) {
            self.bucket(index).0[0].store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bucket(words: [u64; BUCKET_WORDS]) -> Bucket {
        Bucket(words.map(AtomicU64::new))
    }

    #[test]
    fn a_probe_finds_a_word_at_every_index() {
        for index in 0..BUCKET_WORDS {
            let mut words = [7; BUCKET_WORDS];
            words[index] = 0;
            let probe = bucket(words).probe(9);
            assert_eq!((probe.has_match(), probe.first_zero()), (false, Some(index)));
            words[index] = 9;
            let probe = bucket(words).probe(9);
            assert_eq!((probe.has_match(), probe.first_zero()), (true, None));
        }
        // Words that are equal in one half only.
        let probe = bucket([9 << 32 | 9; BUCKET_WORDS]).probe(9);
        assert_eq!((probe.has_match(), probe.first_zero()), (false, None));
    }

    proptest! {
        #[test]
        fn a_vector_probe_gives_the_result_of_a_scalar_probe(
            words in prop::array::uniform8(prop_oneof![Just(0), Just(u64::MAX), 0..4_u64, any::<u64>()]),
            other in any::<u64>(),
        ) {
            let bucket = bucket(words);
            for word in words.into_iter().chain([other, 1]) {
                let probe = bucket.probe(word);
                prop_assert_eq!(probe, bucket.probe_scalar(word));
                prop_assert_eq!(probe.has_match(), words.contains(&word));
                prop_assert_eq!(probe.first_zero(), words.iter().position(|word| *word == 0));
            }
        }
    }
}
