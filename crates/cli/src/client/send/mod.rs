//! `weir send`: sends a file or a pipe of events in batches, until each event has a verdict.
//!
//! ```text
//! input (bytes) -> lines -> batch queue -> sender (with retries) -> summary
//! ```
//!
//! A thread of its own reads the lines, because a blocking read of a pipe cannot be interrupted when the linger time of
//! a batch has passed. The reader is at most one batch ahead of the sender, so the memory is bounded for an input of
//! any size.
//!
//! If a response is lost, the batch is sent again. This is safe because events have ids. The events that the first
//! attempt delivered come back as duplicates, which are counted apart from the others.

mod backoff;
mod batch;
mod batch_queue;
mod input_error;
mod lines;
mod options;
mod refused_file;
mod sender;
mod summary;
mod verdicts;

pub(crate) use options::SendOptions;

use crate::client::input::{self, Text};
use crate::client::{Client, Source};
use crate::limits;
use crate::output;
use crate::signals::stop_on_signals;
use batch_queue::{BatchLimits, BatchQueue, Next};
use indicatif::{ProgressBar, ProgressStyle};
use refused_file::RefusedFile;
use sender::Sender;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

/// Sends all events, and prints the summary. A signal stops the reading; the lines read so far are sent. The progress
/// is shown on stderr if stderr is a terminal.
///
/// # Errors
/// One line: the input cannot be read, a line is too long, the server cannot be reached or did not accept a batch, or
/// an event was rejected.
pub(crate) fn run(options: &SendOptions) -> Result<(), Box<dyn Error>> {
    let client = Client::new(&options.client)?;
    let (bar, input) = open(&options.source).map_err(|error| format!("cannot read {}: {error}", options.source))?;
    let refused = options.refused.as_deref().map(RefusedFile::create).transpose()?;
    let limits = BatchLimits {
        events: options.batch_events,
        bytes: options.batch_bytes,
        line_bytes: *limits::SEND_BATCH_BYTES.end(),
        linger: options.linger,
    };
    let queue = Arc::new(BatchQueue::new(limits));
    let lines = Arc::clone(&queue);
    // This thread is not joined: if the sending fails, the thread ends with the process.
    thread::Builder::new().name("weir-lines".to_owned()).spawn(move || lines::read(input, &lines))?;
    interrupt_on_signal(Arc::clone(&queue))?;

    let mut sender = Sender::new(client, options, refused, bar);
    let ended = send_all(&queue, &mut sender, &options.source);
    let summary = sender.finish();
    let has_summary = ended.is_ok() || summary.events() > 0;
    let printed = if has_summary { output::print(&summary) } else { Ok(()) };
    ended?;
    printed?;
    Ok(summary.check(options.fail_on_duplicates)?)
}

/// Sends each batch of the queue, until the end of the input.
fn send_all(queue: &BatchQueue, sender: &mut Sender, source: &Source) -> Result<(), String> {
    loop {
        match queue.next() {
            Next::Batch(batch) => sender.send(batch)?,
            Next::End(end) => return end.map_err(|error| format!("{source}: {error}")),
        }
    }
}

fn interrupt_on_signal(queue: Arc<BatchQueue>) -> io::Result<()> {
    let stop = stop_on_signals()?;
    thread::Builder::new().name("weir-signals".to_owned()).spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(limits::SIGNAL_POLL_PERIOD);
        }
        queue.interrupt();
    })?;
    Ok(())
}

/// The text of the source, and a progress bar that follows its bytes.
fn open(source: &Source) -> io::Result<(ProgressBar, Text)> {
    let (bytes, length) = input::open(source)?;
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{elapsed} {bar:32} {bytes}/{total_bytes} {msg}"),
        None => (ProgressBar::new_spinner(), "{elapsed} {spinner} {bytes} {msg}"),
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the templates are well-formed"));
    let text = input::decompressed(bar.wrap_read(bytes))?;
    Ok((bar, text))
}
