//! The ids of a generation that found no cell in a table.
//!
//! They go to segments, which are arrays of lines. An id has one line in each segment. It goes into the first free cell
//! of its line in the first segment, or, if that line is full, in the second segment, and so on. Each segment has four times
//! the lines of the segment before. So an id always finds a cell, and looks at few segments.
//!
//! Cells go from free to live once, and a full line stays full. So two claimants of one id walk the same cells, and at
//! the first free one a single compare-and-swap decides between them, as in a table. A lookup ends at the first line
//! that is not full.

use crate::key::EventKey;
use crate::limits::DEDUP_OVERFLOW_LINES_FILLED;
use crate::sync::line::{KEY_BITS, LINE_CELLS, Line, Look, TAG_BITS, Vector};
use crate::sync::lines::{Lines, OVERFLOW_LINES_MIN, Pages};
use crate::sync::{AtomicUsize, OnceLock, Ordering};
use std::alloc::{Layout, handle_alloc_error};
use std::sync::Arc;

/// More segments than any memory can hold.
const SEGMENTS: usize = 24;

/// The tag of every cell that is filled. A segment has cells of one generation.
const TAG: u64 = 1;

/// Segments that are opened one after another. They are dropped together with their generation.
pub(crate) struct Overflow {
    segments: [OnceLock<Lines>; SEGMENTS],
    first_lines: usize,
    /// The memory of all tables and segments, in bytes. A gauge. It has the memory of the segment that is opened next, too.
    bytes: Arc<AtomicUsize>,
}

impl Overflow {
    /// Segments for a table of `table_lines` lines, of which none is open yet.
    pub(crate) fn new(table_lines: usize, bytes: &Arc<AtomicUsize>) -> Self {
        let first_lines = first_lines(table_lines);
        bytes.fetch_add(bytes_for(first_lines), Ordering::Relaxed);
        Self { segments: std::array::from_fn(|_| OnceLock::new()), first_lines, bytes: Arc::clone(bytes) }
    }

    /// Inserts the key; returns whether it was absent. Of all calls with one key, exactly one returns true.
    pub(crate) fn insert(&self, vector: impl Vector, key: EventKey) -> bool {
        let word = word(key);
        let segments = (0..SEGMENTS).map(|index| self.open(index));
        for line in segments.map(|segment| line(segment, key)) {
            loop {
                let look = look(vector, line, word);
                if look.has_key() {
                    return false;
                }
                let Some((cell, judged)) = first_free(&look) else { break };
                // Relaxed: as in a table, a cell publishes nothing but its own word. Of two swaps of one cell the first
                // wins, and the other claimant looks again.
                if line.0[cell].compare_exchange(judged, word, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                    return true;
                }
            }
        }
        unreachable!("the last segment is larger than any memory")
    }

    /// Whether the key was inserted. Only insertions before the last grace period are certain to be found.
    pub(crate) fn contains(&self, vector: impl Vector, key: EventKey) -> bool {
        for segment in self.segments.iter().map_while(OnceLock::get) {
            let look = look(vector, line(segment, key), word(key));
            if look.has_key() || first_free(&look).is_some() {
                return look.has_key();
            }
        }
        false
    }

    /// Opens the next segment if the last one will soon be needed or is filling up, and makes its memory resident. So
    /// claimants do not have to. `may_allocate` says whether there is memory for a number of bytes.
    pub(crate) fn open_ahead(&self, may_allocate: &dyn Fn(usize) -> bool) {
        let open = self.segments.iter().map_while(OnceLock::get).count();
        let is_filling = open == 0 || self.segments[open - 1].get().is_some_and(is_filling);
        if !is_filling || open == SEGMENTS || !may_allocate(bytes_for(self.lines(open))) {
            return;
        }
        // Huge pages, because this thread clears them.
        let Ok(lines) = Lines::new(self.lines(open), Pages::Huge) else { return };
        lines.prefault();
        self.set(open, lines);
    }

    /// The segment, which is opened now unless it is open.
    fn open(&self, index: usize) -> &Lines {
        if let Some(lines) = self.segments[index].get() {
            return lines;
        }
        let lines = Lines::new(self.lines(index), Pages::Small);
        self.set(index, lines.unwrap_or_else(|_| handle_alloc_error(Layout::new::<Line>())));
        self.segments[index].get().expect("it was set")
    }

    /// Opens a segment, unless another thread is faster.
    fn set(&self, index: usize, lines: Lines) {
        if self.segments[index].set(lines).is_ok() {
            // Relaxed: a gauge.
            self.bytes.fetch_add(bytes_for(self.lines(index + 1)), Ordering::Relaxed);
        }
    }

    fn lines(&self, index: usize) -> usize {
        self.first_lines.saturating_mul(1 << (2 * index))
    }
}

impl Drop for Overflow {
    fn drop(&mut self) {
        let open = self.segments.iter().map_while(OnceLock::get).count();
        let bytes = (0..=open).map(|index| bytes_for(self.lines(index))).sum::<usize>();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The memory of the overflow of a generation that begins in a table of `table_lines` lines, if few ids find no cell
/// there: one segment, and the next one.
pub(crate) fn usual_bytes(table_lines: usize) -> usize {
    bytes_for(first_lines(table_lines)).saturating_mul(1 + 4)
}

fn first_lines(table_lines: usize) -> usize {
    (table_lines / crate::limits::DEDUP_OVERFLOW_PART).max(OVERFLOW_LINES_MIN)
}

fn bytes_for(lines: usize) -> usize {
    lines.saturating_mul(size_of::<Line>())
}

/// Whether about half of the cells are filled, by the first lines. The ids are spread evenly.
fn is_filling(segment: &Lines) -> bool {
    let lines = segment.len().min(DEDUP_OVERFLOW_LINES_FILLED);
    let is_filled = |line: usize| segment.line(line).0[LINE_CELLS / 2 - 1].load(Ordering::Relaxed) != 0;
    (0..lines).filter(|line| is_filled(*line)).count() > lines / 2
}

/// The line of a key in a segment. The high bits of the half that chooses it choose the line of a table, too, and the
/// ids here come from few lines. So the low bits are used.
#[inline]
fn line(segment: &Lines, key: EventKey) -> &Line {
    let line = (u128::from(key.0[0].reverse_bits()) * segment.len() as u128) >> 64;
    segment.line(line as usize)
}

/// The word of a cell that has the key.
fn word(key: EventKey) -> u64 {
    key.0[1] & KEY_BITS | TAG
}

fn look(vector: impl Vector, line: &Line, word: u64) -> Look {
    vector.look(line, word & !TAG_BITS, [TAG; 2])
}

/// The first free cell of the whole line.
fn first_free(look: &Look) -> Option<(usize, u64)> {
    look.first_free(0).or_else(|| look.first_free(1))
}
