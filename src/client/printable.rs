//! Text of others on a terminal.

use std::fmt::{self, Write as _};

/// Shows a text that came from elsewhere: control characters, which a terminal would obey, are escaped.
pub(crate) struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(Printable("ünï \"x\"").to_string(), "ünï \"x\"");
        assert_eq!(Printable("a\u{1b}[2Jb\n\u{9b}").to_string(), r"a\u{1b}[2Jb\n\u{9b}");
    }
}
