//! Request bodies: from frames to one buffer, within bounds of size, transfer rate and memory.

use crate::http::app::App;
use crate::http::body_memory::BodyPermit;
use crate::http::problem::Problem;
use crate::limits;
use crate::min_rate::MinRate;
use axum::body::Body as AxumBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, timeout, timeout_at};

/// A complete body as it was sent, and its permit of the body memory budget.
#[derive(Debug)]
pub(super) struct BufferedBody {
    pub(super) bytes: Vec<u8>,
    pub(super) permit: BodyPermit,
}

/// Reads a body to its end. Bytes are charged to the budget when they arrive, not when they are announced. So a client
/// that announces much and sends little takes no memory from others.
///
/// # Errors
/// The body is too large, arrives too slowly, ends early, or needs more memory than is free.
pub(super) async fn read(app: &App, mut body: AxumBody) -> Result<BufferedBody, Problem> {
    let max_bytes = app.config.max_body_bytes;
    let announced_bytes = body.size_hint().lower();
    if announced_bytes > max_bytes as u64 {
        return Err(Problem::PayloadTooLarge { max_bytes });
    }
    let announced_bytes = usize::try_from(announced_bytes).unwrap_or(max_bytes);
    let mut bytes = Vec::new();
    let mut permit = app.bodies.permit();
    let grace = app.config.timeouts.transfer;
    // The rate counts from the first wait for the client. Most bodies have arrived with their heads, and need no clock.
    let mut rate: Option<MinRate> = None;
    loop {
        let frame = match frame_now(&mut body).await {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let rate = rate.get_or_insert_with(|| MinRate::from(Instant::now(), grace));
                timeout_at(rate.deadline(), body.frame()).await.map_err(|_| Problem::RequestTimeout(grace))?
            }
        };
        let Some(frame) = frame else { return Ok(BufferedBody { bytes, permit }) };
        // A frame without data has trailers, which have no meaning here.
        let Ok(data) = frame.map_err(|_| Problem::BrokenBody)?.into_data() else { continue };
        if data.len() > max_bytes - bytes.len() {
            return Err(Problem::PayloadTooLarge { max_bytes });
        }
        if let Some(rate) = &mut rate {
            rate.passed(data.len(), Instant::now());
        }
        permit.grow(data.len())?;
        reserve(&mut bytes, data.len(), announced_bytes);
        bytes.extend_from_slice(&data);
    }
}

/// The next frame if it is there already.
async fn frame_now(body: &mut AxumBody) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await
}

/// Reserves space for the bytes that have arrived. Once a good part of the announced bytes is there, it reserves space
/// for all of them. So a body is rarely moved, and a client must send bytes before it gets memory.
fn reserve(bytes: &mut Vec<u8>, more_bytes: usize, announced_bytes: usize) {
    let needed_bytes = bytes.len() + more_bytes;
    if needed_bytes > bytes.capacity() {
        let wanted_bytes = announced_bytes.min(needed_bytes * limits::BODY_RESERVED_TIMES).max(needed_bytes);
        bytes.reserve(wanted_bytes - bytes.len());
    }
}

/// A request body that is drained for a short time if it is dropped before its end.
///
/// A server may respond early and close a socket that has unread bytes. Then TCP resets the connection, and a client
/// that is still sending never sees the response (RFC 9112, 9.6). A client that waits for `100 Continue` sends no body
/// before the server asks for it. Such a body is not drained, because draining would ask for it.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// None once the body has ended.
    incoming: Option<Incoming>,
    /// Whether the client sends the body now: it does not wait for `100 Continue`, or has received it.
    client_sends: bool,
}

impl RequestBody {
    /// The same request with a body that is drained.
    pub(crate) fn of(request: Request<Incoming>) -> Request<Self> {
        let client_sends = !request.headers().contains_key(EXPECT);
        request.map(|incoming| Self { incoming: Some(incoming), client_sends })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.client_sends = true;
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.incoming = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let rest = self.incoming.take().filter(|incoming| self.client_sends && !incoming.is_end_stream());
        if let (Some(mut rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(timeout(limits::UNREAD_BODY_TIMEOUT, async move {
                while let Some(Ok(_)) = rest.frame().await {}
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::config::HttpConfig;
    use crate::http::problem::Overload;
    use std::sync::Arc;
    use weir::{Engine, EngineConfig, ManualClock};

    #[tokio::test]
    async fn bodies_beyond_the_memory_budget_are_rejected_until_others_are_done() {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
        let app = App::new(Arc::new(engine), HttpConfig { max_bodies_bytes: 10, ..HttpConfig::default() });
        let body = || AxumBody::from("123456");
        let first = read(&app, body()).await.unwrap();
        assert_eq!(first.bytes, b"123456");
        assert!(matches!(read(&app, body()).await, Err(Problem::Overloaded(Overload::BodyMemory))));
        drop(first);
        assert!(read(&app, body()).await.is_ok());
    }

    #[test]
    fn space_is_reserved_for_arrived_bytes_and_then_for_all_announced_bytes() {
        let capacities = |announced_bytes, pieces: &[usize]| {
            let mut bytes = Vec::new();
            let fill = |piece: &usize| {
                reserve(&mut bytes, *piece, announced_bytes);
                bytes.extend(std::iter::repeat_n(b'x', *piece));
                bytes.capacity()
            };
            pieces.iter().map(fill).collect::<Vec<_>>()
        };
        assert_eq!(capacities(100_000, &[1_000, 3_000, 1, 95_999]), [4_000, 4_000, 16_004, 100_000]);
        assert_eq!(capacities(100_000, &[25_000, 75_000]), [100_000, 100_000]);
        assert_eq!(capacities(1_000_000_000, &[1_000])[..], [4_000], "an announcement alone reserves no space");
        let unannounced = capacities(0, &[1_000; 64]);
        assert!((64_000..=128_000).contains(&unannounced[63]) && unannounced[62] == unannounced[63]);
    }
}
