//! The parser: simd-json first, then the strict scanner.

use super::malformed::{Broken, Malformed};
use super::strict;
use crate::limits::{self, JSON_DEPTH_MAX};
use simd_json::{Buffers, Node, Tape};
use std::mem;
use std::ops::Range;

/// A text with fewer bytes for each of its commas has many short values. An event of the usual shape has about 30. A
/// node of the tape takes 16 bytes.
const BYTES_PER_COMMA_MIN: usize = 12;

/// Buffers that are reused from one document to the next.
pub(crate) struct Scratch {
    buffers: Buffers,
    pub(super) tape: Tape<'static>,
    /// A copy of the unparsed text. simd-json may unescape a part of the text before it refuses the rest.
    original: Vec<u8>,
    /// The positions of the strings of the strict scanner's tape.
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
    /// Takes the tape back for the next document, and frees all buffers if an unusual text has made them large.
    fn retire(&mut self, tape: Tape<'_>, text_bytes: usize) {
        if tape.0.capacity() > limits::TAPE_NODES_KEPT_MAX || text_bytes > limits::TEXT_BYTES_KEPT_MAX {
            *self = Self::default();
        } else {
            self.tape = tape.reset();
        }
    }
}

/// Parses `text`, unescapes its strings in place, and passes the nodes to `read`. All strings are parts of `text`.
///
/// O(bytes). It allocates nothing once `scratch` has grown, and it does not recurse.
///
/// # Errors
/// [`Malformed`]; `text` is then changed in an unspecified way.
pub(crate) fn with_nodes<R>(
    text: &mut [u8],
    scratch: &mut Scratch,
    read: impl FnOnce(&[Node<'_>]) -> R,
) -> Result<R, Malformed> {
    parse(text, scratch, read).map_err(|broken| broken.malformed)
}

/// [`with_nodes`] for a caller that needs the number of complete elements of a malformed array.
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

/// Whether `text` is an array of more than `max` elements, and so dense that its tape would be several times as large
/// as the text. O(bytes), in little memory; the text stays as it is.
///
/// # Errors
/// [`Malformed`], as of [`parse`], if so dense a text is malformed before more than `max` elements are complete.
pub(crate) fn has_more_elements(text: &mut [u8], max: usize) -> Result<bool, Malformed> {
    let commas = memchr::memchr_iter(b',', text).count();
    if commas < max || text.len() / BYTES_PER_COMMA_MIN >= commas {
        return Ok(false);
    }
    strict::has_more_elements(text, max)
}

/// The peak memory of parsing a text, without the text itself. O(bytes).
///
/// A node is a value or a name. Each node except the first follows a comma, a colon or an opening bracket. simd-json
/// copies the text, keeps a buffer for strings, and lists the positions of these characters, of closing brackets and of
/// values. The strict scanner lists its strings instead. Either list grows by doubling, so its capacity may be twice
/// its length.
pub(crate) fn scratch_bytes(text: &[u8]) -> usize {
    let count = |a, b| memchr::memchr2_iter(a, b, text).count();
    let (separators, brackets) = (count(b',', b':'), count(b'[', b'{'));
    let nodes = 1 + separators + brackets;
    let positions_bytes = (separators + 2 * brackets + nodes) * size_of::<u32>();
    let strings_bytes = memchr::memchr_iter(b'"', text).count() / 2 * size_of::<Range<usize>>();
    nodes * size_of::<Node<'_>>() + 2 * positions_bytes.max(strings_bytes) + 3 * text.len()
}

/// The number of nodes of a value on the tape, the first node included.
#[inline]
pub(crate) fn extent(first: &Node<'_>) -> usize {
    match first {
        Node::Object { count, .. } | Node::Array { count, .. } => 1 + count,
        Node::String(_) | Node::Static(_) => 1,
    }
}
