//! Reads a stream from a place on, and goes on for as long as the log is the one that it has begun with.
//!
//! The consumer is a plain one, and all that matters is checked here: entries come without gaps, a silence is a fault,
//! and a new consumer begins after the last entry. The ordered consumer of the library can stay silent for ever when
//! its server ends, and it can begin anew at the first entry.

use super::bodies::NotRead;
use super::error::one_line;
use super::shared::Shared;
use crate::limits::{
    BODY_RETRY_MS, CONSUMER_IDLE_MS_MAX, CONSUMER_RETRY_MS, FAULTS_BELIEVED, FETCHED_BYTES_MAX,
    FETCHED_ENTRY_OVERHEAD_BYTES, FOREIGN_READ_FAILURES_MAX, FOREIGN_READ_MS, FOREIGN_READS, NATS_PING_MS,
    NATS_REQUEST_MS_MAX, PULL_BYTES, PULL_ENTRIES, SILENCE_MS_MAX,
};
use crate::topic::{Entry, Follow, Lost, Place};
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{Config, Stream};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use futures_util::StreamExt;
use std::convert::Infallible;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// What the task hands over.
enum Fetched {
    /// An entry, and the memory that it takes until it is read.
    Entry(Entry, OwnedSemaphorePermit),
    /// All entries that were in the log when the reader began have been handed over.
    CaughtUp,
    Lost(Lost),
}

/// A reader of a stream. A task fetches entries ahead of it.
pub(super) struct Follower {
    inbox: mpsc::Receiver<Fetched>,
    has_caught_up: bool,
    task: AbortHandle,
    runtime: Handle,
    shared: Arc<Shared>,
}

impl Follower {
    /// A reader of the entries after `after`. Silence is a fault in a stream with `heartbeats`.
    pub(super) fn start(runtime: &Handle, shared: Arc<Shared>, after: Place, heartbeats: bool) -> Self {
        let (sender, inbox) = mpsc::channel();
        let memory = Arc::new(Semaphore::new(FETCHED_BYTES_MAX));
        let fetcher = Fetcher {
            shared: Arc::clone(&shared),
            heartbeats,
            last: after.0,
            has_begun: after.0 > 0,
            end: None,
            has_caught_up: false,
            faults: 0,
            sender,
            memory,
        };
        let (runtime, task) = (runtime.clone(), runtime.spawn(fetcher.run()).abort_handle());
        Self { inbox, has_caught_up: false, task, runtime, shared }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follow for Follower {
    fn next(&mut self, patience: Duration) -> Result<Option<Entry>, Lost> {
        loop {
            match self.inbox.recv_timeout(patience) {
                Ok(Fetched::Entry(entry, memory)) => {
                    drop(memory);
                    return Ok(Some(entry));
                }
                Ok(Fetched::CaughtUp) => self.has_caught_up = true,
                Ok(Fetched::Lost(lost)) => return Err(lost),
                Err(mpsc::RecvTimeoutError::Timeout) => return Ok(None),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Lost::log("the reader of the log has ended"));
                }
            }
        }
    }

    fn has_caught_up(&self) -> Option<bool> {
        Some(self.has_caught_up)
    }

    fn confirm(&mut self, entry: &Entry) -> Result<(), Lost> {
        let (reads, name, place) = (confirm(&self.shared, entry), &self.shared.name, entry.place.0);
        self.runtime
            .block_on(reads)
            .map_err(|why| Lost::log(format!("place {place} of the stream {name} was not written by weir, and {why}")))
    }

    fn read_again(&mut self, place: Place) -> Result<Arc<[u8]>, Lost> {
        self.runtime.block_on(self.shared.read_again(place.0)).map(|bytes| Arc::from(&*bytes)).map_err(Lost::log)
    }

    fn log_went_back(&mut self, why: &str) {
        self.shared.note_went_back(why.to_owned());
    }
}

/// Reads an entry again and again, from whichever server answers.
async fn confirm(shared: &Shared, entry: &Entry) -> Result<(), &'static str> {
    let (mut reads, mut failures) = (0, 0);
    while reads < FOREIGN_READS {
        sleep(Duration::from_millis(FOREIGN_READ_MS)).await;
        match shared.read_again(entry.place.0).await {
            Ok(message) if shared.is_entry(&message, &entry.bytes) => reads += 1,
            Ok(_) => return Err("it reads differently from time to time"),
            Err(_) => failures += 1,
        }
        if failures > FOREIGN_READ_FAILURES_MAX {
            return Err("it cannot be read again");
        }
    }
    Ok(())
}

struct Fetcher {
    shared: Arc<Shared>,
    heartbeats: bool,
    /// The newest place that was handed over, or the place before the first one.
    last: u64,
    /// Whether entries before `last` were read, so that a log without them is another one.
    has_begun: bool,
    /// The last place of the log when the reader began.
    end: Option<u64>,
    has_caught_up: bool,
    /// The same fault of the log in succession.
    faults: u32,
    sender: mpsc::Sender<Fetched>,
    memory: Arc<Semaphore>,
}

/// Why a reader cannot go on, or why it makes a new consumer.
enum Stop {
    Lost(Lost),
    /// The reader was dropped.
    Dropped,
    /// A new consumer can go on.
    Again,
    /// The log looks wrong. If it still does after some attempts, it is lost.
    Fault(Lost),
}

impl Fetcher {
    async fn run(mut self) {
        let lost = loop {
            let Err(stop) = self.read_on().await;
            match stop {
                Stop::Lost(lost) => break lost,
                Stop::Dropped => return,
                Stop::Again => {}
                Stop::Fault(lost) => {
                    self.faults += 1;
                    if self.faults >= FAULTS_BELIEVED {
                        self.shared.note_went_back(lost.why.clone());
                        break lost;
                    }
                }
            }
            self.shared.note_restart();
            sleep(Duration::from_millis(CONSUMER_RETRY_MS)).await;
        };
        // The reader may be gone.
        let _ = self.sender.send(Fetched::Lost(lost));
    }

    /// Reads with one consumer for as long as it goes well.
    async fn read_on(&mut self) -> Result<Infallible, Stop> {
        self.look_at_the_log().await?;
        let mut messages = self.consume().await.map_err(|_| Stop::Again)?;
        loop {
            let patience = Duration::from_millis(SILENCE_MS_MAX);
            match timeout(patience, messages.next()).await {
                Ok(Some(Ok(message))) => self.take(&message).await?,
                Ok(_) => return Err(Stop::Again),
                Err(_) => self.silence().await?,
            }
        }
    }

    /// Compares the log with what was read of it.
    async fn look_at_the_log(&mut self) -> Result<(), Stop> {
        let info = self.shared.info().await.map_err(|_| Stop::Again)?;
        if let Some(why) = self.shared.went_back() {
            return Err(Stop::Lost(Lost::log(why)));
        }
        let (first, last) = (info.state.first_sequence, info.state.last_sequence);
        let name = &self.shared.name;
        if last < self.last {
            let read = self.last;
            return Err(Stop::Fault(Lost::log(format!("the stream {name} ends at place {last}, but {read} was read"))));
        }
        if first > self.last + 1 {
            if self.has_begun {
                let next = self.last + 1;
                let text = format!("place {next} of the stream {name} was removed before it was read");
                return Err(Stop::Lost(Lost::log(text)));
            }
            self.last = first - 1;
        }
        self.end.get_or_insert(last);
        self.catch_up();
        Ok(())
    }

    fn catch_up(&mut self) {
        if !self.has_caught_up && self.end.is_some_and(|end| self.last >= end) {
            self.has_caught_up = true;
            // The reader may be gone.
            let _ = self.sender.send(Fetched::CaughtUp);
        }
    }

    async fn consume(&self) -> Result<Stream, String> {
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.last + 1 },
            ack_policy: AckPolicy::None,
            inactive_threshold: Duration::from_millis(CONSUMER_IDLE_MS_MAX),
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        let Shared { context, name, .. } = &*self.shared;
        let create = async {
            let consumer = context.create_consumer_on_stream(config, name.as_str()).await.map_err(one_line)?;
            let stream = consumer.stream().max_bytes_per_batch(PULL_BYTES).max_messages_per_batch(PULL_ENTRIES);
            let stream = stream.heartbeat(Duration::from_millis(NATS_PING_MS));
            stream.messages().await.map_err(one_line)
        };
        let patience = Duration::from_millis(NATS_REQUEST_MS_MAX);
        timeout(patience, create).await.unwrap_or_else(|_| Err("the servers do not answer".to_owned()))
    }

    async fn take(&mut self, message: &Message) -> Result<(), Stop> {
        let info = message.info().map_err(|_| Stop::Again)?;
        let (place, next) = (info.stream_sequence, self.last + 1);
        if place < next {
            return Ok(());
        }
        if place > next {
            let text = format!("the stream {} skips from place {} to {place}", self.shared.name, self.last);
            return Err(Stop::Fault(Lost::log(text)));
        }
        let logged_at_ms = i64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).ok();
        let entry = Entry { place: Place(place), bytes: self.bytes(place, &message.payload).await?, logged_at_ms };
        let cost = (entry.bytes.len() + FETCHED_ENTRY_OVERHEAD_BYTES).min(FETCHED_BYTES_MAX);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.memory).acquire_many_owned(cost).await;
        let memory = memory.map_err(|_| Stop::Again)?;
        if let Some(why) = self.shared.note_read(place, entry.bytes.len()) {
            return Err(Stop::Lost(Lost::log(why)));
        }
        (self.last, self.has_begun, self.faults) = (place, true, 0);
        if self.sender.send(Fetched::Entry(entry, memory)).is_err() {
            return Err(Stop::Dropped);
        }
        self.catch_up();
        Ok(())
    }

    /// The bytes of an entry, which may be elsewhere. A body that is missing is never skipped.
    async fn bytes(&self, place: u64, message: &[u8]) -> Result<Arc<[u8]>, Stop> {
        let Some(bodies) = &self.shared.bodies else { return Ok(Arc::from(message)) };
        let why = match bodies.unwrap(place, message).await {
            Ok(bytes) => return Ok(bytes),
            Err(NotRead::Unknown) => return Err(Stop::Again),
            // Another program has put it there.
            Err(NotRead::Malformed) => return Ok(Arc::from(message)),
            Err(NotRead::Missing(why)) => why,
        };
        sleep(Duration::from_millis(BODY_RETRY_MS)).await;
        Err(Stop::Fault(Lost::log(format!("place {place} of the stream {} cannot be read: {why}", self.shared.name))))
    }

    /// In a stream with heartbeats, silence means that the consumer is broken. In another one, the log is asked.
    async fn silence(&mut self) -> Result<(), Stop> {
        if self.heartbeats {
            return Err(Stop::Again);
        }
        self.look_at_the_log().await?;
        if self.shared.status().last > self.last { Err(Stop::Again) } else { Ok(()) }
    }
}
