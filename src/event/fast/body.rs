//! Bodies by the fast path: one for each format.

use super::events::EventReader;
use super::shapes::Shapes;
use super::simd::{Simd, SimdTask, run_simd};
use crate::event::batch::Batch;
use crate::event::validate::RowBuilder;

/// Reads a body that is one event, or an array of events, into an empty batch. `text` is well-formed UTF-8.
///
/// Returns false if the body has anything that the fast path does not know. The content of the batch is then
/// meaningless.
pub(in crate::event) fn read_json(text: &[u8], rows: &mut RowBuilder<'_>, batch: &mut Batch) -> bool {
    read_json_with(&mut Shapes::default(), text, rows, batch)
}

/// [`read_json`] with shapes that are known already.
pub(super) fn read_json_with(shapes: &mut Shapes, text: &[u8], rows: &mut RowBuilder<'_>, batch: &mut Batch) -> bool {
    let events = EventReader::new(text, shapes, rows, batch);
    events.is_some_and(|mut events| run_simd(JsonTask(&mut events)).is_some())
}

/// Reads the lines of an NDJSON body.
#[derive(Default)]
pub(in crate::event) struct LineReader {
    shapes: Shapes,
}

impl LineReader {
    /// Adds the events of all lines from `start` up to the first line that the fast path does not know, and returns the
    /// start of that line. `text` is well-formed UTF-8 from `start` on, and its part before `start` is unchanged since
    /// it was read.
    pub(in crate::event) fn read(
        &mut self,
        text: &[u8],
        start: usize,
        rows: &mut RowBuilder<'_>,
        batch: &mut Batch,
    ) -> usize {
        let events = EventReader::new(text, &mut self.shapes, rows, batch);
        events.map_or(start, |mut events| run_simd(NdjsonTask { events: &mut events, start }))
    }
}

/// The reader is large, so it is not moved.
struct JsonTask<'e, 'a, 't, 's>(&'e mut EventReader<'a, 't, 's, false>);

impl SimdTask for JsonTask<'_, '_, '_, '_> {
    type Output = Option<()>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<()> {
        let Self(events) = self;
        let mut tokens = events.tokens(simd, 0);
        tokens.skip_space();
        let is_array = tokens.accept(b'[');
        loop {
            tokens.skip_space();
            events.push(&mut tokens)?;
            if !is_array || !tokens.accept(b',') {
                break;
            }
        }
        if is_array && !tokens.accept(b']') {
            return None;
        }
        events.flush(simd);
        tokens.skip_space();
        tokens.peek().is_none().then_some(())
    }
}

struct NdjsonTask<'e, 'a, 't, 's> {
    events: &'e mut EventReader<'a, 't, 's, true>,
    start: usize,
}

impl SimdTask for NdjsonTask<'_, '_, '_, '_> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        let Self { events, start: mut line } = self;
        let mut tokens = events.tokens(simd, line);
        loop {
            tokens.skip_space();
            let is_known = tokens.peek() != Some(b'{') || events.push(&mut tokens).is_some();
            if !is_known || !matches!(tokens.next(), None | Some(b'\n')) {
                break;
            }
            line = tokens.at;
            if line == tokens.text.bytes.len() {
                break;
            }
        }
        events.flush(simd);
        line
    }
}
