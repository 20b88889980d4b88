//! A table of lines: where an id of a generation is, and how it is inserted.
//!
//! The places of an id are its half of the home line, the same half of the neighbouring line, and the overflow of its
//! generation, in this order. A half is marked before an id goes on from it. So a lookup follows the marks.
//!
//! Within a generation, cells go from free to live once, and the marks are only added. So two claimants of one id walk
//! the same places. At the first free cell that they share, one compare-and-swap decides between them: the claimant
//! whose swap fails looks at the half again, and finds the id there or goes on behind it.

use super::generation::Generation;
use crate::key::EventKey;
use crate::sync::line::{KEY_BITS, Line, Look, MARK, NO_TAG, TAG_BITS, Vector};
use crate::sync::lines::{Lines, Pages};
use crate::sync::{AtomicUsize, HALF_CELLS, Ordering};
use std::io;
use std::sync::Arc;

/// The bit of a key that a cell keeps for the line: whether the home line is the odd one of two neighbours. A line has
/// cells of both.
const HOME_SHIFT: u32 = 4;

/// The bits of the kept half of a key that a cell has.
const HASH_BITS: u64 = KEY_BITS & !(1 << HOME_SHIFT);

pub(crate) struct Table {
    lines: Lines,
    /// The memory of all tables and segments, in bytes. A gauge.
    bytes: Arc<AtomicUsize>,
}

/// The generations that are read in a table, at most one in each half.
#[derive(Clone)]
pub(crate) struct Reads {
    generations: [Option<Arc<Generation>>; 2],
    /// Their tags; [`NO_TAG`] for a half that is not read.
    tags: [u64; 2],
}

/// The result of an insertion.
#[derive(Clone, Copy)]
pub(crate) struct Insertion {
    /// Whether the id was absent, and was inserted.
    pub(crate) is_new: bool,
    /// Whether the overflow decided.
    pub(crate) is_in_overflow: bool,
}

/// What the home line of a key says.
pub(crate) enum AtHome {
    /// All there is to know.
    Decided(bool),
    /// The key may be in the neighbouring line or in the overflow, or has to go there.
    Beyond(Look),
}

/// Where an id belongs.
#[derive(Clone, Copy)]
struct Home {
    line: usize,
    key_bits: u64,
}

impl Table {
    /// A table of an even number of lines, which counts its memory in `bytes`.
    ///
    /// # Errors
    /// If the system has no free range of addresses of that size.
    pub(crate) fn new(lines: usize, bytes: &Arc<AtomicUsize>) -> io::Result<Self> {
        debug_assert!(lines >= 2 && lines.is_multiple_of(2), "each line has a neighbour");
        let lines = Lines::new(lines, Pages::Huge)?;
        // Relaxed: a gauge.
        bytes.fetch_add(lines.len() * size_of::<Line>(), Ordering::Relaxed);
        Ok(Self { lines, bytes: Arc::clone(bytes) })
    }

    /// Makes the memory resident before the table is used.
    pub(crate) fn prefault(&self) {
        self.lines.prefault();
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// Prefetches the home line of the key.
    #[inline(always)]
    pub(crate) fn prefetch(&self, key: EventKey) {
        self.lines.prefetch(self.home(key).line);
    }

    /// Prefetches the neighbour of the home line of the key.
    #[inline(always)]
    pub(crate) fn prefetch_neighbour(&self, key: EventKey) {
        self.lines.prefetch(self.home(key).neighbour());
    }

    /// Whether one of the generations has the key in this table or in its overflow. It may miss a key that is inserted
    /// meanwhile.
    #[inline]
    pub(crate) fn contains(&self, vector: impl Vector, key: EventKey, reads: &Reads) -> bool {
        match self.home_contains(vector, key, reads) {
            AtHome::Decided(is_known) => is_known,
            AtHome::Beyond(look) => self.went_on(vector, key, &look, reads),
        }
    }

    /// [`contains`](Self::contains), as far as the home line decides it.
    #[inline(always)]
    pub(crate) fn home_contains(&self, vector: impl Vector, key: EventKey, reads: &Reads) -> AtHome {
        let home = self.home(key);
        let look = vector.look(self.lines.line(home.line), home.key_bits, reads.tags);
        if look.has_key() || !look.has_mark() { AtHome::Decided(look.has_key()) } else { AtHome::Beyond(look) }
    }

    /// Inserts the key of `generation`, unless one of the generations has it. Of all calls with one key and one
    /// generation, at most one inserts it.
    #[inline(always)]
    pub(crate) fn insert(
        &self,
        vector: impl Vector,
        key: EventKey,
        reads: &Reads,
        generation: &Generation,
    ) -> Insertion {
        match self.insert_at_home(vector, key, reads, generation) {
            AtHome::Decided(is_new) => Insertion::in_cell(is_new),
            AtHome::Beyond(look) => self.insert_after(vector, key, &look, reads, generation),
        }
    }

    /// [`insert`](Self::insert), as far as the home line decides it: whether the key is inserted.
    #[inline(always)]
    pub(crate) fn insert_at_home(
        &self,
        vector: impl Vector,
        key: EventKey,
        reads: &Reads,
        generation: &Generation,
    ) -> AtHome {
        let home = self.home(key);
        let mut tags = reads.tags;
        tags[generation.half()] = generation.tag();
        let line = self.lines.line(home.line);
        loop {
            let look = vector.look(line, home.key_bits, tags);
            if look.has_key() {
                return AtHome::Decided(false);
            }
            let Some(free) = look.first_free(generation.half()).filter(|_| !look.has_mark()) else {
                return AtHome::Beyond(look);
            };
            if fill(line, free, home, generation) {
                return AtHome::Decided(true);
            }
        }
    }

    /// The rest of [`insert`](Self::insert) after a look at the home line that did not decide. How long ago the look
    /// was does not matter: a cell that has changed since is not filled.
    #[cold]
    pub(crate) fn insert_after(
        &self,
        vector: impl Vector,
        key: EventKey,
        look: &Look,
        reads: &Reads,
        generation: &Generation,
    ) -> Insertion {
        if self.went_on(vector, key, look, reads) {
            return Insertion::in_cell(false);
        }
        let home = self.home(key);
        match look.first_free(generation.half()) {
            None => self.insert_beyond(vector, key, home, look, generation),
            Some(free) if fill(self.lines.line(home.line), free, home, generation) => Insertion::in_cell(true),
            Some(_) => self.insert(vector, key, reads, generation),
        }
    }

    /// Whether a generation has the key beyond the home line, at which the look was.
    #[inline]
    pub(crate) fn went_on(&self, vector: impl Vector, key: EventKey, look: &Look, reads: &Reads) -> bool {
        (0..2).any(|half| look.is_marked(half) && self.is_beyond(vector, key, reads, half))
    }

    fn is_beyond(&self, vector: impl Vector, key: EventKey, reads: &Reads, half: usize) -> bool {
        let Some(generation) = &reads.generations[half] else { return false };
        let home = self.home(key);
        let look = vector.look(self.lines.line(home.neighbour()), home.key_bits, tags_of(generation));
        look.has_key() || (look.is_marked(half) && generation.overflow.contains(vector, key))
    }

    /// Inserts a key for which the home line is full.
    #[cold]
    fn insert_beyond(
        &self,
        vector: impl Vector,
        key: EventKey,
        home: Home,
        look: &Look,
        generation: &Generation,
    ) -> Insertion {
        mark(self.lines.line(home.line), look, generation);
        let neighbour = self.lines.line(home.neighbour());
        loop {
            let look = vector.look(neighbour, home.key_bits, tags_of(generation));
            if look.has_key() {
                return Insertion::in_cell(false);
            }
            let Some(free) = look.first_free(generation.half()) else {
                mark(neighbour, &look, generation);
                return Insertion { is_new: generation.overflow.insert(vector, key), is_in_overflow: true };
            };
            if fill(neighbour, free, home, generation) {
                return Insertion::in_cell(true);
            }
        }
    }

    /// Empties the cells of some lines whose tag is in none of `kept`, the tags of each half.
    pub(crate) fn wipe(&self, lines: std::ops::Range<usize>, kept: [[u64; 2]; 2]) {
        for line in lines {
            for (cell, word) in self.lines.line(line).0.iter().enumerate() {
                // Relaxed: a cell publishes nothing but its own word. If a claimant fills the cell first, the swap
                // fails, and the cell needs no wipe.
                let dead = word.load(Ordering::Relaxed);
                if dead != 0 && !kept[cell / HALF_CELLS].contains(&(dead & TAG_BITS)) {
                    let _ = word.compare_exchange(dead, 0, Ordering::Relaxed, Ordering::Relaxed);
                }
            }
        }
    }

    /// The high word of the product spreads the hash over any number of lines (Lemire, "Fast random integer generation
    /// in an interval", 2019). The other half of the key is kept in the cell.
    #[inline(always)]
    fn home(&self, key: EventKey) -> Home {
        let [for_line, kept] = key.0;
        let line = ((u128::from(for_line) * self.lines.len() as u128) >> 64) as usize;
        Home { line, key_bits: kept & HASH_BITS | ((line & 1) as u64) << HOME_SHIFT }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // Relaxed: a gauge.
        self.bytes.fetch_sub(self.lines.len() * size_of::<Line>(), Ordering::Relaxed);
    }
}

impl Insertion {
    #[inline(always)]
    pub(crate) fn in_cell(is_new: bool) -> Self {
        Self { is_new, is_in_overflow: false }
    }
}

impl Home {
    #[inline(always)]
    fn neighbour(self) -> usize {
        self.line ^ 1
    }
}

impl Reads {
    pub(crate) fn none() -> Self {
        Self { generations: [None, None], tags: [NO_TAG; 2] }
    }

    pub(crate) fn insert(&mut self, generation: &Arc<Generation>) {
        self.generations[generation.half()] = Some(Arc::clone(generation));
        self.tags[generation.half()] = generation.tag();
    }

    pub(crate) fn remove(&mut self, generation: &Generation) {
        let read = &mut self.generations[generation.half()];
        if read.take_if(|read| read.number() == generation.number()).is_some() {
            self.tags[generation.half()] = NO_TAG;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tags == [NO_TAG; 2]
    }
}

fn tags_of(generation: &Generation) -> [u64; 2] {
    let mut tags = [NO_TAG; 2];
    tags[generation.half()] = generation.tag();
    tags
}

/// Fills a free cell; returns whether it was still as it was judged.
#[inline(always)]
fn fill(line: &Line, (cell, judged): (usize, u64), home: Home, generation: &Generation) -> bool {
    // Relaxed: a cell publishes nothing but its own word. Pairs with the same swap of other claimants, and with that of
    // a wipe: the one that comes first changes the word, and the others fail and look again. The expected value is the
    // one that was judged free. A value that is loaded again could be live. That a claimant sees the cells of claimants
    // two phases earlier is guaranteed by the grace period.
    let word = home.key_bits | generation.tag();
    line.0[cell].compare_exchange(judged, word, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// Marks a half that is full of live cells, before an id goes on from it.
fn mark(line: &Line, look: &Look, generation: &Generation) {
    if !look.is_marked(generation.half()) {
        // Relaxed: the cell is live, and stays so while this claimant is pinned, so only marks change it. A lookup that
        // needs the mark comes after a grace period.
        line.0[generation.half() * HALF_CELLS].fetch_or(MARK, Ordering::Relaxed);
    }
}
