//! A running log: what goes into it, how far it is, and how it stops.

use crate::limits;
use crate::log::durations::LogDurations;
use crate::log::measured::MeasuredLog;
use crate::log::state::LogState;
use crate::log::store::{Store, StoreStatus};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::time::timeout;
use weir::{Clock, Engine, SystemClock};
use weir_log::journal::JournalError;
use weir_log::{ChangeSubmission, Figures, Log, Logged, NotChanged, NotLogged, Progress, Submission, Ticket, Uptime};

/// The log of a server, with its threads and its store.
pub(crate) struct EventLog {
    engine: Arc<Engine>,
    /// None once the log is stopped.
    running: RwLock<Option<Running>>,
    clock: Arc<dyn Clock>,
    durations: Arc<LogDurations>,
    is_shared: bool,
    /// The name of this node of a cluster, for people.
    #[cfg(feature = "cluster")]
    node: String,
    /// The store and what to do if its replay fails, for people.
    texts: (String, &'static str),
    /// The first and the last place that the replay reads.
    replayed: (u64, u64),
    /// Whether the replay is complete. It is set once, and it orders nothing.
    is_ready: AtomicBool,
}

struct Running {
    // Dropped before the store: it records the last outcomes.
    logged: Logged,
    store: Store,
}

/// The figures of a log at one moment.
pub(crate) struct LogSnapshot {
    pub(crate) state: LogState,
    pub(crate) figures: Figures,
    pub(crate) store: StoreStatus,
    /// The part of the replay that is done, 0 to 1.
    pub(crate) replay_done_ratio: f64,
    /// How old log time is, in milliseconds.
    pub(crate) age_ms: i64,
}

/// The engine's clock. A frame of a journal is never behind a batch in it.
struct EngineClock(Arc<Engine>);

impl Clock for EngineClock {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }
}

impl EventLog {
    /// Starts the replay of a store into an engine that has nothing of it yet. `frames` and `reference` are the logs
    /// of the store.
    ///
    /// # Errors
    /// If the system cannot create a thread.
    pub(super) fn start(
        engine: &Arc<Engine>,
        store: Store,
        [frames, reference]: [Box<dyn Log>; 2],
        durations: Arc<LogDurations>,
    ) -> io::Result<Self> {
        let (replayed, is_shared) = (store.frames(), store.is_shared());
        // The engine of a node has log time, which says nothing of the clock of the node.
        let clock: Arc<dyn Clock> =
            if is_shared { Arc::new(SystemClock) } else { Arc::new(EngineClock(Arc::clone(engine))) };
        let frames = Box::new(MeasuredLog { log: frames, durations: Arc::clone(&durations) });
        let logged = Logged::start(engine, frames, reference, Arc::clone(&clock), Uptime::start())?;
        Ok(Self {
            engine: Arc::clone(engine),
            #[cfg(feature = "cluster")]
            node: store.node(),
            texts: (store.name(), store.remedy()),
            running: RwLock::new(Some(Running { logged, store })),
            clock,
            durations,
            is_shared,
            replayed,
            is_ready: AtomicBool::new(false),
        })
    }

    /// Whether other nodes write into the log, too: then the time of the engine is log time.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The clock by which requests are received.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The store, for people.
    pub(crate) fn name(&self) -> &str {
        &self.texts.0
    }

    /// What the operator does if the log cannot be replayed.
    pub(crate) fn remedy(&self) -> &str {
        self.texts.1
    }

    /// The name of this node of a cluster.
    #[cfg(feature = "cluster")]
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    pub(crate) fn durations(&self) -> &LogDurations {
        &self.durations
    }

    fn running(&self) -> RwLockReadGuard<'_, Option<Running>> {
        self.running.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a prepared batch. Its asker is called exactly once, unless this returns no ticket.
    ///
    /// # Errors
    /// The log is stopped; nothing was taken.
    pub(crate) fn submit(&self, submission: Submission) -> Result<Ticket, NotLogged> {
        let running = self.running();
        let running = running.as_ref().ok_or(NotLogged::Overloaded)?;
        Ok(running.logged.submit(submission))
    }

    /// Answers a batch now, unless it has its answer.
    pub(crate) fn give_up(&self, ticket: Ticket) {
        if let Some(running) = &*self.running() {
            running.logged.give_up(ticket);
        }
    }

    /// Takes a change of the reference table. Its asker is called exactly once.
    pub(crate) fn change_reference(&self, submission: ChangeSubmission) {
        match &*self.running() {
            Some(running) => running.logged.change_reference(submission),
            None => (submission.asker)(Err(NotChanged::NotLogged(NotLogged::Overloaded))),
        }
    }

    /// Waits until this process has applied all that is in the log now. With a journal it always has.
    ///
    /// # Errors
    /// The log does not answer in time.
    pub(crate) async fn barrier(&self) -> Result<(), NotLogged> {
        if !self.is_shared {
            return Ok(());
        }
        let (start, (asker, answer)) = (Instant::now(), oneshot::channel());
        match &*self.running() {
            Some(running) => running.logged.barrier(Box::new(move |released| asker.send(released).unwrap_or_default())),
            None => return Err(NotLogged::Unavailable),
        }
        // The log answers sooner. A thread of it that hangs must not hold up its readers.
        let released = timeout(limits::LOG_ANSWER_TIMEOUT, answer).await;
        self.durations.barrier.observe(start.elapsed());
        released.ok().and_then(Result::ok).unwrap_or(Err(NotLogged::Unavailable))
    }

    /// How old log time is, by the clock of the log as far as this node knows it, in milliseconds.
    pub(crate) fn age_ms(&self) -> i64 {
        let offset_ms = self.running().as_ref().and_then(|running| running.logged.figures().clock_offset_ms);
        self.age_at(offset_ms)
    }

    fn age_at(&self, clock_offset_ms: Option<i64>) -> i64 {
        let log_clock_ms = self.clock.now_ms().saturating_add(clock_offset_ms.unwrap_or_default());
        log_clock_ms.saturating_sub(self.engine.now_ms()).max(0)
    }

    /// Whether the replay is complete.
    pub(crate) fn is_ready(&self) -> bool {
        if !self.is_ready.load(Ordering::Relaxed) {
            self.state();
        }
        self.is_ready.load(Ordering::Relaxed)
    }

    /// Whether the log takes entries, and if not, why.
    pub(crate) fn state(&self) -> LogState {
        self.running().as_ref().map_or(LogState::Stopped, |running| self.state_of(running))
    }

    fn state_of(&self, running: &Running) -> LogState {
        let figures = running.logged.figures();
        match running.logged.progress() {
            Progress::Failed(lost) => running.store.failed(lost),
            Progress::Replaying { place, .. } => self.replaying(place.0),
            // A node has no time before the first entry of the log.
            Progress::Ready if self.is_shared && self.engine.now_ms() == 0 => self.replaying(figures.applied.0),
            Progress::Ready => {
                self.is_ready.store(true, Ordering::Relaxed);
                running.store.state(&figures, self.age_at(figures.clock_offset_ms))
            }
        }
    }

    fn replaying(&self, place: u64) -> LogState {
        let (first, last) = self.replayed;
        let total = (last + 1).saturating_sub(first);
        LogState::Replaying { replayed: (place + 1).saturating_sub(first).min(total), total }
    }

    /// The figures of the log; none once it is stopped.
    pub(crate) fn snapshot(&self) -> Option<LogSnapshot> {
        let running = self.running();
        let running = running.as_ref()?;
        let (state, figures, store) = (self.state_of(running), running.logged.figures(), running.store.status());
        let replay_done_ratio = match state {
            LogState::Replaying { total: 0, .. } => 0.0,
            LogState::Replaying { replayed, total } => replayed as f64 / total as f64,
            _ => 1.0,
        };
        let age_ms = self.age_at(figures.clock_offset_ms);
        Some(LogSnapshot { state, figures, store, replay_done_ratio, age_ms })
    }

    /// Writes the last outcomes, and closes the store. A log that does not answer is left alone after
    /// [`limits::LOG_STOP_TIMEOUT`].
    pub(crate) async fn stop(&self) {
        let Some(running) = self.take() else { return };
        let (done, stopped) = oneshot::channel();
        // A thread that the end of the runtime does not wait for.
        let stop = move || drop(done.send(running.stop()));
        if let Err(error) = std::thread::Builder::new().name("weir-stop".to_owned()).spawn(stop) {
            return tracing::error!(%error, "cannot stop the log");
        }
        match timeout(limits::LOG_STOP_TIMEOUT, stopped).await {
            Ok(Ok(Ok(()))) => tracing::info!("stopped {}", self.name()),
            Ok(Ok(Err(error))) => tracing::error!(%error, "{} has no clean end", self.name()),
            _ => tracing::error!("{} did not answer; the next start judges its last frames again", self.name()),
        }
    }

    fn take(&self) -> Option<Running> {
        self.running.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Running {
    fn stop(self) -> Result<(), JournalError> {
        drop(self.logged);
        self.store.stop()
    }
}

/// A log that was not stopped, because the server did not start.
impl Drop for EventLog {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.take().map(Running::stop) {
            tracing::error!(%error, "{} has no clean end", self.name());
        }
    }
}
