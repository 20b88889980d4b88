//! Request bodies: from frames to one buffer, within bounds of size, time and memory.

use crate::http::App;
use crate::http::problem::{Overload, Problem};
use crate::limits;
use crate::pace::Pace;
use axum::body::Body as AnyBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// A body as it was sent, and its share of the memory set aside for bodies.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) share: OwnedSemaphorePermit,
}

/// Reads a body to its end. The bytes are charged as they come, not as they are announced, so that a client that
/// announces much and sends little takes room from nobody.
pub(crate) async fn read(app: &App, mut body: AnyBody) -> Result<Received, Problem> {
    let max_bytes = app.config.max_body_bytes;
    let announced_bytes = body.size_hint().lower();
    if announced_bytes > max_bytes as u64 {
        return Err(Problem::PayloadTooLarge { max_bytes });
    }
    let announced_bytes = usize::try_from(announced_bytes).unwrap_or(max_bytes);
    let mut bytes = Vec::new();
    let mut share = share(app, 0)?;
    let grace = app.config.patience.transfer;
    let mut pace = Pace::from(Instant::now(), grace);
    loop {
        let frame = timeout_at(pace.deadline(), body.frame()).await.map_err(|_| Problem::RequestTimeout(grace))?;
        let Some(frame) = frame else { return Ok(Received { bytes, share }) };
        // Only trailers are no data, and they say nothing here.
        let Ok(data) = frame.map_err(|_| Problem::BrokenBody)?.into_data() else { continue };
        if data.len() > max_bytes - bytes.len() {
            return Err(Problem::PayloadTooLarge { max_bytes });
        }
        pace.passed(data.len(), Instant::now());
        share.merge(self::share(app, data.len())?);
        make_room(&mut bytes, data.len(), announced_bytes);
        bytes.extend_from_slice(&data);
    }
}

/// Room for what has come, and for all that was announced once a good part of it is there: so a body is rarely moved, and a
/// client has to send before it is given memory.
fn make_room(bytes: &mut Vec<u8>, more_bytes: usize, announced_bytes: usize) {
    let needed_bytes = bytes.len() + more_bytes;
    if needed_bytes > bytes.capacity() {
        let wanted_bytes = announced_bytes.min(needed_bytes * limits::BODY_RESERVED_TIMES).max(needed_bytes);
        bytes.reserve(wanted_bytes - bytes.len());
    }
}

/// A share of the memory set aside for bodies, for what is made of one while it is read, and to answer it: beside what is
/// held for it already.
///
/// # Errors
/// When it is not there now, or never will be.
pub(crate) fn room(app: &App, bytes: usize, held_bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let max_bytes = app.config.max_bodies_bytes;
    if bytes.saturating_add(held_bytes) > max_bytes {
        return Err(Problem::PayloadTooIntricate { max_bytes });
    }
    share(app, bytes)
}

fn share(app: &App, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    take(&app.bodies, bytes)
}

fn take(bytes_left: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let refuse = || Problem::Overloaded(Overload::Bodies);
    let permits = u32::try_from(bytes).map_err(|_| refuse())?;
    Arc::clone(bytes_left).try_acquire_many_owned(permits).map_err(|_| refuse())
}

/// An answer in memory, which keeps its share until the client has taken it.
#[derive(Debug)]
struct Held {
    bytes: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of an answer for which about this share was expected to do. It cannot be refused any more: where it needs more
/// and there is none, it is sent all the same.
pub(crate) fn hold(app: &App, bytes: Vec<u8>, mut share: OwnedSemaphorePermit) -> AnyBody {
    let (has, needs) = (share.num_permits(), bytes.capacity());
    if let Some(rest) = has.checked_sub(needs) {
        drop(share.split(rest));
    } else if let Ok(more) = self::share(app, needs - has) {
        share.merge(more);
    }
    Bytes::from_owner(Held { bytes, _share: share }).into()
}

/// The body of an answer to a question, if there is a share for it of the memory set aside for those.
///
/// # Errors
/// When there is none now, or could never be.
pub(crate) fn answer(app: &App, bytes: Vec<u8>) -> Result<AnyBody, Problem> {
    shared(app, bytes).map(AnyBody::from)
}

/// The same for bytes that go into several bodies.
pub(crate) fn shared(app: &App, bytes: Vec<u8>) -> Result<Bytes, Problem> {
    // What is small is answered whatever others hold.
    if bytes.capacity() <= limits::ANSWER_BYTES_FREE {
        return Ok(bytes.into());
    }
    let max_bytes = app.config.max_answers_bytes();
    if bytes.capacity() > max_bytes {
        return Err(Problem::InvalidParameter(format!(
            "the answer would be larger than {max_bytes} bytes; ask for less"
        )));
    }
    let share = take(&app.answers, bytes.capacity())?;
    Ok(Bytes::from_owner(Held { bytes, _share: share }))
}

/// A request's body that is read on and thrown away, for a while, when it was dropped before its end.
///
/// A server that answers early and closes a socket with unread bytes in it makes TCP reset the connection, and the
/// client, still sending, never sees the answer (RFC 9112, 9.6). A client that waits for `100 Continue` sends nothing
/// before it is asked to, and is not asked then.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// None once it has ended.
    incoming: Option<Incoming>,
    client_sends: bool,
}

impl RequestBody {
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
    use crate::clock::ManualClock;
    use crate::config::EngineConfig;
    use crate::engine::Engine;
    use crate::http::HttpConfig;

    #[tokio::test]
    async fn bodies_beyond_the_memory_set_aside_are_refused_until_others_are_done() {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
        let app = App::new(Arc::new(engine), HttpConfig { max_bodies_bytes: 10, ..HttpConfig::default() });
        let body = || AnyBody::from("123456");
        let first = read(&app, body()).await.unwrap();
        assert_eq!(first.bytes, b"123456");
        assert!(matches!(read(&app, body()).await, Err(Problem::Overloaded(Overload::Bodies))));
        drop(first);
        assert!(read(&app, body()).await.is_ok());
    }

    #[test]
    fn room_is_made_for_what_has_come_and_then_for_all_that_was_announced() {
        let capacities = |announced_bytes, pieces: &[usize]| {
            let mut bytes = Vec::new();
            let fill = |piece: &usize| {
                make_room(&mut bytes, *piece, announced_bytes);
                bytes.extend(std::iter::repeat_n(b'x', *piece));
                bytes.capacity()
            };
            pieces.iter().map(fill).collect::<Vec<_>>()
        };
        assert_eq!(capacities(100_000, &[1_000, 3_000, 1, 95_999]), [4_000, 4_000, 16_004, 100_000]);
        assert_eq!(capacities(100_000, &[25_000, 75_000]), [100_000, 100_000]);
        assert_eq!(capacities(1_000_000_000, &[1_000])[..], [4_000], "a lie takes no room");
        let unannounced = capacities(0, &[1_000; 64]);
        assert!((64_000..=128_000).contains(&unannounced[63]) && unannounced[62] == unannounced[63]);
    }

    #[test]
    fn large_answers_have_a_share_until_they_are_taken_and_small_ones_need_none() {
        let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
        let config = HttpConfig { max_bodies_bytes: 4 << 20, ..HttpConfig::default() };
        let app = App::new(Arc::new(engine), config);
        let refusal = |bytes: usize| shared(&app, vec![0; bytes]).err().map(|problem| problem.code());
        assert_eq!(refusal((1 << 20) + 1), Some("invalid_parameter"), "it would never fit");
        let held = shared(&app, vec![0; 1 << 20]).unwrap();
        assert_eq!(refusal(limits::ANSWER_BYTES_FREE + 1), Some("overloaded"));
        assert_eq!(refusal(limits::ANSWER_BYTES_FREE), None);
        assert_eq!(app.bodies.available_permits(), 4 << 20, "bodies have their room for themselves");
        drop(held);
        assert_eq!(refusal(1 << 20), None);
    }
}
