//! Bodies of responses that are slow to process.

use crate::http::body_memory::BodyPermit;
use crate::limits;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body in small pieces, with a pause after each. So the compression of a large response does not keep a worker of
/// the runtime from other connections. It holds the memory of its encoder.
pub(super) struct PacedBody {
    body: axum::body::Body,
    rest: Bytes,
    paused: bool,
    _permit: BodyPermit,
}

impl PacedBody {
    /// The same body in small pieces. It holds the permit until it is dropped.
    pub(super) fn new(body: axum::body::Body, permit: BodyPermit) -> Self {
        Self { body, rest: Bytes::new(), paused: false, _permit: permit }
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if std::mem::take(&mut self.paused) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece_bytes = self.rest.len().min(limits::COMPRESSED_PIECE_BYTES);
        self.paused = true;
        let piece = self.rest.split_to(piece_bytes);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        let mut size = self.body.size_hint();
        size.set_lower(size.lower() + self.rest.len() as u64);
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body_memory::BodyMemory;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_paced_body_has_the_same_bytes_in_small_pieces() {
        let content: Vec<u8> = (0..limits::COMPRESSED_PIECE_BYTES * 2 + 7).map(|i| i as u8).collect();
        let permit = BodyMemory::new(1).permit();
        let mut body = PacedBody::new(content.clone().into(), permit);
        assert_eq!(body.size_hint().exact(), Some(content.len() as u64));
        let mut pieces = vec![];
        while let Some(frame) = body.frame().await {
            pieces.push(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(pieces.iter().map(Bytes::len).max(), Some(limits::COMPRESSED_PIECE_BYTES));
        assert_eq!(pieces.concat(), content);
    }
}
