//! Vector units: comparisons of 32 bytes of a body at a time, and arithmetic on four 64-bit words.
//!
//! All `unsafe` of the vector units is in `x86_64.rs`: vector loads, and calls of functions that are compiled for a
//! unit.

mod dispatch;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod swar;
#[cfg(test)]
mod tests;
mod unit;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(test)]
pub(super) use dispatch::on_each_unit;
pub(super) use dispatch::run_simd;
pub(super) use unit::{BLOCK_BYTES, Block, LANES, Simd, SimdTask, U64x4};
