//! `weir load`: a load generator that checks every response.
//!
//! ```text
//! schedule (when) -> request (what) -> connection (exchange) -> recorder -> report
//! ```
//!
//! The generator is an open loop. Requests are due on a schedule that does not wait for responses. Latency counts from
//! the time when a request was due, not from the time when it could be sent. So a stall of the server counts for every
//! request that the stall delayed. This corrects what Gil Tene calls coordinated omission. The first connection that is
//! free sends the next request that is due.
//!
//! Each connection is a thread with blocking calls. A sleep of a thread ends within microseconds of its time; the
//! timers of an asynchronous runtime have a resolution of milliseconds.

mod connection;
mod exchange_error;
mod http_response;
mod options;
mod recorder;
mod report;
mod request;
mod schedule;
mod stream;
mod target;
mod user_sampler;
mod worker;

pub(crate) use options::{LoadOptions, Rate, Workload};
pub(crate) use report::Report;
pub(crate) use target::Target;
pub(crate) use user_sampler::UserSampler;

use crate::signals::stop_on_signals;
use indicatif::{ProgressBar, ProgressStyle};
use recorder::Recorder;
use schedule::Schedule;
use std::error::Error;
use std::io;
use std::sync::RwLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often the progress bar is drawn.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);

/// Stack bytes of a worker thread, whose calls are not deep.
const STACK_BYTES: usize = 256 << 10;

/// Sends the load, with a progress bar on stderr if stderr is a terminal. A signal ends the run early: requests that
/// were sent are still awaited. A second signal ends the process at once.
///
/// # Errors
/// Nothing can be sent: the server cannot be reached, or a thread cannot be started. Later errors are in the report.
pub(crate) fn run(options: &LoadOptions) -> Result<Report, Box<dyn Error>> {
    let mut workers = worker::connect_all(options)?;
    let recorder = Recorder::new();
    // No worker sends before all workers are ready. The schedule starts when the gate opens. If a thread cannot be
    // started, the gate opens without a schedule.
    let gate = RwLock::new(None);
    thread::scope(|scope| -> io::Result<()> {
        let mut opening = gate.write().expect(NO_PANIC);
        let (running, ended) = channel::<()>();
        let (preparing, ready) = channel::<()>();
        for worker in &mut workers {
            let (gate, recorder, running, preparing) = (&gate, &recorder, running.clone(), preparing.clone());
            let work = move || {
                worker.prepare();
                drop(preparing);
                if let Some(schedule) = &*gate.read().expect(NO_PANIC) {
                    worker.run(schedule, recorder);
                }
                drop(running);
            };
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
        }
        drop((running, preparing));
        // Nothing is sent on this channel: `recv` returns when all workers have dropped their ends.
        let _ = ready.recv();
        let stop = stop_on_signals()?;
        let LoadOptions { duration, rate, batch_events, .. } = *options;
        *opening = Some(Schedule::new(Instant::now(), duration, rate, batch_events, stop));
        drop(opening);
        if let Some(schedule) = &*gate.read().expect(NO_PANIC) {
            show_progress(duration, schedule, &recorder, &ended);
        }
        Ok(())
    })?;
    let interrupted_after = gate.into_inner().expect(NO_PANIC).and_then(|schedule| schedule.interrupted_after());
    Ok(Report::new(options.clone(), recorder.finish(), interrupted_after))
}

const NO_PANIC: &str = "no thread panics while it holds the gate";

/// Draws the progress until all workers have ended.
fn show_progress(duration: Duration, schedule: &Schedule, recorder: &Recorder, ended: &Receiver<()>) {
    let bar = ProgressBar::new(duration.as_millis() as u64);
    let style = ProgressStyle::with_template("{elapsed} {bar:32} {percent}% {msg}");
    bar.set_style(style.expect("the template is well-formed"));
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PROGRESS_PERIOD) {
        // If all workers wait for responses, this thread is the first to see a signal.
        schedule.is_stopped();
        let elapsed = schedule.start.elapsed();
        bar.set_position(elapsed.min(duration).as_millis() as u64);
        bar.set_message(match recorder.progress() {
            (_, Some(last)) => format!("{} events/s, p99 {:.3} ms", last.events, last.p99_ms),
            // The first second is not over yet.
            (events, None) => format!("{:.0} events/s", events as f64 / elapsed.as_secs_f64()),
        });
    }
    bar.finish_and_clear();
}
