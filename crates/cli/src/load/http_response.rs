//! Reads HTTP responses from a connection (RFC 9112).

use crate::limits;
use crate::load::exchange_error::ExchangeError;
use std::io::{BufRead, ErrorKind, Read};
use ureq::http::HeaderName;
use ureq::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};

/// The maximum number of header fields of a response.
const FIELDS_MAX: usize = 64;

/// A response. Its buffers are reused for the next response.
#[derive(Debug, Default)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    /// Whether the connection stays open for another request.
    pub(super) keeps_alive: bool,
    pub(super) body: Vec<u8>,
    head: Vec<u8>,
}

/// How the end of a body is marked.
enum BodyFraming {
    Length(u64),
    Chunked,
}

impl HttpResponse {
    /// Reads the next response, and replaces this one.
    pub(super) fn read(&mut self, stream: &mut impl BufRead) -> Result<(), ExchangeError> {
        self.read_head(stream)?;
        let framing = self.parse_head()?;
        self.body.clear();
        match framing {
            BodyFraming::Length(bytes) => self.read_body(stream, bytes),
            BodyFraming::Chunked => self.read_chunks(stream),
        }
    }

    /// Reads the head, up to the empty line.
    fn read_head(&mut self, stream: &mut impl BufRead) -> Result<(), ExchangeError> {
        self.head.clear();
        loop {
            let line_at = self.head.len();
            read_line(stream, &mut self.head)?;
            if let b"\r\n" | b"\n" = &self.head[line_at..] {
                return Ok(());
            }
        }
    }

    fn parse_head(&mut self) -> Result<BodyFraming, ExchangeError> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut head = httparse::Response::new(&mut fields);
        let parsed = head.parse(&self.head);
        let (Ok(httparse::Status::Complete(_)), Some(status)) = (parsed, head.code) else {
            return Err(ExchangeError::Malformed("its head is not HTTP/1"));
        };
        self.status = status;
        let value = |name: HeaderName| {
            let mut fields = head.headers.iter();
            fields.find(|field| field.name.eq_ignore_ascii_case(name.as_str())).map(|field| field.value)
        };
        let is =
            |name, token: &str| value(name).is_some_and(|value: &[u8]| value.eq_ignore_ascii_case(token.as_bytes()));
        self.keeps_alive = head.version == Some(1) && !is(CONNECTION, "close");
        if is(TRANSFER_ENCODING, "chunked") {
            return Ok(BodyFraming::Chunked);
        }
        let length = value(CONTENT_LENGTH).and_then(|value| str::from_utf8(value).ok()?.parse().ok());
        length.map(BodyFraming::Length).ok_or(ExchangeError::Malformed("it has no length"))
    }

    fn read_body(&mut self, stream: &mut impl BufRead, bytes: u64) -> Result<(), ExchangeError> {
        if bytes.saturating_add(self.body.len() as u64) > limits::LOAD_RESPONSE_BODY_BYTES_MAX {
            return Err(ExchangeError::Malformed("its body is too long"));
        }
        if (stream.take(bytes).read_to_end(&mut self.body)? as u64) < bytes {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn read_chunks(&mut self, stream: &mut impl BufRead) -> Result<(), ExchangeError> {
        loop {
            self.head.clear();
            read_line(stream, &mut self.head)?;
            let Ok(httparse::Status::Complete((_, bytes))) = httparse::parse_chunk_size(&self.head) else {
                return Err(ExchangeError::Malformed("a chunk has no size"));
            };
            if bytes == 0 {
                // The trailers, if there are any, end with an empty line, like a head.
                return self.read_head(stream);
            }
            self.read_body(stream, bytes)?;
            self.head.clear();
            read_line(stream, &mut self.head)?;
            if self.head != b"\r\n" {
                return Err(ExchangeError::Malformed("a chunk is longer than its size"));
            }
        }
    }
}

/// Appends a line to a head, with its line feed.
fn read_line(stream: &mut impl BufRead, head: &mut Vec<u8>) -> Result<(), ExchangeError> {
    let bytes_left = limits::LOAD_RESPONSE_HEAD_BYTES_MAX.saturating_sub(head.len() as u64);
    let line_at = head.len();
    stream.take(bytes_left).read_until(b'\n', head)?;
    match &head[line_at..] {
        [.., b'\n'] => Ok(()),
        line if line.len() as u64 == bytes_left => Err(ExchangeError::Malformed("its head is too long")),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Result<HttpResponse, ExchangeError> {
        let mut response = HttpResponse { body: b"of the previous response".to_vec(), ..HttpResponse::default() };
        response.read(&mut bytes.as_bytes()).map(|()| response)
    }

    #[test]
    fn a_body_has_a_length_or_is_chunked() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n05\r\nabcde\r\n0\r\nsum: 1\r\n\r\n",
        ] {
            let response = read(text).unwrap();
            assert_eq!(
                (response.status, response.keeps_alive, &response.body[..]),
                (200, true, &b"abcde"[..]),
                "{text}"
            );
        }
    }

    #[test]
    fn several_responses_are_read_from_one_connection() {
        let mut stream =
            &b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"[..];
        let mut response = HttpResponse::default();
        response.read(&mut stream).unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"a"[..]));
        response.read(&mut stream).unwrap();
        assert_eq!((response.status, &response.body[..]), (503, &b""[..]));
        assert!(stream.is_empty());
    }

    #[test]
    fn the_server_may_close_the_connection() {
        for text in [
            "HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert!(!read(text).unwrap().keeps_alive, "{text}");
        }
    }

    #[test]
    fn an_invalid_response_is_an_error() {
        let eof = ExchangeError::Transport(ErrorKind::UnexpectedEof);
        let long = "x".repeat(100_000);
        for (text, error) in [
            ("", eof),
            ("HTTP/1.1 200 OK\r\n", eof),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", eof),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", eof),
            ("SSH-2.0-OpenSSH\r\n\r\n", ExchangeError::Malformed("its head is not HTTP/1")),
            ("\r\n", ExchangeError::Malformed("its head is not HTTP/1")),
            ("HTTP/1.1 200 OK\r\n\r\n", ExchangeError::Malformed("it has no length")),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", ExchangeError::Malformed("it has no length")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 67108865\r\n\r\n", ExchangeError::Malformed("its body is too long")),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n",
                ExchangeError::Malformed("its body is too long"),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nffffffffffffffff\r\n",
                ExchangeError::Malformed("its body is too long"),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
                ExchangeError::Malformed("a chunk has no size"),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
                ExchangeError::Malformed("a chunk is longer than its size"),
            ),
            (&long, ExchangeError::Malformed("its head is too long")),
            (&long.replace('x', "x\n"), ExchangeError::Malformed("its head is too long")),
        ] {
            assert_eq!(read(text).unwrap_err(), error, "{:?}", &text[..text.len().min(100)]);
        }
    }
}
