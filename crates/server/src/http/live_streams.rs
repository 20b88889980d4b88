//! The shared state of the live streams: their permits, and the topics that they subscribe to.

use crate::http::client_permits::ClientPermits;
use crate::http::problem::{Overload, Problem};
use crate::limits;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;
use weir::Query;

/// The shared state of the live streams.
pub(super) struct LiveStreams {
    /// One permit for each live stream that may be open.
    pub(super) permits: Arc<Semaphore>,
    topics: Mutex<HashMap<Query, Topic>>,
    /// Bounds the part of the topics that one client has created.
    pub(super) client_permits: ClientPermits,
    /// One permit for topics that need a scan, and one for the others. Topics take turns before they enter the
    /// concurrency limiter. So they neither fill its queue at the same moment, nor block single queries.
    slots: [Semaphore; 2],
}

/// A query with at least one subscriber.
#[derive(Clone)]
pub(super) struct Topic {
    pub(super) events: watch::Sender<StreamEvent>,
    /// The number of results whose computation has started.
    pub(super) started: u64,
}

/// The bytes that all subscribers of a topic get for one result.
#[derive(Clone, Default)]
pub(super) struct StreamEvent {
    /// The number of the result within its topic, starting at 1.
    pub(super) number: u64,
    /// The server-sent event with the result, or a comment if there is no result in time.
    pub(super) text: Bytes,
}

impl LiveStreams {
    /// State for at most `max_streams` live streams.
    pub(super) fn new(max_streams: usize) -> Self {
        let client_permits = ClientPermits::new(limits::STREAM_QUERIES_MAX / limits::PEER_PARTS);
        let slots = [const { Semaphore::const_new(1) }; 2];
        Self { permits: Arc::new(Semaphore::new(max_streams)), topics: Mutex::default(), client_permits, slots }
    }

    /// The topics by query. A panic cannot leave them inconsistent, so a poisoned lock is used.
    pub(super) fn topics(&self) -> MutexGuard<'_, HashMap<Query, Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the permit to compute a result of `query`.
    ///
    /// # Errors
    /// [`Problem::Overloaded`] when the permit is not free within [`limits::QUEUE_TIMEOUT`].
    pub(super) async fn slot(&self, query: &Query) -> Result<SemaphorePermit<'_>, Problem> {
        let slot = timeout(limits::QUEUE_TIMEOUT, self.slots[usize::from(query.needs_scan())].acquire()).await;
        Ok(slot.map_err(|_| Problem::Overloaded(Overload::QueueFull))?.expect("the semaphore is never closed"))
    }
}
