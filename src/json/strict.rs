//! A strict scanner for RFC 8259: reports the byte where a text is malformed, reads numbers of any size, and counts
//! elements without a tape.
//!
//! This is the slow path. It has one loop and a bounded stack instead of recursion, and it reads every byte a constant
//! number of times.

use super::malformed::{Broken, Malformed};
use crate::limits::JSON_DEPTH_MAX;
use simd_json::{Node, StaticNode};
use std::ops::Range;

/// Parses `text` into the tape that simd-json would build, and unescapes strings in place. A number becomes the nearest
/// `f64`, or infinity beyond the range of `f64`.
pub(super) fn fill<'t>(
    text: &'t mut [u8],
    tape: &mut Vec<Node<'t>>,
    strings: &mut Vec<Range<usize>>,
) -> Result<(), Broken> {
    tape.clear();
    strings.clear();
    let mut scanner = Scanner::new(text, Some(Output { tape, strings }), usize::MAX);
    if let Err(malformed) = scanner.document() {
        return Err(Broken { malformed, elements: scanner.elements });
    }
    // The tape can borrow from the text only now, after the last write.
    let text: &'t [u8] = text;
    let mut spans = strings.drain(..);
    for node in tape {
        if let Node::String(string) = node {
            let span = spans.next().expect("each string has its span");
            *string = str::from_utf8(&text[span]).expect("each string was checked when it was read");
        }
    }
    Ok(())
}

/// Whether `text` is an array of which more than `max` elements are complete. It reads no further than these, leaves
/// the text as it is, and allocates nothing but a stack.
///
/// # Errors
/// [`Malformed`], before more than `max` elements are complete.
pub(crate) fn has_more_elements(text: &mut [u8], max: usize) -> Result<bool, Malformed> {
    let mut scanner = Scanner::new(text, None, max);
    let read = scanner.document();
    if scanner.elements > max { Ok(true) } else { read.map(|()| false) }
}

/// What a scanner writes.
struct Output<'s, 'n> {
    /// The nodes so far. Their strings are still empty.
    tape: &'s mut Vec<Node<'n>>,
    /// The position of each string of the tape in the unescaped text.
    strings: &'s mut Vec<Range<usize>>,
}

/// An object or an array that is not closed yet.
struct Open {
    is_object: bool,
    /// Its complete members or elements.
    len: usize,
    /// Its index on the tape.
    node: usize,
}

struct Scanner<'s, 'n> {
    text: &'s mut [u8],
    /// The next byte to read. All bytes before it are the beginning of some valid document.
    at: usize,
    /// None: the text is only checked, and nothing is written.
    output: Option<Output<'s, 'n>>,
    /// Outermost first.
    open: Vec<Open>,
    /// The complete elements of the top-level array; 0 if the top-level value is not an array.
    elements: usize,
    /// The scanner stops when there are more.
    elements_max: usize,
}

impl<'s, 'n> Scanner<'s, 'n> {
    fn new(text: &'s mut [u8], output: Option<Output<'s, 'n>>, elements_max: usize) -> Self {
        Self { text, at: 0, output, open: Vec::new(), elements: 0, elements_max }
    }

    fn document(&mut self) -> Result<(), Malformed> {
        self.skip_space();
        loop {
            let is_open = self.value()?;
            if !is_open && !self.separator()? || self.elements > self.elements_max {
                return Ok(());
            }
        }
    }

    /// Reads a scalar, an empty container, or the opening of a container that is not empty; returns whether it is the
    /// latter.
    fn value(&mut self) -> Result<bool, Malformed> {
        match self.peek() {
            Some(b'{') => return self.open(true),
            Some(b'[') => return self.open(false),
            Some(b'"') => self.string()?,
            Some(b't') => self.literal(b"true", StaticNode::Bool(true))?,
            Some(b'f') => self.literal(b"false", StaticNode::Bool(false))?,
            Some(b'n') => self.literal(b"null", StaticNode::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return self.fail(),
        }
        Ok(false)
    }

    /// Reads from the end of a value to the start of the next one. Returns false at the end of the document.
    fn separator(&mut self) -> Result<bool, Malformed> {
        while let Some(container) = self.open.last_mut() {
            container.len += 1;
            let (is_object, len) = (container.is_object, container.len);
            if self.open.len() == 1 && !is_object {
                self.elements = len;
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                    if is_object {
                        self.key()?;
                    }
                    return Ok(true);
                }
                Some(b'}') if is_object => self.close(),
                Some(b']') if !is_object => self.close(),
                _ => return self.fail(),
            }
        }
        self.skip_space();
        if self.at < self.text.len() { self.fail() } else { Ok(false) }
    }

    /// Reads the opening of a container up to its first value, or a whole empty container. Returns whether it stays
    /// open.
    fn open(&mut self, is_object: bool) -> Result<bool, Malformed> {
        if self.open.len() == JSON_DEPTH_MAX {
            return self.fail();
        }
        let node = self.output.as_ref().map_or(0, |output| output.tape.len());
        self.open.push(Open { is_object, len: 0, node });
        self.push(container_node(is_object, 0, 0));
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(if is_object { b'}' } else { b']' }) {
            self.close();
            return Ok(false);
        }
        if is_object {
            self.key()?;
        }
        Ok(true)
    }

    /// Reads a closing bracket.
    fn close(&mut self) {
        self.at += 1;
        let Open { is_object, len, node } = self.open.pop().expect("only an open bracket is closed");
        if let Some(output) = &mut self.output {
            let count = output.tape.len() - node - 1;
            output.tape[node] = container_node(is_object, len, count);
        }
    }

    fn push(&mut self, node: Node<'static>) {
        if let Some(output) = &mut self.output {
            output.tape.push(node);
        }
    }

    /// Reads the name and the colon of a member, up to its value.
    fn key(&mut self) -> Result<(), Malformed> {
        self.string()?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok(())
    }

    fn literal(&mut self, word: &[u8], value: StaticNode) -> Result<(), Malformed> {
        for &byte in word {
            self.expect(byte)?;
        }
        self.push(Node::Static(value));
        Ok(())
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        self.accept(b"-");
        if !self.accept(b"0") {
            self.digits()?;
        }
        if self.accept(b".") {
            self.digits()?;
        }
        if self.accept(b"eE") {
            self.accept(b"+-");
            self.digits()?;
        }
        if let Some(output) = &mut self.output {
            let digits = str::from_utf8(&self.text[start..self.at]).expect("a number is ASCII");
            let nearest = digits.parse().expect("Rust reads every JSON number");
            output.tape.push(Node::Static(StaticNode::F64(nearest)));
        }
        Ok(())
    }

    /// Reads one or more digits.
    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.fail() } else { Ok(()) }
    }

    /// Reads a string, and replaces its escapes by moving the parts together.
    fn string(&mut self) -> Result<(), Malformed> {
        self.expect(b'"')?;
        let start = self.at;
        let mut end = start;
        loop {
            let run = self.run()?;
            if self.output.is_some() {
                self.text.copy_within(run.clone(), end);
            }
            end += run.len();
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let character = self.escape()?;
                    if self.output.is_some() {
                        character.encode_utf8(&mut self.text[end..]);
                    }
                    end += character.len_utf8();
                }
                _ => return self.fail(),
            }
        }
        self.at += 1;
        if let Some(output) = &mut self.output {
            output.strings.push(start..end);
            output.tape.push(Node::String(""));
        }
        Ok(())
    }

    /// Reads unescaped characters up to a quote, an escape, a control character or the end.
    fn run(&mut self) -> Result<Range<usize>, Malformed> {
        let start = self.at;
        let rest = &self.text[start..];
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let run = &rest[..rest.iter().position(is_special).unwrap_or(rest.len())];
        if let Err(error) = str::from_utf8(run) {
            let is_cut_off = error.error_len().is_none() && run.len() == rest.len();
            self.at += if is_cut_off { run.len() } else { error.valid_up_to() };
            return self.fail();
        }
        self.at += run.len();
        Ok(start..self.at)
    }

    /// Reads an escape, from its backslash on.
    fn escape(&mut self) -> Result<char, Malformed> {
        let start = self.at;
        self.at += 1;
        let character = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return self.fail(),
        };
        self.at += 1;
        Ok(character)
    }

    /// Reads the rest of a `\u` escape that began at `start`, and the second half of a surrogate pair.
    fn unicode_escape(&mut self, start: usize) -> Result<char, Malformed> {
        let lone = Malformed { offset: start };
        let first = self.code_unit()?;
        let mut second = None;
        if (0xd800..0xdc00).contains(&first) {
            // The text may end before the second half. Any other text makes the first half a lone surrogate.
            let next = &self.text[self.at..];
            if !b"\\u".starts_with(&next[..next.len().min(2)]) {
                return Err(lone);
            }
            self.expect(b'\\')?;
            second = Some(self.code_unit()?);
        }
        let character = char::decode_utf16([first].into_iter().chain(second)).next();
        character.and_then(Result::ok).ok_or(lone)
    }

    /// Reads a `u` and four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u16, Malformed> {
        self.expect(b'u')?;
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.fail();
            };
            unit = unit << 4 | digit as u16;
            self.at += 1;
        }
        Ok(unit)
    }

    fn skip_space(&mut self) {
        while self.accept(b" \t\n\r") {}
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Reads the next byte if it is one of `any`; returns whether it is.
    fn accept(&mut self, any: &[u8]) -> bool {
        let is_next = self.peek().is_some_and(|byte| any.contains(&byte));
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.accept(&[byte]) { Ok(()) } else { self.fail() }
    }

    fn fail<T>(&self) -> Result<T, Malformed> {
        Err(Malformed { offset: self.at })
    }
}

fn container_node(is_object: bool, len: usize, count: usize) -> Node<'static> {
    if is_object { Node::Object { len, count } } else { Node::Array { len, count } }
}
