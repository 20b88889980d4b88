//! The engine: ingest, queries and housekeeping, each a list of stages.

mod change_reference;
mod ingest;
mod memory_accounting;
mod observer;
#[cfg(test)]
mod tests;

pub use observer::{Observer, Stage};

use crate::clock::{Clock, MonotonicClock};
use crate::config::{DedupBackend, EngineConfig};
use crate::dedup::{Dedup, Lines, SccMap};
use crate::error::{ConfigError, EndOutOfRange, Overloaded};
use crate::event::Schema;
use crate::fair::FairMutex;
use crate::key::HashKeys;
use crate::limits;
use crate::memory::Memory;
use crate::permits::Permits;
use crate::reference::{Generation, Reference};
use crate::sync::{AtomicI64, MutexGuard, Ordering, reclaim};
use crate::timeline::{Metrics, Query, Series, Timeline};
use crate::window::Window;
use observer::StageTimer;
use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

/// Takes events and answers windowed questions about them.
///
/// All methods take `&self` and may run on any threads at once. Everything is synchronous. The engine starts no thread:
/// [`Maintenance`](crate::Maintenance) runs [`tick`](Self::tick) and [`sweep`](Self::sweep), or the embedder does.
///
/// ## Consistency
///
/// When [`ingest`](Self::ingest) has returned, every event that it accepted is in every [`metrics`](Self::metrics) that
/// starts afterwards, once the clock has reached the event's second. An answer uses one reference generation
/// throughout. That generation is at least the newest one that was published before the answer started. Neither the
/// time nor the generation of an answer is ever behind that of an earlier answer.
///
/// ## Progress
///
/// Ingest is lock-free. A step from one generation of ids to the next never waits: a thread that finds another thread
/// in the way goes on without the step. Ingest never waits for a query. Queries
/// wait for each other and for a slice of a tick; a thread that unlocks never gets ahead of a waiting one. They wait
/// for ingest only while it folds a slice.
pub struct Engine {
    config: EngineConfig,
    clock: MonotonicClock,
    keys: HashKeys,
    schema: Schema,
    dedup: Box<dyn Dedup>,
    window: Window,
    /// The records that are published, or about to be, and not folded.
    backlog: Permits,
    memory: Memory,
    reference: Reference,
    timeline: FairMutex<Timeline>,
    /// The timeline's time at the last fold that left nothing behind. A gauge; it orders nothing.
    last_full_fold_ms: AtomicI64,
    stages: StageTimer,
}

/// How much the engine holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    /// Event ids that are remembered. Expired ids count until they are forgotten.
    pub dedup_ids: usize,
    /// Users seen within the retention.
    pub users: usize,
    /// Records that are published and not folded yet.
    pub backlog: usize,
}

impl Engine {
    /// An empty engine.
    ///
    /// # Errors
    /// When a setting is out of its range.
    ///
    /// # Panics
    /// When the operating system cannot provide random numbers.
    pub fn new(config: EngineConfig, clock: impl Clock + 'static) -> Result<Self, ConfigError> {
        config.validate()?;
        let clock = MonotonicClock::new(Box::new(clock));
        let window = Window::new(config.shards, config.ring_slots());
        let reference = Reference::new(&config.attributes, config.max_skew_ms());
        let timeline = Timeline::new(&config, &window, reference.current(), clock.now_ms());
        let engine = Self {
            keys: HashKeys::random(),
            schema: Schema::new(config.event_types.iter().map(String::as_str), config.max_batch_events),
            dedup: dedup(&config)?,
            backlog: Permits::new(config.max_backlog_events),
            memory: Memory::new(&config),
            timeline: FairMutex::new(timeline),
            last_full_fold_ms: AtomicI64::new(clock.now_ms()),
            stages: StageTimer::default(),
            clock,
            window,
            reference,
            config,
        };
        engine.refresh_usage();
        Ok(engine)
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// The engine's time, in milliseconds since the Unix epoch. It never runs backwards.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// How far the clock has been set back below the engine's time, in milliseconds. Until the clock has caught up, an
    /// event with a timestamp of now looks that late.
    #[must_use]
    pub fn clock_behind_ms(&self) -> i64 {
        self.clock.behind_ms()
    }

    /// From now on, reports to `observer` how long each stage takes. That costs two clock readings for each stage of a
    /// batch; without an observer it costs none. Returns false, and changes nothing, if there is an observer already.
    pub fn set_observer(&self, observer: Arc<dyn Observer>) -> bool {
        self.stages.set_observer(observer)
    }

    /// The largest lag of the timeline behind the window, in milliseconds of the engine's clock: the time since the
    /// start of the last fold that left nothing behind. No unfolded record has waited longer. Takes no lock.
    ///
    /// With a [tick](Self::tick) every 50 ms it is about 50 ms. A larger value means that the ticks do not keep up with
    /// the writers, or that there are no ticks.
    #[must_use]
    pub fn lag_ms(&self) -> i64 {
        self.clock.now_ms().saturating_sub(self.last_full_fold_ms.load(Ordering::Relaxed)).max(0)
    }

    /// The stats of the last `window_secs` seconds, the current partial second included. The window is limited to
    /// 1..=retention. See [`query`](Self::query) for the cost.
    #[must_use]
    pub fn metrics(&self, window_secs: u32) -> Metrics {
        self.sum(&Query::window(window_secs))
    }

    /// The stats of a window, of the events that pass a filter, and by groups if the query asks for them. The window
    /// ends now, or with an earlier second that the query names.
    ///
    /// O(window x groups), and O(entries) of each second that was last read under an older reference generation; plus
    /// the fold of the records that the last tick has left. A query that [needs a scan](Query::needs_scan) costs
    /// O(entries of the window + users) instead. All of that except O(window + users) is done without a lock.
    ///
    /// # Errors
    /// The query has an end at which the window does not lie within the retention.
    pub fn query(&self, query: &Query) -> Result<Metrics, EndOutOfRange> {
        if query.needs_scan() { self.scan(query) } else { Ok(self.sum(query)) }
    }

    /// The answer to a query that needs no scan.
    fn sum(&self, query: &Query) -> Metrics {
        let window_secs = self.clamp_window(query.window_secs);
        let sum = || self.with_timeline(|timeline| timeline.aggregate(window_secs));
        self.stages.timed(Stage::Query, sum).answer(query, window_secs, &self.config.event_types)
    }

    /// The answer to any query, by a scan.
    fn scan(&self, query: &Query) -> Result<Metrics, EndOutOfRange> {
        let window_secs = self.clamp_window(query.window_secs);
        let aggregates = self.stages.timed(Stage::Query, || {
            let snapshot = self.with_timeline(|timeline| timeline.snapshot(window_secs, query.end_secs))?;
            Ok(snapshot.aggregate(query.filter.kinds(&self.config.event_types)))
        });
        Ok(aggregates?.answer(query, window_secs, &self.config.event_types))
    }

    /// The stats of a window in steps of `step_secs` seconds, of the events that pass the query's filter. `group_by` is
    /// ignored.
    ///
    /// O(window + users) here. The rest is done when the points are read.
    ///
    /// # Errors
    /// The query has an end at which the window does not lie within the retention.
    pub fn series(&self, query: &Query, step_secs: u32) -> Result<Series, EndOutOfRange> {
        let window_secs = self.clamp_window(query.window_secs);
        let snapshot = || self.with_timeline(|timeline| timeline.snapshot(window_secs, query.end_secs));
        Ok(Series {
            snapshot: self.stages.timed(Stage::Query, snapshot)?,
            filter: query.filter.clone(),
            step_secs: step_secs.clamp(1, window_secs),
            end_secs: query.end_secs,
            event_types: self.config.event_types.clone(),
        })
    }

    /// The reference table in force.
    #[must_use]
    pub fn reference(&self) -> Arc<Generation> {
        self.reference.current()
    }

    /// A user's attribute values in the table in force, in the order of the configured attributes; none for a user who
    /// is not in the table.
    #[must_use]
    pub fn user(&self, user_id: &str) -> Option<Vec<String>> {
        Some(self.reference.current().user(self.keys.user(user_id))?.map(str::to_owned).collect())
    }

    /// Housekeeping that leaves little work to queries; call it about every 50 ms. It folds, retires and expires under
    /// the timeline's lock, one slice at a time so that queries can run in between. Then it lets the epoch advance.
    pub fn tick(&self) {
        // Enough slices for the current backlog. Records that are published meanwhile are left to the next tick, so
        // this one ends.
        for _ in 0..=self.backlog.in_use() / limits::FOLD_SLICE {
            let mut timeline = self.lock_timeline();
            self.advance_timeline(&mut timeline);
            if !self.fold(&mut timeline, limits::FOLD_SLICE as u64) {
                break;
            }
        }
        reclaim::flush();
        self.refresh_usage();
    }

    /// Forgets expired event ids and frees their memory, and prepares memory for more ids. Call it about every 50 ms;
    /// with [`DedupBackend::Scc`] it takes O(ids), so call it about thirty times in a dedup horizon. Everything else
    /// goes on meanwhile.
    pub fn sweep(&self) {
        // The reservations are released only after the new tables are counted.
        let reservations = RefCell::new(Vec::new());
        let may_allocate = |bytes| match self.memory.reserve(bytes, || self.backlog.in_use()) {
            Ok(reservation) => {
                reservations.borrow_mut().push(reservation);
                true
            }
            Err(Overloaded) => false,
        };
        self.dedup.sweep(self.clock.now_ms(), &may_allocate);
        self.refresh_usage();
    }

    /// How much the engine holds.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let users = self.lock_timeline().users();
        Sizes { dedup_ids: self.dedup.ids(), users, backlog: self.backlog.in_use() }
    }

    /// Calls `read` with the timeline, advanced to now and with nothing left to fold.
    fn with_timeline<T>(&self, read: impl FnOnce(&mut Timeline) -> T) -> T {
        let mut timeline = self.lock_timeline();
        self.advance_timeline(&mut timeline);
        self.fold(&mut timeline, u64::MAX);
        let result = read(&mut timeline);
        if self.memory.is_limited() {
            self.memory.update_timeline(timeline.bytes());
        }
        result
    }

    /// Limits a window to the retention.
    fn clamp_window(&self, window_secs: u32) -> u32 {
        window_secs.clamp(1, self.config.retention_secs)
    }

    fn lock_timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(|_| abort_on_poison())
    }

    /// Advances the timeline to the clock, and switches it to the generation in force. Both are read under the
    /// timeline's lock, so neither goes back from answer to answer.
    fn advance_timeline(&self, timeline: &mut Timeline) {
        let dropped = timeline.advance(&self.window, self.clock.now_ms());
        self.release_folded(timeline, dropped as usize);
        timeline.switch_generation(&self.reference.published());
    }

    /// Folds up to about `limit` records; returns whether more are left.
    fn fold(&self, timeline: &mut Timeline, limit: u64) -> bool {
        let fold = || timeline.fold(&self.window, limit);
        let drained = self.stages.timed_if(Stage::Fold, |drained| drained.records > 0, fold);
        if !drained.has_more {
            self.last_full_fold_ms.store(timeline.now_ms(), Ordering::Relaxed);
        }
        self.release_folded(timeline, drained.records as usize);
        drained.has_more
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("config", &self.config).finish_non_exhaustive()
    }
}

fn dedup(config: &EngineConfig) -> Result<Box<dyn Dedup>, ConfigError> {
    let horizon_secs = config.horizon_secs();
    let lines = match (config.dedup, config.dedup_capacity) {
        (DedupBackend::Scc, _) => return Ok(Box::new(SccMap::new(horizon_secs))),
        (DedupBackend::Lines, None) => Lines::new(horizon_secs)
            .map_err(|error| ConfigError::new("dedup", format!(": no memory for the first table: {error}"))),
        (DedupBackend::Lines, Some(capacity)) => Lines::with_capacity(horizon_secs, capacity)
            .map_err(|error| ConfigError::new("dedup_capacity", format!(": no memory for {capacity} ids: {error}"))),
    };
    Ok(Box::new(lines?))
}

/// A panic under the timeline's lock has left the timeline inconsistent, so no later answer could be trusted.
fn abort_on_poison() -> ! {
    let _ = writeln!(std::io::stderr(), "weir: a fold has panicked; the answers can no longer be trusted");
    std::process::abort()
}
