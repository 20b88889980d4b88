//! `weir top`: live metrics in a terminal.
//!
//! ```text
//! poller (requests) -> live metrics -> frame (lines of styled text) -> screen (the terminal)
//! ```
//!
//! A terminal shows the styles as colours. Without a terminal, the text of one frame is printed without control codes.

mod frame;
mod live_metrics;
mod live_state;
mod options;
mod poller;
mod screen;

pub(crate) use options::TopOptions;

use crate::client::Client;
use crate::limits;
use crate::output;
use crate::signals::stop_on_signals;
use live_state::LiveState;
use poller::Poller;
use screen::{Screen, UserCommand};
use std::error::Error;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

/// Columns of a printed frame.
const PRINTED_COLUMNS: usize = 80;

/// Shows the metrics until the user quits. If stdout is not a terminal, prints them once.
///
/// # Errors
/// One line: the terminal cannot be used, or a request failed. While the metrics are live, temporary errors are shown
/// and retried; all other errors end the command.
pub(crate) fn run(options: &TopOptions) -> Result<(), Box<dyn Error>> {
    let poller = Poller::new(Client::new(&options.client)?, options);
    if options.once || !io::stdout().is_terminal() {
        return print_once(&poller);
    }
    watch(poller)
}

fn print_once(poller: &Poller) -> Result<(), Box<dyn Error>> {
    let metrics = poller.poll()?;
    let frame = frame::draw(poller.title(), &metrics, None, PRINTED_COLUMNS, usize::MAX);
    let mut text = String::new();
    for line in &frame {
        text.push_str(line.to_string().trim_end());
        text.push('\n');
    }
    Ok(output::print(text)?)
}

fn watch(poller: Poller) -> Result<(), Box<dyn Error>> {
    let stop = stop_on_signals()?;
    let mut state = LiveState::new(poller.title());
    let (sender, receiver) = mpsc::sync_channel(1);
    // The thread is not joined, because a request may be in flight when the user quits. It ends with the process.
    thread::Builder::new().name("weir-poll".to_owned()).spawn(move || poller.poll_forever(&sender))?;
    let mut screen = Screen::enter()?;
    let mut is_stale = true;
    while !stop.load(Ordering::Relaxed) {
        if is_stale {
            let (columns, rows) = screen.size()?;
            screen.show(&state.frame(columns, rows))?;
        }
        is_stale = match screen.command(limits::SIGNAL_POLL_PERIOD)? {
            Some(UserCommand::Quit) => return Ok(()),
            Some(UserCommand::Redraw) => true,
            None => false,
        };
        match receiver.try_recv() {
            Ok(polled) => {
                state.update(polled)?;
                is_stale = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Err("the polling thread has ended; this is a bug in weir".into()),
        }
    }
    Ok(())
}
