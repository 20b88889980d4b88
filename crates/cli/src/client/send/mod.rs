//! `weir send`: a file or a pipe of events, in batches, until the server has a verdict on each.
//!
//! ```text
//! input (bytes) -> lines -> handover (batches) -> delivery (until it is taken) -> outcome (what became of the events)
//! ```
//!
//! Lines are read by a thread of their own, because a read of a pipe cannot be given up when a batch has waited long enough;
//! it runs at most one batch ahead, so that memory is bounded however large the input is.
//!
//! Ids make it safe to send a batch again when its answer is lost: what the first try has brought is a duplicate then, and
//! is told apart from the others.

mod backoff;
mod batch;
mod delivery;
mod handover;
mod input;
mod lines;
mod outcome;

use crate::client::{Access, Client, Source};
use crate::limits;
use crate::output;
use crate::signals::stop_on_signals;
use delivery::Delivery;
use handover::{Bounds, Handover, Taken};
use indicatif::{ProgressBar, ProgressStyle};
use input::Input;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// What to send, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The server.
    pub access: Access,
    /// Where the events are.
    pub source: Source,
    /// Events in a request.
    pub batch_events: usize,
    /// Bytes of a request before compression, and of a line.
    pub batch_bytes: usize,
    /// How long a line waits for others at the most.
    pub linger: Duration,
    /// How long a batch that does not get through is tried.
    pub retry_for: Duration,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// Whether duplicates fail the run.
    pub fail_on_duplicates: bool,
}

/// Sends everything, or at a signal what has been read by then, prints what became of it, and shows the progress on stderr
/// where that is a terminal.
///
/// # Errors
/// One line: when the input cannot be read, a line is too long, the server cannot be reached or does not take a batch, or when
/// an event was refused.
pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let client = Client::new(&options.access)?;
    let cannot_read = |error: &io::Error| format!("cannot read {}: {error}", options.source);
    let (bar, input) = open(&options.source).map_err(|error| cannot_read(&error))?;
    let bounds = Bounds { events: options.batch_events, bytes: options.batch_bytes, linger: options.linger };
    let handover = Arc::new(Handover::new(bounds));
    let lines = Arc::clone(&handover);
    // Nobody waits for this thread: where the sending has failed, it ends with the process.
    thread::Builder::new().name("weir-lines".to_owned()).spawn(move || lines::read(input, &lines))?;
    let (stop, interrupted) = (stop_on_signals()?, Arc::clone(&handover));
    thread::Builder::new().name("weir-signals".to_owned()).spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(limits::SIGNAL_POLL_PERIOD);
        }
        interrupted.interrupt();
    })?;

    let mut delivery = Delivery::new(client, options, bar);
    let ended = loop {
        match handover.take() {
            Taken::Batch(batch) => {
                if let Err(error) = delivery.deliver(batch) {
                    break Err(error);
                }
            }
            Taken::End(ended) => break ended.map_err(|stop| format!("{}: {stop}", options.source)),
        }
    };
    let outcome = delivery.finish();
    let has_outcome = ended.is_ok() || outcome.events() > 0;
    let printed = if has_outcome { output::print(&outcome) } else { Ok(()) };
    ended?;
    printed?;
    Ok(outcome.check(options.fail_on_duplicates)?)
}

/// The source's bytes, and a bar that follows them.
fn open(source: &Source) -> io::Result<(ProgressBar, Input)> {
    let (bytes, length) = input::open(source)?;
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{elapsed} {bar:32} {bytes}/{total_bytes} {msg}"),
        None => (ProgressBar::new_spinner(), "{elapsed} {spinner} {bytes} {msg}"),
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the templates are well-formed"));
    let input = input::decompressed(bar.wrap_read(bytes))?;
    Ok((bar, input))
}
