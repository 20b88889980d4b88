//! A connection whose peer cannot hold it for nothing.

use crate::edge::framing::{FramingError, RequestFramingGuard};
use crate::limits;
use crate::min_rate::{MinRate, Timeouts};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A byte stream under guard:
///
/// - a head that does not come within its time, and a connection on which nothing happens, end as if the peer had closed
///   its side;
/// - an answer that the peer does not take fast enough is an error;
/// - a head that can be read in two ways is spoilt before hyper sees it whole, so that hyper refuses it and closes, and
///   nothing that comes after it is passed on;
/// - when the connection is closed while the peer still sends, that is read on for a while: else TCP would reset the
///   connection, and the peer might never see its answer (RFC 9112, 9.6).
pub(super) struct TimeoutIo<S> {
    stream: S,
    timeouts: Timeouts,
    framing: RequestFramingGuard,
    /// What is still to be read before the end, once the peer has sent what nothing may follow.
    last: Option<&'static [u8]>,
    /// When something was last read or written.
    active_at: Instant,
    /// When the head that is coming began.
    head_since: Option<Instant>,
    read_timer: Timer,
    /// While the peer does not take what is written.
    write_pace: Option<MinRate>,
    write_timer: Timer,
    closing: Closing,
}

enum Closing {
    No,
    /// Our side is closed, and the other is read on until then.
    Lingering(Instant),
}

/// A timer that is made when it is needed first.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Whether it is `deadline`; if not, the task is woken then, or a little earlier.
    fn is_due(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        loop {
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            // A timer that goes off early is set again then: to move it at every byte would cost more.
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
            last: None,
            active_at: now,
            head_since: Some(now),
            read_timer: Timer::default(),
            write_pace: None,
            write_timer: Timer::default(),
            closing: Closing::No,
        }
    }

    /// Until when the next bytes must come; none while the handler of a body sees to that.
    fn read_deadline(&self) -> Option<Instant> {
        match self.head_since {
            Some(since) => Some(since + self.timeouts.head),
            None if self.framing.is_between_requests() => Some(self.active_at + self.timeouts.idle),
            None => None,
        }
    }

    /// Follows what was read into `buf` from `start` on, and spoils it where it must not be read.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        self.active_at = Instant::now();
        let heads = self.framing.heads();
        let followed = self.framing.follow(&buf.filled()[start..]);
        // One may end and another begin in the same bytes; and empty lines are neither.
        if self.framing.heads() > heads {
            self.head_since = None;
        }
        if self.framing.is_in_head() {
            self.head_since.get_or_insert(self.active_at);
        }
        if let Err((valid_bytes, fault)) = followed {
            buf.set_filled(start + valid_bytes);
            self.last = Some(inject_invalid_byte(fault));
            self.read_last(buf);
        } else if self.framing.is_refused() {
            self.last = Some(b"");
        }
    }

    /// Reads of what is left before the end, and then the end; whether it has come to that.
    fn read_last(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(last) = &mut self.last else { return false };
        let (now, later) = last.split_at(last.len().min(buf.remaining()));
        buf.put_slice(now);
        *last = later;
        true
    }

    /// Takes note of what became of a write.
    fn written(
        &mut self,
        written: Poll<io::Result<usize>>,
        all_bytes: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.active_at = now;
                match &mut self.write_pace {
                    Some(pace) if bytes < all_bytes => pace.passed(bytes, now),
                    _ => self.write_pace = None,
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let pace = self.write_pace.get_or_insert_with(|| MinRate::from(now, self.timeouts.transfer));
                if self.write_timer.is_due(pace.deadline(), cx) {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the answer was not taken in time",
                    )));
                }
                Poll::Pending
            }
        }
    }
}

/// What hyper reads in the place of what it must not read, and refuses with 400; or, where a head that is too large already
/// gets an end, with 431. The end is there because hyper does not look at a head that comes in pieces before it sees one.
fn inject_invalid_byte(fault: FramingError) -> &'static [u8] {
    match fault {
        FramingError::HeadTooLarge => b"\r\n\r\n",
        FramingError::Ambiguous => b"\0\n\n",
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.read_last(buf) {
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
        self.written(written, bytes.len(), cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(written, slices.iter().map(|slice| slice.len()).sum(), cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx).map_ok(|()| 0);
        self.written(flushed, 0, cx).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Closing::No = this.closing {
            let shut = Pin::new(&mut this.stream).poll_shutdown(cx).map_ok(|()| 0);
            ready!(this.written(shut, 0, cx))?;
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
            // An end or an error: there is nothing more to wait for.
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

    /// A guarded stream whose buffers hold so many bytes, and its peer.
    fn pair(buffer_bytes: usize) -> (TimeoutIo<DuplexStream>, DuplexStream) {
        let (stream, peer) = duplex(buffer_bytes);
        let timeouts = Timeouts { head: 10 * SEC, idle: 75 * SEC, transfer: 30 * SEC };
        (TimeoutIo::new(stream, timeouts), peer)
    }

    /// Reads once, and tells how many bytes came after how many seconds of the test's clock.
    async fn read(guarded: &mut TimeoutIo<DuplexStream>) -> (usize, u64) {
        let start = Instant::now();
        let bytes = guarded.read(&mut [0; 1_024]).await.unwrap();
        (bytes, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_has_its_time_from_the_start_and_a_later_one_from_its_first_byte() {
        let (mut guarded, mut peer) = pair(1_024);
        advance(4 * SEC).await;
        peer.write_all(&HEAD[..1]).await.unwrap();
        assert_eq!(read(&mut guarded).await, (1, 0));
        assert_eq!(read(&mut guarded).await, (0, 6));

        let (mut guarded, mut peer) = pair(1_024);
        peer.write_all(&[HEAD, b"body"].concat()).await.unwrap();
        assert_eq!(read(&mut guarded).await, (HEAD.len() + 4, 0));
        advance(50 * SEC).await;
        peer.write_all(&HEAD[..1]).await.unwrap();
        assert_eq!(read(&mut guarded).await, (1, 0));
        advance(4 * SEC).await;
        peer.write_all(&HEAD[1..2]).await.unwrap();
        assert_eq!(read(&mut guarded).await, (1, 0));
        assert_eq!(read(&mut guarded).await, (0, 6), "what trickles has no more time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_own_time_where_it_begins_in_the_bytes_that_end_another() {
        let (mut guarded, mut peer) = pair(1_024);
        let get = b"GET / HTTP/1.1\r\nhost: weir\r\n\r\n";
        let (start, end) = get.split_at(9);
        peer.write_all(start).await.unwrap();
        read(&mut guarded).await;
        for _ in 0..5 {
            advance(6 * SEC).await;
            peer.write_all(&[end, start].concat()).await.unwrap();
            assert_eq!(read(&mut guarded).await, (get.len(), 0));
        }
        assert_eq!(read(&mut guarded).await, (0, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn empty_lines_do_not_put_off_the_end_of_the_first_heads_time() {
        let (mut guarded, mut peer) = pair(1_024);
        advance(4 * SEC).await;
        peer.write_all(b"\r\n").await.unwrap();
        assert_eq!(read(&mut guarded).await, (2, 0));
        assert_eq!(read(&mut guarded).await, (0, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_from_the_last_byte_of_either_side() {
        let (mut guarded, mut peer) = pair(1_024);
        peer.write_all(&[HEAD, b"body"].concat()).await.unwrap();
        read(&mut guarded).await;
        advance(70 * SEC).await;
        guarded.write_all(b"answer").await.unwrap();
        assert_eq!(read(&mut guarded).await, (0, 75));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_the_business_of_its_handler() {
        let (mut guarded, mut peer) = pair(1_024);
        peer.write_all(HEAD).await.unwrap();
        read(&mut guarded).await;
        let late = async {
            tokio::time::sleep(1_000 * SEC).await;
            peer.write_all(b"body").await.unwrap();
        };
        assert_eq!(tokio::join!(read(&mut guarded), late).0, (4, 1_000));
    }

    /// Writes all, in the one way or the other; hyper uses the vectored one.
    async fn write(guarded: &mut TimeoutIo<DuplexStream>, mut bytes: &[u8], is_vectored: bool) -> io::Result<()> {
        while is_vectored && !bytes.is_empty() {
            let written = guarded.write_vectored(&[io::IoSlice::new(bytes)]).await?;
            bytes = &bytes[written..];
        }
        guarded.write_all(bytes).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_must_be_taken_at_some_rate() {
        let takes = |bytes: usize, every: Duration, is_vectored: bool| async move {
            let (mut guarded, mut peer) = pair(1_024);
            let slowly = async {
                let mut taken = vec![0; bytes];
                while peer.read_exact(&mut taken).await.is_ok() {
                    tokio::time::sleep(every).await;
                }
            };
            let start = Instant::now();
            let answer = vec![b'x'; 200 << 10];
            tokio::select! {
                written = write(&mut guarded, &answer, is_vectored) => (written.map_err(|error| error.kind()), start.elapsed().as_secs()),
                () = slowly => unreachable!("the peer reads on"),
            }
        };
        for is_vectored in [false, true] {
            assert_eq!(takes(1_024, SEC, is_vectored).await, (Ok(()), 198));
            assert_eq!(takes(100, 10 * SEC, is_vectored).await, (Err(io::ErrorKind::TimedOut), 30));
            assert_eq!(takes(1, 1_000 * SEC, is_vectored).await, (Err(io::ErrorKind::TimedOut), 30));
        }
    }

    /// Takes whatever is written, and never passes it on.
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
    async fn what_a_session_has_taken_must_be_passed_on_in_time() {
        let timeouts = Timeouts { head: SEC, idle: SEC, transfer: 30 * SEC };
        let mut guarded = TimeoutIo::new(Stuck, timeouts);
        for _ in 0..2 {
            guarded.write_all(b"answer").await.unwrap();
            let start = Instant::now();
            let flushed = tokio::time::timeout(60 * SEC, guarded.flush()).await.unwrap();
            assert_eq!(flushed.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(start.elapsed().as_secs(), 30);
        }
        guarded.write_all(b"answer").await.unwrap();
        let shut = tokio::time::timeout(60 * SEC, guarded.shutdown()).await.unwrap();
        assert_eq!(shut.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_over_when_all_was_taken() {
        let (mut guarded, mut peer) = pair(4);
        for _ in 0..3 {
            let slow = async {
                tokio::time::sleep(29 * SEC).await;
                peer.read_exact(&mut [0; 6]).await.unwrap();
            };
            tokio::join!(guarded.write_all(b"answer"), slow).0.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_connection_reads_on_while_the_peer_sends() {
        let (mut guarded, mut peer) = pair(4);
        let start = Instant::now();
        guarded.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "between requests there is nothing to wait for");

        for ends_early in [true, false] {
            let (mut guarded, mut sender) = pair(4);
            sender.write_all(b"POST").await.unwrap();
            read(&mut guarded).await;
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
                closed = guarded.shutdown() => closed.unwrap(),
                () = send => guarded.shutdown().await.unwrap(),
            }
            assert_eq!(start.elapsed().as_secs(), if ends_early { 0 } else { limits::LINGER_TIMEOUT.as_secs() });
        }
        assert_eq!(peer.read(&mut [0; 4]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_not_be_read_is_spoilt_in_its_place() {
        let passes = |bytes: Vec<u8>| async move {
            let (mut guarded, mut peer) = pair(1 << 20);
            peer.write_all(&bytes).await.unwrap();
            drop(peer);
            let mut passed = vec![0; 1 << 20];
            let passed_bytes = guarded.read(&mut passed).await.unwrap();
            passed.truncate(passed_bytes);
            passed
        };
        let bad = b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
        let good = [HEAD, b"body"].concat();
        assert_eq!(passes(good.clone()).await, good);
        assert_eq!(passes([&good, &bad[..]].concat()).await, [&good, &b"\0\n\n"[..]].concat());
        let too_large = vec![b'x'; 2 * limits::HEAD_BYTES_MAX];
        let passed = passes(too_large).await;
        assert!(passed[..=limits::HEAD_BYTES_MAX].iter().all(|byte| *byte == b'x'));
    }

    #[tokio::test]
    async fn nothing_is_read_behind_what_must_not_be_read_however_little_room_there_is() {
        let ambiguous = "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r";
        for (head, passed) in [(ambiguous, "\0\n\n"), ("\0\r\n\r", "\n")] {
            let (mut guarded, mut peer) = pair(1_024);
            peer.write_all(format!("{head}\nGET / HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
            let (mut all, mut byte) = (Vec::new(), [0]);
            while guarded.read(&mut byte).await.unwrap() > 0 {
                all.push(byte[0]);
            }
            assert_eq!(all.escape_ascii().to_string(), format!("{head}{passed}").as_bytes().escape_ascii().to_string());
        }
    }

    #[tokio::test]
    async fn a_head_that_just_fills_the_room_and_is_too_large_is_spoilt_at_the_next_read() {
        let (mut guarded, mut peer) = pair(1 << 20);
        peer.write_all(&vec![b'x'; limits::HEAD_BYTES_MAX + 1]).await.unwrap();
        let mut exact = vec![0; limits::HEAD_BYTES_MAX + 1];
        assert_eq!(guarded.read(&mut exact).await.unwrap(), exact.len());
        let mut rest = Vec::new();
        guarded.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"\r\n\r\n");
    }
}
