//! Values without other values in them: strings, numbers and literals.

use super::escape::escaped_len;
use super::simd::Simd;
use super::string_end::StringEnd;
use std::hint::cold_path;

/// The length of the string, the number or the literal that `text` begins with.
#[inline(always)]
pub(super) fn leaf_len<S: Simd>(simd: S, text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => string_len(simd, &text[1..]).map(|(len, _)| 1 + len + 1),
        _ => scalar_len(text),
    }
}

/// The length of a string up to its closing quote, and whether it has escapes. `text` begins after the opening quote.
#[inline(always)]
pub(super) fn string_len<S: Simd>(simd: S, text: &[u8]) -> Option<(usize, bool)> {
    let len = StringEnd::UNKNOWN.find(simd, text)?;
    if *text.get(len)? == b'"' {
        return Some((len, false));
    }
    cold_path();
    Some((escaped_len(simd, text, len)?, true))
}

fn scalar_len(text: &[u8]) -> Option<usize> {
    let word = |word: &[u8]| text.starts_with(word).then_some(word.len());
    match text.first()? {
        b't' => word(b"true"),
        b'f' => word(b"false"),
        b'n' => word(b"null"),
        _ => number_len(text),
    }
}

fn number_len(text: &[u8]) -> Option<usize> {
    let next = |at: usize| text.get(at).copied();
    let mut at = usize::from(next(0) == Some(b'-'));
    at = if next(at) == Some(b'0') { at + 1 } else { digits_end(text, at)? };
    if next(at) == Some(b'.') {
        at = digits_end(text, at + 1)?;
    }
    if matches!(next(at), Some(b'e' | b'E')) {
        at += 1;
        at = digits_end(text, at + usize::from(matches!(next(at), Some(b'+' | b'-'))))?;
    }
    Some(at)
}

/// The end of one or more digits that begin at `start`.
fn digits_end(text: &[u8], start: usize) -> Option<usize> {
    let digits = text.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then_some(start + digits)
}
