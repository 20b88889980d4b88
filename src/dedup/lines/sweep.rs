//! Work ahead of need: larger tables for growing rates, suitable tables for the next generation, wipes, and freeing.
//!
//! None of it changes a verdict, with one exception: a sweep also steps. It takes its own time minus the slack of a
//! stalled claimant as log time. A claimant whose time is not behind that gets the verdict that it would get anyway.

use super::phase::{Kind, Phase};
use super::rotation::{Rotation, Steps, grow, rotate, take_retired};
use super::sizing::{bytes_for, ids_for, larger_lines, suitable_lines};
use super::table::Table;
use crate::limits::{DEDUP_LEAD_MS, DEDUP_LEAD_MS_PER_MIB, DEDUP_LEAD_TIMES_MAX, DEDUP_TABLES_MAX};
use crate::sync::AtomicUsize;
use std::sync::Arc;

/// What a sweep remembers until the next one.
#[derive(Default)]
pub(crate) struct Sweeper {
    seen: Seen,
}

/// The current generation at one sweep.
#[derive(Default)]
struct Seen {
    generation: u64,
    ids: usize,
    log_ms: i64,
}

/// Makes tables.
pub(crate) struct Maker<'a> {
    /// The memory of all tables and segments, in bytes.
    pub(crate) bytes: &'a Arc<AtomicUsize>,
    /// Whether there is memory for a number of bytes.
    pub(crate) may_allocate: &'a dyn Fn(usize) -> bool,
}

impl Maker<'_> {
    /// A table whose memory is resident, unless there is no memory for it.
    fn make(&self, lines: usize) -> Option<Arc<Table>> {
        let table = (self.may_allocate)(bytes_for(lines)).then(|| Table::new(lines, self.bytes).ok()).flatten()?;
        table.prefault();
        Some(Arc::new(table))
    }
}

impl Sweeper {
    /// Lets a larger table take over if the current one is about to be full, and prepares a table of a suitable size
    /// for the next generation.
    pub(crate) fn resize(&mut self, steps: &Steps, log_ms: i64, maker: &Maker<'_>) {
        let (generation, for_next, larger) = {
            let mut stepper = steps.lock();
            let (phase, rotation) = stepper.parts();
            let for_next = table_for_next_generation(phase, rotation, log_ms);
            let tables = rotation.tables(phase) + usize::from(for_next.is_some());
            let larger = self.larger_table(phase, rotation, log_ms, tables);
            (phase.current.generation.number(), for_next, larger)
        };
        // Without the lock, because it takes long to make memory resident, and to free a table that is not used.
        let larger = larger.into_iter().flatten().find_map(|lines| maker.make(lines));
        let for_next = for_next.and_then(|lines| maker.make(lines));
        let mut stepper = steps.lock();
        let (phase, rotation) = stepper.parts();
        // Meanwhile the generation may have ended that these tables are for. A larger table is of use to the next one,
        // too.
        let has_ended = phase.current.generation.number() != generation || phase.kind == Kind::Bridging;
        let has_room = rotation.tables(phase) < DEDUP_TABLES_MAX;
        let lines = phase.current.table.lines();
        let suits = |table: &&Arc<Table>| !has_ended || (table.lines() > lines && has_room);
        if let Some(table) = larger.as_ref().filter(suits) {
            grow(&mut stepper, Arc::clone(table));
        }
        if let Some(table) = for_next.as_ref().filter(|_| !has_ended) {
            stepper.for_next_generation = Some(Arc::clone(table));
        }
    }

    /// The sizes of a table that should take over from the current one, the best first: if the current one would be
    /// full a short time ahead, at the rate since the last sweep. `tables` is the number of tables without it.
    fn larger_table(
        &mut self,
        phase: &Phase,
        rotation: &Rotation,
        log_ms: i64,
        tables: usize,
    ) -> Option<impl Iterator<Item = usize> + use<>> {
        let generation = &phase.current.generation;
        let seen = Seen { generation: generation.number(), ids: generation.ids(), log_ms };
        let in_table = rotation.ids_in_table(phase);
        let lines = phase.current.table.lines();
        let mut larger = larger_lines(lines, tables).peekable();
        let larger_mib = bytes_for(larger.peek().copied().unwrap_or(0)) >> 20;
        let lead_ms =
            phase.ends_ms.saturating_sub(log_ms).clamp(0, DEDUP_LEAD_MS + larger_mib as i64 * DEDUP_LEAD_MS_PER_MIB);
        let soon = in_table.saturating_add(seen.added_within(&self.seen, lead_ms));
        self.seen = seen;
        let is_possible = matches!(phase.kind, Kind::Steady | Kind::Emptied);
        // Not long before it is full: a table that takes over early takes memory early.
        let is_wanted = soon > ids_for(lines) && in_table > ids_for(lines) / 2;
        (is_possible && is_wanted).then_some(larger)
    }
}

impl Seen {
    /// The ids that `lead_ms` will add at the rate since `before`.
    fn added_within(&self, before: &Self, lead_ms: i64) -> usize {
        let is_same = before.generation == self.generation;
        let added = if is_same { self.ids.saturating_sub(before.ids) } else { self.ids };
        let elapsed_ms = self.log_ms.saturating_sub(before.log_ms).max(1);
        // Without the bound, a clock that stands still would look like an immense rate.
        let most = added.saturating_mul(DEDUP_LEAD_TIMES_MAX);
        usize::try_from(added as i128 * i128::from(lead_ms) / i128::from(elapsed_ms)).unwrap_or(most).min(most)
    }
}

/// The size of a table for the next generation, if the current table does not suit it. The answer comes late in a
/// generation, when its ids say how many the next one will have.
fn table_for_next_generation(phase: &Phase, rotation: &Rotation, log_ms: i64) -> Option<usize> {
    let length_ms = rotation.generation_ms()?;
    let is_late = log_ms > phase.ends_ms.saturating_sub(length_ms / 8);
    let is_possible = phase.kind != Kind::Bridging && rotation.for_next_generation.is_none();
    if !is_late || !is_possible || rotation.tables(phase) >= DEDUP_TABLES_MAX {
        return None;
    }
    // No id for a whole stretch means that none is expected.
    let is_idle = log_ms > phase.ends_ms.saturating_add(length_ms);
    let ids = if is_idle { 0 } else { phase.current.generation.ids() };
    let elapsed_ms = log_ms.min(phase.ends_ms).saturating_sub(rotation.began_ms).max(length_ms / 8).max(1);
    let expected = ids as u128 * length_ms as u128 / elapsed_ms as u128;
    suitable_lines(phase.current.table.lines(), usize::try_from(expected).unwrap_or(usize::MAX))
}

/// Opens segments for ids without a cell before they are needed.
pub(crate) fn open_ahead(steps: &Steps, may_allocate: &dyn Fn(usize) -> bool) {
    let generation = {
        let mut stepper = steps.lock();
        let (phase, rotation) = stepper.parts();
        // Until then almost every id finds a cell.
        let is_half_full = rotation.ids_in_table(phase) > ids_for(phase.current.table.lines()) / 2;
        is_half_full.then(|| Arc::clone(&phase.current.generation))
    };
    // Without the lock, because it takes long to make memory resident.
    if let Some(generation) = generation {
        generation.overflow.open_ahead(may_allocate);
    }
}

/// Wipes the current table as far as it is wanted, a few lines under each hold of the lock.
pub(crate) fn wipe(steps: &Steps) {
    loop {
        let mut stepper = steps.lock();
        let (phase, rotation) = stepper.parts();
        if !rotation.wipe.is_wanted(phase) {
            return;
        }
        rotation.wipe.wipe_some(phase);
    }
}

/// Makes the steps that are due, and frees what no claimant uses any more.
pub(crate) fn step_and_free(steps: &Steps, log_ms: i64) {
    let mut stepper = steps.lock();
    rotate(&mut stepper, log_ms);
    let retired = take_retired(stepper);
    // Without the lock, because the system takes long to take back the memory of a large table.
    drop(retired);
}
