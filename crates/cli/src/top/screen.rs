//! The terminal. It is in raw mode while frames are shown, and is always restored.

use crate::top::frame::{Style, StyledLine};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
    EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{execute, queue};
use std::io::{self, Write as _};
use std::panic;
use std::sync::Once;
use std::time::Duration;

/// A command of the user.
pub(super) enum UserCommand {
    /// q, Esc or Ctrl-C was pressed. In raw mode, Ctrl-C is a key without a signal.
    Quit,
    /// The size of the terminal has changed.
    Redraw,
}

/// The terminal while it shows frames. There is at most one value at a time.
pub(super) struct Screen(());

impl Screen {
    /// Prepares the terminal. A panic restores it first, so that the message of the panic can be read.
    pub(super) fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                restore();
                report(info);
            }));
        });
        // From here on, the terminal is restored even if the rest fails.
        let screen = Self(());
        terminal::enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, Hide)?;
        Ok(screen)
    }

    /// The numbers of columns and rows.
    pub(super) fn size(&self) -> io::Result<(usize, usize)> {
        terminal::size().map(|(columns, rows)| (columns.into(), rows.into()))
    }

    /// Replaces the frame on the screen. Lines below the last row are not shown.
    pub(super) fn show(&mut self, lines: &[StyledLine]) -> io::Result<()> {
        let (_, rows) = self.size()?;
        let mut out = io::stdout().lock();
        queue!(out, BeginSynchronizedUpdate)?;
        for (row, line) in lines.iter().take(rows).enumerate() {
            queue!(out, MoveTo(0, u16::try_from(row).unwrap_or(u16::MAX)))?;
            for (style, text) in &line.0 {
                match style {
                    Style::Plain => {}
                    Style::Bold => queue!(out, SetAttribute(Attribute::Bold))?,
                    Style::Dim => queue!(out, SetAttribute(Attribute::Dim))?,
                    Style::Bar => queue!(out, SetForegroundColor(Color::Cyan))?,
                    Style::Warning => queue!(out, SetForegroundColor(Color::Yellow))?,
                }
                queue!(out, Print(text), ResetColor, SetAttribute(Attribute::Reset))?;
            }
            queue!(out, Clear(ClearType::UntilNewLine))?;
        }
        if lines.len() < rows {
            queue!(out, MoveTo(0, u16::try_from(lines.len()).unwrap_or(u16::MAX)), Clear(ClearType::FromCursorDown))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }

    /// Waits up to `timeout` for a command of the user.
    pub(super) fn command(&mut self, timeout: Duration) -> io::Result<Option<UserCommand>> {
        if !event::poll(timeout)? {
            return Ok(None);
        }
        Ok(match event::read()? {
            Event::Key(key) if quits(key) => Some(UserCommand::Quit),
            Event::Resize(..) => Some(UserCommand::Redraw),
            _ => None,
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn quits(KeyEvent { code, modifiers, kind, .. }: KeyEvent) -> bool {
    let is_quit = match code {
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
        KeyCode::Char('c') => modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    };
    is_quit && kind == KeyEventKind::Press
}

/// Restores the terminal. Errors are ignored, because the command is about to end. A second call has no effect.
fn restore() {
    let _ = execute!(io::stdout(), EndSynchronizedUpdate, Show, EnableLineWrap, LeaveAlternateScreen);
    let _ = terminal::disable_raw_mode();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_escape_and_control_c_quit() {
        let key = |code, modifiers| quits(KeyEvent::new(code, modifiers));
        assert!(key(KeyCode::Char('q'), KeyModifiers::NONE) && key(KeyCode::Esc, KeyModifiers::NONE));
        assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL) && !key(KeyCode::Char('c'), KeyModifiers::NONE));
        assert!(!key(KeyCode::Char('x'), KeyModifiers::NONE));
    }
}
