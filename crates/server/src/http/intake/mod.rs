//! How batches and changes of the reference table reach the engine: directly, or through a log.

use crate::http::dashboard;
use crate::http::problem::{Overload, Problem};
use crate::limits;
use crate::log::{self, EventLog, LogState};
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;
use weir::{Change, Engine, Generation, Outcome, Preconditions, Reservation, Rows};
use weir_log::{ChangeSubmission, NotChanged, Submission, Ticket};

/// The way to the engine.
pub(super) enum Intake {
    /// The thread of a request calls the engine.
    Direct,
    /// There is no way yet: the log is opened, which is this work.
    Opening(&'static str),
    /// The log calls the engine, in the order of its entries.
    Logged(Box<EventLog>),
}

/// The paths that are served while the log is replayed, in addition to those of the dashboard. They show what the
/// process itself knows.
const SERVED_BEFORE_READY: [&str; 6] =
    ["/healthz", "/livez", "/readyz", "/openapi.json", "/events/rejected", "/metrics/prometheus"];

impl Intake {
    /// The log, if there is one.
    pub(super) fn log(&self) -> Option<&EventLog> {
        match self {
            Self::Direct | Self::Opening(_) => None,
            Self::Logged(log) => Some(log),
        }
    }

    /// The time, by the clock by which requests are received. In a cluster the time of the engine is log time.
    pub(super) fn now_ms(&self, engine: &Engine) -> i64 {
        self.log().map_or_else(|| engine.now_ms(), EventLog::now_ms)
    }

    /// Watches the log, if there is one. Returns one line if the log cannot be read.
    pub(super) async fn watch(&self) -> String {
        match self {
            Self::Direct | Self::Opening(_) => pending().await,
            Self::Logged(log) => log::watch(log).await,
        }
    }

    /// The response to a request for `path` before the log is replayed.
    pub(super) fn refuse_before_ready(&self, path: &str) -> Option<Problem> {
        if self.log().map_or(matches!(self, Self::Direct), EventLog::is_ready) {
            return None;
        }
        let is_served = SERVED_BEFORE_READY.contains(&path) || dashboard::is_path(path);
        if is_served { None } else { self.check_ready().err() }
    }

    /// Checks that the log takes entries.
    ///
    /// # Errors
    /// [`Problem::NotReady`] or [`Problem::Replaying`], which says why not.
    pub(super) fn check_ready(&self) -> Result<(), Problem> {
        match self {
            Self::Direct => Ok(()),
            Self::Opening(work) => Err(Problem::NotReady(format!("opening: {work}"))),
            Self::Logged(log) => not_ready(&log.state()).map_or(Ok(()), Err),
        }
    }
}

fn not_ready(state: &LogState) -> Option<Problem> {
    match *state {
        LogState::Ready => None,
        LogState::Replaying { replayed, total } => Some(Problem::Replaying { replayed, total }),
        _ => Some(Problem::NotReady(state.detail())),
    }
}

/// Checks, before a request is read, that the log would take it.
///
/// # Errors
/// The log has failed, or the clock is wrong. A log that does not answer may do so in time.
pub(super) fn check_takes_entries(log: &EventLog) -> Result<(), Problem> {
    match log.state() {
        LogState::Ready | LogState::Unavailable(_) => Ok(()),
        LogState::Failed(..) => Err(Problem::LogUnavailable),
        LogState::ClockJumped(_) | LogState::ClockOff(_) | LogState::Stopped => Err(Problem::Overloaded(Overload::Log)),
        LogState::Replaying { replayed, total } => Err(Problem::Replaying { replayed, total }),
    }
}

/// Hands a prepared batch to the log, and waits until it is applied. If the caller is dropped, the batch is given up:
/// some of it may still be applied, and then sending it again finds duplicates.
///
/// # Errors
/// The log has no room for the batch, or does not answer in time.
pub(super) async fn submit(
    log: &EventLog,
    rows: Rows,
    reservation: Reservation,
    received_at_ms: i64,
) -> Result<Outcome, Problem> {
    if rows.is_empty() {
        return Ok(Outcome::default());
    }
    let start = Instant::now();
    let (asker, mut answer) = oneshot::channel();
    let asker = Box::new(move |told| drop(asker.send(told)));
    let ticket = log.submit(Submission { rows, reservation, received_at_ms, asker })?;
    let mut waiting = Waiting { log, ticket: Some(ticket) };
    let told = match timeout(limits::LOG_ANSWER_TIMEOUT, &mut answer).await {
        Ok(told) => told,
        Err(_) => {
            waiting.give_up();
            answer.await
        }
    };
    waiting.ticket = None;
    log.durations().log.observe(start.elapsed());
    // The threads of the log answer every batch. They are gone only if the process ends.
    Ok(told.map_err(|_| Problem::LogUnavailable)??)
}

/// A batch that has no answer yet.
struct Waiting<'a> {
    log: &'a EventLog,
    ticket: Option<Ticket>,
}

impl Waiting<'_> {
    fn give_up(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.log.give_up(ticket);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Hands a change of the reference table to the log, and waits until it is in force.
///
/// # Errors
/// The change is refused, the log has no room for it, or the log does not answer in time.
pub(super) async fn change_reference(
    log: &EventLog,
    change: Change,
    body: Vec<u8>,
    preconditions: Preconditions,
    received_at_ms: i64,
) -> Result<Arc<Generation>, Problem> {
    let more_secs = body.len() / limits::LOG_CHANGE_BYTES_PER_SEC;
    let patience = limits::LOG_ANSWER_TIMEOUT + Duration::from_secs(more_secs as u64);
    let (asker, answer) = oneshot::channel();
    let asker = Box::new(move |told| drop(asker.send(told)));
    log.change_reference(ChangeSubmission { change, body, preconditions, received_at_ms, asker });
    match timeout(patience, answer).await {
        Ok(Ok(Ok(generation))) => Ok(generation),
        Ok(Ok(Err(NotChanged::Refused(error)))) => Err(error.into()),
        Ok(Ok(Err(NotChanged::NotLogged(error)))) => Err(error.into()),
        Ok(Err(_)) | Err(_) => Err(Problem::LogUnavailable),
    }
}

#[cfg(test)]
mod tests;
