//! Message framing: where one request ends and the next one starts. This guard is stricter than the HTTP library.
//!
//! Some requests have an ambiguous length. They have both a `Content-Length` and a `Transfer-Encoding`, or repeat the
//! length, or name a transfer coding other than `chunked`. hyper reads them in one of the ways that RFC 9112 (6.3)
//! allows. A proxy in front may choose another way. Then the two disagree about where the next request starts, which
//! allows request smuggling. So this guard sees the bytes first, and a complete ambiguous head never reaches hyper.

use crate::limits;
use httparse::{Header, Request, Status};
use std::mem::MaybeUninit;

/// Tracks the framing of the requests on one connection, and rejects ambiguous framing.
#[derive(Debug)]
pub(super) struct RequestFramingGuard {
    state: FramingState,
    /// The number of complete request heads.
    heads: u64,
}

#[derive(Debug)]
enum FramingState {
    /// In a head, with the bytes of the head so far. Empty between two requests.
    Head(Vec<u8>),
    /// In a body of known length, or in a chunk with its line end. `left` counts the bytes still to come.
    Data { left: u64, is_chunk: bool },
    /// In the line with the size of a chunk.
    ChunkSize(ChunkSize),
    /// In a line after the last chunk.
    Trailer { is_empty: bool, has_cr: bool },
    /// Both hyper and this guard reject the bytes so far. No request follows them.
    Rejected,
}

/// The part of a chunk-size line that has arrived.
#[derive(Debug, Default)]
struct ChunkSize {
    bytes: u64,
    digits: u32,
    /// The digits have ended: the rest is an extension and the line end.
    is_over: bool,
}

/// Why the guard passes no more bytes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FramingError {
    /// The framing is ambiguous: two parsers may disagree about it.
    Ambiguous,
    /// The head is longer than [`limits::HEAD_BYTES_MAX`].
    HeadTooLarge,
    /// The request line is longer than [`limits::REQUEST_LINE_BYTES_MAX`].
    RequestLineTooLong,
}

/// The length of a body, as the head declares it.
#[derive(Debug, PartialEq, Eq)]
enum BodyLength {
    Bytes(u64),
    Chunked,
}

impl RequestFramingGuard {
    pub(super) fn new() -> Self {
        Self { state: FramingState::Head(Vec::new()), heads: 0 }
    }

    /// Whether the bytes so far are complete requests only.
    pub(super) fn is_between_requests(&self) -> bool {
        matches!(&self.state, FramingState::Head(head) if head.is_empty())
    }

    /// Whether a head has started and is incomplete.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(&self.state, FramingState::Head(head) if !head.is_empty())
    }

    /// The number of complete heads so far. A head that is still arriving is not counted.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the connection can carry no further request.
    pub(super) fn is_rejected(&self) -> bool {
        matches!(self.state, FramingState::Rejected)
    }

    /// Reads the next bytes of the connection. The time is linear in the bytes of heads; the bytes of a body cost
    /// nothing.
    ///
    /// # Errors
    /// The error, and the number of bytes that hyper may still see. These are the bytes before the faulty part, or just
    /// enough bytes to make the head too large for hyper.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), (usize, FramingError)> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += self.step(rest).map_err(|(valid_bytes, error)| {
                self.state = FramingState::Rejected;
                (at + valid_bytes, error)
            })?;
        }
        Ok(())
    }

    /// Reads some of the bytes, and returns how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, (usize, FramingError)> {
        match &mut self.state {
            FramingState::Head(head) => {
                let (taken, next) = read_head(head, bytes)?;
                self.heads += u64::from(next.is_some());
                self.state = next.unwrap_or_else(|| FramingState::Head(std::mem::take(head)));
                Ok(taken)
            }
            FramingState::Data { left, is_chunk } => {
                let taken = (*left).min(bytes.len() as u64);
                *left -= taken;
                if *left == 0 {
                    self.state = if *is_chunk {
                        FramingState::ChunkSize(ChunkSize::default())
                    } else {
                        FramingState::Head(Vec::new())
                    };
                }
                Ok(taken as usize)
            }
            FramingState::ChunkSize(size) => {
                if let Some(next) = size.read(bytes[0]).map_err(|error| (0, error))? {
                    self.state = next;
                }
                Ok(1)
            }
            FramingState::Trailer { is_empty, has_cr } => {
                match (bytes[0], *has_cr) {
                    (b'\n', true) if *is_empty => self.state = FramingState::Head(Vec::new()),
                    (b'\n', true) => (*is_empty, *has_cr) = (true, false),
                    (b'\r', false) => *has_cr = true,
                    // RFC 9112 (2.2) lets a bare line feed end a line, but hyper takes it as a part of this line.
                    (b'\n', false) | (_, true) => return Err((0, FramingError::Ambiguous)),
                    (_, false) => *is_empty = false,
                }
                Ok(1)
            }
            FramingState::Rejected => Ok(bytes.len()),
        }
    }
}

impl ChunkSize {
    /// Reads one byte. At the end of the line, returns the state after it.
    fn read(&mut self, byte: u8) -> Result<Option<FramingState>, FramingError> {
        match (byte as char).to_digit(16) {
            Some(digit) if !self.is_over => {
                self.bytes = self.bytes.checked_mul(16).ok_or(FramingError::Ambiguous)? + u64::from(digit);
                self.digits += 1;
            }
            _ if self.digits == 0 => return Err(FramingError::Ambiguous),
            _ => self.is_over = true,
        }
        Ok((byte == b'\n').then(|| match self.bytes {
            0 => FramingState::Trailer { is_empty: true, has_cr: false },
            bytes => FramingState::Data { left: bytes.saturating_add(b"\r\n".len() as u64), is_chunk: true },
        }))
    }
}

/// Adds bytes to a head. Returns how many of them the head takes, and the next state if the head is now complete.
fn read_head(head: &mut Vec<u8>, bytes: &[u8]) -> Result<(usize, Option<FramingState>), (usize, FramingError)> {
    let before = head.len();
    // Empty lines before a request are not part of it (RFC 9112, 2.2).
    let is_blank = |byte: &u8| before == 0 && matches!(byte, b'\r' | b'\n');
    let blank = bytes.iter().take_while(|byte| is_blank(byte)).count();
    if blank > 0 {
        return Ok((blank, None));
    }
    let end = end_of_head(head, bytes);
    let more = &bytes[..end.unwrap_or(bytes.len())];
    if before + more.len() > limits::REQUEST_LINE_BYTES_MAX && !has_line_end(head, more) {
        return Err((limits::REQUEST_LINE_BYTES_MAX - before, FramingError::RequestLineTooLong));
    }
    if before + more.len() > limits::HEAD_BYTES_MAX {
        // With one byte more than the limit, the head is too large for hyper as well.
        return Err((limits::HEAD_BYTES_MAX + 1 - before, FramingError::HeadTooLarge));
    }
    let at_start = |error| (0, error);
    // Most heads arrive in one piece, and need no copy.
    let next = match end {
        None => {
            head.extend_from_slice(more);
            None
        }
        Some(_) if before == 0 => Some(after_head(more).map_err(at_start)?),
        Some(_) => {
            head.extend_from_slice(more);
            Some(after_head(head).map_err(at_start)?)
        }
    };
    Ok((more.len(), next))
}

/// Whether the request line ends within its limit.
fn has_line_end(head: &[u8], more: &[u8]) -> bool {
    let line_bytes_max = limits::REQUEST_LINE_BYTES_MAX;
    let more = &more[..more.len().min(line_bytes_max - head.len().min(line_bytes_max))];
    let head = &head[..head.len().min(line_bytes_max)];
    memchr::memchr(b'\n', head).or_else(|| memchr::memchr(b'\n', more)).is_some()
}

/// The number of bytes that belong to the head, if the head ends in `bytes`. It ends at the first empty line.
fn end_of_head(head: &[u8], bytes: &[u8]) -> Option<usize> {
    let byte_before = |at: usize, back: usize| match at.checked_sub(back) {
        Some(at) => Some(bytes[at]),
        None => head.len().checked_sub(back - at).map(|at| head[at]),
    };
    let is_end = |at: &usize| match byte_before(*at, 1) {
        Some(b'\n') => true,
        Some(b'\r') => byte_before(*at, 2) == Some(b'\n'),
        _ => false,
    };
    memchr::memchr_iter(b'\n', bytes).find(is_end).map(|at| at + 1)
}

/// The state after a complete head.
fn after_head(head: &[u8]) -> Result<FramingState, FramingError> {
    let mut headers = [const { MaybeUninit::uninit() }; limits::HEADERS_MAX];
    let mut request = Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut headers) {
        Ok(Status::Complete(_)) => Ok(match length(request.version, request.headers)? {
            BodyLength::Bytes(0) => FramingState::Head(Vec::new()),
            BodyLength::Bytes(left) => FramingState::Data { left, is_chunk: false },
            BodyLength::Chunked => FramingState::ChunkSize(ChunkSize::default()),
        }),
        // hyper uses the same parser, rejects this head too, and chooses the status of the response.
        Ok(Status::Partial) | Err(_) => Ok(FramingState::Rejected),
    }
}

/// The length of the body, if the head declares it unambiguously.
fn length(version: Option<u8>, headers: &[Header<'_>]) -> Result<BodyLength, FramingError> {
    let named = |name: &'static str| headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    // A request that names no host, or several, may be meant for another server (RFC 9112, 3.2).
    let hosts = named("host").count();
    if version == Some(1) && hosts != 1 || hosts > 1 {
        return Err(FramingError::Ambiguous);
    }
    let (mut lengths, mut codings) = (named("content-length"), named("transfer-encoding"));
    match ([lengths.next(), lengths.next()], [codings.next(), codings.next()]) {
        ([None, _], [None, _]) => Ok(BodyLength::Bytes(0)),
        ([Some(length), None], [None, _]) => {
            content_length(length.value).map(BodyLength::Bytes).ok_or(FramingError::Ambiguous)
        }
        ([None, _], [Some(coding), None]) if version == Some(1) && coding.value.eq_ignore_ascii_case(b"chunked") => {
            Ok(BodyLength::Chunked)
        }
        _ => Err(FramingError::Ambiguous),
    }
}

/// A content length: digits only, without a sign, a list or spaces (RFC 9110, 8.6).
fn content_length(value: &[u8]) -> Option<u64> {
    let is_digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_digits.then(|| str::from_utf8(value).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a text in one piece.
    fn read(text: &str) -> (RequestFramingGuard, Result<(), (usize, FramingError)>) {
        let mut framing = RequestFramingGuard::new();
        let outcome = framing.read(text.as_bytes());
        (framing, outcome)
    }

    fn post(headers: &str, body: &str) -> String {
        format!("POST /events HTTP/1.1\r\nHost: weir\r\n{headers}\r\n\r\n{body}")
    }

    fn complete_requests() -> Vec<String> {
        vec![
            "GET / HTTP/1.1\r\nHost: weir\r\n\r\n".into(),
            "GET / HTTP/1.1\nHost: weir\n\n".into(),
            "GET / HTTP/1.0\r\n\r\n".into(),
            "\r\n\nGET / HTTP/1.1\r\nHost: weir\r\n\r\n".into(),
            post("Content-Length: 0", ""),
            post("content-length: 007", "7 bytes"),
            post("Content-Length: 20", "GET /evil HTTP/1.1\n\n"),
            post("Transfer-Encoding: chunked", "0\r\n\r\n"),
            post(
                "TRANSFER-ENCODING: Chunked",
                "a;x=\"1\"\r\n0123456789\r\n0005 \r\n\r\n\r\n\n\r\n0\r\nFoo: bar\r\n\r\n",
            ),
            post("X: y", ""),
        ]
    }

    #[test]
    fn complete_requests_end_at_their_last_byte() {
        for request in complete_requests() {
            let (framing, outcome) = read(&request);
            assert_eq!(outcome, Ok(()), "{request}");
            assert!(framing.is_between_requests(), "{request}");
            let cut = &request[..request.len() - 1];
            let (framing, outcome) = read(cut);
            assert!(outcome.is_ok() && !framing.is_between_requests(), "{cut}");
        }
    }

    #[test]
    fn a_head_is_distinguished_from_a_body() {
        assert!(!read("").0.is_in_head());
        assert!(read("P").0.is_in_head());
        assert!(!read("\r\n").0.is_in_head());
        assert!(!read(&post("Content-Length: 9", "x")).0.is_in_head());
    }

    #[test]
    fn ambiguous_heads_are_rejected() {
        for headers in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: -5",
            "Content-Length: 0x5",
            "Content-Length: 5 5",
            "Content-Length:",
            "Content-Length: 18446744073709551616",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding:",
            "Host: other",
        ] {
            let request = post(headers, "0\r\n\r\n");
            assert_eq!(read(&request).1, Err((0, FramingError::Ambiguous)), "{headers}");
        }
        let old = |headers| format!("POST /events HTTP/1.0\r\n{headers}\r\n\r\n");
        for request in
            ["GET / HTTP/1.1\r\n\r\n".to_owned(), old("Transfer-Encoding: chunked"), old("Host: a\r\nHost: b")]
        {
            assert_eq!(read(&request).1, Err((0, FramingError::Ambiguous)), "{request}");
        }
    }

    #[test]
    fn a_chunk_starts_with_its_size() {
        for (body, at) in [("\r\n", 0), ("x", 0), ("1\r\na\r\n\r\n", 6), ("-1\r\n", 0), ("11111111111111111\r\n", 16)] {
            let request = post("Transfer-Encoding: chunked", body);
            let head = request.len() - body.len();
            assert_eq!(read(&request).1, Err((head + at, FramingError::Ambiguous)), "{body:?}");
        }
    }

    #[test]
    fn a_trailer_line_ends_with_cr_lf_only() {
        for (body, at) in [("0\r\n\n", 3), ("0\r\nx: y\n\r\n", 7), ("0\r\nx: y\r\n\n", 9), ("0\r\nx\ry\r\n", 5)] {
            let request = post("Transfer-Encoding: chunked", body);
            let head = request.len() - body.len();
            assert_eq!(read(&request).1, Err((head + at, FramingError::Ambiguous)), "{body:?}");
        }
    }

    #[test]
    fn a_head_is_bounded_however_it_is_split() {
        let head = |bytes: usize| {
            let start = "GET / HTTP/1.1\r\nHost: weir\r\nX: ";
            format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4))
        };
        assert_eq!(read(&head(limits::HEAD_BYTES_MAX)).1, Ok(()));
        assert_eq!(
            read(&head(limits::HEAD_BYTES_MAX + 1)).1,
            Err((limits::HEAD_BYTES_MAX + 1, FramingError::HeadTooLarge))
        );
        let mut framing = RequestFramingGuard::new();
        let endless = b"\nGET / HTTP/1.1\r\n".iter().chain(std::iter::repeat(&b'x'));
        let mut endless = endless.map(std::slice::from_ref).take(2 * limits::HEAD_BYTES_MAX);
        let rejected = endless.position(|byte| framing.read(byte) == Err((1, FramingError::HeadTooLarge)));
        assert_eq!(rejected, Some(limits::HEAD_BYTES_MAX + 1), "the blank line is not part of the head");
    }

    #[test]
    fn a_request_line_is_bounded_however_it_is_split() {
        let request = |line_bytes: usize| {
            let (start, end) = ("GET /", " HTTP/1.1\r\n");
            let target = "x".repeat(line_bytes - start.len() - end.len());
            format!("{start}{target}{end}Host: weir\r\nX: {}\r\n\r\n", "y".repeat(5_000))
        };
        let max_bytes = limits::REQUEST_LINE_BYTES_MAX;
        let too_long = |valid_bytes| Err((valid_bytes, FramingError::RequestLineTooLong));
        assert_eq!(read(&request(max_bytes)).1, Ok(()));
        assert_eq!(read(&request(max_bytes + 1)).1, too_long(max_bytes));
        for (line_bytes, rejected) in [(max_bytes, None), (max_bytes + 1, Some((max_bytes, too_long(0))))] {
            let (mut framing, text) = (RequestFramingGuard::new(), request(line_bytes));
            let outcomes = text.as_bytes().iter().map(|byte| framing.read(std::slice::from_ref(byte)));
            assert_eq!(outcomes.enumerate().find(|(_, outcome)| outcome.is_err()), rejected);
        }
    }

    #[test]
    fn heads_that_hyper_cannot_parse_are_left_to_hyper() {
        for text in ["\0\n\n", "GET / HTTP/1.1\r\nHost: weir\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
            let (framing, outcome) = read(&format!("{text}GET / HTTP/1.1\r\n\r\n"));
            assert!(outcome.is_ok() && matches!(framing.state, FramingState::Rejected), "{text:?}");
        }
    }

    proptest! {
        /// However the network splits the bytes, consecutive requests end at the same positions.
        #[test]
        fn splits_change_nothing(
            requests in prop::collection::vec(prop::sample::select(complete_requests()), 1..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            is_faulty in any::<bool>(),
        ) {
            let fault = post("Content-Length: 1\r\nTransfer-Encoding: chunked", "");
            let text = requests.concat() + if is_faulty { &fault } else { "" };
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut framing = RequestFramingGuard::new();
            let pieces = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]);
            let fault_in = pieces.map(|piece| framing.read(piece)).position(|outcome| outcome.is_err());
            prop_assert_eq!(fault_in.is_some(), is_faulty);
            prop_assert_eq!(framing.is_between_requests(), !is_faulty);
        }
    }
}
