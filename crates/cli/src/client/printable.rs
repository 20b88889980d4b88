//! Text of others on a terminal.

use std::fmt::{self, Write as _};

/// Shows a text that came from elsewhere: control characters, which a terminal would obey, are escaped, and so are those
/// that turn the direction of what follows (Unicode Standard Annex 9, 2).
pub(crate) struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_directive =
            |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        self.0.chars().try_for_each(|c| {
            if c.is_control() || is_directive(c) { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(Printable("ünï \"x\"").to_string(), "ünï \"x\"");
        assert_eq!(Printable("a\u{202e}b").to_string(), r"a\u{202e}b");
        assert_eq!(Printable("a\u{1b}[2Jb\n\u{9b}").to_string(), r"a\u{1b}[2Jb\n\u{9b}");
    }
}
