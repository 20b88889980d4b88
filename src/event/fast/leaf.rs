//! Values without other values in them: strings, numbers and literals.

use super::escape::EscapedEnd;
use super::simd::Simd;
use super::string_end::StringEnd;
use super::text::Text;
use std::hint::cold_path;

/// The end of the string, the number or the literal that begins at `start`.
#[inline(always)]
pub(super) fn leaf_end<S: Simd>(simd: S, text: Text<'_>, start: usize) -> Option<usize> {
    match text.bytes.get(start)? {
        b'"' => string_end(simd, text, start + 1).map(|(end, _)| end + 1),
        _ => Some(start + scalar_len(&text.bytes[start..])?),
    }
}

/// The position of the closing quote of the string whose first byte is at `start`, and whether the string has escapes.
#[inline(always)]
pub(super) fn string_end<S: Simd>(simd: S, text: Text<'_>, start: usize) -> Option<(usize, bool)> {
    closing_quote(simd, text, StringEnd::UNKNOWN.find(simd, text, start)?)
}

/// As [`string_end`], for a string whose first special byte is at `special`: a byte that it cannot contain unescaped.
#[inline(always)]
pub(super) fn closing_quote<S: Simd>(simd: S, text: Text<'_>, special: usize) -> Option<(usize, bool)> {
    if *text.bytes.get(special)? == b'"' {
        return Some((special, false));
    }
    cold_path();
    Some((simd.run(EscapedEnd { text, at: special })?, true))
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
