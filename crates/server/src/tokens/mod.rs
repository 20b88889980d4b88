//! Bearer tokens (RFC 6750) of each role. A role without a token is open to everyone.

mod sources;

pub use sources::TokenSources;

use crate::limits;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::watch;
use weir_api::Role;

/// Why a request is not authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthError {
    /// The request has no token, or an unknown one.
    Unauthorized {
        /// Whether the request has an `Authorization` field.
        has_token: bool,
    },
    /// The request needs this role, and the token belongs to other roles.
    Forbidden(Role),
}

/// Why a request is authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// The role has no token, so that everyone has it.
    OpenRole,
    /// The request has a token of the role.
    Token,
}

/// The tokens of each role. They are kept as SHA-256 digests, so that neither a log nor a memory dump reveals a token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tokens([Vec<[u8; 32]>; Role::ALL.len()]);

impl Tokens {
    /// Adds a token of a role.
    ///
    /// # Errors
    /// One line that does not contain the token. The token has characters outside of RFC 6750's `b64token`, or its
    /// length is outside of [`TOKEN_BYTES`](limits::TOKEN_BYTES), or the role already has
    /// [`TOKENS_MAX`](limits::TOKENS_MAX) tokens.
    pub fn add(&mut self, role: Role, token: &str) -> Result<(), String> {
        let (name, tokens) = (role.name(), &mut self.0[role as usize]);
        if !is_b64token(token) {
            return Err(format!("a token for {name} may contain only A-Z a-z 0-9 - . _ ~ + / and = at its end"));
        }
        if !limits::TOKEN_BYTES.contains(&token.len()) {
            let (least, most) = (limits::TOKEN_BYTES.start(), limits::TOKEN_BYTES.end());
            return Err(format!("a token for {name} must have {least} to {most} characters"));
        }
        if tokens.len() == limits::TOKENS_MAX {
            return Err(format!("{name} may have at most {} tokens", limits::TOKENS_MAX));
        }
        tokens.push(Sha256::digest(token).into());
        Ok(())
    }

    /// Whether the role has no token, so that everyone has the role.
    #[must_use]
    pub fn is_open(&self, role: Role) -> bool {
        self.0[role as usize].is_empty()
    }

    /// Checks that a request with these header fields has `role`.
    fn check(&self, role: Role, headers: &HeaderMap) -> Result<Grant, AuthError> {
        if self.is_open(role) {
            return Ok(Grant::OpenRole);
        }
        let presented =
            bearer(headers).ok_or(AuthError::Unauthorized { has_token: headers.contains_key(AUTHORIZATION) })?;
        let presented: [u8; 32] = Sha256::digest(presented).into();
        // Every token of every role is compared, each in constant time, so that the duration reveals nothing.
        let held = self
            .0
            .each_ref()
            .map(|tokens| tokens.iter().fold(Choice::from(0), |held, token| held | token.ct_eq(&presented)).into());
        match held {
            _ if held[role as usize] => Ok(Grant::Token),
            [false, false, false] => Err(AuthError::Unauthorized { has_token: true }),
            _ => Err(AuthError::Forbidden(role)),
        }
    }
}

impl fmt::Debug for Tokens {
    /// Shows the number of tokens of each role.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(Role::ALL.iter().map(|role| (role.name(), self.0[*role as usize].len()))).finish()
    }
}

/// Whether the text is a `b64token` (RFC 6750, 2.1).
fn is_b64token(token: &str) -> bool {
    let unpadded = token.trim_end_matches('=');
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !unpadded.is_empty() && unpadded.bytes().all(is_usual)
}

/// The bearer token, if the request has exactly one `Authorization` field.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = field.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// The tokens that requests are checked against. They can be replaced while the server runs.
#[derive(Debug, Default)]
pub(crate) struct ActiveTokens(watch::Sender<Tokens>);

impl ActiveTokens {
    /// Replaces the tokens. Subscribers are notified only if the new tokens differ.
    pub(crate) fn replace(&self, tokens: Tokens) {
        self.0.send_if_modified(|active| {
            let is_changed = *active != tokens;
            *active = tokens;
            is_changed
        });
    }

    /// The current tokens.
    pub(crate) fn get(&self) -> Tokens {
        self.0.borrow().clone()
    }

    /// A receiver that is notified when the tokens change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Tokens> {
        self.0.subscribe()
    }

    /// Checks that a request with these header fields has `role`.
    pub(crate) fn check(&self, role: Role, headers: &HeaderMap) -> Result<Grant, AuthError> {
        self.0.borrow().check(role, headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn tokens(all: &[(Role, &str)]) -> Tokens {
        let mut tokens = Tokens::default();
        all.iter().for_each(|(role, token)| tokens.add(*role, token).unwrap());
        tokens
    }

    fn status(tokens: &Tokens, role: Role, fields: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        fields.iter().for_each(|field| _ = headers.append(AUTHORIZATION, HeaderValue::from_str(field).unwrap()));
        match tokens.check(role, &headers) {
            Ok(_) => 200,
            Err(AuthError::Unauthorized { .. }) => 401,
            Err(AuthError::Forbidden(_)) => 403,
        }
    }

    #[test]
    fn a_role_is_open_until_it_has_a_token() {
        let tokens = tokens(&[(Role::Admin, "a")]);
        assert_eq!(Role::ALL.map(|role| tokens.is_open(role)), [true, false, true]);
        assert_eq!(status(&tokens, Role::Ingest, &[]), 200);
        assert_eq!(status(&tokens, Role::Ingest, &["Bearer nonsense"]), 200);
        assert_eq!(status(&tokens, Role::Admin, &[]), 401);
    }

    #[test]
    fn any_token_of_the_role_is_accepted_and_one_of_another_role_is_forbidden() {
        let tokens = tokens(&[(Role::Ingest, "old"), (Role::Ingest, "new"), (Role::Admin, "a"), (Role::Read, "new")]);
        for (token, statuses) in
            [("old", [200, 403, 403]), ("new", [200, 403, 200]), ("a", [403, 200, 403]), ("unknown", [401; 3])]
        {
            let field = format!("Bearer {token}");
            assert_eq!(Role::ALL.map(|role| status(&tokens, role, &[&field])), statuses, "{token}");
        }
    }

    #[test]
    fn a_request_needs_exactly_one_well_formed_field() {
        let tokens = tokens(&[(Role::Read, "r=")]);
        for (fields, expected) in [
            (&["Bearer r="][..], 200),
            (&["bEARER   r= "], 200),
            (&["Bearer r"], 401),
            (&["Bearer r=="], 401),
            (&["Bearer"], 401),
            (&["Bearer "], 401),
            (&["r="], 401),
            (&["Basic r="], 401),
            (&["Bearer r=, Bearer r="], 401),
            (&["Bearer r=", "Bearer r="], 401),
            (&[], 401),
        ] {
            assert_eq!(status(&tokens, Role::Read, fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn the_error_of_a_bad_token_does_not_contain_it() {
        let mut tokens = Tokens::default();
        for token in ["", "=", "a=b", "a b", "sécret", "a,b", &"x".repeat(1_025)] {
            let error = tokens.add(Role::Read, token).unwrap_err();
            assert!(error.contains("read") && (token.len() < 3 || !error.contains(token)), "{error}");
        }
        (0..limits::TOKENS_MAX).for_each(|i| tokens.add(Role::Read, &i.to_string()).unwrap());
        assert_eq!(tokens.add(Role::Read, "one-more").unwrap_err(), "read may have at most 64 tokens");
        assert_eq!(format!("{tokens:?}"), r#"{"ingest": 0, "admin": 0, "read": 64}"#);
    }
}
