use super::dispatch::on_each_unit;
use super::{BLOCK_BYTES, Block, Simd, SimdTask, run_simd};
use proptest::prelude::*;

/// The results of both comparisons.
struct Compare<'b>(&'b Block, &'b Block);

impl SimdTask for Compare<'_> {
    type Output = (u32, u32);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (u32, u32) {
        (simd.special_bytes(self.0), simd.equal_bytes(self.0, self.1))
    }
}

fn bits(block: &Block, mut is_set: impl FnMut(usize, u8) -> bool) -> u32 {
    block.iter().enumerate().map(|(i, byte)| u32::from(is_set(i, *byte)) << i).sum()
}

fn assert_all_agree(a: &Block, b: &Block) {
    let expected = (bits(a, |_, byte| matches!(byte, b'"' | b'\\' | 0..0x20)), bits(a, |i, byte| byte == b[i]));
    on_each_unit(|| assert_eq!(run_simd(Compare(a, b)), expected));
}

#[test]
fn all_units_agree_on_every_byte_at_every_position() {
    for byte in 0..=255 {
        for position in 0..BLOCK_BYTES {
            for around in [b'a', b'!', b'#', b'"', 0x1f, 0x20, 0xff] {
                let mut block = [around; BLOCK_BYTES];
                block[position] = byte;
                assert_all_agree(&block, &[around; BLOCK_BYTES]);
            }
        }
    }
}

proptest! {
    #[test]
    fn all_units_agree_on_random_blocks(a in any::<Block>(), b in any::<Block>(), low in any::<Block>()) {
        assert_all_agree(&a, &b);
        assert_all_agree(&low.map(|byte| byte & 0x3f), &a.map(|byte| byte & 0x3f));
    }
}
