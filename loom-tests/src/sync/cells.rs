//! Stand-in for the array of lines: lines of two words, so that a walk over a line's end is part of a small model, and no
//! memory of the system's.
//!
//! Not covered: the mapping itself, and that giving its memory back reads as zero.

use super::{AtomicU64, Ordering};
use std::io;

pub(crate) const LINE_WORDS: usize = 2;

pub(crate) struct Line(pub(crate) [AtomicU64; LINE_WORDS]);

impl Line {
    /// Looks at the words in order, as far as they are needed.
    pub(crate) fn look(&self, word: u64) -> Look {
        for (place, held) in self.0.iter().enumerate() {
            match held.load(Ordering::Relaxed) {
                0 => return Look { has_word: false, first_zero: Some(place) },
                held if held == word => return Look { has_word: true, first_zero: None },
                _ => {}
            }
        }
        Look { has_word: false, first_zero: None }
    }
}

pub(crate) struct Look {
    has_word: bool,
    first_zero: Option<usize>,
}

impl Look {
    pub(crate) fn has_word(&self) -> bool {
        self.has_word
    }

    pub(crate) fn first_zero(&self) -> Option<usize> {
        self.first_zero
    }
}

pub(crate) struct Lines(Vec<Line>);

impl Lines {
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        Ok(Self((0..len).map(|_| Line(std::array::from_fn(|_| AtomicU64::new(0)))).collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn line(&self, index: usize) -> &Line {
        &self.0[index]
    }

    pub(crate) fn prefetch(&self, _: usize) {}

    pub(crate) fn clear(&self) {
        for word in self.0.iter().flat_map(|line| &line.0) {
            word.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn populate(&self) {}
}
