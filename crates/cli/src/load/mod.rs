//! `weir load`: a load generator that checks every answer.
//!
//! ```text
//! schedule (when) -> request (what) -> connection (out and in) -> recorder -> report
//! ```
//!
//! The loop is open: requests are due by a schedule that does not wait for answers, and latency counts from when a request was
//! due, not from when it could be sent. A server that stalls is charged for every request that the stall held up (what Gil
//! Tene calls coordinated omission is corrected). The next request that is due goes to whichever connection is free first.
//!
//! Each connection is a thread with blocking calls: a sleep ends within microseconds of its time, where the timers of an
//! asynchronous runtime count milliseconds.

mod connection;
mod options;
mod recorder;
mod reply;
mod report;
mod request;
mod schedule;
mod target;
mod users;

pub(crate) use options::{Options, Rate, Workload};
pub(crate) use report::Report;
pub(crate) use target::Target;
pub(crate) use users::Users;

use connection::{Answer, Connection};
use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use recorder::{Exchange, Recorder};
use request::Request;
use schedule::{Schedule, Turn, sleep_precisely};
use std::error::Error;
use std::fmt::Display;
use std::io;
use std::sync::RwLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};
use weir::{Clock as _, SystemClock};

/// How often the progress bar is drawn.
const PROGRESS_TICK: Duration = Duration::from_millis(100);

/// Stack bytes of a connection's thread, which calls nothing deep.
const STACK_BYTES: usize = 256 << 10;

/// Sends what the options say, with a progress bar on stderr where that is a terminal.
///
/// # Errors
/// When nothing can be sent: the server cannot be reached, or a thread cannot be started. What goes wrong later is in the
/// report.
pub(crate) fn run(options: &Options) -> Result<Report, Box<dyn Error>> {
    let mut senders = senders(options)?;
    let recorder = Recorder::new();
    // Nobody sends before everybody can: the schedule starts when the gate opens, and never if a thread is missing.
    let gate = RwLock::new(None);
    thread::scope(|scope| -> io::Result<()> {
        let mut opening = gate.write().expect(NO_PANIC);
        let (running, ended) = channel::<()>();
        let (ready, readied) = channel::<()>();
        for sender in &mut senders {
            let (gate, recorder, running, ready) = (&gate, &recorder, running.clone(), ready.clone());
            let send = move || {
                sender.prepare();
                drop(ready);
                if let Some(schedule) = &*gate.read().expect(NO_PANIC) {
                    sender.run(schedule, recorder);
                }
                drop(running);
            };
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, send)?;
        }
        drop((running, ready));
        // Nobody sends on this channel: it ends when everybody is ready.
        let _ = readied.recv();
        let start = Instant::now();
        *opening = Some(Schedule::new(start, options.duration, options.rate, options.batch_events));
        drop(opening);
        show_progress(options.duration, start, &recorder, &ended);
        Ok(())
    })?;
    Ok(Report::new(options.clone(), recorder.finish()))
}

const NO_PANIC: &str = "no thread panics while it opens the gate";

/// One connection and the request that it sends.
struct Sender {
    connection: Connection,
    request: Request,
    batch_events: u64,
}

/// All senders, connected.
fn senders(options: &Options) -> Result<Vec<Sender>, Box<dyn Error>> {
    let Options { target, workload, batch_events, .. } = options;
    let unreachable = |reason: &dyn Display| format!("cannot reach {target}: {reason}");
    let address = target.find().map_err(|error| unreachable(&error))?;
    let nonce = getrandom::u64()?;
    let users = Users::new(workload.users, workload.zipf_exponent, workload.seed);
    let mut seeds = SmallRng::seed_from_u64(workload.seed);
    let mut senders = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        let mut connection = Connection::new(address);
        connection.open().map_err(|failure| unreachable(&failure))?;
        let rng = seeds.fork();
        let request = Request::new(target, workload, *batch_events, nonce, users.clone(), rng);
        senders.push(Sender { connection, request, batch_events: *batch_events as u64 });
    }
    Ok(senders)
}

impl Sender {
    /// Does before the start what a thread does only once. Its first allocation takes megabytes of fresh memory, which the
    /// system clears first: for hundreds of connections that is seconds.
    fn prepare(&mut self) {
        sleep_precisely();
        // Made new again before it is sent.
        self.request.renew(0, SystemClock.now_ms());
    }

    fn run(&mut self, schedule: &Schedule, recorder: &Recorder) {
        while let Some(turn) = schedule.take(Instant::now()) {
            recorder.record(&self.exchange(turn, schedule.start));
        }
    }

    fn exchange(&mut self, turn: Turn, start: Instant) -> Exchange {
        let begun = Instant::now();
        // Made ready ahead of time, and stamped with the time when it will be sent.
        let ahead = turn.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(begun));
        let sent_at_ms = SystemClock.now_ms() + ahead.as_millis() as i64;
        let expected = self.request.renew(turn.number * self.batch_events, sent_at_ms);
        let renewing = begun.elapsed();
        let due = turn.wait();
        let outcome = self.connection.exchange(self.request.bytes());
        let over = Instant::now();
        if let Ok(Answer::Counts(_)) = outcome {
            self.request.accepted();
        }
        Exchange { over_at: over - start, latency: over - due, renewing, expected, outcome }
    }
}

/// Draws the progress until all senders have ended.
fn show_progress(duration: Duration, start: Instant, recorder: &Recorder, ended: &Receiver<()>) {
    let bar = ProgressBar::new(duration.as_millis() as u64);
    let style = ProgressStyle::with_template("{elapsed} {bar:32} {percent}% {msg}");
    bar.set_style(style.expect("the template is well-formed"));
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PROGRESS_TICK) {
        let elapsed = start.elapsed();
        bar.set_position(elapsed.min(duration).as_millis() as u64);
        bar.set_message(match recorder.progress() {
            (_, Some(last)) => format!("{} events/s, p99 {:.3} ms", last.events, last.p99_ms),
            // There is no whole second yet.
            (events, None) => format!("{:.0} events/s", events as f64 / elapsed.as_secs_f64()),
        });
    }
    bar.finish_and_clear();
}
