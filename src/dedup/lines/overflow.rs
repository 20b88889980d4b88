//! The ids of a generation that found no cell in a table.
//!
//! They go to segments, which are arrays of lines. An id has one line in each segment. It goes into the first free cell
//! of its line in the first segment, or, if that line is full, in the second segment, and so on. At a steady rate
//! almost all ids find a cell in the first segment. The second one is small, and then each has four times the lines of
//! the one before. So an id always finds a cell, and looks at few segments.
//!
//! Cells go from free to live once, and a full line stays full. So two claimants of one id walk the same cells, and at
//! the first free one a single compare-and-swap decides between them, as in a table. A lookup ends at the first line
//! that is not full.

use super::sizing::bytes_for;
use crate::key::EventKey;
use crate::limits::{DEDUP_OVERFLOW_ID_BYTES, DEDUP_OVERFLOW_LINES_FILLED};
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
    segments: [OnceLock<Segment>; SEGMENTS],
    first_lines: usize,
    /// The ids in segments that claimants have opened. A gauge.
    ids_ahead_of_sweeps: AtomicUsize,
    /// The memory of all tables and segments, in bytes. A gauge.
    bytes: Arc<AtomicUsize>,
}

struct Segment {
    lines: Lines,
    /// Whether a sweep has opened it. Then its memory is counted at once, after the sweep has asked for it. Otherwise
    /// it is counted id by id, so that a batch is never charged for a whole segment.
    is_counted: bool,
}

impl Overflow {
    /// Segments for a table of `table_lines` lines, of which none is open yet.
    pub(crate) fn new(table_lines: usize, bytes: &Arc<AtomicUsize>) -> Self {
        Self {
            segments: std::array::from_fn(|_| OnceLock::new()),
            first_lines: first_lines(table_lines),
            ids_ahead_of_sweeps: AtomicUsize::new(0),
            bytes: Arc::clone(bytes),
        }
    }

    /// Inserts the key; returns whether it was absent. Of all calls with one key, exactly one returns true.
    pub(crate) fn insert(&self, vector: impl Vector, key: EventKey) -> bool {
        let word = word(key);
        for segment in (0..SEGMENTS).map(|index| self.open(index)) {
            let line = line(&segment.lines, key);
            loop {
                let look = look(vector, line, word);
                if look.has_key() {
                    return false;
                }
                let Some((cell, judged)) = first_free(&look) else { break };
                // Relaxed: as in a table, a cell publishes nothing but its own word. Of two swaps of one cell the first
                // wins, and the other claimant looks again.
                if line.0[cell].compare_exchange(judged, word, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                    if !segment.is_counted {
                        self.ids_ahead_of_sweeps.fetch_add(1, Ordering::Relaxed);
                        self.bytes.fetch_add(DEDUP_OVERFLOW_ID_BYTES, Ordering::Relaxed);
                    }
                    return true;
                }
            }
        }
        unreachable!("the last segment is larger than any memory")
    }

    /// Whether the key was inserted. Only insertions before the last grace period are certain to be found.
    pub(crate) fn contains(&self, vector: impl Vector, key: EventKey) -> bool {
        for segment in self.segments.iter().map_while(OnceLock::get) {
            let look = look(vector, line(&segment.lines, key), word(key));
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
        let is_filling = open == 0 || self.segments[open - 1].get().is_some_and(|last| is_filling(&last.lines));
        if !is_filling || open == SEGMENTS || !may_allocate(bytes_for(self.lines(open))) {
            return;
        }
        // Huge pages, because this thread clears them.
        let Ok(lines) = Lines::new(self.lines(open), Pages::Huge) else { return };
        lines.prefault();
        if self.segments[open].set(Segment { lines, is_counted: true }).is_ok() {
            self.bytes.fetch_add(bytes_for(self.lines(open)), Ordering::Relaxed);
        }
    }

    /// The segment, which is opened now unless it is open.
    fn open(&self, index: usize) -> &Segment {
        if let Some(segment) = self.segments[index].get() {
            return segment;
        }
        let lines = Lines::new(self.lines(index), Pages::Small);
        let lines = lines.unwrap_or_else(|_| handle_alloc_error(Layout::new::<Line>()));
        // If another thread is faster, its segment is used.
        let _ = self.segments[index].set(Segment { lines, is_counted: false });
        self.segments[index].get().expect("it was set")
    }

    fn lines(&self, index: usize) -> usize {
        lines(self.first_lines, index)
    }
}

impl Drop for Overflow {
    fn drop(&mut self) {
        let open = self.segments.iter().map_while(OnceLock::get).filter(|segment| segment.is_counted);
        let bytes = open.map(|segment| bytes_for(segment.lines.len())).sum::<usize>();
        let ids_bytes = self.ids_ahead_of_sweeps.load(Ordering::Relaxed) * DEDUP_OVERFLOW_ID_BYTES;
        self.bytes.fetch_sub(bytes + ids_bytes, Ordering::Relaxed);
    }
}

/// The memory of the overflow of a generation that begins in a table of `table_lines` lines, if few ids find no cell
/// there: two segments.
pub(crate) fn usual_bytes(table_lines: usize) -> usize {
    (0..2).map(|index| bytes_for(lines(first_lines(table_lines), index))).sum()
}

/// The lines of a segment.
fn lines(first_lines: usize, index: usize) -> usize {
    match index.checked_sub(1) {
        None => first_lines,
        Some(beyond) => (first_lines / 4).max(1).saturating_mul(1 << (2 * beyond)),
    }
}

fn first_lines(table_lines: usize) -> usize {
    (table_lines / crate::limits::DEDUP_OVERFLOW_PART).max(OVERFLOW_LINES_MIN)
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
