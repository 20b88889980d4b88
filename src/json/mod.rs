//! The JSON parser of events and reference tables: from bytes to a tape of nodes.
//!
//! simd-json parses almost every text. A text that it refuses goes to the strict scanner. The scanner reports where the
//! text is malformed, or builds the same tape itself if only a number was too large for simd-json. Both unescape
//! strings in place, so every string of a tape is a part of the parsed text.
//!
//! A tape is the document in depth-first order. `Object { len, count }` is followed by `len` pairs of a name (a string)
//! and a value, `Array { len, count }` by `len` values. `count` is the number of all nodes inside.

mod malformed;
mod parse;
mod strict;
#[cfg(test)]
mod tests;

pub use malformed::Malformed;
pub(crate) use parse::{Scratch, extent, has_more_elements, parse, scratch_bytes, with_nodes};
pub(crate) use simd_json::{Node, StaticNode};
