//! One event, token by token, in any shape.

use super::leaf::{leaf_end, string_end};
use super::shape::EventShape;
use super::simd::Simd;
use super::text::Text;
use crate::event::batch::Field;
use crate::event::validate::{Fields, Value};

/// A member that nests deeper is left to the general path. Together with the two levels of the body itself, this is far
/// below [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX).
const NESTED_MAX: u32 = u64::BITS;

/// Reads JSON without escapes in names, and reads each byte once.
///
/// With `IS_NDJSON`, a line feed ends the text; otherwise it is white space. `None` as a result means that the fast
/// path does not know this text, valid or not.
#[derive(Clone, Copy)]
pub(super) struct TokenReader<'t, S, const IS_NDJSON: bool> {
    pub(super) simd: S,
    /// Well-formed UTF-8 from `at` on.
    pub(super) text: Text<'t>,
    pub(super) at: usize,
}

impl<'t, S: Simd, const IS_NDJSON: bool> TokenReader<'t, S, IS_NDJSON> {
    /// Reads an object, and collects the values of its known members and the shape of the event. A string with escapes
    /// is collected as it stands in the text. Returns the bit of each field that has such a string.
    #[inline(always)]
    pub(super) fn event(&mut self, fields: &mut Fields<'t>, shape: &mut EventShape) -> Option<u8> {
        let mut escaped = 0;
        self.expect(b'{')?;
        self.skip_space();
        if self.accept(b'}') {
            return Some(escaped);
        }
        loop {
            let name = self.name()?;
            match Field::from_name(name) {
                None => self.value(shape)?,
                Some(field) if self.peek()? == b'"' => {
                    let start = self.at + 1;
                    let (string, has_escapes) = self.string()?;
                    escaped |= u8::from(has_escapes) << field as u8;
                    fields.set(field, Value::String(string));
                    shape.add_field(self.text, field, start, start + string.len());
                }
                Some(field) => {
                    self.value(shape)?;
                    fields.set(field, Value::NotAString);
                }
            }
            self.skip_space();
            match self.next()? {
                b',' => self.skip_space(),
                b'}' => return Some(escaped),
                _ => return None,
            }
        }
    }

    /// Reads a whole value of any type that is not the string of a field.
    #[inline(always)]
    fn value(&mut self, shape: &mut EventShape) -> Option<()> {
        match self.peek()? {
            b'{' | b'[' => self.nested(shape),
            _ => self.other(shape),
        }
    }

    /// Reads a string, a number or a literal that is not the string of a field.
    #[inline(always)]
    fn other(&mut self, shape: &mut EventShape) -> Option<()> {
        let start = self.at;
        self.at = leaf_end(self.simd, self.text, start)?;
        shape.add_other(self.text, start, self.at);
        Some(())
    }

    /// Reads an object or an array with all of its content.
    fn nested(&mut self, shape: &mut EventShape) -> Option<()> {
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
                _ => self.other(shape)?,
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
        let (name, has_escapes) = self.string()?;
        if has_escapes {
            return None;
        }
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Some(name)
    }

    /// Reads a string. Returns it as it stands in the text, and whether it has escapes.
    #[inline(always)]
    fn string(&mut self) -> Option<(&'t [u8], bool)> {
        self.expect(b'"')?;
        let (end, has_escapes) = string_end(self.simd, self.text, self.at)?;
        let string = self.text.bytes.get(self.at..end)?;
        self.at = end + 1;
        Some((string, has_escapes))
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
        self.text.bytes.get(self.at).copied()
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
