//! The default backend: the ids of two generations in one line of memory.
//!
//! A claim looks at one line, by one vector compare, and takes a cell by one compare-and-swap. Ids are forgotten by
//! generations, and a generation ends by its tag: nothing is cleared. Tables grow and shrink with the number of ids.
//!
//! - `generation`, `overflow`: the ids that are forgotten together, and those of them that found no cell;
//! - `table`: where an id is;
//! - `phase`: where a claimant looks and inserts, and why exactly one claimant of an id wins;
//! - `claimant`: the claims of a batch;
//! - `rotation`, `wipe`: the steps from phase to phase;
//! - `sizing`, `sweep`: tables that grow and shrink.

pub(crate) mod claimant;
pub(crate) mod generation;
pub(crate) mod overflow;
pub(crate) mod phase;
pub(crate) mod rotation;
pub(crate) mod sizing;
pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod wipe;

use crate::dedup::{Claim, Dedup};
use crate::key::EventKey;
use crate::limits;
use crate::sync::lines::LINES_MIN;
use crate::sync::{AtomicI64, AtomicUsize, Mutex, Ordering, Padded, vector, yield_now};
use claimant::{Claims, Remembered};
use generation::Generation;
use phase::{Phase, Place};
use rotation::{Rotation, Steps, Times, rotate};
use std::io;
use std::sync::Arc;
use sweep::{Maker, Sweeper};
use table::Table;

type Pinned<'p> = crate::sync::phases::Pinned<'p, Phase, Rotation>;

pub(crate) struct Lines {
    steps: Steps,
    /// `None`: ids never expire.
    times: Option<Times>,
    /// Log time: the greatest time of any batch. A sweep counts with its time minus the slack of a stalled claimant.
    log_ms: Padded<AtomicI64>,
    /// The memory of all tables and segments, in bytes. A gauge.
    bytes: Arc<AtomicUsize>,
    /// The memory that is set aside from the start, in bytes; none if the tables grow.
    fixed_bytes: Option<usize>,
    /// 1 if a claimant has found no capacity left, and no thread has found capacity since. A hint, which orders
    /// nothing.
    may_be_full: AtomicUsize,
    sweeper: Mutex<Sweeper>,
}

impl Lines {
    /// Remembers ids for at least `horizon_secs`, or without expiry. Its tables grow and shrink.
    ///
    /// # Errors
    /// If the system has no memory for the first table.
    pub(crate) fn new(horizon_secs: Option<u64>) -> io::Result<Self> {
        Self::with_lines(horizon_secs, LINES_MIN, usize::MAX, None)
    }

    /// Remembers `capacity` ids for each `horizon_secs`, or `capacity` ids without expiry, in memory of a fixed size.
    ///
    /// # Errors
    /// If the system has no memory for them.
    pub(crate) fn with_capacity(horizon_secs: Option<u64>, capacity: usize) -> io::Result<Self> {
        let ids_max = generation_ids(horizon_secs, capacity).ok_or(io::ErrorKind::OutOfMemory)?;
        let lines = sizing::lines_for(ids_max).ok_or(io::ErrorKind::OutOfMemory)?;
        Self::with_lines(horizon_secs, lines, ids_max, Some(Self::bytes_for(horizon_secs, capacity)))
    }

    /// A first table of `lines` lines, and at most `ids_max` ids in each generation.
    pub(crate) fn with_lines(
        horizon_secs: Option<u64>,
        lines: usize,
        ids_max: usize,
        fixed_bytes: Option<usize>,
    ) -> io::Result<Self> {
        let bytes = Arc::new(AtomicUsize::new(0));
        let table = Arc::new(Table::new(lines, &bytes)?);
        table.prefault();
        let times = horizon_secs.map(Times::new);
        let current = Place { table, generation: Arc::new(Generation::new(0, ids_max, lines, &bytes)) };
        let first = Phase::first(current, if times.is_some() { i64::MIN } else { i64::MAX });
        let rotation = Rotation::new(times, ids_max, &bytes);
        Ok(Self {
            steps: Steps::new(first, rotation),
            times,
            log_ms: Padded(AtomicI64::new(i64::MIN)),
            bytes,
            fixed_bytes,
            may_be_full: AtomicUsize::new(0),
            sweeper: Mutex::new(Sweeper::default()),
        })
    }

    /// The memory for `capacity` ids for each `horizon_secs`: the table, and what is set aside for ids without a cell.
    pub(crate) fn bytes_for(horizon_secs: Option<u64>, capacity: usize) -> usize {
        let bytes_for = |ids_max: usize| {
            let generations = if horizon_secs.is_some() { 2 } else { 1 };
            let lines = sizing::lines_for(ids_max)?;
            sizing::bytes_for(lines).checked_add(overflow::usual_bytes(lines).checked_mul(generations)?)
        };
        generation_ids(horizon_secs, capacity).and_then(bytes_for).unwrap_or(usize::MAX)
    }

    /// The phase for a claimant at this time: after every step that is due, unless another thread is in the way. Then
    /// the claimant does not wait, and goes on in the old phase.
    fn enter(&self, now_ms: i64) -> Pinned<'_> {
        let log_ms = self.observe(now_ms);
        let phase = self.steps.pin();
        if log_ms <= phase.due_after_ms {
            return phase;
        }
        // A thread that steps is not pinned.
        drop(phase);
        self.try_rotate(log_ms);
        self.steps.pin()
    }

    /// The number of tables that claims look at.
    #[cfg(test)]
    pub(crate) fn tables(&self) -> usize {
        self.steps.pin().tables()
    }

    /// Makes every step that is due at this log time, as far as no other thread is in the way.
    pub(crate) fn try_rotate(&self, log_ms: i64) {
        if let Some(mut stepper) = self.steps.try_lock() {
            rotate(&mut stepper, log_ms);
        }
    }

    /// Advances log time to this time, unless it is later already; returns log time.
    fn observe(&self, ms: i64) -> i64 {
        // Relaxed: log time orders nothing else. A claimant that misses the time of another one makes fewer steps.
        let log_ms = self.log_ms.load(Ordering::Relaxed);
        if log_ms >= ms { log_ms } else { self.log_ms.fetch_max(ms, Ordering::Relaxed).max(ms) }
    }
}

impl Dedup for Lines {
    fn claim(&self, keys: &[EventKey], now_ms: i64, claims: &mut Vec<Claim>) {
        let claims_before = claims.len();
        let phase = self.enter(now_ms);
        vector::run(Claims { phase: &phase, keys, now_ms, claims });
        if self.fixed_bytes.is_some() && phase.current.generation.is_full() {
            self.may_be_full.store(1, Ordering::Relaxed);
        }
        debug_assert_eq!(claims.len() - claims_before, keys.len(), "each key has one result");
    }

    /// The keys go into the current generation, so log time has to be that of their acceptance.
    fn remember(&self, keys: &[EventKey], _: i64) {
        let phase = self.steps.pin();
        vector::run(Remembered { phase: &phase, keys });
        if self.fixed_bytes.is_some() && phase.current.generation.is_full() {
            self.may_be_full.store(1, Ordering::Relaxed);
        }
    }

    fn reach(&self, log_ms: i64) -> i64 {
        self.times.map_or(i64::MIN, |times| times.reach(log_ms))
    }

    fn has_capacity(&self, ids: usize, now_ms: i64) -> bool {
        // Relaxed: a hint. If it misses a claimant that has just found no capacity, events are refused one by one.
        if ids == 0 || self.may_be_full.load(Ordering::Relaxed) == 0 {
            return true;
        }
        let is_full = self.enter(now_ms).current.generation.is_full();
        if !is_full {
            self.may_be_full.store(0, Ordering::Relaxed);
        }
        !is_full
    }

    fn advance_log_time(&self, now_ms: i64) {
        let log_ms = self.observe(now_ms);
        while !rotate(&mut self.steps.lock(), log_ms) {
            // A claimant of the last phase is pinned. It does not wait for this thread.
            yield_now();
        }
    }

    fn sweep(&self, now_ms: i64, may_allocate: &dyn Fn(usize) -> bool) {
        let Ok(mut sweeper) = self.sweeper.try_lock() else { return };
        let log_ms = self.observe(now_ms.saturating_sub(i64::from(limits::STALL_SLACK_SECS) * 1_000));
        if self.fixed_bytes.is_none() {
            sweeper.resize(&self.steps, log_ms, &Maker { bytes: &self.bytes, may_allocate });
        }
        sweep::open_ahead(&self.steps, may_allocate);
        // Before the steps: a step that needs a wipe holds the lock until the whole table is wiped.
        sweep::wipe(&self.steps);
        sweep::step_and_free(&self.steps, log_ms);
    }

    fn ids(&self) -> usize {
        self.steps.pin().ids()
    }

    fn bytes(&self) -> usize {
        // Relaxed: a gauge.
        self.bytes.load(Ordering::Relaxed).saturating_sub(self.fixed_bytes.unwrap_or(0))
    }
}

/// The number of ids of a generation, at `capacity` ids for each horizon; `None` if that exceeds any memory.
fn generation_ids(horizon_secs: Option<u64>, capacity: usize) -> Option<usize> {
    let Some(horizon_secs) = horizon_secs else { return Some(capacity) };
    let generation_secs = horizon_secs.saturating_add(u64::from(limits::STALL_SLACK_SECS));
    let ids = capacity as u128 * u128::from(generation_secs);
    usize::try_from(ids.div_ceil(u128::from(horizon_secs.max(1)))).ok()
}
