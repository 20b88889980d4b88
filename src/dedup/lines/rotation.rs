//! The steps from phase to phase. What decides is log time: the greatest `received_at` of all batches so far.
//!
//! Log time lies on a grid. Each generation takes ids until the end of its stretch of the grid, which is as long as the
//! horizon and a minute. A generation is forgotten when log time is a stretch behind the last of its ids.

use super::generation::Generation;
use super::phase::{Kind, Phase, Place};
use super::table::Table;
use super::wipe::Wipe;
use crate::limits::{DEDUP_RETIRED_PHASES_MAX, STALL_SLACK_SECS};
use crate::sync::AtomicUsize;
use crate::sync::phases::{Phases, Stepper};
use std::sync::Arc;

pub(crate) type Steps = Phases<Phase, Rotation>;

/// The lengths of time, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) horizon_ms: i64,
    /// The length of a generation. The slack keeps a generation for every claimant that may be stalled and still needs
    /// its ids.
    pub(crate) generation_ms: i64,
}

/// The state of the thread that steps.
pub(crate) struct Rotation {
    /// `None`: generations never end.
    times: Option<Times>,
    /// The most ids of a generation.
    ids_max: usize,
    bytes: Arc<AtomicUsize>,
    pub(crate) wipe: Wipe,
    /// Log time when the current generation began.
    pub(crate) began_ms: i64,
    /// The number of ids of the current generation that are in older tables.
    ids_before_table: usize,
    /// A table of a suitable size for the next generation.
    pub(crate) for_next_generation: Option<Arc<Table>>,
    /// Phases that no thread uses. They hold tables and segments, which take time to free.
    retired: Vec<Phase>,
}

impl Times {
    pub(crate) fn new(horizon_secs: u64) -> Self {
        let ms = |secs: u64| i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1_000);
        let generation_secs = horizon_secs.saturating_add(u64::from(STALL_SLACK_SECS));
        Self { horizon_ms: ms(horizon_secs), generation_ms: ms(generation_secs) }
    }

    /// The first millisecond of the stretch before the one that has this time.
    pub(crate) fn reach(self, ms: i64) -> i64 {
        (ms.div_euclid(self.generation_ms) - 1).saturating_mul(self.generation_ms)
    }

    /// The last millisecond of the stretch that has this time.
    fn end_of_stretch(self, ms: i64) -> i64 {
        (ms.div_euclid(self.generation_ms) + 1).saturating_mul(self.generation_ms).saturating_sub(1)
    }
}

impl Rotation {
    pub(crate) fn new(times: Option<Times>, ids_max: usize, bytes: &Arc<AtomicUsize>) -> Self {
        Self {
            times,
            ids_max,
            bytes: Arc::clone(bytes),
            wipe: Wipe::of_empty_table(0),
            began_ms: i64::MIN,
            ids_before_table: 0,
            for_next_generation: None,
            retired: Vec::new(),
        }
    }

    pub(crate) fn generation_ms(&self) -> Option<i64> {
        self.times.map(|times| times.generation_ms)
    }

    /// The number of ids of the current generation that are in the current table.
    pub(crate) fn ids_in_table(&self, phase: &Phase) -> usize {
        phase.current.generation.ids().saturating_sub(self.ids_before_table)
    }

    /// The number of tables that claims look at, and of the one that is prepared for the next generation.
    pub(crate) fn tables(&self, phase: &Phase) -> usize {
        phase.tables() + usize::from(self.for_next_generation.is_some())
    }

    /// The phase after `phase`, if it is due.
    fn next(&mut self, phase: &Phase, log_ms: i64) -> Option<Phase> {
        let times = self.times;
        let stretch_after = |generation: &Generation| match times {
            Some(times) => generation.last_ms().saturating_add(times.generation_ms),
            None => i64::MAX,
        };
        match phase.kind {
            Kind::Steady => {
                let previous = phase.previous.as_ref()?;
                let forgotten_ms = previous.last_ms().saturating_add(times?.horizon_ms);
                (log_ms > stretch_after(previous)).then(|| phase.emptied(phase.floor_ms.max(forgotten_ms)))
            }
            Kind::Emptied if log_ms > phase.ends_ms => Some(phase.bridging(self.next_place(phase))),
            Kind::Emptied => None,
            Kind::Bridging => {
                let ends_ms = times?.end_of_stretch(log_ms);
                let next = phase.next.as_ref()?;
                next.generation.extend_to(ends_ms);
                if phase.new_table().is_some() {
                    self.wipe = Wipe::of_empty_table(next.generation.number());
                }
                (self.began_ms, self.ids_before_table) = (log_ms, 0);
                Some(phase.rotated(ends_ms, stretch_after(&phase.current.generation)))
            }
            Kind::Growing => {
                self.wipe = Wipe::of_empty_table(phase.current.generation.number());
                self.ids_before_table = phase.current.generation.ids();
                Some(phase.grown(phase.previous.as_deref().map_or(phase.ends_ms, stretch_after)))
            }
        }
    }

    /// Where the ids of the next generation go: into a table that was made for it, or into the current one.
    fn next_place(&mut self, phase: &Phase) -> Place {
        let number = phase.current.generation.number() + 1;
        let made = self.for_next_generation.take();
        // Usually the sweep has wiped the table long before. If the step waited for the sweep, verdicts would depend on
        // it.
        while made.is_none() && !self.wipe.is_ready_for(number) {
            self.wipe.wipe_some(phase);
        }
        let table = made.unwrap_or_else(|| Arc::clone(&phase.current.table));
        let generation = Arc::new(Generation::new(number, self.ids_max, table.lines(), &self.bytes));
        Place { table, generation }
    }
}

/// Makes every step that is due at this log time, as far as no claimant is in the way. Returns false if one is.
pub(crate) fn rotate(stepper: &mut Stepper<'_, Phase, Rotation>, log_ms: i64) -> bool {
    while stepper.is_settled() {
        let (phase, rotation) = stepper.parts();
        let Some(next) = rotation.next(phase, log_ms) else { return true };
        advance(stepper, next);
    }
    false
}

/// Lets a table take over from the current one, if growth is possible in this phase.
pub(crate) fn grow(stepper: &mut Stepper<'_, Phase, Rotation>, table: Arc<Table>) {
    let (phase, _) = stepper.parts();
    let next = matches!(phase.kind, Kind::Steady | Kind::Emptied).then(|| phase.growing(table));
    if let Some(next) = next.filter(|_| stepper.is_settled()) {
        advance(stepper, next);
    }
}

fn advance(stepper: &mut Stepper<'_, Phase, Rotation>, next: Phase) {
    let before = stepper.advance(next);
    stepper.retired.extend(before);
    // The sweep frees them. Without sweeps, a claimant does.
    if stepper.retired.len() > DEDUP_RETIRED_PHASES_MAX {
        stepper.retired.clear();
    }
}

/// Takes the phases that no thread uses, so that the caller can free them after it has released the lock.
pub(crate) fn take_retired(mut stepper: Stepper<'_, Phase, Rotation>) -> Vec<Phase> {
    if stepper.is_settled() {
        let previous = stepper.take_previous();
        stepper.retired.extend(previous);
    }
    std::mem::take(&mut stepper.retired)
}
