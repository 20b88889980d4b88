//! The fast path: the usual shape of events, read in one pass from the bytes into the columns.
//!
//! It expects the next event to look like the one before ([`Layout`]), so that it compares what is around the values
//! and searches only for their ends, a vector at a time; where that fails it reads token by token ([`Reader`]). What
//! it does not know, whether valid (an escape, a value that is no object) or not, it leaves to the general path; so it
//! needs no errors, and every event it does know gets the same row from both.

mod end;
mod events;
mod lanes;
mod layout;
mod reader;
#[cfg(test)]
mod tests;
mod vector;

use super::batch::Batch;
use super::validate::Rows;
use events::Events;
use layout::Layout;
use vector::{Vector, Work, with_vectors};

/// Reads a body that is one event or an array of them into an empty batch; false, and the batch is worth nothing, where
/// there is anything in it that the fast path does not know. `text` is well-formed UTF-8.
pub(super) fn json(text: &[u8], rows: &mut Rows<'_>, batch: &mut Batch) -> bool {
    let mut layout = None;
    let events = Events::new(text, &mut layout, rows, batch);
    with_vectors(Json(events)).is_some()
}

/// Reads lines.
#[derive(Default)]
pub(super) struct Lines {
    layout: Option<Layout>,
}

impl Lines {
    /// Adds the events of all lines from `start` on up to the first that the fast path does not know, and returns where
    /// that one starts. `text` is well-formed UTF-8 from `start` on, and what was read of it before is unchanged.
    pub(super) fn read(&mut self, text: &[u8], start: usize, rows: &mut Rows<'_>, batch: &mut Batch) -> usize {
        let events = Events::new(text, &mut self.layout, rows, batch);
        with_vectors(Ndjson { events, start })
    }
}

struct Json<'a, 't, 's>(Events<'a, 't, 's, false>);

impl Work for Json<'_, '_, '_> {
    type Output = Option<()>;

    #[inline(always)]
    fn run<V: Vector>(self, vector: V) -> Option<()> {
        let Self(mut events) = self;
        let mut reader = events.reader(vector, 0);
        reader.skip_space();
        let is_array = reader.accept(b'[');
        loop {
            reader.skip_space();
            events.push(&mut reader)?;
            if !is_array || !reader.accept(b',') {
                break;
            }
        }
        if is_array && !reader.accept(b']') {
            return None;
        }
        events.flush(vector);
        reader.skip_space();
        reader.peek().is_none().then_some(())
    }
}

struct Ndjson<'a, 't, 's> {
    events: Events<'a, 't, 's, true>,
    start: usize,
}

impl Work for Ndjson<'_, '_, '_> {
    type Output = usize;

    #[inline(always)]
    fn run<V: Vector>(self, vector: V) -> usize {
        let Self { mut events, start: mut line } = self;
        let mut reader = events.reader(vector, line);
        loop {
            reader.skip_space();
            let is_known = reader.peek() != Some(b'{') || events.push(&mut reader).is_some();
            if !is_known || !matches!(reader.next(), None | Some(b'\n')) {
                break;
            }
            line = reader.at;
            if line == reader.text.len() {
                break;
            }
        }
        events.flush(vector);
        line
    }
}
