//! An I/O wrapper that enforces the head, idle and write timeouts of a connection, and the framing of its requests.

use crate::edge::framing::{FramingError, RequestFramingGuard};
use crate::limits;
use crate::min_rate::{MinRate, Timeouts};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A byte stream that bounds how long its peer can hold the connection:
///
/// - After the head timeout or the idle timeout, the reader sees the end of the stream, as if the peer had closed it.
/// - A write is an error when the peer reads a response more slowly than the minimum rate.
/// - The reader gets invalid bytes in place of ambiguous framing. So hyper rejects the request and closes the
///   connection. The bytes after it are dropped.
/// - When the server closes the connection while the peer still sends, the stream is drained for a short time.
///   Otherwise TCP would reset the connection, and the peer might never see the response (RFC 9112, 9.6).
pub(super) struct TimeoutIo<S> {
    stream: S,
    timeouts: Timeouts,
    framing: RequestFramingGuard,
    /// The bytes that the reader still gets before the end, once no further request can follow.
    final_bytes: Option<&'static [u8]>,
    /// The time of the last read or write.
    active_at: Instant,
    /// The start of the head that is arriving.
    head_since: Option<Instant>,
    read_timer: Timer,
    /// The write deadline, while the peer has not read all the bytes of a write.
    write_rate: Option<MinRate>,
    write_timer: Timer,
    closing: Closing,
}

enum Closing {
    No,
    /// Our side is closed. The other side is drained until this time.
    Lingering(Instant),
}

/// A timer that is created at its first use. So a connection without a slow write has no write timer.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Whether `deadline` has passed. If not, the task is woken at the deadline or shortly before.
    fn is_due(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        loop {
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            // A later deadline does not move the timer now. The timer fires early and is then set again, which is
            // cheaper than a move for every byte.
            if sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            if Instant::now() >= deadline {
                return true;
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

impl<S> TimeoutIo<S> {
    pub(super) fn new(stream: S, timeouts: Timeouts) -> Self {
        let now = Instant::now();
        Self {
            stream,
            timeouts,
            framing: RequestFramingGuard::new(),
            final_bytes: None,
            active_at: now,
            head_since: Some(now),
            read_timer: Timer::default(),
            write_rate: None,
            write_timer: Timer::default(),
            closing: Closing::No,
        }
    }

    /// The deadline of the next bytes. None within a body, whose handler has a deadline of its own.
    fn read_deadline(&self) -> Option<Instant> {
        match self.head_since {
            Some(since) => Some(since + self.timeouts.head),
            None if self.framing.is_between_requests() => Some(self.active_at + self.timeouts.idle),
            None => None,
        }
    }

    /// Checks the bytes in `buf` from `start` on, and makes hyper reject them if they are faulty.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        self.active_at = Instant::now();
        let heads = self.framing.heads();
        let outcome = self.framing.read(&buf.filled()[start..]);
        // One head may end and the next one start in the same bytes. Empty lines do neither.
        if self.framing.heads() > heads {
            self.head_since = None;
        }
        if self.framing.is_in_head() {
            self.head_since.get_or_insert(self.active_at);
        }
        if let Err((valid_bytes, error)) = outcome {
            buf.set_filled(start + valid_bytes);
            self.final_bytes = Some(invalid_bytes(error));
            self.read_final_bytes(buf);
        } else if self.framing.is_rejected() {
            self.final_bytes = Some(b"");
        }
    }

    /// Reads from the final bytes, and after them the end. Returns false while there are no final bytes.
    fn read_final_bytes(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(bytes) = &mut self.final_bytes else { return false };
        let (now, later) = bytes.split_at(bytes.len().min(buf.remaining()));
        buf.put_slice(now);
        *bytes = later;
        true
    }

    /// Applies the minimum rate to the outcome of a write of `all_bytes`.
    fn after_write(
        &mut self,
        written: Poll<io::Result<usize>>,
        all_bytes: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.active_at = now;
                match &mut self.write_rate {
                    Some(rate) if bytes < all_bytes => rate.passed(bytes, now),
                    _ => self.write_rate = None,
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let rate = self.write_rate.get_or_insert_with(|| MinRate::from(now, self.timeouts.transfer));
                if self.write_timer.is_due(rate.deadline(), cx) {
                    let error = io::Error::new(io::ErrorKind::TimedOut, "the client reads the response too slowly");
                    return Poll::Ready(Err(error));
                }
                Poll::Pending
            }
        }
    }
}

/// The end of a request whose target is cut. The router rejects a request with this field.
const CUT_TARGET: &str = " HTTP/1.1\r\nx-weir-target-cut: 1\r\n\r\n";

/// The bytes that hyper reads in place of the faulty ones, so that the request is rejected: by hyper with 400, or with
/// 431 where the head is too large already; by the router with 414 where the request line is cut. They hold the end of
/// a head, because hyper parses a head in pieces only when it sees the end.
fn invalid_bytes(error: FramingError) -> &'static [u8] {
    match error {
        FramingError::HeadTooLarge => b"\r\n\r\n",
        FramingError::RequestLineTooLong => CUT_TARGET.as_bytes(),
        FramingError::Ambiguous => b"\0\n\n",
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.read_final_bytes(buf) {
            return Poll::Ready(Ok(()));
        }
        let start = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > start {
                    this.inspect(buf, start);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match this.read_deadline() {
                Some(deadline) if this.read_timer.is_due(deadline, cx) => Poll::Ready(Ok(())),
                _ => Poll::Pending,
            },
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimeoutIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.after_write(written, bytes.len(), cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.after_write(written, slices.iter().map(|slice| slice.len()).sum(), cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx).map_ok(|()| 0);
        self.after_write(flushed, 0, cx).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Closing::No = this.closing {
            let shut = Pin::new(&mut this.stream).poll_shutdown(cx).map_ok(|()| 0);
            ready!(this.after_write(shut, 0, cx))?;
            if this.framing.is_between_requests() {
                return Poll::Ready(Ok(()));
            }
            this.closing = Closing::Lingering(Instant::now() + limits::LINGER_TIMEOUT);
        }
        let Closing::Lingering(deadline) = this.closing else { return Poll::Ready(Ok(())) };
        let mut scratch = [0; 4_096];
        loop {
            if this.read_timer.is_due(deadline, cx) {
                return Poll::Ready(Ok(()));
            }
            let mut rest = ReadBuf::new(&mut scratch);
            // The peer has closed its side, or the connection is broken. There is nothing more to drain.
            if ready!(Pin::new(&mut this.stream).poll_read(cx, &mut rest)).is_err() || rest.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::advance;

    const SEC: Duration = Duration::from_secs(1);
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nhost: weir\r\ncontent-length: 4\r\n\r\n";

    /// A stream whose buffers hold `buffer_bytes`, and its peer.
    fn pair(buffer_bytes: usize) -> (TimeoutIo<DuplexStream>, DuplexStream) {
        let (stream, peer) = duplex(buffer_bytes);
        let timeouts = Timeouts { head: 10 * SEC, idle: 75 * SEC, transfer: 30 * SEC };
        (TimeoutIo::new(stream, timeouts), peer)
    }

    /// Reads once. Returns the number of bytes, and the seconds of the test's clock until they arrived.
    async fn read(stream: &mut TimeoutIo<DuplexStream>) -> (usize, u64) {
        let start = Instant::now();
        let bytes = stream.read(&mut [0; 1_024]).await.unwrap();
        (bytes, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn the_head_timeout_starts_with_the_connection_and_then_with_the_first_byte_of_a_head() {
        let (mut stream, mut peer) = pair(1_024);
        advance(4 * SEC).await;
        peer.write_all(&HEAD[..1]).await.unwrap();
        assert_eq!(read(&mut stream).await, (1, 0));
        assert_eq!(read(&mut stream).await, (0, 6));

        let (mut stream, mut peer) = pair(1_024);
        peer.write_all(&[HEAD, b"body"].concat()).await.unwrap();
        assert_eq!(read(&mut stream).await, (HEAD.len() + 4, 0));
        advance(50 * SEC).await;
        peer.write_all(&HEAD[..1]).await.unwrap();
        assert_eq!(read(&mut stream).await, (1, 0));
        advance(4 * SEC).await;
        peer.write_all(&HEAD[1..2]).await.unwrap();
        assert_eq!(read(&mut stream).await, (1, 0));
        assert_eq!(read(&mut stream).await, (0, 6), "single bytes do not extend the timeout");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_starts_in_the_last_bytes_of_another_has_its_own_timeout() {
        let (mut stream, mut peer) = pair(1_024);
        let get = b"GET / HTTP/1.1\r\nhost: weir\r\n\r\n";
        let (start, end) = get.split_at(9);
        peer.write_all(start).await.unwrap();
        read(&mut stream).await;
        for _ in 0..5 {
            advance(6 * SEC).await;
            peer.write_all(&[end, start].concat()).await.unwrap();
            assert_eq!(read(&mut stream).await, (get.len(), 0));
        }
        assert_eq!(read(&mut stream).await, (0, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn empty_lines_do_not_extend_the_timeout_of_the_first_head() {
        let (mut stream, mut peer) = pair(1_024);
        advance(4 * SEC).await;
        peer.write_all(b"\r\n").await.unwrap();
        assert_eq!(read(&mut stream).await, (2, 0));
        assert_eq!(read(&mut stream).await, (0, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn the_idle_timeout_starts_with_the_last_byte_of_either_side() {
        let (mut stream, mut peer) = pair(1_024);
        peer.write_all(&[HEAD, b"body"].concat()).await.unwrap();
        read(&mut stream).await;
        advance(70 * SEC).await;
        stream.write_all(b"answer").await.unwrap();
        assert_eq!(read(&mut stream).await, (0, 75));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_no_timeout_here() {
        let (mut stream, mut peer) = pair(1_024);
        peer.write_all(HEAD).await.unwrap();
        read(&mut stream).await;
        let late = async {
            tokio::time::sleep(1_000 * SEC).await;
            peer.write_all(b"body").await.unwrap();
        };
        assert_eq!(tokio::join!(read(&mut stream), late).0, (4, 1_000));
    }

    /// Writes all bytes, vectored or not. hyper uses vectored writes.
    async fn write(stream: &mut TimeoutIo<DuplexStream>, mut bytes: &[u8], is_vectored: bool) -> io::Result<()> {
        while is_vectored && !bytes.is_empty() {
            let written = stream.write_vectored(&[io::IoSlice::new(bytes)]).await?;
            bytes = &bytes[written..];
        }
        stream.write_all(bytes).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_must_be_read_at_the_minimum_rate() {
        let takes = |bytes: usize, every: Duration, is_vectored: bool| async move {
            let (mut stream, mut peer) = pair(1_024);
            let slowly = async {
                let mut taken = vec![0; bytes];
                while peer.read_exact(&mut taken).await.is_ok() {
                    tokio::time::sleep(every).await;
                }
            };
            let start = Instant::now();
            let response = vec![b'x'; 200 << 10];
            tokio::select! {
                written = write(&mut stream, &response, is_vectored) => {
                    (written.map_err(|error| error.kind()), start.elapsed().as_secs())
                }
                () = slowly => unreachable!("the peer keeps reading"),
            }
        };
        for is_vectored in [false, true] {
            assert_eq!(takes(1_024, SEC, is_vectored).await, (Ok(()), 198));
            assert_eq!(takes(100, 10 * SEC, is_vectored).await, (Err(io::ErrorKind::TimedOut), 30));
            assert_eq!(takes(1, 1_000 * SEC, is_vectored).await, (Err(io::ErrorKind::TimedOut), 30));
        }
    }

    /// Accepts all writes, and never completes a flush.
    struct Stuck;

    impl AsyncRead for Stuck {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Stuck {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_has_the_write_timeout_too() {
        let timeouts = Timeouts { head: SEC, idle: SEC, transfer: 30 * SEC };
        let mut stream = TimeoutIo::new(Stuck, timeouts);
        for _ in 0..2 {
            stream.write_all(b"answer").await.unwrap();
            let start = Instant::now();
            let flushed = tokio::time::timeout(60 * SEC, stream.flush()).await.unwrap();
            assert_eq!(flushed.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(start.elapsed().as_secs(), 30);
        }
        stream.write_all(b"answer").await.unwrap();
        let shut = tokio::time::timeout(60 * SEC, stream.shutdown()).await.unwrap();
        assert_eq!(shut.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_ends_when_all_bytes_are_read() {
        let (mut stream, mut peer) = pair(4);
        for _ in 0..3 {
            let slow = async {
                tokio::time::sleep(29 * SEC).await;
                peer.read_exact(&mut [0; 6]).await.unwrap();
            };
            tokio::join!(stream.write_all(b"answer"), slow).0.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_connection_is_drained_while_the_peer_sends() {
        let (mut stream, mut peer) = pair(4);
        let start = Instant::now();
        stream.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "between requests there is nothing to drain");

        for ends_early in [true, false] {
            let (mut stream, mut sender) = pair(4);
            sender.write_all(b"POST").await.unwrap();
            read(&mut stream).await;
            let send = async {
                for _ in 0..1_000 {
                    sender.write_all(b" / H").await.unwrap();
                }
                if ends_early {
                    drop(sender);
                } else {
                    std::future::pending::<()>().await;
                }
            };
            let start = Instant::now();
            tokio::select! {
                closed = stream.shutdown() => closed.unwrap(),
                () = send => stream.shutdown().await.unwrap(),
            }
            assert_eq!(start.elapsed().as_secs(), if ends_early { 0 } else { limits::LINGER_TIMEOUT.as_secs() });
        }
        assert_eq!(peer.read(&mut [0; 4]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn faulty_bytes_are_replaced_by_invalid_ones() {
        let passes = |bytes: Vec<u8>| async move {
            let (mut stream, mut peer) = pair(1 << 20);
            peer.write_all(&bytes).await.unwrap();
            drop(peer);
            let mut passed = vec![0; 1 << 20];
            let passed_bytes = stream.read(&mut passed).await.unwrap();
            passed.truncate(passed_bytes);
            passed
        };
        let bad = b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
        let good = [HEAD, b"body"].concat();
        assert_eq!(passes(good.clone()).await, good);
        assert_eq!(passes([&good, &bad[..]].concat()).await, [&good, &b"\0\n\n"[..]].concat());
        let mut too_large = b"GET / HTTP/1.1\r\n".to_vec();
        too_large.resize(2 * limits::HEAD_BYTES_MAX, b'x');
        let passed = passes(too_large.clone()).await;
        assert!(passed == [&too_large[..=limits::HEAD_BYTES_MAX], b"\r\n\r\n"].concat());
        let mut too_long = b"GET /".to_vec();
        too_long.resize(2 * limits::HEAD_BYTES_MAX, b'x');
        let passed = passes(too_long.clone()).await;
        assert!(passed == [&too_long[..limits::REQUEST_LINE_BYTES_MAX], CUT_TARGET.as_bytes()].concat());
        assert_eq!(CUT_TARGET.split([':', '\n']).nth(1), Some(crate::http::TARGET_CUT.as_str()));
    }

    #[tokio::test]
    async fn no_byte_after_a_rejected_head_is_read_however_small_the_buffer() {
        let ambiguous = "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r";
        for (head, passed) in [(ambiguous, "\0\n\n"), ("\0\r\n\r", "\n")] {
            let (mut stream, mut peer) = pair(1_024);
            peer.write_all(format!("{head}\nGET / HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
            let (mut all, mut byte) = (Vec::new(), [0]);
            while stream.read(&mut byte).await.unwrap() > 0 {
                all.push(byte[0]);
            }
            assert_eq!(all.escape_ascii().to_string(), format!("{head}{passed}").as_bytes().escape_ascii().to_string());
        }
    }

    #[tokio::test]
    async fn a_head_that_fills_the_buffer_and_is_too_large_ends_at_the_next_read() {
        let (mut stream, mut peer) = pair(1 << 20);
        let mut head = b"GET / HTTP/1.1\r\n".to_vec();
        head.resize(limits::HEAD_BYTES_MAX + 1, b'x');
        peer.write_all(&head).await.unwrap();
        let mut exact = vec![0; limits::HEAD_BYTES_MAX + 1];
        assert_eq!(stream.read(&mut exact).await.unwrap(), exact.len());
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"\r\n\r\n");
    }
}
