//! The shape of an event, and the events that have the same shape.

use super::simd::{BLOCK_BYTES, Block, Simd};
use super::string_end::StringEnd;
use crate::event::batch::Field;

/// The order of an event's members, and the text around their values.
///
/// Anything may be between the closing quote of one value and the opening quote of the next: white space, and other
/// members if they are the same in every event. All of that text was once read as part of a valid event. So wherever
/// the same text appears again, it is the same part of a valid event.
#[derive(Clone, Copy)]
pub(super) struct EventShape {
    members: [Member; 4],
    /// From the closing quote of the last value to the end of the event.
    tail: TextRange,
}

/// A member whose value is a string.
#[derive(Clone, Copy)]
struct Member {
    field: Field,
    /// From the closing quote of the value before, or the start of the event, to the opening quote of the value.
    before: TextRange,
    /// The expected end of the value.
    end: StringEnd,
}

/// A part of the text.
#[derive(Clone, Copy)]
struct TextRange {
    start: usize,
    len: usize,
}

impl EventShape {
    /// Reads an event of this shape that begins at `at`, and returns its end. The values are written to `values`, each
    /// at the index of its [`Field`].
    ///
    /// The values are not returned, because a copy of the whole array would wait for the stores of the single values.
    #[inline(always)]
    pub(super) fn read<'t, S: Simd>(
        &self,
        simd: S,
        text: &'t [u8],
        at: usize,
        values: &mut [&'t [u8]; 4],
    ) -> Option<usize> {
        let mut rest = text.get(at..)?;
        for Member { field, before, end } in &self.members {
            let value = before.strip(simd, text, rest)?;
            // A value that does not end with a quote fails at the next comparison, whose text begins with a quote.
            (values[*field as usize], rest) = value.split_at_checked(end.find(simd, value)?)?;
        }
        Some(text.len() - self.tail.strip(simd, text, rest)?.len())
    }
}

impl TextRange {
    /// Strips this part of `text` from the beginning of `other`; `None` if `other` begins with other bytes.
    #[inline(always)]
    fn strip<'t, S: Simd>(self, simd: S, text: &[u8], other: &'t [u8]) -> Option<&'t [u8]> {
        let block: &Block = text.get(self.start..)?.first_chunk()?;
        let equal_len = simd.equal_bytes(block, other.first_chunk()?).trailing_ones() as usize;
        if equal_len >= self.len { other.get(self.len..) } else { None }
    }
}

/// Learns the shape of an event while the event is read token by token.
pub(super) struct ShapeLearner {
    members: [Member; 4],
    len: usize,
    /// The end of the last value, or the start of the event.
    at: usize,
}

impl ShapeLearner {
    /// Learns the shape of the event that begins at `at`.
    #[inline(always)]
    pub(super) fn new(at: usize) -> Self {
        let none = Member { field: Field::EventId, before: TextRange { start: 0, len: 0 }, end: StringEnd::UNKNOWN };
        Self { members: [none; 4], len: 0, at }
    }

    /// Adds a known member whose value is the string from `start` to `end`.
    #[inline(always)]
    pub(super) fn add(&mut self, field: Field, start: usize, end: usize) {
        // Types have a few different lengths in random order. A prediction would be wrong too often to save time.
        let expected = if field == Field::Type { StringEnd::UNKNOWN } else { StringEnd::after(end - start) };
        if let Some(member) = self.members.get_mut(self.len) {
            let before = TextRange { start: self.at, len: start - self.at };
            *member = Member { field, before, end: expected };
        }
        (self.len, self.at) = (self.len + 1, end);
    }

    /// The shape of the event that ends at `end` and has each field once, as a string. `None` if the text between two
    /// values is longer than a block.
    #[inline(always)]
    pub(super) fn shape(self, end: usize) -> Option<EventShape> {
        let tail = TextRange { start: self.at, len: end - self.at };
        let len_max = self.members.iter().map(|member| member.before.len).fold(tail.len, usize::max);
        (len_max <= BLOCK_BYTES).then_some(EventShape { members: self.members, tail })
    }
}
