//! A running log: what goes into it, how far it is, and how it stops.

use crate::limits;
use crate::log::durations::LogDurations;
use crate::log::measured::MeasuredLog;
use crate::log::steady_clock::SteadyClock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::oneshot;
use tokio::time::timeout;
use weir::{Clock, Engine};
use weir_log::journal::{self, Journal, JournalError};
use weir_log::{ChangeSubmission, Figures, Log, Logged, NotChanged, NotLogged, Progress, Submission, Ticket, Uptime};

/// The log of a server, with its threads and its journal.
pub(crate) struct EventLog {
    dir: PathBuf,
    /// None once the log is stopped.
    running: RwLock<Option<Running>>,
    clock: Arc<SteadyClock>,
    durations: Arc<LogDurations>,
    /// The frames that the replay reads.
    replayed: journal::Span,
    /// Whether the replay is complete. It is set once, and it orders nothing.
    is_ready: AtomicBool,
}

struct Running {
    // Dropped before the journal: it records the last outcomes.
    logged: Logged,
    journal: Journal,
}

/// Whether a log takes entries, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogState {
    /// The entries of earlier processes are read.
    Replaying {
        /// The frames that are applied.
        replayed: u64,
        /// The frames of earlier processes.
        total: u64,
    },
    /// It takes entries.
    Ready,
    /// The log cannot be written or read any more.
    Failed(String),
    /// The wall clock has jumped by this number of milliseconds.
    ClockJumped(i64),
    /// The server is stopping.
    Stopped,
}

impl LogState {
    /// The state in one line, for people.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Replaying { replayed, total } => {
                format!("replaying: {replayed} of {total} frames of the journal are replayed")
            }
            Self::Ready => "ready".to_owned(),
            Self::Failed(why) => {
                format!("journal_failed: nothing is accepted before a restart; queries go on; the cause: {why}")
            }
            Self::ClockJumped(jump_ms) => format!(
                "clock_jumped: the clock has jumped by {jump_ms} ms; nothing is accepted until it is right again or \
                 the server is restarted"
            ),
            Self::Stopped => "draining: the journal is stopped".to_owned(),
        }
    }
}

/// The figures of a log at one moment.
pub(crate) struct LogSnapshot {
    pub(crate) state: LogState,
    pub(crate) figures: Figures,
    pub(crate) journal: journal::Status,
    /// The part of the replay that is done, 0 to 1.
    pub(crate) replay_done_ratio: f64,
}

/// The engine's clock, for the threads of the log. A frame is never behind a batch in it.
struct EngineClock(Arc<Engine>);

impl Clock for EngineClock {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }
}

impl EventLog {
    /// Starts the replay of a journal into an engine that has nothing of it yet. `frames` and `reference` are the logs
    /// of the journal.
    ///
    /// # Errors
    /// If the system cannot create a thread.
    pub(crate) fn start(
        dir: &Path,
        engine: &Arc<Engine>,
        journal: Journal,
        [frames, reference]: [Box<dyn Log>; 2],
        clock: Arc<SteadyClock>,
        durations: Arc<LogDurations>,
    ) -> io::Result<Self> {
        let replayed = journal.status().frames;
        let frames = Box::new(MeasuredLog { log: frames, durations: Arc::clone(&durations) });
        let logged = Logged::start(engine, frames, reference, EngineClock(Arc::clone(engine)), Uptime::start())?;
        let running = RwLock::new(Some(Running { logged, journal }));
        Ok(Self { dir: dir.to_owned(), running, clock, durations, replayed, is_ready: AtomicBool::new(false) })
    }

    /// The directory of the journal.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
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
        match running.logged.progress() {
            Progress::Replaying { place, .. } => {
                let journal::Span { first, last, .. } = self.replayed;
                let total = (last.0 + 1).saturating_sub(first.0);
                return LogState::Replaying { replayed: (place.0 + 1).saturating_sub(first.0).min(total), total };
            }
            Progress::Failed(lost) => return LogState::Failed(lost.0),
            Progress::Ready => self.is_ready.store(true, Ordering::Relaxed),
        }
        match (running.journal.state(), self.clock.jump_ms()) {
            (journal::State::Failed(why), _) => LogState::Failed(why),
            (_, 0) => LogState::Ready,
            (_, jump_ms) => LogState::ClockJumped(jump_ms),
        }
    }

    /// The figures of the log; none once it is stopped.
    pub(crate) fn snapshot(&self) -> Option<LogSnapshot> {
        let running = self.running();
        let running = running.as_ref()?;
        let state = self.state_of(running);
        let replay_done_ratio = match state {
            LogState::Replaying { total: 0, .. } => 0.0,
            LogState::Replaying { replayed, total } => replayed as f64 / total as f64,
            _ => 1.0,
        };
        let (figures, journal) = (running.logged.figures(), running.journal.status());
        Some(LogSnapshot { state, figures, journal, replay_done_ratio })
    }

    /// Writes the last outcomes, and closes the journal. A log that does not answer is left alone after
    /// [`limits::LOG_STOP_TIMEOUT`].
    pub(crate) async fn stop(&self) {
        let Some(running) = self.take() else { return };
        let (done, stopped) = oneshot::channel();
        // A thread that the end of the runtime does not wait for.
        let stop = move || drop(done.send(running.stop()));
        if let Err(error) = std::thread::Builder::new().name("weir-stop".to_owned()).spawn(stop) {
            return tracing::error!(%error, "cannot stop the journal");
        }
        match timeout(limits::LOG_STOP_TIMEOUT, stopped).await {
            Ok(Ok(Ok(()))) => tracing::info!("stopped the journal"),
            Ok(Ok(Err(error))) => tracing::error!(%error, "the journal has no clean end"),
            _ => tracing::error!("the journal did not answer; the next start judges its last frames again"),
        }
    }

    fn take(&self) -> Option<Running> {
        self.running.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Running {
    fn stop(self) -> Result<(), JournalError> {
        drop(self.logged);
        self.journal.stop()
    }
}

/// A log that was not stopped, because the server did not start.
impl Drop for EventLog {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.take().map(Running::stop) {
            tracing::error!(%error, "the journal has no clean end");
        }
    }
}
