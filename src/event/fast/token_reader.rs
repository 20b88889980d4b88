//! One event, token by token, in any shape.

use super::shape::ShapeLearner;
use super::simd::Simd;
use super::string_end::StringEnd;
use crate::event::batch::Field;
use crate::event::validate::{Fields, Value};

/// A member that nests deeper is left to the general path. Together with the two levels of the body itself, this is far
/// below [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX).
const NESTED_MAX: u32 = u64::BITS;

/// Reads JSON without escapes, and reads each byte once.
///
/// With `IS_NDJSON`, a line feed ends the text; otherwise it is white space. `None` as a result means that the fast
/// path does not know this text, valid or not.
#[derive(Clone, Copy)]
pub(super) struct TokenReader<'t, S, const IS_NDJSON: bool> {
    pub(super) simd: S,
    /// Well-formed UTF-8 from `at` on.
    pub(super) text: &'t [u8],
    pub(super) at: usize,
}

impl<'t, S: Simd, const IS_NDJSON: bool> TokenReader<'t, S, IS_NDJSON> {
    /// Reads an object, and collects the values of its known members and the shape of the event.
    #[inline(always)]
    pub(super) fn event(&mut self, fields: &mut Fields<'t>, learner: &mut ShapeLearner) -> Option<()> {
        self.expect(b'{')?;
        self.skip_space();
        if self.accept(b'}') {
            return Some(());
        }
        loop {
            let name = self.name()?;
            let start = self.at;
            let value = self.value()?;
            if let Some(field) = Field::from_name(name) {
                fields.set(field, value);
                if let Value::String(string) = value {
                    learner.add(field, start + 1, start + 1 + string.len());
                }
            }
            self.skip_space();
            match self.next()? {
                b',' => self.skip_space(),
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Reads a whole value of any type.
    #[inline(always)]
    fn value(&mut self) -> Option<Value<'t>> {
        match self.peek()? {
            b'"' => return self.string().map(Value::String),
            b'{' | b'[' => self.nested()?,
            _ => self.scalar()?,
        }
        Some(Value::NotAString)
    }

    /// Reads an object or an array with all of its content.
    fn nested(&mut self) -> Option<()> {
        // The open containers, the innermost one in the lowest bit: 1 for an object, 0 for an array.
        let (mut open, mut depth) = (0_u64, 0);
        loop {
            match self.peek()? {
                bracket @ (b'{' | b'[') => {
                    if depth == NESTED_MAX {
                        return None;
                    }
                    let is_object = bracket == b'{';
                    (open, depth) = (open << 1 | u64::from(is_object), depth + 1);
                    self.at += 1;
                    self.skip_space();
                    if self.peek()? != if is_object { b'}' } else { b']' } {
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b'"' => drop(self.string()?),
                _ => self.scalar()?,
            }
            loop {
                self.skip_space();
                let is_object = open & 1 == 1;
                match self.next()? {
                    b',' => {
                        self.skip_space();
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return None,
                }
                (open, depth) = (open >> 1, depth - 1);
                if depth == 0 {
                    return Some(());
                }
            }
        }
    }

    /// Reads the name and the colon of a member, up to its value.
    #[inline(always)]
    fn name(&mut self) -> Option<&'t [u8]> {
        let name = self.string()?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Some(name)
    }

    #[inline(always)]
    fn string(&mut self) -> Option<&'t [u8]> {
        self.expect(b'"')?;
        let rest = &self.text[self.at..];
        let string = &rest[..StringEnd::UNKNOWN.find(self.simd, rest)?];
        self.at += string.len();
        self.expect(b'"')?;
        Some(string)
    }

    /// Reads a number or a literal.
    fn scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let is_next = self.text[self.at..].starts_with(word);
        self.at += word.len();
        is_next.then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.accept(b'-');
        if !self.accept(b'0') {
            self.digits()?;
        }
        if self.accept(b'.') {
            self.digits()?;
        }
        if self.accept(b'e') || self.accept(b'E') {
            let _has_sign = self.accept(b'+') || self.accept(b'-');
            self.digits()?;
        }
        Some(())
    }

    /// Reads one or more digits.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    #[inline(always)]
    pub(super) fn skip_space(&mut self) {
        while let Some(byte) = self.peek()
            && (matches!(byte, b' ' | b'\t' | b'\r') || byte == b'\n' && !IS_NDJSON)
        {
            self.at += 1;
        }
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Reads the next byte if it is `byte`; returns whether it is.
    #[inline(always)]
    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads the next byte, which has to be `byte`.
    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Option<()> {
        // The processor predicts this branch. The addition in `accept` would wait until the byte is loaded.
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }
}
