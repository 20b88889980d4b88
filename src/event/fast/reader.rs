//! One event token by token, in any layout.

use super::end::End;
use super::layout::Learner;
use super::vector::Vector;
use crate::event::batch::Field;
use crate::event::validate::{Fields, Value};

/// Levels that a member may nest before it is left to the general path; with the body's own two far below
/// [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX).
const NESTED_MAX: u32 = u64::BITS;

/// Reads JSON that has no escapes, byte after byte, each once.
///
/// Where `IS_LINE`, a line feed ends the text rather than being white space. Every answer of `None` means that this is nothing the fast path knows, valid or not.
#[derive(Clone, Copy)]
pub(super) struct Reader<'t, V, const IS_LINE: bool> {
    pub(super) vector: V,
    /// Well-formed UTF-8 from `at` on.
    pub(super) text: &'t [u8],
    pub(super) at: usize,
}

impl<'t, V: Vector, const IS_LINE: bool> Reader<'t, V, IS_LINE> {
    /// Reads an object, and notes its known members: what they hold, and their layout.
    #[inline(always)]
    pub(super) fn event(&mut self, fields: &mut Fields<'t>, learner: &mut Learner) -> Option<()> {
        self.expect(b'{')?;
        self.skip_space();
        if self.accept(b'}') {
            return Some(());
        }
        loop {
            let name = self.name()?;
            let start = self.at;
            let value = self.value()?;
            if let Some(field) = Field::named(name) {
                fields.note(field, value);
                if let Value::Text(text) = value {
                    learner.note(field, start + 1, start + 1 + text.len());
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

    /// Reads a string, or anything else that is complete.
    #[inline(always)]
    fn value(&mut self) -> Option<Value<'t>> {
        match self.peek()? {
            b'"' => return self.string().map(Value::Text),
            b'{' | b'[' => self.nested()?,
            _ => self.scalar()?,
        }
        Some(Value::NotText)
    }

    /// Reads an object or an array with all that is in it.
    fn nested(&mut self) -> Option<()> {
        // What is open, the innermost in the lowest bit: 1 for an object.
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

    /// Reads a member's name and colon, up to its value.
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
        let string = &rest[..End::ANYWHERE.find(self.vector, rest)?];
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
        let is_there = self.text[self.at..].starts_with(word);
        self.at += word.len();
        is_there.then_some(())
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

    /// Reads one digit or more.
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
            && (matches!(byte, b' ' | b'\t' | b'\r') || byte == b'\n' && !IS_LINE)
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

    /// Reads the next byte if it is this one.
    #[inline(always)]
    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// Reads this byte.
    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Option<()> {
        // A branch that is predicted, where to add what `accept` says would wait for the byte to be loaded.
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }
}
