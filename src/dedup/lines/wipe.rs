//! Emptying the cells of forgotten generations.
//!
//! Tags repeat: a cell that is never filled again would be live again some generations later. So the cells of forgotten
//! generations are emptied before their tag is used again. Only the table that is claimed in needs it.

use super::generation::TAG_PERIOD;
use super::phase::Phase;
use crate::limits::DEDUP_WIPE_LINES;

/// How far the current table is wiped.
pub(crate) struct Wipe {
    /// Every cell that is not empty is of this generation or of a later one.
    clean_from: u64,
    pass: Option<Pass>,
}

/// A pass over the table.
struct Pass {
    next_line: usize,
    /// The oldest generation that the pass keeps.
    clean_from: u64,
}

impl Wipe {
    /// The state of an empty table whose first generation is `generation`.
    pub(crate) fn of_empty_table(generation: u64) -> Self {
        Self { clean_from: generation, pass: None }
    }

    /// Whether no cell can look like a cell of this generation or of the one after it. A pass keeps the tag of the
    /// generation after the current one, so the pass has to come while no dead cell has that tag.
    pub(crate) fn is_ready_for(&self, generation: u64) -> bool {
        generation + 1 < self.clean_from + TAG_PERIOD
    }

    /// Whether a pass should go on: long before it has to be complete.
    pub(crate) fn is_wanted(&self, phase: &Phase) -> bool {
        self.pass.is_some() || phase.current.generation.number() > self.clean_from + TAG_PERIOD / 2
    }

    /// Wipes some lines of the current table of `phase`. The caller holds the lock of the rotation, so the phase is the
    /// current one.
    pub(crate) fn wipe_some(&mut self, phase: &Phase) {
        let number = phase.current.generation.number();
        let oldest = number.saturating_sub(1);
        let pass = self.pass.get_or_insert(Pass { next_line: 0, clean_from: oldest });
        let table = &phase.current.table;
        let end = table.lines().min(pass.next_line + DEDUP_WIPE_LINES);
        table.wipe(pass.next_line..end, kept_tags(number));
        pass.next_line = end;
        if end == table.lines() {
            self.clean_from = pass.clean_from;
            self.pass = None;
        }
    }
}

/// For each half, the tags of the generations around the current one that may have cells in it. The generation after
/// the current one has cells in the bridging phase.
fn kept_tags(current: u64) -> [[u64; 2]; 2] {
    let mut kept = [[0; 2]; 2];
    for (index, generation) in [current, current + 1, current.saturating_sub(1)].into_iter().enumerate() {
        kept[(generation & 1) as usize][index / 2] = super::generation::tag(generation);
    }
    kept
}
