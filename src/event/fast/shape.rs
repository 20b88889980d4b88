//! The shape of an event, and the events that have the same shape.

use super::escape::escaped_len;
use super::leaf::leaf_len;
use super::simd::{BLOCK_BYTES, Block, Simd};
use super::string_end::StringEnd;
use crate::event::batch::Field;
use std::hint::cold_path;

/// The most values of a shape: those of the four fields, and those of other members, nested ones included.
const VALUES_MAX: usize = 16;

/// The longest text between two values.
const TEXT_BYTES_MAX: usize = 256;

/// The order of an event's values, and the text around them: names, brackets, commas, white space.
///
/// A value is a string, a number or a literal, at any depth. Any such value may stand where another one was, if it is
/// not the value of a known field, which is a string. The text around the values was once read as part of a valid
/// event. So wherever the same text appears again, it is the same part of a valid event.
///
/// A shape is learned in place, because it is large. While an event is read token by token, its values are added.
pub(super) struct EventShape {
    values: [ShapeValue; VALUES_MAX],
    /// The number of values. While the shape is learned, it may be larger than the array.
    len: usize,
    /// From the end of the last value to the end of the event. While the shape is learned, its start is that of the
    /// text that comes next.
    tail: TextRange,
    /// Whether events can be compared with the shape.
    is_known: bool,
}

/// A value in a shape.
#[derive(Clone, Copy)]
struct ShapeValue {
    /// The field; none for the value of another member.
    field: Option<Field>,
    /// From the end of the value before, or the start of the event, to the value. The quotes of a field's value belong
    /// to the text around it, those of another string to the value.
    before: TextRange,
    /// The expected end of a field's value.
    end: StringEnd,
}

/// A part of the text.
#[derive(Clone, Copy)]
struct TextRange {
    start: usize,
    len: usize,
}

/// The strings of an event that has each field once, each at the index of its [`Field`].
#[derive(Clone, Copy, Default)]
pub(super) struct Strings<'t> {
    pub(super) values: [&'t [u8]; 4],
    /// The bit of each field whose string has escapes. Such a string is as it stands in the text.
    pub(super) escaped: u8,
}

impl EventShape {
    /// Reads an event of this shape that begins at `at`, and returns its end. The values are written to `strings`.
    ///
    /// The values are not returned, because a copy of the whole array would wait for the stores of the single values.
    #[inline(always)]
    pub(super) fn read<'t, S: Simd>(
        &self,
        simd: S,
        text: &'t [u8],
        at: usize,
        strings: &mut Strings<'t>,
    ) -> Option<usize> {
        if !self.is_known {
            return None;
        }
        let mut rest = text.get(at..)?;
        for ShapeValue { field, before, end } in &self.values[..self.len] {
            let value = before.strip(simd, text, rest)?;
            let Some(field) = field else {
                rest = &value[leaf_len(simd, value)?..];
                continue;
            };
            // A value that does not end with a quote fails at the next comparison, whose text begins with a quote.
            let mut len = end.find(simd, value)?;
            if value.get(len) == Some(&b'\\') {
                cold_path();
                len = escaped_len(simd, value, len)?;
                strings.escaped |= 1 << *field as u8;
            }
            (strings.values[*field as usize], rest) = value.split_at_checked(len)?;
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
        if equal_len >= self.len {
            return other.get(self.len..);
        }
        if equal_len < BLOCK_BYTES {
            return None;
        }
        cold_path();
        other.strip_prefix(text.get(self.start..self.start + self.len)?)
    }
}

impl Default for EventShape {
    fn default() -> Self {
        let text = TextRange { start: 0, len: 0 };
        let none = ShapeValue { field: None, before: text, end: StringEnd::UNKNOWN };
        Self { values: [none; VALUES_MAX], len: 0, tail: text, is_known: false }
    }
}

/// Learning.
impl EventShape {
    /// Begins to learn the shape of the event that begins at `at`.
    #[inline(always)]
    pub(super) fn begin(&mut self, at: usize) {
        (self.len, self.tail, self.is_known) = (0, TextRange { start: at, len: 0 }, false);
    }

    /// Adds the string of a field, from `start` to `end` within its quotes.
    #[inline(always)]
    pub(super) fn add_field(&mut self, field: Field, start: usize, end: usize) {
        // Types have a few different lengths in random order. A prediction would be wrong too often to save time.
        let expected = if field == Field::Type { StringEnd::UNKNOWN } else { StringEnd::after(end - start) };
        self.add(Some(field), start, end, expected);
    }

    /// Adds another value, from `start` to `end`, its quotes included.
    #[inline(always)]
    pub(super) fn add_other(&mut self, start: usize, end: usize) {
        self.add(None, start, end, StringEnd::UNKNOWN);
    }

    #[inline(always)]
    fn add(&mut self, field: Option<Field>, start: usize, end: usize, expected: StringEnd) {
        let before = TextRange { start: self.tail.start, len: start - self.tail.start };
        // A text that is too long makes the shape as useless as a value too many.
        let is_short = before.len <= TEXT_BYTES_MAX;
        if let Some(value) = self.values.get_mut(self.len).filter(|_| is_short) {
            *value = ShapeValue { field, before, end: expected };
            self.len += 1;
        } else {
            self.len = VALUES_MAX + 1;
        }
        self.tail.start = end;
    }

    /// Ends with the event that ends at `end`. The shape is known if the event has each field once, as a string, and if
    /// the shape has neither too many values nor too long a text between two values.
    #[inline(always)]
    pub(super) fn end(&mut self, end: usize, has_all_fields: bool) {
        self.tail.len = end - self.tail.start;
        self.is_known = has_all_fields && self.len <= VALUES_MAX && self.tail.len <= TEXT_BYTES_MAX;
    }
}
