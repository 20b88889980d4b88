//! Reading one answer after the other from a connection (RFC 9112).

use crate::limits;
use std::fmt;
use std::io::{self, BufRead, ErrorKind, Read};

/// Header fields that an answer may have.
const FIELDS_MAX: usize = 64;

/// Why a request was not acknowledged, which leaves open whether its events were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// There was no connection.
    Connect(ErrorKind),
    /// The connection broke, or stood still for too long.
    Transport(ErrorKind),
    /// The answer cannot be read, for this reason.
    Malformed(&'static str),
    /// The answer has this status, which is neither 200 nor 503.
    Status(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "cannot connect: {kind}"),
            // What a socket's timeout is called differs by system.
            Self::Transport(ErrorKind::WouldBlock | ErrorKind::TimedOut) => f.write_str("no progress: timed out"),
            Self::Transport(kind) => write!(f, "broken connection: {kind}"),
            Self::Malformed(reason) => write!(f, "unreadable answer: {reason}"),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Transport(error.kind())
    }
}

/// An answer. Its buffers are used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Whether another request can be sent on the connection.
    pub(super) keeps_alive: bool,
    pub(super) body: Vec<u8>,
    head: Vec<u8>,
}

/// How the end of a body is known.
enum Framing {
    Length(u64),
    Chunked,
}

impl Reply {
    /// Reads the next answer in place of this one.
    pub(super) fn read(&mut self, stream: &mut impl BufRead) -> Result<(), Failure> {
        self.read_head(stream)?;
        let framing = self.parse_head()?;
        self.body.clear();
        match framing {
            Framing::Length(bytes) => self.read_body(stream, bytes),
            Framing::Chunked => self.read_chunks(stream),
        }
    }

    /// Everything up to the empty line.
    fn read_head(&mut self, stream: &mut impl BufRead) -> Result<(), Failure> {
        self.head.clear();
        loop {
            let line_at = self.head.len();
            read_line(stream, &mut self.head)?;
            if let b"\r\n" | b"\n" = &self.head[line_at..] {
                return Ok(());
            }
        }
    }

    fn parse_head(&mut self) -> Result<Framing, Failure> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut head = httparse::Response::new(&mut fields);
        let parsed = head.parse(&self.head);
        let (Ok(httparse::Status::Complete(_)), Some(status)) = (parsed, head.code) else {
            return Err(Failure::Malformed("its head is not HTTP/1"));
        };
        self.status = status;
        let value =
            |name| head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value);
        let is =
            |name, token: &str| value(name).is_some_and(|value: &[u8]| value.eq_ignore_ascii_case(token.as_bytes()));
        self.keeps_alive = head.version == Some(1) && !is("connection", "close");
        if is("transfer-encoding", "chunked") {
            return Ok(Framing::Chunked);
        }
        let length = value("content-length").and_then(|value| str::from_utf8(value).ok()?.parse().ok());
        length.map(Framing::Length).ok_or(Failure::Malformed("it has no length"))
    }

    fn read_body(&mut self, stream: &mut impl BufRead, bytes: u64) -> Result<(), Failure> {
        if bytes.saturating_add(self.body.len() as u64) > limits::LOAD_RESPONSE_BODY_BYTES_MAX {
            return Err(Failure::Malformed("its body is too long"));
        }
        if (stream.take(bytes).read_to_end(&mut self.body)? as u64) < bytes {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn read_chunks(&mut self, stream: &mut impl BufRead) -> Result<(), Failure> {
        loop {
            self.head.clear();
            read_line(stream, &mut self.head)?;
            let Ok(httparse::Status::Complete((_, bytes))) = httparse::parse_chunk_size(&self.head) else {
                return Err(Failure::Malformed("a chunk has no size"));
            };
            if bytes == 0 {
                // Trailers, if there are any, end like a head.
                return self.read_head(stream);
            }
            self.read_body(stream, bytes)?;
            self.head.clear();
            read_line(stream, &mut self.head)?;
            if self.head != b"\r\n" {
                return Err(Failure::Malformed("a chunk is longer than its size"));
            }
        }
    }
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Self {
        Self::Transport(kind)
    }
}

/// Appends a line with its end to a head.
fn read_line(stream: &mut impl BufRead, head: &mut Vec<u8>) -> Result<(), Failure> {
    let room = limits::LOAD_RESPONSE_HEAD_BYTES_MAX.saturating_sub(head.len() as u64);
    let line_at = head.len();
    stream.take(room).read_until(b'\n', head)?;
    match &head[line_at..] {
        [.., b'\n'] => Ok(()),
        line if line.len() as u64 == room => Err(Failure::Malformed("its head is too long")),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Result<Reply, Failure> {
        let mut reply = Reply { body: b"of the last one".to_vec(), ..Reply::default() };
        reply.read(&mut bytes.as_bytes()).map(|()| reply)
    }

    #[test]
    fn a_body_has_a_length_or_comes_in_chunks() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n05\r\nabcde\r\n0\r\nsum: 1\r\n\r\n",
        ] {
            let reply = read(answer).unwrap();
            assert_eq!((reply.status, reply.keeps_alive, &reply.body[..]), (200, true, &b"abcde"[..]), "{answer}");
        }
    }

    #[test]
    fn answers_follow_each_other() {
        let mut stream =
            &b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"[..];
        let mut reply = Reply::default();
        reply.read(&mut stream).unwrap();
        assert_eq!((reply.status, &reply.body[..]), (200, &b"a"[..]));
        reply.read(&mut stream).unwrap();
        assert_eq!((reply.status, &reply.body[..]), (503, &b""[..]));
        assert!(stream.is_empty());
    }

    #[test]
    fn the_server_may_end_the_connection() {
        for answer in [
            "HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert!(!read(answer).unwrap().keeps_alive, "{answer}");
        }
    }

    #[test]
    fn what_is_not_an_answer_is_a_failure() {
        let eof = Failure::Transport(ErrorKind::UnexpectedEof);
        let long = "x".repeat(100_000);
        for (answer, failure) in [
            ("", eof),
            ("HTTP/1.1 200 OK\r\n", eof),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", eof),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", eof),
            ("SSH-2.0-OpenSSH\r\n\r\n", Failure::Malformed("its head is not HTTP/1")),
            ("\r\n", Failure::Malformed("its head is not HTTP/1")),
            ("HTTP/1.1 200 OK\r\n\r\n", Failure::Malformed("it has no length")),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", Failure::Malformed("it has no length")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 67108865\r\n\r\n", Failure::Malformed("its body is too long")),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n",
                Failure::Malformed("its body is too long"),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nffffffffffffffff\r\n",
                Failure::Malformed("its body is too long"),
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", Failure::Malformed("a chunk has no size")),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
                Failure::Malformed("a chunk is longer than its size"),
            ),
            (&long, Failure::Malformed("its head is too long")),
            (&long.replace('x', "x\n"), Failure::Malformed("its head is too long")),
        ] {
            assert_eq!(read(answer).unwrap_err(), failure, "{:?}", &answer[..answer.len().min(100)]);
        }
    }
}
