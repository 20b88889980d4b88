//! A stream as a log.

use super::follower::Follower;
use super::publisher::Publisher;
use super::shared::{Shared, StreamStatus};
use crate::frame::FRAME_VERSION;
use crate::topic::{Allowed, Follow, Log, NotPlaced, Place, Placed};
use bytes::Bytes;
use std::sync::Arc;
use tokio::runtime::Handle;

/// A stream of a cluster as a log.
///
/// An entry that is sent and has no sure answer within [`PLACED_MS_MAX`](crate::limits::PLACED_MS_MAX) gets
/// [`NotPlaced::Unknown`]. An entry that was never sent, or that a full stream has refused, gets [`NotPlaced::Full`].
pub struct StreamLog {
    pub(super) runtime: Handle,
    pub(super) shared: Arc<Shared>,
    pub(super) publisher: Publisher,
    pub(super) depth: usize,
    pub(super) heartbeats: bool,
}

impl Log for StreamLog {
    fn depth(&self) -> usize {
        self.depth
    }

    fn append(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        if self.shared.is_full_for(bytes.len()) {
            placed(Err(NotPlaced::Full));
        } else {
            self.append_necessary(bytes, placed);
        }
    }

    fn append_necessary(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        self.publisher.append(Bytes::from_owner(bytes), placed);
    }

    fn follow(&mut self, after: Place) -> Box<dyn Follow> {
        Box::new(Follower::start(&self.runtime, Arc::clone(&self.shared), after, self.heartbeats))
    }

    /// The entries are removed within about ten seconds.
    fn trim(&mut self, before: Place) {
        self.shared.needed_from.send_if_modified(|needed_from| {
            let is_later = before.0 > *needed_from;
            *needed_from = before.0.max(*needed_from);
            is_later
        });
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn allowed(&self) -> Allowed {
        let StreamStatus { frame_version, event_types, .. } = self.shared.status();
        Allowed { frame_version: frame_version.min(FRAME_VERSION), event_types: event_types.unwrap_or(usize::MAX) }
    }
}
