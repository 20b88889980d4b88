//! The engine: ingest, queries and housekeeping, each a list of stages.

mod by_partition;
mod change_reference;
mod cut;
mod ingest;
mod logged;
mod memory_accounting;
mod observer;
mod partition;
#[allow(dead_code, reason = "a door of `internals`")]
mod restore;
#[cfg(test)]
mod tests;

pub use logged::Reservation;
pub use observer::{Observer, Stage};

use crate::clock::{Clock, MonotonicClock, second_of};
use crate::config::{DedupBackend, EngineConfig};
use crate::dedup::{Dedup, Lines, SccMap};
use crate::error::{ConfigError, EndOutOfRange, Overloaded};
use crate::event::Schema;
use crate::fair::FairMutex;
use crate::key::{HashKeys, Secret};
use crate::memory::Memory;
use crate::permits::Permits;
use crate::reference::{Generation, Reference};
use crate::sync::{AtomicI64, Ordering, Padded, reclaim};
use crate::timeline::{Aggregates, CounterLayout, Metrics, Query, Series, WindowAggregates, WindowExcerpt, window_to};
use observer::StageTimer;
use partition::Partition;
use std::cell::RefCell;
use std::fmt;
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
/// in the way goes on without the step. Ingest never waits for a query. Queries wait for each other. In each partition
/// they wait for one slice of a fold at most, of a tick or of an ingest: a thread that unlocks never gets ahead of a
/// waiting one. A slice is [`FOLD_SLICE`](crate::limits::FOLD_SLICE) records, and the rest of the second of the last
/// one.
pub struct Engine {
    config: EngineConfig,
    clock: MonotonicClock,
    keys: HashKeys,
    schema: Schema,
    dedup: Box<dyn Dedup>,
    partitions: Box<[Partition]>,
    /// Locked before the timeline of a partition, never after.
    cut: FairMutex<Cut>,
    /// The records that are published, or about to be, and not folded.
    backlog: Arc<Padded<Permits>>,
    /// The greatest log time, or `i64::MIN` if there is no log. It orders nothing.
    log_ms: AtomicI64,
    memory: Memory,
    reference: Reference,
    stages: StageTimer,
}

/// The newest moment and generation of any partition. No timeline is ahead of it, and each reaches it before it is read
/// for an answer. Only the thread that holds the cut's lock moves a timeline to another moment or generation. Folds
/// need the lock of their partition only: they add records to a timeline, and no answer is wrong because of a record
/// more.
struct Cut {
    now_ms: i64,
    generation: Arc<Generation>,
}

impl Cut {
    fn now_secs(&self) -> i64 {
        second_of(self.now_ms)
    }
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
        Self::with_secret(config, clock, &Secret::random())
    }

    /// An empty engine with a given secret. Engines with the same secret know an id by the same hash, so one of them
    /// can [restore](Self::restore) what another one has [applied](Self::apply).
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn with_secret(
        config: EngineConfig,
        clock: impl Clock + 'static,
        secret: &Secret,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let clock = MonotonicClock::new(Box::new(clock));
        let reference = Reference::new(&config.attributes, config.max_skew_ms());
        let cut = Cut { now_ms: clock.now_ms(), generation: reference.current() };
        let partition = |_| Partition::new(&config, &cut.generation, cut.now_ms);
        let engine = Self {
            keys: HashKeys::new(secret),
            schema: Schema::new(config.event_types.iter().map(String::as_str), config.max_batch_events),
            dedup: dedup(&config)?,
            backlog: Arc::new(Padded(Permits::new(config.max_backlog_events))),
            log_ms: AtomicI64::new(i64::MIN),
            memory: Memory::new(&config),
            partitions: (0..config.partitions).map(partition).collect(),
            cut: FairMutex::new(cut),
            stages: StageTimer::default(),
            clock,
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

    /// The largest lag of a partition's timeline behind its window, in milliseconds of the engine's clock: the time
    /// since the start of the last fold that left nothing behind. No unfolded record has waited longer. Takes no lock.
    ///
    /// With a [tick](Self::tick) every 50 ms it is about 50 ms. A larger value means that the ticks do not keep up with
    /// the writers, or that there are no ticks.
    #[must_use]
    pub fn lag_ms(&self) -> i64 {
        let last_full_fold_ms = self.partitions.iter().map(Partition::last_full_fold_ms).min();
        self.clock.now_ms().saturating_sub(last_full_fold_ms.unwrap_or(i64::MIN)).max(0)
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
        let sum = || self.aggregate(window_secs);
        self.stages.timed(Stage::Query, sum).answer(query, window_secs, &self.config.event_types)
    }

    /// The counts of the last `window_secs` seconds.
    fn aggregate(&self, window_secs: u32) -> WindowAggregates {
        let (cut, aggregates) = self.read_at_new_cut(
            |cut| Aggregates::zero(self.layout(cut)),
            |aggregates, timeline| timeline.add_sums(window_secs, aggregates),
        );
        debug_assert!(aggregates.uniques.iter().sum::<u64>() <= aggregates.events.iter().sum());
        WindowAggregates { now_ms: cut.now_ms, generation: Arc::clone(&cut.generation), aggregates }
    }

    /// The answer to any query, by a scan.
    fn scan(&self, query: &Query) -> Result<Metrics, EndOutOfRange> {
        let window_secs = self.clamp_window(query.window_secs);
        let scan = || Ok(self.excerpt(query)?.aggregate(query.filter.kinds(&self.config.event_types)));
        Ok(self.stages.timed(Stage::Query, scan)?.answer(query, window_secs, &self.config.event_types))
    }

    /// The stats of a window in steps of `step_secs` seconds, of the events that pass the query's filter. `group_by` is
    /// ignored.
    ///
    /// O(window + users) here. The rest is done when the points are read.
    ///
    /// # Errors
    /// The query has an end at which the window does not lie within the retention.
    pub fn series(&self, query: &Query, step_secs: u32) -> Result<Series, EndOutOfRange> {
        let excerpt = self.stages.timed(Stage::Query, || self.excerpt(query))?;
        Ok(Series {
            step_secs: step_secs.clamp(1, excerpt.window_secs),
            excerpt,
            filter: query.filter.clone(),
            end_secs: query.end_secs,
            event_types: self.config.event_types.clone(),
        })
    }

    /// The seconds of the query's window, to be read without a lock.
    ///
    /// Its end is judged by the time of the cut. So no second can expire between this check and the excerpt.
    fn excerpt(&self, query: &Query) -> Result<WindowExcerpt, EndOutOfRange> {
        let window_secs = self.clamp_window(query.window_secs);
        let begin = |cut: &Cut| {
            let end_secs = self.end_secs(cut, query.end_secs, window_secs);
            (end_secs, Vec::with_capacity(self.partitions.len()))
        };
        let (cut, (end_secs, partitions)) = self.read_at_new_cut(begin, |(end_secs, partitions), timeline| {
            if let Ok(end_secs) = end_secs {
                partitions.push(timeline.excerpt(window_to(*end_secs, window_secs)));
            }
        });
        Ok(WindowExcerpt {
            now_ms: cut.now_ms,
            generation: Arc::clone(&cut.generation),
            layout: self.layout(&cut),
            start_secs: *window_to(end_secs?, window_secs).start(),
            window_secs,
            partitions,
        })
    }

    /// The last second of a window: the given one, or now.
    ///
    /// # Errors
    /// The end is ahead of the clock, or some seconds of the window have left the retention.
    fn end_secs(&self, cut: &Cut, end_secs: Option<i64>, window_secs: u32) -> Result<i64, EndOutOfRange> {
        let latest_secs = cut.now_secs();
        let earliest_secs = latest_secs - i64::from(self.config.retention_secs) + i64::from(window_secs);
        let end_secs = end_secs.unwrap_or(latest_secs);
        let is_retained = (earliest_secs..=latest_secs).contains(&end_secs);
        is_retained.then_some(end_secs).ok_or(EndOutOfRange { earliest_secs, latest_secs })
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
    /// the locks of the timelines, one slice at a time so that queries can run in between. Then it lets the epoch
    /// advance.
    pub fn tick(&self) {
        self.tick_share(0, 1);
    }

    /// The share of a [`tick`](Self::tick) of thread `thread` of `threads`: the partitions are spread over them. Each
    /// of them calls it about every 50 ms.
    pub fn tick_share(&self, thread: usize, threads: usize) {
        if thread == 0 {
            self.advance();
        }
        self.partitions
            .iter()
            .skip(thread)
            .step_by(threads.max(1))
            .for_each(|partition| self.fold_in_slices(partition));
        reclaim::flush();
        if thread == 0 {
            self.refresh_usage();
        }
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
        // With a log, its time decides which ids are remembered. A log time that is read too early forgets less.
        let now_ms = match self.log_ms.load(Ordering::Relaxed) {
            i64::MIN => self.clock.now_ms(),
            log_ms => log_ms,
        };
        self.dedup.sweep(now_ms, &may_allocate);
        self.refresh_usage();
    }

    /// How much the engine holds.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let users = self.partitions.iter().map(|partition| partition.lock().users()).sum();
        Sizes { dedup_ids: self.dedup.ids(), users, backlog: self.backlog.in_use() }
    }

    /// Limits a window to the retention.
    fn clamp_window(&self, window_secs: u32) -> u32 {
        window_secs.clamp(1, self.config.retention_secs)
    }

    fn layout(&self, cut: &Cut) -> CounterLayout {
        CounterLayout::of(&cut.generation, self.config.event_types.len())
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
