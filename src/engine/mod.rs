//! The engine: [`ingest`](Engine::ingest) and [`metrics`](Engine::metrics), each a list of stages.

mod change_reference;
mod memory_accounting;
mod observer;
#[cfg(test)]
mod tests;

pub use observer::{Observer, Stage};

use crate::clock::{Clock, MonotonicClock, second_of};
use crate::config::EngineConfig;
use crate::dedup::{Claim, Dedup, Elastic, Preallocated};
use crate::error::{ConfigError, Overloaded};
use crate::event::{Batch, DecodeError, Decoder, Format, Schema, Tally, Verdict};
use crate::fair::FairMutex;
use crate::json;
use crate::key::{EventKey, HashKeys};
use crate::limits;
use crate::memory::Memory;
use crate::permits::Permits;
use crate::reference::{Generation, Reference};
use crate::sync::{self, AtomicI64, MutexGuard, Ordering, reclaim};
use crate::timeline::{Metrics, Query, Series, Timeline};
use crate::window::{Appended, Window};
use observer::StageTimer;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, TryLockError};

/// Takes events and answers windowed questions about them.
///
/// All methods take `&self` and may run on any threads at once. Everything is synchronous. The engine starts no thread:
/// [`Maintenance`](crate::Maintenance) runs [`tick`](Self::tick) and [`sweep`](Self::sweep), or the embedder does.
///
/// ## Consistency
///
/// When [`ingest`](Self::ingest) has returned, every event it accepted is in every [`metrics`](Self::metrics) that
/// starts afterwards (once the clock has reached the event's second). An answer uses one reference generation
/// throughout, at least the newest one that was published before it started; neither its time nor its generation is
/// ever behind an earlier answer's.
///
/// ## Progress
///
/// Ingest is lock-free but for one entry lock of the dedup map at a time; it never waits for a query. Queries wait for
/// each other and for a slice of a tick, in turns, and never for ingest but a slice that it folds.
pub struct Engine {
    config: EngineConfig,
    clock: MonotonicClock,
    keys: HashKeys,
    schema: Schema,
    dedup: Box<dyn Dedup>,
    window: Window,
    /// Records that are published, or about to be, and not folded.
    backlog: Permits,
    memory: Memory,
    reference: Reference,
    timeline: FairMutex<Timeline>,
    /// When the last fold began that left nothing behind. A gauge, which orders nothing.
    caught_up_ms: AtomicI64,
    stages: StageTimer,
}

/// How much the engine holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    /// Event ids that are remembered; one that was claimed while two preallocated tables took turns counts twice.
    pub dedup_ids: usize,
    /// Users seen within the retention.
    pub users: usize,
    /// Records published and not folded yet.
    pub backlog: usize,
}

thread_local! {
    /// Reused from batch to batch.
    static DECODER: RefCell<Decoder> = RefCell::default();
    static COLUMNS: Cell<Columns> = Cell::default();
}

/// What the stages of ingest hand on.
#[derive(Default)]
struct Columns {
    /// Rows of the batch: the pending ones, then those that were won.
    rows: Vec<usize>,
    /// The keys of the pending rows, and what came of their claims.
    keys: Vec<EventKey>,
    claims: Vec<Claim>,
    /// The seconds and records of the rows that were won.
    events: Vec<(i64, u128)>,
}

impl Engine {
    /// An engine with nothing in it.
    ///
    /// # Errors
    /// When a setting is out of its range.
    ///
    /// # Panics
    /// When the operating system has no random numbers to give.
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
            caught_up_ms: AtomicI64::new(clock.now_ms()),
            stages: StageTimer::default(),
            clock,
            window,
            reference,
            config,
        };
        engine.take_stock();
        Ok(engine)
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// The engine's time, in milliseconds since the Unix epoch; it never runs backwards.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Reports to `observer`, from now on, how long each stage takes; two readings of a clock for each stage of a batch, and
    /// none while there is no observer. The first observer stays: this says whether it is the one given.
    pub fn set_observer(&self, observer: Arc<dyn Observer>) -> bool {
        self.stages.set_observer(observer)
    }

    /// How far the timeline may lag behind the window, in milliseconds of the engine's clock: how long ago the last fold
    /// began that left nothing behind. No unfolded record has waited longer. Takes no lock.
    ///
    /// With a [tick](Self::tick) every 50 ms it is some 50 ms. More means that the ticks do not keep up with the writers,
    /// or that there are none.
    #[must_use]
    pub fn lag_ms(&self) -> i64 {
        self.clock.now_ms().saturating_sub(self.caught_up_ms.load(Ordering::Relaxed)).max(0)
    }

    /// How far the clock has been set back below the engine's time, in milliseconds: until it has caught up, events
    /// with a timestamp of now look that late.
    #[must_use]
    pub fn clock_behind_ms(&self) -> i64 {
        self.clock.behind_ms()
    }

    /// Decodes and validates a body as far as that needs no clock; changes nothing. One pass, O(bytes).
    ///
    /// # Errors
    /// When the body as a whole cannot be taken.
    pub fn decode(&self, body: Vec<u8>, format: Format) -> Result<Batch, DecodeError> {
        let decode = || DECODER.with_borrow_mut(|decoder| decoder.decode(body, format, &self.schema, &self.keys));
        self.stages.timed(Stage::Decode, decode)
    }

    /// [`decode`](Self::decode) of a body that is of the usual shape throughout, so that it takes at most some tens of
    /// nanoseconds an event; any other is given back.
    ///
    /// # Errors
    /// The body, as it was.
    pub fn decode_usual(&self, body: Vec<u8>, format: Format) -> Result<Batch, Vec<u8>> {
        let decode = || Decoder::try_decode_fast(body, format, &self.schema, &self.keys);
        self.stages.timed_if(Stage::Decode, Result::is_ok, decode)
    }

    /// The most memory that [`decode`](Self::decode) takes beside the body and the batch, and
    /// [`change_reference`](Self::change_reference), of JSON, beside the body and the table; O(bytes).
    #[must_use]
    pub fn decode_bytes(&self, body: &[u8], format: Format) -> usize {
        match format {
            Format::Json => json::scratch_bytes(body),
            Format::Ndjson => body.split(|byte| *byte == b'\n').map(json::scratch_bytes).max().unwrap_or(0),
        }
    }

    /// Judges the batch by `received_at_ms`, claims its ids and counts what it has won; every event gets its verdict.
    /// A batch that was ingested before is left as it is, and nothing of it is counted again.
    ///
    /// The same batches in the same order with the same times give the same verdicts and the same figures.
    ///
    /// When unfolded records have piled up, this thread folds some of them first: see
    /// [`ingest_prompt`](Self::ingest_prompt) for one that must not.
    ///
    /// # Errors
    /// [`Overloaded`] when there is no room, with nothing taken.
    pub fn ingest(&self, batch: &mut Batch, received_at_ms: i64) -> Result<Tally, Overloaded> {
        self.relieve();
        self.ingest_prompt(batch, received_at_ms)
    }

    /// [`ingest`](Self::ingest) that never folds: for threads that have only microseconds to give, such as those of an
    /// asynchronous runtime. While [`is_backlogged`](Self::is_backlogged), use the other one on another thread.
    ///
    /// # Errors
    /// [`Overloaded`] when there is no room, with nothing taken.
    pub fn ingest_prompt(&self, batch: &mut Batch, received_at_ms: i64) -> Result<Tally, Overloaded> {
        self.admit(batch.len())?;
        // Nothing below can fail: between an id's claim and its event's append there is no way out.
        self.clock.observe(received_at_ms);
        batch.judge_skew(received_at_ms, self.config.max_skew_ms());
        let mut columns = COLUMNS.take();
        let ((), claim) = self.stages.measured(|| self.claim(batch, received_at_ms, &mut columns));
        let ((), append) = self.stages.measured(|| self.append(batch, &mut columns));
        self.backlog.release(batch.len() - columns.rows.len());
        COLUMNS.set(columns);
        self.stages.report(Stage::Claim, claim);
        self.stages.report(Stage::Append, append);
        Ok(batch.tally())
    }

    /// Whether so many records are unfolded that a writer should help.
    #[must_use]
    pub fn is_backlogged(&self) -> bool {
        self.backlog.in_use() > self.config.backlog_relief_events()
    }

    /// The figures of the last `window_secs` seconds, the current partial one included. The window is cut to
    /// 1..=retention. See [`query`](Self::query) for what it costs.
    #[must_use]
    pub fn metrics(&self, window_secs: u32) -> Metrics {
        self.query(&Query::window(window_secs))
    }

    /// The figures of a window, of the events that pass a filter, and by groups where these are asked for.
    ///
    /// O(window x groups), and O(runs) of each second that was last read under an older reference generation; plus the
    /// fold of what the last tick has left. One that [needs a scan](Query::needs_scan) takes O(runs of the window + users)
    /// instead, all but O(window + users) of it beside everything else.
    #[must_use]
    pub fn query(&self, query: &Query) -> Metrics {
        let window_secs = self.cut(query.window_secs);
        let sums = self.stages.timed(Stage::Query, || {
            if query.needs_scan() {
                self.read(|timeline| timeline.excerpt(window_secs)).sum(query.filter.kinds(&self.config.event_types))
            } else {
                self.read(|timeline| timeline.sum(window_secs))
            }
        });
        sums.answer(query, window_secs, &self.config.event_types)
    }

    /// The figures of a window by steps of so many seconds, of the events that pass the query's filter. Its groups are not
    /// looked at.
    ///
    /// O(window + users) here; the rest when the points are asked for.
    #[must_use]
    pub fn series(&self, query: &Query, step_secs: u32) -> Series {
        let window_secs = self.cut(query.window_secs);
        Series {
            excerpt: self.stages.timed(Stage::Query, || self.read(|timeline| timeline.excerpt(window_secs))),
            filter: query.filter.clone(),
            step_secs: step_secs.clamp(1, window_secs),
            event_types: self.config.event_types.clone(),
        }
    }

    /// The reference table in force.
    #[must_use]
    pub fn reference(&self) -> Arc<Generation> {
        self.reference.current()
    }

    /// A user's attribute values in the table in force, in the order of the configured attributes; none for a user who
    /// is not in it.
    #[must_use]
    pub fn user(&self, user_id: &str) -> Option<Vec<String>> {
        Some(self.reference.current().user(self.keys.user(user_id))?.map(str::to_owned).collect())
    }

    /// Housekeeping that leaves queries little to do; about every 50 ms. Folds, retires and expires under the
    /// timeline's lock, a slice at a time so that queries get in between, then lets the epoch move on.
    pub fn tick(&self) {
        // Slices enough for what is there now; what is published meanwhile is left to the next tick, so this one ends.
        for _ in 0..=self.backlog.in_use() / limits::FOLD_SLICE {
            let mut timeline = self.lock_timeline();
            self.bring_up_to_date(&mut timeline);
            if !self.fold(&mut timeline, limits::FOLD_SLICE as u64) {
                break;
            }
        }
        reclaim::flush();
        self.take_stock();
    }

    /// Forgets expired event ids and gives their memory back; O(ids), beside everything else.
    pub fn sweep(&self) {
        self.dedup.sweep(self.clock.now_ms());
        self.take_stock();
    }

    /// How much the engine holds.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let users = self.lock_timeline().users();
        Sizes { dedup_ids: self.dedup.ids(), users, backlog: self.backlog.in_use() }
    }

    // Stages of ingest.

    /// Reserves room for `events` records, or refuses before anything is claimed.
    fn admit(&self, events: usize) -> Result<(), Overloaded> {
        if !self.dedup.has_capacity(events) || !self.backlog.try_acquire(events) {
            return Err(Overloaded);
        }
        if !self.memory.admits(self.backlog.in_use()) {
            self.backlog.release(events);
            return Err(Overloaded);
        }
        Ok(())
    }

    /// Pending events become accepted or duplicates; the rows of those accepted now are left in `columns`.
    fn claim(&self, batch: &mut Batch, now_ms: i64, columns: &mut Columns) {
        let Columns { rows, keys, claims, .. } = columns;
        rows.clear();
        rows.extend((0..batch.len()).filter(|row| batch.verdicts[*row] == Verdict::Pending));
        keys.clear();
        keys.extend(rows.iter().map(|row| batch.event_keys[*row]));
        claims.clear();
        self.dedup.claim(keys, now_ms, claims);
        for (row, claim) in rows.iter().zip(claims) {
            batch.verdicts[*row] = match claim {
                Claim::Inserted => Verdict::Accepted,
                Claim::Duplicate => Verdict::Duplicate,
                Claim::Full => Verdict::Overloaded,
            };
        }
        rows.retain(|row| batch.verdicts[*row] == Verdict::Accepted);
    }

    /// Publishes the events of the rows: one append for each second.
    fn append(&self, batch: &Batch, columns: &mut Columns) {
        let Columns { rows, events, .. } = columns;
        events.clear();
        events.extend(rows.iter().map(|row| (second_of(batch.ts_ms[*row]), batch.records[*row])));
        events.sort_by_key(|(second, _)| *second);
        let shard = sync::thread_number();
        for of_second in events.chunk_by(|a, b| a.0 == b.0) {
            let records = of_second.iter().map(|(_, record)| *record).collect();
            if self.window.append(shard, of_second[0].0, records) == Appended::Expired {
                self.backlog.release(of_second.len());
            }
        }
    }

    /// Folds a slice when records have piled up and nobody else is at it or about to be.
    fn relieve(&self) {
        if !self.is_backlogged() {
            return;
        }
        match self.timeline.try_lock() {
            Ok(mut timeline) => {
                self.bring_up_to_date(&mut timeline);
                self.fold(&mut timeline, limits::FOLD_SLICE as u64);
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Poisoned(_)) => poisoned(),
        }
    }

    // Stages of a query and a tick, under the timeline's lock.

    /// What `look` finds in a timeline that is up to date.
    fn read<T>(&self, look: impl FnOnce(&mut Timeline) -> T) -> T {
        let mut timeline = self.lock_timeline();
        self.bring_up_to_date(&mut timeline);
        self.fold(&mut timeline, u64::MAX);
        let found = look(&mut timeline);
        if self.memory.is_limited() {
            self.memory.hold_timeline(timeline.bytes());
        }
        found
    }

    /// A window within what is kept.
    fn cut(&self, window_secs: u32) -> u32 {
        window_secs.clamp(1, self.config.retention_secs)
    }

    fn lock_timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(|_| poisoned())
    }

    /// The clock is read, and the generation taken, under the lock: so neither ever goes back from answer to answer.
    fn bring_up_to_date(&self, timeline: &mut Timeline) {
        let dropped = timeline.advance(&self.window, self.clock.now_ms());
        self.settle(timeline, dropped as usize);
        timeline.switch_generation(&self.reference.published());
    }

    /// Returns whether there is more.
    fn fold(&self, timeline: &mut Timeline, limit: u64) -> bool {
        let catch_up = || timeline.catch_up(&self.window, limit);
        let drained = self.stages.timed_if(Stage::Fold, |drained| drained.records > 0, catch_up);
        if !drained.has_more {
            self.caught_up_ms.store(timeline.now_ms(), Ordering::Relaxed);
        }
        self.settle(timeline, drained.records as usize);
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
    match config.dedup_capacity {
        None => Ok(Box::new(Elastic::new(horizon_secs))),
        Some(capacity) => Preallocated::new(horizon_secs, capacity)
            .map(|preallocated| Box::new(preallocated) as _)
            .map_err(|error| ConfigError::new("dedup_capacity", format!(": no memory for {capacity} ids: {error}"))),
    }
}

/// A panic under the timeline's lock would have left it half-way: no figure could be trusted any more.
fn poisoned() -> ! {
    let _ = writeln!(std::io::stderr(), "weir: a fold has panicked; the figures can no longer be trusted");
    std::process::abort()
}
