//! A TCP stream with a second owner. The connection reads and writes; the [`Client`](crate::client::Client) in its
//! requests watches for its end.

use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A shared TCP stream. Only this owner reads and writes.
///
/// The read half is not shared, because tokio reads only from a half of its own with one system call for each read:
/// after a read that does not fill the buffer, tokio knows that the socket is empty.
pub(super) struct SharedTcp {
    reader: OwnedReadHalf,
    writer: Arc<OwnedWriteHalf>,
}

impl SharedTcp {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader, writer: Arc::new(writer) }
    }

    /// The stream for its second owner, which only watches it.
    pub(super) fn watched(&self) -> Arc<OwnedWriteHalf> {
        Arc::clone(&self.writer)
    }

    fn stream(&self) -> &TcpStream {
        (*self.writer).as_ref()
    }

    /// Writes once the socket is ready.
    fn poll_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream().poll_write_ready(cx))?;
            match write(self.stream()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncRead for SharedTcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl AsyncWrite for SharedTcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match SockRef::from(self.stream()).shutdown(Shutdown::Write) {
            // The client has closed the connection already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            shut => Poll::Ready(shut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn bytes_pass_both_ways_and_each_side_closes_by_itself() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut server = SharedTcp::new(listener.accept().await.unwrap().0);
        let sent: Vec<u8> = (0..10_000_000_u32).map(|i| i as u8).collect();
        let (expected, answer) = (sent.clone(), sent.clone());
        let exchange = tokio::spawn(async move {
            let send = async {
                client.write_all(&sent).await.unwrap();
                client.shutdown().await.unwrap();
            };
            send.await;
            let mut received = vec![];
            client.read_to_end(&mut received).await.unwrap();
            received
        });
        let mut received = vec![];
        server.read_to_end(&mut received).await.unwrap();
        assert!(received == expected);
        server.write_all(&answer).await.unwrap();
        server.shutdown().await.unwrap();
        assert!(exchange.await.unwrap() == answer);
        server.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn a_read_that_does_not_fill_the_buffer_is_not_followed_by_another() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut server = SharedTcp::new(listener.accept().await.unwrap().0);
        let is_ready = |server: &SharedTcp| server.stream().try_io(Interest::READABLE, || Ok(())).is_ok();
        client.write_all(b"GET").await.unwrap();
        assert_eq!(server.read(&mut [0; 2]).await.unwrap(), 2);
        assert!(is_ready(&server), "there may be more bytes");
        assert_eq!(server.read(&mut [0; 2]).await.unwrap(), 1);
        assert!(!is_ready(&server), "the socket is known to be empty");
    }
}
