//! The terminal: taken over for as long as a picture is shown, and given back whatever happens.

use crate::top::picture::{Line, Tone};
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

/// What somebody wants.
pub(super) enum Key {
    /// To go: q, Esc, or ctrl-c, which is a key like any other here.
    Quit,
    /// The same picture in another size.
    Resized,
}

/// The terminal while it shows a picture. There is one at a time.
pub(super) struct Screen(());

impl Screen {
    /// Takes the terminal over. A panic gives it back first, so that its message can be read.
    pub(super) fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                restore();
                report(info);
            }));
        });
        // From here on the terminal is given back, even if the rest fails.
        let screen = Self(());
        terminal::enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, Hide)?;
        Ok(screen)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> io::Result<(usize, usize)> {
        terminal::size().map(|(columns, rows)| (columns.into(), rows.into()))
    }

    /// Shows the lines that fit instead of what was there.
    pub(super) fn show(&mut self, lines: &[Line]) -> io::Result<()> {
        let (_, rows) = self.size()?;
        let mut out = io::stdout().lock();
        queue!(out, BeginSynchronizedUpdate)?;
        for (row, line) in lines.iter().take(rows).enumerate() {
            queue!(out, MoveTo(0, u16::try_from(row).unwrap_or(u16::MAX)))?;
            for (tone, text) in &line.0 {
                match tone {
                    Tone::Plain => {}
                    Tone::Strong => queue!(out, SetAttribute(Attribute::Bold))?,
                    Tone::Faint => queue!(out, SetAttribute(Attribute::Dim))?,
                    Tone::Bar => queue!(out, SetForegroundColor(Color::Cyan))?,
                    Tone::Warning => queue!(out, SetForegroundColor(Color::Yellow))?,
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

    /// Waits so long for a key that means something.
    pub(super) fn key(&mut self, patience: Duration) -> io::Result<Option<Key>> {
        if !event::poll(patience)? {
            return Ok(None);
        }
        Ok(match event::read()? {
            Event::Key(key) if quits(key) => Some(Key::Quit),
            Event::Resize(..) => Some(Key::Resized),
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

/// Whoever calls this is about to end: there is nobody to tell of an error, and doing it twice does no harm.
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
