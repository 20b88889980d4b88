//! The strings of an event, as parts of the text.

use super::text::Text;
use crate::event::batch::{Field, Span};

/// The strings of an event that has each field once, each at the index of its [`Field`].
#[derive(Clone, Copy, Default)]
pub(super) struct Strings {
    /// Starts and lengths are apart, because the processor cannot load two numbers at once while it stores them.
    starts: [u32; 4],
    lens: [u32; 4],
    /// The bit of each field whose string has escapes. Such a string is as it stands in the text.
    pub(super) escaped: u8,
}

impl Strings {
    /// The strings at these places. `escaped` is as in [`Strings`].
    pub(super) fn new(spans: [Span; 4], escaped: u8) -> Self {
        Self { starts: spans.map(|span| span.start), lens: spans.map(|span| span.len), escaped }
    }

    /// Sets the string of `field`, from `start` to `end`.
    #[inline(always)]
    pub(super) fn set(&mut self, field: Field, start: usize, end: usize) {
        // The fast path reads no text of 4 GiB or more.
        (self.starts[field as usize], self.lens[field as usize]) = (start as u32, (end - start) as u32);
    }

    /// Moves the end of a field's string to `end`. The string has escapes.
    #[inline(always)]
    pub(super) fn extend(&mut self, field: Field, end: usize) {
        self.lens[field as usize] = end as u32 - self.starts[field as usize];
        self.escaped |= 1 << field as u8;
    }

    /// The place of a field's string.
    #[inline(always)]
    pub(super) fn span(&self, field: Field) -> Span {
        Span { start: self.starts[field as usize], len: self.lens[field as usize] }
    }

    /// The places of all strings.
    #[inline(always)]
    pub(super) fn spans(&self) -> [Span; 4] {
        Field::ALL.map(|field| self.span(field))
    }

    /// The strings in `text`.
    #[inline(always)]
    pub(super) fn in_text<'t>(&self, text: Text<'t>) -> Option<[&'t [u8]; 4]> {
        let [event_id, user_id, kind, ts] = self.spans();
        Some([text.part(event_id)?, text.part(user_id)?, text.part(kind)?, text.part(ts)?])
    }
}
