//! `weir top`: the live figures in a terminal.
//!
//! ```text
//! poll (what the server says) -> figures -> picture (lines of text) -> screen (the terminal)
//! ```
//!
//! The picture is text whose parts carry a tone. A terminal shows the tones as colours; where there is none, the same text is
//! printed once, without a control code in it.

mod figures;
mod picture;
mod poll;
mod screen;

use crate::client::{Access, Client};
use crate::limits;
use crate::output;
use crate::signals::stop_on_signals;
use poll::Poll;
use screen::{Key, Screen};
use std::error::Error;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

/// Columns of a picture that is printed.
const PRINTED_COLUMNS: usize = 80;

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The server.
    pub access: Access,
    /// The window, in seconds; the server's default where there is none.
    pub window_secs: Option<u32>,
    /// The parameters that choose events, names and values: a type, or an attribute of the user.
    pub filters: Vec<(String, String)>,
    /// Show it once, as text, and end.
    pub once: bool,
}

/// Shows the figures until somebody wants to go, or once where stdout is no terminal.
///
/// # Errors
/// One line, when the terminal cannot be used, or, of a picture that is shown once, when the server does not answer. A live
/// picture says so itself, and goes on; but what can never be answered ends it.
pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let poll = Poll::new(Client::new(&options.access)?, options);
    if options.once || !io::stdout().is_terminal() {
        let figures = poll.ask()?;
        let picture = picture::draw(poll.title(), &figures, None, PRINTED_COLUMNS, usize::MAX);
        let mut text = String::new();
        for line in &picture {
            text.push_str(line.to_string().trim_end());
            text.push('\n');
        }
        return Ok(output::print(text)?);
    }
    watch(poll)
}

fn watch(poll: Poll) -> Result<(), Box<dyn Error>> {
    let stop = stop_on_signals()?;
    let title = poll.title().to_owned();
    let (tell, news) = mpsc::sync_channel(1);
    // It ends with the process: a request may be under way when somebody wants to go.
    thread::Builder::new().name("weir-poll".to_owned()).spawn(move || poll.ask_on(&tell))?;
    let mut screen = Screen::enter()?;
    let mut state = poll::State::default();
    let mut is_new = true;
    while !stop.load(Ordering::Relaxed) {
        if is_new {
            let (columns, rows) = screen.size()?;
            let note = state.note.as_deref();
            screen.show(&match &state.figures {
                Some(figures) => picture::draw(&title, figures, note, columns, rows),
                None => picture::blank(&title, note, columns),
            })?;
        }
        is_new = match screen.key(limits::SIGNAL_POLL_PERIOD)? {
            Some(Key::Quit) => return Ok(()),
            Some(Key::Resized) => true,
            None => false,
        };
        match news.try_recv() {
            Ok(told) => {
                state.take(told)?;
                is_new = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Err("the poll has ended; this is a fault of weir's own".into()),
        }
    }
    Ok(())
}
