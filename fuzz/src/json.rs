//! JSON (RFC 8259) by recursive descent. An object keeps all its members in order, and an error has its exact offset.

use weir::limits::JSON_DEPTH_MAX;

/// A value. The content of numbers and booleans is never used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Other,
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// The first error in a text.
pub(crate) struct NaiveError {
    /// The bytes before this offset can be completed to a valid text. With the byte at this offset they cannot.
    pub(crate) offset: usize,
    /// The number of complete elements, if the text is an array.
    pub(crate) elements: usize,
}

pub(crate) fn read(text: &[u8]) -> Result<Json, NaiveError> {
    let mut reader = Reader { text, at: 0, depth: 0, elements: 0 };
    reader.document().map_err(|offset| NaiveError { offset, elements: reader.elements })
}

/// Whether serde_json accepts the text; `None` if only its own limits reject it. They are narrower for numbers, and for
/// nesting at exactly 128 levels.
pub(crate) fn serde_accepts(text: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(_) => Some(true),
        Err(error) => {
            let message = error.to_string();
            let is_narrower =
                ["number out of range", "recursion limit exceeded"].iter().any(|why| message.starts_with(why));
            (!is_narrower).then_some(false)
        }
    }
}

/// The parsed value, or the offset of the error.
type Read<T> = Result<T, usize>;

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    elements: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Read<Json> {
        self.space();
        let value = self.value()?;
        self.space();
        if self.at == self.text.len() { Ok(value) } else { Err(self.at) }
    }

    fn value(&mut self) -> Read<Json> {
        match self.text.get(self.at) {
            Some(b'{') => self.nested(b'}', Vec::new(), Json::Object, |reader| {
                let name = reader.string()?;
                reader.space();
                reader.expect(b':')?;
                reader.space();
                Ok((name, reader.value()?))
            }),
            Some(b'[') => self.nested(b']', Vec::new(), Json::Array, |reader| {
                let value = reader.value()?;
                reader.elements += usize::from(reader.depth == 1);
                Ok(value)
            }),
            Some(b'"') => self.string().map(Json::String),
            Some(b'n') => self.word("null").map(|()| Json::Null),
            Some(b't') => self.word("true").map(|()| Json::Other),
            Some(b'f') => self.word("false").map(|()| Json::Other),
            _ => self.number().map(|()| Json::Other),
        }
    }

    fn nested<T>(
        &mut self,
        close: u8,
        mut items: Vec<T>,
        whole: impl Fn(Vec<T>) -> Json,
        item: impl Fn(&mut Self) -> Read<T>,
    ) -> Read<Json> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(self.at);
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        if !self.accept(close) {
            loop {
                items.push(item(self)?);
                self.space();
                if self.accept(close) {
                    break;
                }
                self.expect(b',')?;
                self.space();
            }
        }
        self.depth -= 1;
        Ok(whole(items))
    }

    fn number(&mut self) -> Read<()> {
        self.accept(b'-');
        if !self.accept(b'0') {
            self.digits()?;
        }
        if self.accept(b'.') {
            self.digits()?;
        }
        if self.accept(b'e') || self.accept(b'E') {
            let _sign = self.accept(b'+') || self.accept(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Read<()> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits > 0 { Ok(()) } else { Err(self.at) }
    }

    fn string(&mut self) -> Read<String> {
        self.expect(b'"')?;
        let mut string = String::new();
        loop {
            match self.text.get(self.at) {
                None | Some(0..0x20) => return Err(self.at),
                Some(b'"') => break,
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => string.push(self.character()?),
            }
        }
        self.at += 1;
        Ok(string)
    }

    /// A literal character. If the end of the text cuts it off, the error is at the end. Any other error is at its
    /// first byte.
    fn character(&mut self) -> Read<char> {
        let rest = &self.text[self.at..];
        let whole = (1..=rest.len().min(4)).find_map(|len| str::from_utf8(&rest[..len]).ok());
        match whole.and_then(|text| text.chars().next()) {
            Some(character) => {
                self.at += character.len_utf8();
                Ok(character)
            }
            None if rest.len() < 4 && str::from_utf8(rest).is_err_and(|error| error.error_len().is_none()) => {
                Err(self.text.len())
            }
            None => Err(self.at),
        }
    }

    fn escape(&mut self) -> Read<char> {
        let start = self.at;
        self.at += 1;
        let short = match self.text.get(self.at) {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'u') => return self.unicode(start),
            _ => return Err(self.at),
        };
        self.at += 1;
        Ok(short)
    }

    /// A character by its code point, which may need a pair of escapes. Half of a pair is an error at its backslash.
    fn unicode(&mut self, start: usize) -> Read<char> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(start);
        }
        match &self.text[self.at..] {
            [] | [b'\\'] => return Err(self.text.len()),
            [b'\\', b'u', ..] => self.at += 1,
            _ => return Err(start),
        }
        match self.unit()? {
            second @ 0xdc00..0xe000 => Ok(char::from_u32(0x1_0000 + (first - 0xd800) * 0x400 + second - 0xdc00)
                .expect("a pair of surrogates is a character")),
            _ => Err(start),
        }
    }

    fn unit(&mut self) -> Read<u32> {
        self.expect(b'u')?;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.text.get(self.at).and_then(|byte| char::from(*byte).to_digit(16)).ok_or(self.at)?;
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn word(&mut self, word: &str) -> Read<()> {
        word.bytes().try_for_each(|byte| self.expect(byte))
    }

    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        let is_there = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Read<()> {
        if self.accept(byte) { Ok(()) } else { Err(self.at) }
    }
}
