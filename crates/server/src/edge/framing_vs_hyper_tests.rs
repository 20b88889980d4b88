//! Checks that [`RequestFramingGuard`] and hyper see the same requests in the same bytes, until one of them rejects.

use super::builder;
use crate::edge::framing::RequestFramingGuard;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What ended, and the number of bytes up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Head(usize),
    Body(usize),
    /// The connection: the bytes were rejected.
    All(usize),
}

/// A peer that sends one byte at a time, so that no reader can read ahead. It accepts all writes.
struct Peer<'a> {
    bytes: &'a [u8],
    sent: &'a AtomicUsize,
}

impl AsyncRead for Peer<'_> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let at = self.sent.load(Ordering::Relaxed);
        if let Some(byte) = self.bytes.get(at) {
            buf.put_slice(&[*byte]);
            self.sent.store(at + 1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The ends of heads and bodies, as hyper sees them.
async fn ends_in_hyper(bytes: &[u8]) -> Vec<End> {
    let (sent, ends) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let note = |end: fn(usize) -> End| ends.lock().unwrap().push(end(sent.load(Ordering::Relaxed)));
    let service = service_fn(|request: Request<Incoming>| {
        // Recorded here and not in the future: hyper reads on before it polls the future.
        note(End::Head);
        async {
            let body = request.into_body().collect().await;
            note(if body.is_ok() { End::Body } else { End::All });
            // Not a success status: after a successful CONNECT the connection is no longer HTTP.
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok::<_, Infallible>(response)
        }
    });
    let peer = TokioIo::new(Peer { bytes, sent: &sent });
    if builder().serve_connection(peer, service).await.is_err() {
        note(End::All);
    }
    ends.into_inner().unwrap()
}

/// The ends of heads and bodies, as the guard sees them.
fn ends_in_guard(bytes: &[u8]) -> Vec<End> {
    let (mut guard, mut ends) = (RequestFramingGuard::new(), Vec::new());
    let mut is_in_body = false;
    for (at, byte) in bytes.iter().enumerate() {
        let was_in_head = guard.is_in_head();
        let read = guard.read(std::slice::from_ref(byte));
        if read.is_err() || guard.is_rejected() {
            ends.push(End::All(at + 1));
            break;
        }
        if was_in_head && !guard.is_in_head() {
            ends.push(End::Head(at + 1));
            is_in_body = true;
        }
        if is_in_body && guard.is_between_requests() {
            ends.push(End::Body(at + 1));
            is_in_body = false;
        }
    }
    ends
}

/// Compares the ends that both saw before either rejected.
fn assert_agreement(bytes: &[u8]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (hyper, guard) = (runtime.block_on(ends_in_hyper(bytes)), ends_in_guard(bytes));
    let rejected = |ends: &[End]| ends.iter().position(|end| matches!(end, End::All(_)));
    let both = rejected(&hyper).unwrap_or(hyper.len()).min(rejected(&guard).unwrap_or(guard.len()));
    let text = bytes.escape_ascii();
    prop_assert_eq!(&hyper[..both], &guard[..both], "{}", text);
    // If one saw fewer ends, there must be a reason: the other rejected, or hyper closed an HTTP/1.0 connection.
    let ends_sooner = |mine: &[End], other: &[End]| rejected(mine).is_none() && mine.len() < other.len();
    let is_over = bytes.windows(6).any(|word| word == b"TP/1.0");
    prop_assert!(!ends_sooner(&guard, &hyper) || rejected(&hyper) == Some(both), "{} {:?} {:?}", text, hyper, guard);
    prop_assert!(
        is_over || !ends_sooner(&hyper, &guard) || rejected(&guard) == Some(both),
        "{} {:?} {:?}",
        text,
        hyper,
        guard
    );
    Ok(())
}

const PIECES: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n",
    "POST /events HTTP/1.1\r\nhost: a\r\n",
    "HEAD / HTTP/1.1\nHost: a\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n",
    "GET / HTTP/1.0\r\n",
    "Connection: keep-alive\r\n",
    "Upgrade: x\r\nConnection: upgrade\r\n",
    "Expect: 100-continue\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 00\r\n",
    "Content-Length:\t7 \r\n",
    "Content-Length : 7\r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding:\tchunked \r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: chunked\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\n",
    " folded\r\n",
    "X: y\r\n",
    "X: y\n",
    "X:\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "0\r\n",
    "0\r\n\r\n",
    "00;x=\"y\"\r\n",
    "5\r\nhello\r\n",
    "5 \r\nhello\r\n",
    "5;\r\nhello\r\n",
    "5\nhello\n",
    "A\r\n0\r\n\r\nGET /\r\n",
    "hello",
    "ffffffffffffffff\r\n",
    "10000000000000000\r\n",
    "7",
];

proptest! {
    #[test]
    fn guard_and_hyper_see_the_same_requests(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 1..14),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 0..3),
    ) {
        let mut bytes = pieces.concat().into_bytes();
        for (at, byte, change) in changes {
            let at = at.index(bytes.len());
            let byte = if change == 3 { byte } else { b"\r\n\0 \t;:0a"[byte as usize % 9] };
            match change {
                0 if bytes.len() > 1 => _ = bytes.remove(at),
                1 => bytes.insert(at, byte),
                _ => bytes[at] = byte,
            }
        }
        assert_agreement(&bytes)?;
    }
}

#[test]
fn guard_and_hyper_agree_on_unusual_line_ends() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let next = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for body in ["0\r\n\n", "0\r\nx: y\n\n", "0\r\nx: y\n\r\n", "0\r\nx\r\n\n", "0\n\r\n", "0\r\n\r\r\n", "0\r\n\r\n"] {
        assert_agreement(format!("{head}{body}{next}").as_bytes()).unwrap();
    }
}
