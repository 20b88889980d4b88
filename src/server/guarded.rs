//! A connection whose peer cannot hold it for nothing.

use crate::limits;
use crate::pace::{Pace, Patience};
use crate::server::framing::{Fault, Framing};
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
/// - a head that can be read in two ways is spoilt before hyper sees it whole, so that hyper refuses it and closes;
/// - when the connection is closed while the peer still sends, that is read on for a while: else TCP would reset the
///   connection, and the peer might never see its answer (RFC 9112, 9.6).
pub(super) struct Guarded<S> {
    stream: S,
    patience: Patience,
    framing: Framing,
    /// When something was last read or written.
    active_at: Instant,
    /// When the head that is coming began.
    head_since: Option<Instant>,
    read_timer: Timer,
    /// While the peer does not take what is written.
    write_pace: Option<Pace>,
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

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, patience: Patience) -> Self {
        let now = Instant::now();
        Self {
            stream,
            patience,
            framing: Framing::new(),
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
            Some(since) => Some(since + self.patience.head),
            None if self.framing.is_between_requests() => Some(self.active_at + self.patience.idle),
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
            // A head that is too large may fill the buffer to its end.
            buf.set_filled((start + valid_bytes).min(buf.capacity() - 1));
            buf.put_slice(poison(fault, buf.remaining()));
        }
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
                let pace = self.write_pace.get_or_insert_with(|| Pace::from(now, self.patience.transfer));
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
/// gets an end, with 431.
fn poison(fault: Fault, room_bytes: usize) -> &'static [u8] {
    const END_OF_HEAD: &[u8] = b"\r\n\r\n";
    match fault {
        Fault::HeadTooLarge if room_bytes >= END_OF_HEAD.len() => END_OF_HEAD,
        _ => b"\0",
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
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
    fn pair(buffer_bytes: usize) -> (Guarded<DuplexStream>, DuplexStream) {
        let (stream, peer) = duplex(buffer_bytes);
        let patience = Patience { head: 10 * SEC, idle: 75 * SEC, transfer: 30 * SEC };
        (Guarded::new(stream, patience), peer)
    }

    /// Reads once, and tells how many bytes came after how many seconds of the test's clock.
    async fn read(guarded: &mut Guarded<DuplexStream>) -> (usize, u64) {
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

    #[tokio::test(start_paused = true)]
    async fn an_answer_must_be_taken_at_some_rate() {
        let takes = |bytes: usize, every: Duration| async move {
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
                written = guarded.write_all(&answer) => (written.map_err(|error| error.kind()), start.elapsed().as_secs()),
                () = slowly => unreachable!("the peer reads on"),
            }
        };
        assert_eq!(takes(1_024, SEC).await, (Ok(()), 198));
        assert_eq!(takes(100, 10 * SEC).await, (Err(io::ErrorKind::TimedOut), 30));
        assert_eq!(takes(1, 1_000 * SEC).await, (Err(io::ErrorKind::TimedOut), 30));
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
        assert_eq!(passes([&good, &bad[..]].concat()).await, [&good, &b"\0"[..]].concat());
        for bytes in [limits::HEAD_BYTES_MAX + 1, limits::HEAD_BYTES_MAX + 2] {
            let (mut guarded, mut peer) = pair(1 << 20);
            peer.write_all(&vec![b'x'; bytes]).await.unwrap();
            let mut whole = vec![0; bytes];
            assert_eq!(guarded.read(&mut whole).await.unwrap(), bytes, "the buffer is full");
            assert_eq!(whole.last(), Some(&0));
        }
        let too_large = vec![b'x'; 2 * limits::HEAD_BYTES_MAX];
        let passed = passes(too_large).await;
        assert!(passed[..=limits::HEAD_BYTES_MAX].iter().all(|byte| *byte == b'x'));
    }
}
