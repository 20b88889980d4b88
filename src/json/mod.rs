//! One JSON front-end for events and reference tables: bytes in, a tape of nodes out.
//!
//! simd-json reads almost everything. What it refuses goes to the strict scanner, which either says where the text
//! broke or, where only a number was too large for simd-json, builds the same tape itself. Both unescape strings in
//! place, so every string of a tape lies inside the text that was parsed.
//!
//! A tape is the document in depth-first order: `Object { len, count }` is followed by `len` pairs of a key (a string)
//! and a value, `Array { len, count }` by `len` values, and `count` nodes in all belong to it.

mod malformed;
mod parse;
mod strict;
#[cfg(test)]
mod tests;

pub use malformed::Malformed;
pub(crate) use parse::{Scratch, extent, parse, scratch_bytes, with_nodes};
pub(crate) use simd_json::{Node, StaticNode};
