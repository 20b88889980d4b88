//! What the handles and the tasks of one stream share.

use super::agreed;
use super::bodies::Bodies;
use super::error::{ClusterError, one_line};
use crate::limits::{CLUSTER_ORDINARY_PERCENT, NATS_REQUEST_MS_MAX, PLACED_MS_MAX, STORED_ENTRY_OVERHEAD_BYTES};
use crate::sync::{Mutex, MutexGuard, PoisonError};
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, Info};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// A stream, and what this process knows of it.
pub(super) struct Shared {
    pub(super) context: Context,
    /// The same for entries, whose answers may come late.
    pub(super) publishing: Context,
    pub(super) name: String,
    pub(super) subject: String,
    /// Where large entries are; none if there are no large ones.
    pub(super) bodies: Option<Bodies>,
    /// When the stream was created, in nanoseconds since the epoch. A stream of the same name that was created at
    /// another time is another log.
    created_ns: i128,
    /// The newest place that a reader of this process has got.
    pub(super) read: watch::Sender<u64>,
    /// Entries before this place are not needed any more.
    pub(super) needed_from: watch::Sender<u64>,
    state: Mutex<State>,
}

/// The figures of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamStatus {
    /// The first place that is kept, as far as this process knows.
    pub first: u64,
    /// The newest place, as far as this process knows.
    pub last: u64,
    /// The bytes of the stream, as far as this process knows.
    pub bytes: u64,
    /// The size limit of the stream in bytes; none if there is none.
    pub max_bytes: Option<u64>,
    /// Entries that were sent more than once.
    pub resent: u64,
    /// How often a reader has made a new consumer because the last one was silent, skipped entries or failed.
    pub reader_restarts: u64,
    /// The version of a frame that the nodes write.
    pub frame_version: u8,
    /// The number of event types that the nodes take; none if the stream says nothing of them.
    pub event_types: Option<usize>,
    /// Why the stream is no longer the log that this process has read; none while it is.
    pub went_back: Option<String>,
}

type State = StreamStatus;

impl Shared {
    pub(super) fn new(context: Context, info: &Info, bodies: Option<Bodies>) -> Self {
        let subject = info.config.subjects.first().cloned().unwrap_or_default();
        let mut publishing = context.clone();
        publishing.set_timeout(Duration::from_millis(PLACED_MS_MAX));
        let shared = Self {
            context,
            publishing,
            name: info.config.name.clone(),
            subject,
            bodies,
            created_ns: info.created.unix_timestamp_nanos(),
            read: watch::Sender::new(0),
            needed_from: watch::Sender::new(0),
            state: Mutex::default(),
        };
        shared.note_info(info);
        shared
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn status(&self) -> StreamStatus {
        self.lock().clone()
    }

    fn note_info(&self, info: &Info) {
        let mut state = self.lock();
        (state.first, state.last, state.bytes) =
            (info.state.first_sequence, info.state.last_sequence, info.state.bytes);
        state.max_bytes = u64::try_from(info.config.max_bytes).ok().filter(|bytes| *bytes > 0);
        state.frame_version = agreed::frame_version(&info.config);
        state.event_types = agreed::event_types(&info.config).map(|names| names.len());
    }

    /// A reader has got the entry at this place. Returns why the log is not what this process has read, if it is so.
    pub(super) fn note_read(&self, place: u64, bytes: usize) -> Option<String> {
        self.read.send_replace(place);
        let mut state = self.lock();
        if place > state.last {
            state.last = place;
            state.bytes += (bytes + self.subject.len()) as u64 + STORED_ENTRY_OVERHEAD_BYTES;
        }
        state.went_back.clone()
    }

    pub(super) fn note_resent(&self) {
        self.lock().resent += 1;
    }

    pub(super) fn note_restart(&self) {
        self.lock().reader_restarts += 1;
    }

    /// The log is not what this process has read. The first reason is kept.
    pub(super) fn note_went_back(&self, why: String) {
        self.lock().went_back.get_or_insert(why);
    }

    pub(super) fn went_back(&self) -> Option<String> {
        self.lock().went_back.clone()
    }

    /// Whether the stream is too full for an ordinary entry of this size.
    pub(super) fn is_full_for(&self, bytes: usize) -> bool {
        let state = self.lock();
        let after = state.bytes.saturating_add(bytes as u64);
        state.max_bytes.is_some_and(|max_bytes| after > max_bytes / 100 * CLUSTER_ORDINARY_PERCENT)
    }

    /// The message at a place, from whichever server answers.
    pub(super) async fn read_again(&self, place: u64) -> Result<Bytes, String> {
        let stream = self.context.get_stream_no_info(&self.name).await.map_err(one_line)?;
        let get = timeout(Duration::from_millis(NATS_REQUEST_MS_MAX), stream.direct_get(place));
        let message = get.await.map_err(|_| "the servers do not answer".to_owned())?.map_err(one_line)?;
        Ok(message.payload)
    }

    /// Whether a message has these bytes as its entry.
    pub(super) fn is_entry(&self, message: &[u8], bytes: &[u8]) -> bool {
        message == bytes || (self.bodies.is_some() && message.split_first().is_some_and(|(_, entry)| entry == bytes))
    }

    /// The state of the stream now.
    ///
    /// # Errors
    /// The servers do not answer, or not with the state of this stream.
    pub(super) async fn info(&self) -> Result<Info, String> {
        let patience = Duration::from_millis(NATS_REQUEST_MS_MAX);
        let stream = timeout(patience, self.context.get_stream(&self.name)).await;
        let stream = stream.map_err(|_| "the servers do not answer".to_owned())?.map_err(one_line)?;
        let info = stream.cached_info().clone();
        if info.created.unix_timestamp_nanos() == self.created_ns {
            self.note_info(&info);
        } else {
            self.note_went_back(format!("the stream {} was deleted and created again", self.name));
        }
        Ok(info)
    }

    /// Changes what all nodes have agreed on, in the configuration of the stream.
    ///
    /// # Errors
    /// The change is refused, or the servers do not answer.
    pub(super) async fn agree(
        &self,
        change: impl FnOnce(&mut Config) -> Result<(), ClusterError>,
    ) -> Result<(), ClusterError> {
        let request = |why| ClusterError::request(format!("change the stream {}", self.name), why);
        let mut config = self.info().await.map_err(request)?.config;
        change(&mut config)?;
        self.context.update_stream(&config).await.map_err(|error| request(error.to_string()))?;
        self.info().await.map(drop).map_err(request)
    }
}
