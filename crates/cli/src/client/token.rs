//! The bearer token of a client.

use std::fmt;

/// A bearer token. `Debug` does not show its text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// The first token of a comma-separated list.
    ///
    /// # Errors
    /// The token has characters that are not allowed in a header field.
    pub(crate) fn first_of(list: &str) -> Result<Self, String> {
        let token = list.split(',').next().unwrap_or_default().trim_ascii();
        let is_visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        is_visible.then(|| Self(token.to_owned())).ok_or_else(|| "not a valid token".to_owned())
    }

    /// The value of the `Authorization` field (RFC 6750, 2.1).
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
    fn only_the_authorization_field_shows_the_token() {
        let token = Token::first_of(" s3cret== , other").unwrap();
        assert_eq!(token.authorization(), "Bearer s3cret==");
        assert!(!format!("{token:?}").contains("s3cret"));
        for list in ["", ",a", "a b", "a\r\nb", "é"] {
            assert!(Token::first_of(list).is_err(), "{list:?}");
        }
    }
}
