//! Bytes to a tape: simd-json first, then the strict scanner.

use super::malformed::{Broken, Malformed};
use super::strict;
use crate::limits::{self, JSON_DEPTH_MAX};
use simd_json::{Buffers, Node, Tape};
use std::mem;
use std::ops::Range;

/// Buffers that live from one document to the next.
pub(crate) struct Scratch {
    buffers: Buffers,
    pub(super) tape: Tape<'static>,
    /// The text as it came, where simd-json may have unescaped a part of it before refusing the rest.
    original: Vec<u8>,
    /// Where the strings of the strict scanner's tape lie.
    strings: Vec<Range<usize>>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            buffers: Buffers::with_max_depth(0, JSON_DEPTH_MAX),
            tape: Tape(Vec::new()),
            original: Vec::new(),
            strings: Vec::new(),
        }
    }
}

impl Scratch {
    /// Takes the tape back, and gives up buffers that an unusual text has made large.
    fn retire(&mut self, tape: Tape<'_>, text_bytes: usize) {
        if tape.0.capacity() > limits::TAPE_NODES_KEPT_MAX || text_bytes > limits::TEXT_BYTES_KEPT_MAX {
            *self = Self::default();
        } else {
            self.tape = tape.reset();
        }
    }
}

/// Parses `text`, unescaping its strings in place, and hands the nodes to `read`; all their strings lie in `text`.
///
/// Takes linear time, allocates nothing once `scratch` has grown, and does not recurse.
///
/// # Errors
/// [`Malformed`], with `text` altered in an unspecified way.
pub(crate) fn with_nodes<R>(
    text: &mut [u8],
    scratch: &mut Scratch,
    read: impl FnOnce(&[Node<'_>]) -> R,
) -> Result<R, Malformed> {
    parse(text, scratch, read).map_err(|broken| broken.malformed)
}

/// [`with_nodes`] for a caller that asks how far a malformed array went.
pub(crate) fn parse<R>(
    text: &mut [u8],
    scratch: &mut Scratch,
    read: impl FnOnce(&[Node<'_>]) -> R,
) -> Result<R, Broken> {
    let text_bytes = text.len();
    let has_escapes = memchr::memchr(b'\\', text).is_some();
    if has_escapes {
        scratch.original.clear();
        scratch.original.extend_from_slice(text);
    }
    let mut tape = mem::replace(&mut scratch.tape, Tape(Vec::new())).reset();
    if simd_json::fill_tape(text, &mut scratch.buffers, &mut tape).is_ok() {
        let result = read(&tape.0);
        scratch.retire(tape, text_bytes);
        return Ok(result);
    }
    let mut tape = tape.reset();
    if has_escapes {
        text.copy_from_slice(&scratch.original);
    }
    let result = strict::fill(text, &mut tape.0, &mut scratch.strings).map(|()| read(&tape.0));
    scratch.retire(tape, text_bytes);
    result
}

/// The most memory that parsing a text takes beside the text; O(bytes).
///
/// A node is a value or a name, and but for the first each comes after a comma, a colon or an opening bracket. simd-json
/// copies the text, keeps a buffer for strings, and lists where these characters, the closing brackets and the values are;
/// the strict scanner lists its strings instead. Either list may be twice as long as it must be, since it grows by doubling.
pub(crate) fn scratch_bytes(text: &[u8]) -> usize {
    let count = |a, b| memchr::memchr2_iter(a, b, text).count();
    let (separators, brackets) = (count(b',', b':'), count(b'[', b'{'));
    let nodes = 1 + separators + brackets;
    let places_bytes = (separators + 2 * brackets + nodes) * size_of::<u32>();
    let strings_bytes = memchr::memchr_iter(b'"', text).count() / 2 * size_of::<Range<usize>>();
    nodes * size_of::<Node<'_>>() + 2 * places_bytes.max(strings_bytes) + 3 * text.len()
}

/// How many nodes a value takes on the tape, from its first one.
#[inline]
pub(crate) fn extent(first: &Node<'_>) -> usize {
    match first {
        Node::Object { count, .. } | Node::Array { count, .. } => 1 + count,
        Node::String(_) | Node::Static(_) => 1,
    }
}
