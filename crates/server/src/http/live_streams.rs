//! The queries that live streams subscribe to.

use crate::http::problem::{Overload, Problem};
use crate::limits;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;
use weir::Query;

/// The questions that somebody listens to.
pub(super) struct LiveStreams {
    pub(super) permits: Arc<Semaphore>,
    topics: Mutex<HashMap<Query, Topic>>,
    /// Of the answers that take a scan, and of the others, one is in the making at a time: so many questions at the same
    /// moment neither keep each other out of the gate, nor those who ask once.
    slots: [Semaphore; 2],
}

/// A question that somebody listens to.
#[derive(Clone)]
pub(super) struct Topic {
    pub(super) events: watch::Sender<StreamEvent>,
    /// Answers that have been begun.
    pub(super) begun: u64,
}

/// What subscribers are told.
#[derive(Clone, Default)]
pub(super) struct StreamEvent {
    /// Its place among the answers to its question, from 1 on.
    pub(super) number: u64,
    pub(super) text: Bytes,
}

impl LiveStreams {
    /// Room for so many subscribers.
    pub(super) fn new(max_streams: usize) -> Self {
        let slots = [const { Semaphore::const_new(1) }; 2];
        Self { permits: Arc::new(Semaphore::new(max_streams)), topics: Mutex::default(), slots }
    }

    /// The topics. No panic leaves them half-way.
    pub(super) fn topics(&self) -> MutexGuard<'_, HashMap<Query, Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn to answer `query`.
    pub(super) async fn slot(&self, query: &Query) -> Result<SemaphorePermit<'_>, Problem> {
        let slot = timeout(limits::QUEUE_TIMEOUT, self.slots[usize::from(query.needs_scan())].acquire()).await;
        Ok(slot.map_err(|_| Problem::Overloaded(Overload::QueueFull))?.expect("nobody closes the semaphore"))
    }
}
