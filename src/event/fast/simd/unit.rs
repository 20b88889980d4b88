//! The interface of a vector unit.

/// The number of bytes that one comparison covers.
pub(in crate::event::fast) const BLOCK_BYTES: usize = 32;

pub(in crate::event::fast) type Block = [u8; BLOCK_BYTES];

/// The number of 64-bit words that one arithmetic operation covers.
pub(in crate::event::fast) const LANES: usize = 4;

/// A vector unit of this processor.
///
/// The result of a comparison has one bit for each byte of a block, the lowest bit for the first byte.
pub(in crate::event::fast) trait Simd: Copy {
    type Words: U64x4;

    fn words(self, lanes: [u64; LANES]) -> Self::Words;

    /// The words of four blocks: word `i` of all blocks is vector `i` of the result.
    fn transpose(self, blocks: [&Block; LANES]) -> [Self::Words; BLOCK_BYTES / 8];

    /// Runs a task in a function of its own, which is compiled for this unit. For tasks that are too rare to be
    /// inlined.
    #[inline(never)]
    fn run<T: SimdTask>(self, task: T) -> T::Output {
        task.run(self)
    }

    /// The bytes that a JSON string cannot contain unescaped: `"`, `\` and the control characters below 0x20.
    fn special_bytes(self, block: &Block) -> u32;

    /// The bytes that are equal in both blocks.
    fn equal_bytes(self, a: &Block, b: &Block) -> u32;
}

/// Four 64-bit words in a vector register.
pub(in crate::event::fast) trait U64x4: Copy {
    fn lanes(self) -> [u64; LANES];
    fn add(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    /// The lanes in which both words are equal: all bits of such a word are set, and no bit of the others.
    fn equal(self, other: Self) -> Self;
    /// Shifts each word to the right by the bits in `other`, which may be more than 63.
    fn shift_right(self, other: Self) -> Self;
    /// Rotates each word to the left by 1 to 63 bits.
    fn rotate<const BITS: u32>(self) -> Self;
}

impl U64x4 for [u64; LANES] {
    #[inline(always)]
    fn lanes(self) -> [u64; LANES] {
        self
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        [0, 1, 2, 3].map(|lane| u64::wrapping_add(self[lane], other[lane]))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        [0, 1, 2, 3].map(|lane| self[lane] ^ other[lane])
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        [0, 1, 2, 3].map(|lane| self[lane] & other[lane])
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Self {
        [0, 1, 2, 3].map(|lane| if self[lane] == other[lane] { u64::MAX } else { 0 })
    }

    #[inline(always)]
    fn shift_right(self, other: Self) -> Self {
        [0, 1, 2, 3]
            .map(|lane| u32::try_from(other[lane]).ok().and_then(|bits| self[lane].checked_shr(bits)).unwrap_or(0))
    }

    #[inline(always)]
    fn rotate<const BITS: u32>(self) -> Self {
        self.map(|word| word.rotate_left(BITS))
    }
}

/// A task that is compiled once for each vector unit.
pub(in crate::event::fast) trait SimdTask {
    type Output;

    /// Runs the task. This function, and all functions between it and the [`Simd`], need `#[inline(always)]`, so that
    /// all of them are compiled for the unit.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// [`Simd::transpose`], word by word.
#[inline(always)]
pub(super) fn transpose(blocks: [&Block; LANES]) -> [[u64; LANES]; BLOCK_BYTES / 8] {
    let words = blocks.map(words);
    [0, 1, 2, 3].map(|at| [0, 1, 2, 3].map(|lane| words[lane][at]))
}

/// The words of a block.
#[inline(always)]
pub(super) fn words(block: &Block) -> [u64; BLOCK_BYTES / 8] {
    let (words, _) = block.as_chunks::<8>();
    [0, 1, 2, 3].map(|i| u64::from_le_bytes(words[i]))
}
