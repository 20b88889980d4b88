//! JSON and NDJSON into a batch.

use super::batch::{Batch, Span, Verdict};
use super::validate::Rows;
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

/// Why a body has no verdicts at all: nothing of it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The body is not JSON (never for NDJSON, whose lines fail one by one).
    Malformed(Malformed),
    /// More events than a request may hold. A body that breaks only after so many comes under this too.
    TooManyEvents {
        /// How many it may hold.
        max: usize,
    },
}

/// What an event must look like.
pub(crate) struct Schema {
    /// The allowed types; an event's kind is its index here.
    pub(crate) event_types: Box<[Box<str>]>,
    pub(crate) batch_events_max: usize,
}

impl Schema {
    /// Refuses a request of `events` events where that is more than it may hold.
    fn limit(&self, events: usize) -> Result<(), DecodeError> {
        let max = self.batch_events_max;
        if events > max { Err(DecodeError::TooManyEvents { max }) } else { Ok(()) }
    }
}

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
        mut body: Vec<u8>,
        format: Format,
        schema: &Schema,
        keys: &HashKeys,
    ) -> Result<Batch, DecodeError> {
        let rows = Rows { schema, keys, text_address: body.as_ptr().addr() };
        let mut batch = match format {
            Format::Json => self.json(&mut body, rows),
            Format::Ndjson => self.ndjson(&mut body, rows),
        }?;
        batch.text = body;
        Ok(batch)
    }

    /// The elements of an array are the events; any other value is one.
    fn json(&mut self, body: &mut [u8], rows: Rows<'_>) -> Result<Batch, DecodeError> {
        let parsed = json::parse(body, &mut self.scratch, |nodes| match nodes {
            [Node::Array { len, .. }, elements @ ..] => {
                rows.schema.limit(*len)?;
                Ok(elements_batch(*len, elements, rows))
            }
            value => Ok(elements_batch(1, value, rows)),
        });
        parsed.unwrap_or_else(|broken| {
            rows.schema.limit(broken.elements)?;
            Err(DecodeError::Malformed(broken.malformed))
        })
    }

    /// Each line that is not blank is one event.
    fn ndjson(&mut self, mut body: &mut [u8], rows: Rows<'_>) -> Result<Batch, DecodeError> {
        let lines = memchr::memchr_iter(b'\n', body).count() + 1;
        let mut batch = Batch::with_capacity(lines.min(rows.schema.batch_events_max));
        while !body.is_empty() {
            let (line, rest) = split_line(body);
            body = rest;
            if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
                continue;
            }
            rows.schema.limit(batch.len() + 1)?;
            let parsed = json::with_nodes(line, &mut self.scratch, |nodes| rows.push(nodes, &mut batch));
            if let Err(Malformed { offset }) = parsed {
                let offset = u32::try_from(offset).unwrap_or(u32::MAX);
                batch.push_failed(Span::default(), Verdict::MalformedJson { offset });
            }
        }
        Ok(batch)
    }
}

/// The first line, without its line feed, and what comes after that.
fn split_line(body: &mut [u8]) -> (&mut [u8], &mut [u8]) {
    match memchr::memchr(b'\n', body) {
        Some(end) => {
            let (line, rest) = body.split_at_mut(end);
            (line, &mut rest[1..])
        }
        None => (body, &mut []),
    }
}

/// The batch of `len` values that follow one another on the tape.
fn elements_batch(len: usize, mut values: &[Node<'_>], rows: Rows<'_>) -> Batch {
    let mut batch = Batch::with_capacity(len);
    while let Some(first) = values.first() {
        let (value, rest) = values.split_at(json::extent(first));
        rows.push(value, &mut batch);
        values = rest;
    }
    batch
}

#[cfg(test)]
mod tests;
