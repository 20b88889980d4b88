//! Stand-in for the array of lines. The memory is not mapped from the system.
//!
//! Not covered: the mapping itself.

use super::AtomicU64;
use super::line::Line;
use std::io;

/// Small, so that a model reaches the limits of a table.
pub(crate) const LINES_MIN: usize = 2;

/// Small, for the same reason.
pub(crate) const OVERFLOW_LINES_MIN: usize = 1;

/// No model depends on the pages.
pub(crate) enum Pages {
    Huge,
    Small,
}

pub(crate) struct Lines(Vec<Line>);

impl Lines {
    pub(crate) fn new(len: usize, _: Pages) -> io::Result<Self> {
        Ok(Self((0..len).map(|_| Line(std::array::from_fn(|_| AtomicU64::new(0)))).collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn line(&self, index: usize) -> &Line {
        &self.0[index]
    }

    pub(crate) fn prefetch(&self, _: usize) {}

    pub(crate) fn prefault(&self) {}
}
