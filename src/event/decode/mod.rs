//! JSON and NDJSON into a batch.

use super::batch::{Batch, Fault, Field, Span, Verdict};
use super::error::DecodeError;
use super::fast;
use super::schema::Schema;
use super::validate::{Fields, Rows, Value};
use crate::json::{self, Malformed, Node, Scratch};
use crate::key::HashKeys;

/// How a body holds its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One event object, or an array of them.
    Json,
    /// One event a line.
    Ndjson,
}

/// Lines in a row that the fast path does not know before it is taken to know none of a body.
const MISSES_MAX: usize = 16;

/// Buffers that live from one body to the next.
#[derive(Default)]
pub(crate) struct Decoder {
    scratch: Scratch,
}

impl Decoder {
    /// The events of `body`, validated as far as that needs no clock.
    ///
    /// Takes linear time, and allocates the batch's columns and nothing for an event. The body becomes the batch's text.
    ///
    /// # Errors
    /// [`DecodeError`], when nothing of the body is taken.
    pub(crate) fn decode(
        &mut self,
        body: Vec<u8>,
        format: Format,
        schema: &Schema,
        keys: &HashKeys,
    ) -> Result<Batch, DecodeError> {
        // Strings that are cut out at quotes are then well-formed too; bodies that are not UTF-8 are too rare to sort out.
        let is_fast = simdutf8::basic::from_utf8(&body).is_ok();
        self.decode_by(is_fast, body, format, schema, keys)
    }

    /// [`decode`](Self::decode) of a body that is valid and of the usual shape throughout, in at most some tens of
    /// nanoseconds an event; any other body is given back as it was.
    ///
    /// # Errors
    /// The body.
    pub(crate) fn decode_usual(
        body: Vec<u8>,
        format: Format,
        schema: &Schema,
        keys: &HashKeys,
    ) -> Result<Batch, Vec<u8>> {
        let rows = &mut Rows::new(schema, keys, body.as_ptr().addr());
        let mut batch = Batch::default();
        let is_usual = simdutf8::basic::from_utf8(&body).is_ok()
            && match format {
                Format::Json => fast::json(&body, rows, &mut batch),
                Format::Ndjson => fast::Lines::default().read(&body, 0, rows, &mut batch) == body.len(),
            };
        if !is_usual {
            return Err(body);
        }
        batch.text = body;
        Ok(batch)
    }

    /// [`decode`](Self::decode), with the fast path or all by the general one.
    pub(crate) fn decode_by(
        &mut self,
        is_fast: bool,
        mut body: Vec<u8>,
        format: Format,
        schema: &Schema,
        keys: &HashKeys,
    ) -> Result<Batch, DecodeError> {
        let rows = &mut Rows::new(schema, keys, body.as_ptr().addr());
        let mut batch = match format {
            Format::Json => self.json(&mut body, is_fast, rows),
            Format::Ndjson => self.ndjson(&mut body, is_fast, rows),
        }?;
        batch.text = body;
        Ok(batch)
    }

    /// The elements of an array are the events; any other value is one.
    fn json(&mut self, body: &mut [u8], is_fast: bool, rows: &mut Rows<'_>) -> Result<Batch, DecodeError> {
        let mut batch = Batch::default();
        if is_fast && fast::json(body, rows, &mut batch) {
            return Ok(batch);
        }
        let schema = rows.schema;
        let parsed = json::parse(body, &mut self.scratch, |nodes| match nodes {
            [Node::Array { len, .. }, elements @ ..] => {
                schema.limit(*len)?;
                Ok(elements_batch(*len, elements, rows))
            }
            value => Ok(elements_batch(1, value, rows)),
        });
        parsed.unwrap_or_else(|broken| {
            schema.limit(broken.elements)?;
            Err(DecodeError::Malformed(broken.malformed))
        })
    }

    /// Each line that is not blank is one event.
    fn ndjson(&mut self, body: &mut [u8], is_fast: bool, rows: &mut Rows<'_>) -> Result<Batch, DecodeError> {
        let mut batch = Batch::default();
        let mut lines = is_fast.then(fast::Lines::default);
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
                if misses == MISSES_MAX {
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

    fn line(&mut self, line: &mut [u8], rows: &mut Rows<'_>, batch: &mut Batch) -> Result<(), DecodeError> {
        if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            return Ok(());
        }
        rows.schema.limit(batch.len() + 1)?;
        let parsed = json::with_nodes(line, &mut self.scratch, |nodes| push(nodes, rows, batch));
        if let Err(Malformed { offset }) = parsed {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            batch.push_failed(Span::default(), Verdict::MalformedJson { offset });
        }
        Ok(())
    }
}

/// The batch of `len` values that follow one another on the tape.
fn elements_batch(len: usize, mut values: &[Node<'_>], rows: &mut Rows<'_>) -> Batch {
    let mut batch = Batch::default();
    batch.reserve(len);
    while let Some(first) = values.first() {
        let (value, rest) = values.split_at(json::extent(first));
        push(value, rows, &mut batch);
        values = rest;
    }
    batch
}

/// Adds the event that `nodes` (one value, whole) describe.
#[inline]
fn push(nodes: &[Node<'_>], rows: &mut Rows<'_>, batch: &mut Batch) {
    match nodes.split_first() {
        Some((Node::Object { .. }, members)) => rows.push(&fields(members), batch),
        _ => batch.push_failed(Span::default(), Verdict::Invalid(Fault::NotAnObject)),
    }
}

/// Gathers the known members of an object, and skips all others.
#[inline]
fn fields<'t>(mut members: &[Node<'t>]) -> Fields<'t> {
    let mut fields = Fields::default();
    while let [Node::String(name), values @ ..] = members {
        let value = &values[0];
        if let Some(field) = Field::named(name.as_bytes()) {
            let text = match value {
                Node::String(text) => Value::Text(text.as_bytes()),
                _ => Value::NotText,
            };
            fields.note(field, text);
        }
        members = &values[json::extent(value)..];
    }
    fields
}

#[cfg(test)]
mod tests;
