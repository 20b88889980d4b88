//! A worker: one connection, and the request that it sends.

use crate::load::connection::{Connection, IngestOutcome};
use crate::load::options::LoadOptions;
use crate::load::recorder::{Exchange, Recorder};
use crate::load::request::Request;
use crate::load::schedule::{Schedule, ScheduledRequest, sleep_precisely};
use crate::load::stream::Connector;
use crate::load::user_sampler::UserSampler;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::error::Error;
use std::time::{Duration, Instant};
use weir::{Clock as _, SystemClock};

/// One connection, and the request that it sends.
pub(super) struct Worker {
    connection: Connection,
    request: Request,
    batch_events: u64,
}

/// All workers, connected.
///
/// # Errors
/// One line: the server cannot be reached.
pub(super) fn connect_all(options: &LoadOptions) -> Result<Vec<Worker>, Box<dyn Error>> {
    let LoadOptions { target, workload, batch_events, .. } = options;
    let connector = Connector::to(target)?;
    let nonce = getrandom::u64()?;
    let users = UserSampler::new(workload.users, workload.zipf_exponent, workload.seed);
    let mut seeds = SmallRng::seed_from_u64(workload.seed);
    let mut workers = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        let mut connection = Connection::new(connector.clone());
        connection.open().map_err(|error| format!("cannot reach {target}: {error}"))?;
        let rng = seeds.fork();
        let request = Request::new(target, workload, *batch_events, nonce, users.clone(), rng);
        workers.push(Worker { connection, request, batch_events: *batch_events as u64 });
    }
    Ok(workers)
}

impl Worker {
    /// Does the one-time work of a thread before the run starts. Its first allocation takes megabytes of new memory,
    /// which the system clears first. For hundreds of connections this takes seconds.
    pub(super) fn prepare(&mut self) {
        sleep_precisely();
        // The request is filled again before it is sent.
        self.request.refill(0, SystemClock.now_ms());
    }

    /// Sends requests until the schedule ends, or a signal stops it.
    pub(super) fn run(&mut self, schedule: &Schedule, recorder: &Recorder) {
        let next = || schedule.next(Instant::now());
        while let Some(exchange) = next().and_then(|scheduled| self.exchange(scheduled, schedule)) {
            recorder.record(&exchange);
        }
    }

    /// Sends a request when it is due. None if a signal stopped the schedule before.
    fn exchange(&mut self, scheduled: ScheduledRequest, schedule: &Schedule) -> Option<Exchange> {
        let begun = Instant::now();
        // The request is prepared ahead of time, with the timestamp of the time when it will be sent.
        let ahead = scheduled.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(begun));
        let sent_at_ms = SystemClock.now_ms() + ahead.as_millis() as i64;
        let expected = self.request.refill(scheduled.number * self.batch_events, sent_at_ms);
        let refill_time = begun.elapsed();
        let due = schedule.wait(scheduled)?;
        let outcome = self.connection.exchange(self.request.bytes());
        let end = Instant::now();
        if let Ok(IngestOutcome::Counts(_)) = outcome {
            self.request.mark_accepted();
        }
        Some(Exchange { end: end - schedule.start, latency: end - due, refill_time, expected, outcome })
    }
}
