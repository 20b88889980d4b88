//! Strings with escapes (RFC 8259, section 7).

use super::simd::{Simd, SimdTask};
use super::string_end::StringEnd;
use super::text::Text;

/// Finds the closing quote of a string with escapes: `at` is the position of the first one. The result is `None` if
/// there is no escape at `at`, or if the string has no end, a control character, or an escape that is not valid.
pub(super) struct EscapedEnd<'t> {
    pub(super) text: Text<'t>,
    pub(super) at: usize,
}

impl SimdTask for EscapedEnd<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<usize> {
        let Self { text, mut at } = self;
        if *text.bytes.get(at)? != b'\\' {
            return None;
        }
        loop {
            match text.bytes.get(at)? {
                b'"' => return Some(at),
                b'\\' => at += escape(&text.bytes[at..])?.0,
                _ => return None,
            }
            at = StringEnd::UNKNOWN.find(simd, text, at)?;
        }
    }
}

/// Adds a string to `unescaped`, without its escapes. The string is valid, as of [`EscapedEnd`].
pub(super) fn unescape(mut string: &[u8], unescaped: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', string) {
        unescaped.extend_from_slice(&string[..at]);
        let Some((len, character)) = escape(&string[at..]) else { break };
        unescaped.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        string = &string[at + len..];
    }
    unescaped.extend_from_slice(string);
}

/// The length and the character of the escape that `text` begins with.
fn escape(text: &[u8]) -> Option<(usize, char)> {
    let character = match text.get(1)? {
        character @ (b'"' | b'\\' | b'/') => char::from(*character),
        b'b' => '\x08',
        b'f' => '\x0c',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(text),
        _ => return None,
    };
    Some((2, character))
}

/// An escape of a code unit, or of two that are a surrogate pair.
fn unicode_escape(text: &[u8]) -> Option<(usize, char)> {
    let first = code_unit(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((6, char::from_u32(first.into())?));
    }
    let second = code_unit(text.get(6..)?)?;
    let character = char::decode_utf16([first, second]).next()?.ok()?;
    Some((12, character))
}

/// The value of `\uXXXX`.
fn code_unit(text: &[u8]) -> Option<u16> {
    let (digits, _) = text.strip_prefix(b"\\u")?.split_first_chunk::<4>()?;
    let add = |unit: u16, digit: &u8| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16);
    digits.iter().try_fold(0, add)
}
