//! A sequence of events, read into the rows of a batch.

use super::escape::unescape;
use super::pending::{Pending, PendingEvent};
use super::shapes::Shapes;
use super::simd::{BLOCK_BYTES, LANES, Simd, SimdTask};
use super::strings::Strings;
use super::text::Text;
use super::token_reader::TokenReader;
use crate::event::batch::{Batch, Field, Span};
use crate::event::kinds::Digest;
use crate::event::validate::{Fields, RowBuilder};
use crate::limits::ID_BYTES;

/// Reads events from a text and adds their rows to a batch. With `IS_NDJSON`, an event is all of its line.
pub(super) struct EventReader<'a, 't, 's, const IS_NDJSON: bool> {
    /// Shorter than 4 GiB.
    text: Text<'t>,
    shapes: &'a mut Shapes,
    rows: &'a mut RowBuilder<'s>,
    batch: &'a mut Batch,
    pending: Pending,
    /// The strings of an event without their escapes.
    unescaped: Vec<u8>,
}

impl<'a, 't, 's, const IS_NDJSON: bool> EventReader<'a, 't, 's, IS_NDJSON> {
    /// `None` if the text is too long for the positions of a batch.
    pub(super) fn new(
        text: &'t [u8],
        shapes: &'a mut Shapes,
        rows: &'a mut RowBuilder<'s>,
        batch: &'a mut Batch,
    ) -> Option<Self> {
        u32::try_from(text.len()).ok()?;
        Some(Self { text: Text::new(text), shapes, rows, batch, pending: Pending::default(), unescaped: Vec::new() })
    }

    #[inline(always)]
    pub(super) fn tokens<S: Simd>(&self, simd: S, at: usize) -> TokenReader<'t, S, IS_NDJSON> {
        TokenReader { simd, text: self.text, at }
    }

    /// Adds the event at `tokens`, and moves `tokens` to the next byte after it that is not white space.
    #[inline(always)]
    pub(super) fn push<S: Simd>(&mut self, tokens: &mut TokenReader<'t, S, IS_NDJSON>) -> Option<()> {
        let simd = tokens.simd;
        if self.batch.len() + self.pending.len() == self.rows.schema.batch_events_max {
            return None;
        }
        let mut strings = Strings::default();
        if let Some(end) = self.shapes.read(simd, self.text, tokens.at, &mut strings) {
            tokens.at = end;
            self.end_event(tokens)?;
            return self.push_strings(simd, &strings);
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

    /// Adds an event that has each field once and as a string.
    #[inline(always)]
    fn push_strings<S: Simd>(&mut self, simd: S, strings: &Strings) -> Option<()> {
        // Not directly after the fourth event: the processor would wait until it has stored that event.
        if self.pending.len() == LANES {
            self.flush(simd);
        }
        let is_pending = match strings.escaped {
            0 => self.push_valid(strings),
            _ => self.push_valid_unescaped(strings),
        };
        if is_pending.is_none() {
            return self.push_fields(simd, &Fields::from_strings(strings.in_text(self.text)?), strings.escaped);
        }
        Some(())
    }

    /// Adds the event with these strings to the pending ones, if it is valid so far.
    #[inline(always)]
    fn push_valid(&mut self, strings: &Strings) -> Option<()> {
        let spans = strings.spans();
        let (kind, ts_ms) = validate(self.rows, [self.text; 4], spans)?;
        let [event_id, user_id, ..] = spans;
        let ids = [(self.text, event_id), (self.text, user_id)];
        self.pending.push(&PendingEvent { ids, id_span: event_id, kind, ts_ms });
        Some(())
    }

    /// The same, if some of the strings have escapes.
    #[inline(never)]
    fn push_valid_unescaped(&mut self, strings: &Strings) -> Option<()> {
        if self.rows.unescaped_ids.is_full() {
            return None;
        }
        let has_escapes = |field: Field| strings.escaped >> field as u8 & 1 == 1;
        let mut spans = strings.spans();
        self.unescaped.clear();
        for field in Field::ALL.into_iter().filter(|field| has_escapes(*field)) {
            let (span, start) = (&mut spans[field as usize], self.unescaped.len());
            unescape(self.text.part(*span)?, &mut self.unescaped);
            *span = Span { start: start as u32, len: (self.unescaped.len() - start) as u32 };
        }
        // The strings are read in whole blocks. Without these bytes, the last string would be left to a slower path.
        self.unescaped.extend_from_slice(&[0; BLOCK_BYTES]);
        let unescaped = Text::new(&self.unescaped);
        let texts = Field::ALL.map(|field| if has_escapes(field) { unescaped } else { self.text });
        let (kind, ts_ms) = validate(self.rows, texts, spans)?;
        let [event_id, user_id, ..] = spans;
        let id_span = Span { start: strings.span(Field::EventId).start, len: event_id.len };
        if has_escapes(Field::EventId) {
            self.rows.unescaped_ids.push(id_span, unescaped.part(event_id)?);
        }
        self.pending.push(&PendingEvent { ids: [(texts[0], event_id), (texts[1], user_id)], id_span, kind, ts_ms });
        Some(())
    }

    /// Adds an event that has these fields, valid or not. `escaped` has the bit of each field whose string has escapes.
    #[inline(always)]
    fn push_fields<S: Simd>(&mut self, simd: S, fields: &Fields<'t>, escaped: u8) -> Option<()> {
        self.flush(simd);
        if escaped == 0 {
            self.rows.push(fields, self.batch);
            return Some(());
        }
        push_unescaped(fields, escaped, self.rows, self.batch)
    }

    /// Adds the rows of the pending events.
    #[inline(always)]
    pub(super) fn flush<S: Simd>(&mut self, simd: S) {
        if self.pending.len() > 0 {
            self.pending.flush(simd, self.rows.keys, self.batch);
        }
    }
}

/// The kind and the time of an event that has each field once, with these strings in these texts, if it is valid so
/// far.
#[inline(always)]
fn validate(rows: &mut RowBuilder<'_>, texts: [Text<'_>; 4], spans: [Span; 4]) -> Option<(u8, i64)> {
    let [event_id, user_id, kind, ts] = spans;
    let is_valid_id = |id: Span| ID_BYTES.contains(&(id.len as usize));
    if !is_valid_id(event_id) || !is_valid_id(user_id) {
        return None;
    }
    let mut padded = [[0; BLOCK_BYTES]; 2];
    let [kind_padded, ts_padded] = &mut padded;
    let kind_block = texts[2].block_or_rest(kind.start as usize, kind_padded);
    let kind_len = kind.len as usize;
    let kind_last = texts[2].bytes.get(kind.start as usize + kind_len.max(8) - 8..)?;
    let digest = Digest::new(*kind_block.first_chunk()?, *kind_last.first_chunk()?, kind_len);
    let kind = rows.schema.kinds.find_digest(digest, || texts[2].part(kind))?;
    let ts_block = texts[3].block_or_rest(ts.start as usize, ts_padded);
    let ts_ms = match ts_block.get(..ts.len as usize) {
        // The most common length is known to the compiler here.
        Some(_) if ts.len == 24 => rows.timestamps.parse_ms(&ts_block[..24]),
        Some(ts) => rows.timestamps.parse_ms(ts),
        None => rows.timestamps.parse_ms(texts[3].part(ts)?),
    };
    Some((kind, ts_ms?))
}

/// Adds the row of an event with escapes in the strings of the `escaped` fields. `None` if the batch has too many ids
/// with escapes.
fn push_unescaped(fields: &Fields<'_>, escaped: u8, rows: &mut RowBuilder<'_>, batch: &mut Batch) -> Option<()> {
    if rows.unescaped_ids.is_full() {
        return None;
    }
    let mut buffers = <[Vec<u8>; 4]>::default();
    let (mut unescaped, mut escaped_id) = (*fields, None);
    for (field, buffer) in Field::ALL.into_iter().zip(&mut buffers) {
        let is_escaped = escaped >> field as u8 & 1 == 1;
        let Some(string) = unescaped.last_string(field).filter(|_| is_escaped) else { continue };
        if field == Field::EventId {
            escaped_id = Some(rows.span(string));
        }
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
        let shape = events.shapes.next();
        shape.begin(at);
        let escaped = tokens.event(&mut fields, shape)?;
        let (strings, end) = (fields.strings(), tokens.at);
        if events.batch.is_empty() && events.pending.len() == 0 {
            let events_estimate = (events.text.bytes.len() - at) / (tokens.at - at) + 1;
            events.batch.reserve(events_estimate.min(events.rows.schema.batch_events_max));
        }
        events.end_event(&mut tokens)?;
        match strings {
            Some(strings) => {
                let spans = strings.map(|string| events.rows.span(string));
                events.push_strings(simd, &Strings::new(spans, escaped))?;
            }
            None => events.push_fields(simd, &fields, escaped)?,
        }
        // Only now: the general path may change the text of an event that is left to it.
        events.shapes.current()?.end(events.text, end, strings.is_some());
        Some(tokens.at)
    }
}
