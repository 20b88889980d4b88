//! From a JSON or NDJSON body to a batch.

use super::batch::{Batch, Fault, Field, Span, Verdict};
use super::error::DecodeError;
use super::fast;
use super::schema::Schema;
use super::validate::{Fields, RowBuilder, Value};
use crate::json::{self, Malformed, Node, Scratch};
use crate::key::HashKeys;

/// The format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One event object, or an array of event objects.
    Json,
    /// One event object a line.
    Ndjson,
}

/// After this number of consecutive lines that the fast path does not know, the rest of a body takes the general path.
const FAST_PATH_MISSES_MAX: usize = 16;

/// Decodes bodies, and keeps its buffers from one body to the next.
#[derive(Default)]
pub(crate) struct Decoder {
    scratch: Scratch,
}

impl Decoder {
    /// Decodes the events of `body`, and validates them as far as that needs no clock.
    ///
    /// O(bytes). It allocates the columns of the batch, and nothing for a single event. The body becomes the batch's
    /// text.
    ///
    /// # Errors
    /// [`DecodeError`] if nothing of the body is taken.
    pub(crate) fn decode(
        &mut self,
        body: Vec<u8>,
        format: Format,
        schema: &Schema,
        keys: &HashKeys,
    ) -> Result<Batch, DecodeError> {
        // In a valid UTF-8 body, every string between two quotes is valid too. Other bodies are rare and go the general
        // way.
        let use_fast_path = simdutf8::basic::from_utf8(&body).is_ok();
        self.decode_with(use_fast_path, body, format, schema, keys)
    }

    /// [`decode`](Self::decode) for a body that is valid and of the usual shape throughout. It takes at most some tens
    /// of nanoseconds an event, and returns any other body unchanged.
    ///
    /// # Errors
    /// The body.
    pub(crate) fn try_decode_fast(
        mut body: Vec<u8>,
        format: Format,
        schema: &Schema,
        keys: &HashKeys,
    ) -> Result<Batch, Vec<u8>> {
        let rows = &mut RowBuilder::new(schema, keys, body.as_ptr().addr());
        let mut batch = Batch::default();
        let is_decoded = simdutf8::basic::from_utf8(&body).is_ok()
            && match format {
                Format::Json => fast::read_json(&body, rows, &mut batch),
                Format::Ndjson => fast::LineReader::default().read(&body, 0, rows, &mut batch) == body.len(),
            };
        if !is_decoded {
            return Err(body);
        }
        rows.unescaped_ids.write(&mut body);
        batch.text = body;
        Ok(batch)
    }

    /// [`decode`](Self::decode), with the fast path or by the general path alone.
    pub(crate) fn decode_with(
        &mut self,
        use_fast_path: bool,
        mut body: Vec<u8>,
        format: Format,
        schema: &Schema,
        keys: &HashKeys,
    ) -> Result<Batch, DecodeError> {
        let rows = &mut RowBuilder::new(schema, keys, body.as_ptr().addr());
        let mut batch = match format {
            Format::Json => self.json(&mut body, use_fast_path, rows),
            Format::Ndjson => self.ndjson(&mut body, use_fast_path, rows),
        }?;
        rows.unescaped_ids.write(&mut body);
        batch.text = body;
        Ok(batch)
    }

    /// Each element of a top-level array is an event. Any other top-level value is one event.
    fn json(&mut self, body: &mut [u8], use_fast_path: bool, rows: &mut RowBuilder<'_>) -> Result<Batch, DecodeError> {
        let mut batch = Batch::default();
        if use_fast_path && fast::read_json(body, rows, &mut batch) {
            return Ok(batch);
        }
        rows.unescaped_ids.clear();
        let schema = rows.schema;
        check_event_count(body, schema)?;
        let parsed = json::parse(body, &mut self.scratch, |nodes| match nodes {
            [Node::Array { len, .. }, elements @ ..] => {
                schema.check_event_count(*len)?;
                Ok(batch_of_values(*len, elements, rows))
            }
            value => Ok(batch_of_values(1, value, rows)),
        });
        parsed.unwrap_or_else(|broken| {
            schema.check_event_count(broken.elements)?;
            Err(DecodeError::Malformed(broken.malformed))
        })
    }

    /// Each line that is not blank is one event.
    fn ndjson(
        &mut self,
        body: &mut [u8],
        use_fast_path: bool,
        rows: &mut RowBuilder<'_>,
    ) -> Result<Batch, DecodeError> {
        let mut batch = Batch::default();
        let mut lines = use_fast_path.then(fast::LineReader::default);
        if lines.is_none() {
            let events_max = memchr::memchr_iter(b'\n', body).count() + 1;
            batch.reserve(events_max.min(rows.schema.batch_events_max));
        }
        let (mut at, mut misses) = (0, 0);
        loop {
            if let Some(fast) = &mut lines {
                let start = at;
                at = fast.read(body, start, rows, &mut batch);
                misses = if at == start { misses + 1 } else { 0 };
                if misses == FAST_PATH_MISSES_MAX {
                    lines = None;
                }
            }
            if at == body.len() {
                return Ok(batch);
            }
            let line_bytes = memchr::memchr(b'\n', &body[at..]).unwrap_or(body.len() - at);
            self.line(&mut body[at..][..line_bytes], rows, &mut batch)?;
            at = body.len().min(at + line_bytes + 1);
        }
    }

    fn line(&mut self, line: &mut [u8], rows: &mut RowBuilder<'_>, batch: &mut Batch) -> Result<(), DecodeError> {
        if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            return Ok(());
        }
        rows.schema.check_event_count(batch.len() + 1)?;
        let parsed = json::with_nodes(line, &mut self.scratch, |nodes| push(nodes, rows, batch));
        if let Err(Malformed { offset }) = parsed {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            batch.push_failed(Span::default(), Verdict::MalformedJson { offset });
        }
        Ok(())
    }
}

/// Refuses a JSON body of many short events before it is parsed, because its tape would be large.
///
/// # Errors
/// The body has too many events, or is malformed.
pub(crate) fn check_event_count(body: &mut [u8], schema: &Schema) -> Result<(), DecodeError> {
    let max = schema.batch_events_max;
    match json::has_more_elements(body, max) {
        Ok(false) => Ok(()),
        Ok(true) => Err(DecodeError::TooManyEvents { max }),
        Err(malformed) => Err(DecodeError::Malformed(malformed)),
    }
}

/// The batch of `len` values that follow one another on the tape.
fn batch_of_values(len: usize, mut values: &[Node<'_>], rows: &mut RowBuilder<'_>) -> Batch {
    let mut batch = Batch::default();
    batch.reserve(len);
    while let Some(first) = values.first() {
        let (value, rest) = values.split_at(json::extent(first));
        push(value, rows, &mut batch);
        values = rest;
    }
    batch
}

/// Adds the event that `nodes`, the nodes of one whole value, describe.
#[inline]
fn push(nodes: &[Node<'_>], rows: &mut RowBuilder<'_>, batch: &mut Batch) {
    match nodes.split_first() {
        Some((Node::Object { .. }, members)) => rows.push(&fields(members), batch),
        _ => batch.push_failed(Span::default(), Verdict::Invalid(Fault::NotAnObject)),
    }
}

/// Collects the known members of an object, and skips all others.
#[inline]
fn fields<'t>(mut members: &[Node<'t>]) -> Fields<'t> {
    let mut fields = Fields::default();
    while let [Node::String(name), values @ ..] = members {
        let value = &values[0];
        if let Some(field) = Field::from_name(name.as_bytes()) {
            let value = match value {
                Node::String(string) => Value::String(string.as_bytes()),
                _ => Value::NotAString,
            };
            fields.set(field, value);
        }
        members = &values[json::extent(value)..];
    }
    fields
}

#[cfg(test)]
mod tests;
