//! Text from other sources, made safe for a terminal.

use std::fmt::{self, Write as _};

/// Displays a text with its control characters escaped, because a terminal obeys them. Characters that change the text
/// direction are escaped too (Unicode Standard Annex 9, 2).
pub(crate) struct EscapeControl<'a>(pub &'a str);

impl fmt::Display for EscapeControl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes_direction =
            |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        self.0.chars().try_for_each(|c| {
            if c.is_control() || changes_direction(c) { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(EscapeControl("ünï \"x\"").to_string(), "ünï \"x\"");
        assert_eq!(EscapeControl("a\u{202e}b").to_string(), r"a\u{202e}b");
        assert_eq!(EscapeControl("a\u{1b}[2Jb\n\u{9b}").to_string(), r"a\u{1b}[2Jb\n\u{9b}");
    }
}
