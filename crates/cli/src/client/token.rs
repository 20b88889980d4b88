//! The token that a command shows.

use std::fmt;

/// A token that the server asks for; it is not told by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// The first of a list with commas.
    ///
    /// # Errors
    /// When it has characters that no header field may have.
    pub(crate) fn first_of(list: &str) -> Result<Self, String> {
        let token = list.split(',').next().unwrap_or_default().trim_ascii();
        let is_visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        is_visible.then(|| Self(token.to_owned())).ok_or_else(|| "not a token".to_owned())
    }

    /// The value of the `Authorization` field that shows it (RFC 6750, 2.1).
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_shown_to_the_server_and_to_nobody_else() {
        let token = Token::first_of(" s3cret== , other").unwrap();
        assert_eq!(token.authorization(), "Bearer s3cret==");
        assert!(!format!("{token:?}").contains("s3cret"));
        for list in ["", ",a", "a b", "a\r\nb", "é"] {
            assert!(Token::first_of(list).is_err(), "{list:?}");
        }
    }
}
