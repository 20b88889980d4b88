//! A sequence of events, read into the rows of a batch.

use super::escape::unescape;
use super::shape::{EventShape, Strings};
use super::simd::{LANES, Simd, SimdTask};
use super::siphash_x4;
use super::token_reader::TokenReader;
use crate::event::batch::{Batch, Field, Span};
use crate::event::validate::{Fields, ParsedEvent, RowBuilder};
use crate::key::{EventKey, UserKey};
use crate::limits::UNESCAPED_ID_BYTES_MAX;
use std::mem;

/// Reads events from a text and adds their rows to a batch. With `IS_NDJSON`, an event is all of its line.
pub(super) struct EventReader<'a, 't, 's, const IS_NDJSON: bool> {
    text: &'t [u8],
    /// The shape of the last event that was read token by token.
    shape: &'a mut EventShape,
    rows: &'a mut RowBuilder<'s>,
    batch: &'a mut Batch,
    /// Valid events without rows so far. They wait here so that the ids of four events are hashed together.
    pending: [ParsedEvent<'t>; LANES],
    pending_len: usize,
    /// The unescaped strings of an event.
    buffers: [Vec<u8>; 4],
}

impl<'a, 't, 's, const IS_NDJSON: bool> EventReader<'a, 't, 's, IS_NDJSON> {
    pub(super) fn new(
        text: &'t [u8],
        shape: &'a mut EventShape,
        rows: &'a mut RowBuilder<'s>,
        batch: &'a mut Batch,
    ) -> Self {
        Self { text, shape, rows, batch, pending: Default::default(), pending_len: 0, buffers: Default::default() }
    }

    #[inline(always)]
    pub(super) fn tokens<S: Simd>(&self, simd: S, at: usize) -> TokenReader<'t, S, IS_NDJSON> {
        TokenReader { simd, text: self.text, at }
    }

    /// Adds the event at `tokens`, and moves `tokens` to the next byte after it that is not white space.
    #[inline(always)]
    pub(super) fn push<S: Simd>(&mut self, tokens: &mut TokenReader<'t, S, IS_NDJSON>) -> Option<()> {
        let simd = tokens.simd;
        if self.batch.len() + self.pending_len == self.rows.schema.batch_events_max {
            return None;
        }
        let mut strings = Strings::default();
        if let Some(end) = self.shape.read(simd, self.text, tokens.at, &mut strings) {
            tokens.at = end;
            self.end_event(tokens)?;
            if strings.escaped != 0 {
                return self.push_escaped(simd, &Fields::from_strings(strings.values), strings.escaped);
            }
            if !self.push_strings(simd, &strings.values) {
                self.push_fields(simd, &Fields::from_strings(strings.values));
            }
            return Some(());
        }
        let at = tokens.at;
        tokens.at = simd.run(Fallback { events: self, at })?;
        Some(())
    }

    /// Skips the white space after an event. In NDJSON, nothing else may follow on the line.
    #[inline(always)]
    fn end_event<S: Simd>(&self, tokens: &mut TokenReader<'t, S, IS_NDJSON>) -> Option<()> {
        tokens.skip_space();
        (!IS_NDJSON || matches!(tokens.peek(), None | Some(b'\n'))).then_some(())
    }

    /// Adds an event that has each field once and as a string. Returns false if the event is not valid.
    #[inline(always)]
    fn push_strings<S: Simd>(&mut self, simd: S, strings: &[&'t [u8]; 4]) -> bool {
        let Some(event) = self.rows.validate_strings(strings) else { return false };
        self.pending[self.pending_len % LANES] = event;
        self.pending_len += 1;
        if self.pending_len == LANES {
            self.flush(simd);
        }
        true
    }

    #[inline(always)]
    fn push_fields<S: Simd>(&mut self, simd: S, fields: &Fields<'t>) {
        self.flush(simd);
        self.rows.push(fields, self.batch);
    }

    /// Adds an event with escapes in the strings of these fields.
    #[inline(always)]
    fn push_escaped<S: Simd>(&mut self, simd: S, fields: &Fields<'t>, escaped: u8) -> Option<()> {
        self.flush(simd);
        let mut buffers = mem::take(&mut self.buffers);
        let pushed = push_unescaped(fields, escaped, &mut buffers, self.rows, self.batch);
        self.buffers = buffers;
        pushed
    }

    /// Adds the rows of the pending events.
    #[inline(always)]
    pub(super) fn flush<S: Simd>(&mut self, simd: S) {
        if self.pending_len == 0 {
            return;
        }
        let (keys, [a, b, c, d]) = (self.rows.keys, &self.pending);
        let [event_low, event_high] =
            siphash_x4::hash(simd, keys.event_key(), [a.event_id, b.event_id, c.event_id, d.event_id]);
        let [user_low, user_high] =
            siphash_x4::hash(simd, keys.user_key(), [a.user_id, b.user_id, c.user_id, d.user_id]);
        for (lane, event) in self.pending.iter().enumerate().take(self.pending_len) {
            let event_key = EventKey([event_low[lane], event_high[lane]]);
            let user_key = UserKey::of_hash([user_low[lane], user_high[lane]]);
            let id = self.rows.span(event.event_id);
            self.batch.push_event(id, event_key, user_key, event.kind, event.ts_ms);
        }
        self.pending_len = 0;
    }
}

/// Adds the row of an event with escapes in the strings of the `escaped` fields. `None` if the batch has too many ids
/// with escapes.
fn push_unescaped(
    fields: &Fields<'_>,
    escaped: u8,
    buffers: &mut [Vec<u8>; 4],
    rows: &mut RowBuilder<'_>,
    batch: &mut Batch,
) -> Option<()> {
    if rows.unescaped_ids.bytes() > UNESCAPED_ID_BYTES_MAX {
        return None;
    }
    let (mut unescaped, mut escaped_id) = (*fields, None);
    for (field, buffer) in Field::ALL.into_iter().zip(buffers) {
        let is_escaped = escaped >> field as u8 & 1 == 1;
        let Some(string) = unescaped.last_string(field).filter(|_| is_escaped) else { continue };
        if field == Field::EventId {
            escaped_id = Some(rows.span(string));
        }
        buffer.clear();
        unescape(string, buffer);
        *string = buffer;
    }
    let Some(Span { start, len }) = escaped_id else {
        rows.push(&unescaped, batch);
        return Some(());
    };
    let id = unescaped.event_id().unwrap_or_default();
    let has_span = len > 0 && !id.is_empty();
    let id_span = if has_span { Span { start, len: id.len() as u32 } } else { Span::default() };
    rows.unescaped_ids.push(id_span, id);
    rows.push_with_id(&unescaped, id_span, batch);
    Some(())
}

/// Adds the event at `at` token by token, because it does not have the shape of the event before. Returns the position
/// of the next byte after it that is not white space.
struct Fallback<'e, 'a, 't, 's, const IS_NDJSON: bool> {
    events: &'e mut EventReader<'a, 't, 's, IS_NDJSON>,
    at: usize,
}

impl<const IS_NDJSON: bool> SimdTask for Fallback<'_, '_, '_, '_, IS_NDJSON> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<usize> {
        let Self { events, at } = self;
        let mut tokens = events.tokens(simd, at);
        let mut fields = Fields::default();
        events.shape.begin(at);
        let escaped = tokens.event(&mut fields, events.shape)?;
        let (strings, end) = (fields.strings(), tokens.at);
        if events.batch.is_empty() && events.pending_len == 0 {
            let events_estimate = (events.text.len() - at) / (tokens.at - at) + 1;
            events.batch.reserve(events_estimate.min(events.rows.schema.batch_events_max));
        }
        events.end_event(&mut tokens)?;
        match strings {
            _ if escaped != 0 => events.push_escaped(simd, &fields, escaped)?,
            Some(strings) if events.push_strings(simd, &strings) => {}
            _ => events.push_fields(simd, &fields),
        }
        // Only now: the general path may change the text of an event that is left to it.
        events.shape.end(end, strings.is_some());
        Some(tokens.at)
    }
}
