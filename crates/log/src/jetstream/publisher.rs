//! Puts entries into a stream: in their order, and the same bytes again until there is a sure answer.
//!
//! An entry may land more than once. Readers count the first landing only, so a copy is harmless. There is no
//! deduplication by message id: its window is bounded by time, and it is no part of the log.

use super::shared::Shared;
use crate::limits::{PLACED_MS_MAX, RESEND_MS, RESEND_MS_MAX, UNSENT_ENTRIES_MAX, UNSENT_ENTRY_MS_MAX};
use crate::topic::{NotPlaced, Place, Placed};
use async_nats::connection::State;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishAckFuture, PublishError};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::error::Error;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

/// The answer to one copy of an entry.
type Answer = Pin<Box<dyn Future<Output = Result<u64, NoAck>> + Send>>;

/// Why a copy has no acknowledgement.
enum NoAck {
    /// The stream is full: this copy is certainly not in it.
    Full,
    /// The copy may be in the stream.
    Unknown,
}

/// What waits for its place. It is answered also if the runtime ends.
pub(super) struct Append {
    bytes: Bytes,
    placed: Option<Placed>,
}

impl Append {
    fn answer(mut self, result: Result<Place, NotPlaced>) {
        if let Some(placed) = self.placed.take() {
            placed(result);
        }
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        if let Some(placed) = self.placed.take() {
            placed(Err(NotPlaced::Unknown));
        }
    }
}

/// Sends entries from any thread.
#[derive(Clone)]
pub(super) struct Publisher(mpsc::Sender<Append>);

impl Publisher {
    /// At most `depth` entries are unplaced at a time.
    pub(super) fn start(runtime: &Handle, shared: Arc<Shared>, depth: usize) -> Self {
        let (sender, inbox) = mpsc::channel(UNSENT_ENTRIES_MAX);
        runtime.spawn(publish_all(shared, inbox, depth));
        Self(sender)
    }

    /// `placed` is called once: see [`Log::append`](crate::Log::append).
    pub(super) fn append(&self, bytes: Bytes, placed: Placed) {
        match self.0.try_send(Append { bytes, placed: Some(placed) }) {
            Ok(()) => {}
            // Nothing of it was sent.
            Err(mpsc::error::TrySendError::Full(append) | mpsc::error::TrySendError::Closed(append)) => {
                append.answer(Err(NotPlaced::Full));
            }
        }
    }
}

async fn publish_all(shared: Arc<Shared>, mut inbox: mpsc::Receiver<Append>, depth: usize) {
    let permits = Arc::new(Semaphore::new(depth));
    while let Some(append) = inbox.recv().await {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Some(message) = message(&shared, &append.bytes).await else {
            append.answer(Err(NotPlaced::Full));
            continue;
        };
        // The first copies leave here, one after the other, so that they arrive in their order.
        let mut copies = Copies::new(Arc::clone(&shared), message);
        copies.send().await;
        tokio::spawn(async move {
            let result = copies.place().await;
            drop(permit);
            append.answer(result);
        });
    }
}

/// The message for an entry; none if its bytes are in no store, so that it is certainly not in the log.
async fn message(shared: &Shared, entry: &Bytes) -> Option<Bytes> {
    match &shared.bodies {
        Some(bodies) => bodies.wrap(entry).await.ok(),
        None => Some(entry.clone()),
    }
}

/// The copies of one entry that are on their way.
struct Copies {
    shared: Arc<Shared>,
    bytes: Bytes,
    started: Instant,
    /// The newest place that was read when the first copy was sent. The entry has a later one.
    read_before: u64,
    sent: u32,
    refused: u32,
    answers: FuturesUnordered<Answer>,
}

impl Copies {
    fn new(shared: Arc<Shared>, bytes: Bytes) -> Self {
        let read_before = *shared.read.borrow();
        Self {
            shared,
            bytes,
            started: Instant::now(),
            read_before,
            sent: 0,
            refused: 0,
            answers: FuturesUnordered::new(),
        }
    }

    /// Sends a copy, if there is a connection. A copy that waits for a connection could land much later.
    async fn send(&mut self) {
        let Shared { publishing, subject, .. } = &*self.shared;
        if publishing.client().connection_state() != State::Connected {
            return;
        }
        let publish = publishing.publish(subject.clone(), self.bytes.clone());
        // Nothing is sent if the queue of the client is full for so long.
        let Ok(result) = timeout(Duration::from_millis(RESEND_MS), publish).await else { return };
        self.sent += 1;
        if self.sent > 1 {
            self.shared.note_resent();
        }
        if let Ok(ack) = result {
            self.answers.push(Box::pin(answer(ack)));
        }
    }

    /// Sends copies until there is a sure answer, or for as long as it is worth it.
    async fn place(mut self) -> Result<Place, NotPlaced> {
        let mut pause = Duration::from_millis(RESEND_MS);
        let mut next_send = self.started + pause;
        loop {
            tokio::select! {
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => match answer {
                    Ok(place) => return self.placed(place),
                    Err(NoAck::Full) => {
                        self.refused += 1;
                        if self.refused == self.sent {
                            return Err(NotPlaced::Full);
                        }
                    }
                    Err(NoAck::Unknown) => {}
                },
                () = sleep_until(next_send) => {
                    if let Some(reason) = self.is_over() {
                        return Err(reason);
                    }
                    self.send().await;
                    pause = (pause * 2).min(Duration::from_millis(RESEND_MS_MAX));
                    next_send = Instant::now() + pause;
                }
            }
        }
    }

    fn is_over(&self) -> Option<NotPlaced> {
        let elapsed = self.started.elapsed();
        if self.sent == 0 {
            return (elapsed >= Duration::from_millis(UNSENT_ENTRY_MS_MAX)).then_some(NotPlaced::Full);
        }
        (elapsed >= Duration::from_millis(PLACED_MS_MAX)).then_some(NotPlaced::Unknown)
    }

    fn placed(&self, place: u64) -> Result<Place, NotPlaced> {
        if place > self.read_before {
            return Ok(Place(place));
        }
        let (name, read) = (&self.shared.name, self.read_before);
        self.shared.note_went_back(format!("the stream {name} gave place {place} to a new entry after place {read}"));
        Err(NotPlaced::Unknown)
    }
}

async fn answer(ack: PublishAckFuture) -> Result<u64, NoAck> {
    ack.into_future().await.map(|ack| ack.sequence).map_err(|error| no_ack(&error))
}

fn no_ack(error: &PublishError) -> NoAck {
    let answer = error.source().and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    let is_full = answer.is_some_and(|answer| {
        // Of the reasons why a stream does not store a message, this is the one that is no fault: 10077.
        answer.error_code() == ErrorCode::STREAM_STORE_FAILED && answer.to_string().contains("maximum bytes exceeded")
    });
    if is_full { NoAck::Full } else { NoAck::Unknown }
}
