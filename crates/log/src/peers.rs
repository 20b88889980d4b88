//! What the other nodes of a cluster say of themselves, in each of their frames.

use crate::frame::{Head, PeerHead};
use crate::limits::{NODES_MAX, PEER_HEARD_MS, PEER_ROOM_MS};
use std::collections::BTreeMap;

/// The other nodes that were heard, by log time. So a node that reads behind the others hears them all the same.
#[derive(Default)]
pub(crate) struct Peers(BTreeMap<u64, Heard>);

struct Heard {
    log_ms: i64,
    reads_version: u8,
    has_no_room: bool,
}

impl Peers {
    /// A frame of another node counts, and log time is `log_ms` after it.
    pub(crate) fn note(&mut self, head: &Head, log_ms: i64) {
        if self.0.len() >= NODES_MAX {
            self.0.retain(|_, heard| is_recent(heard, log_ms, PEER_HEARD_MS));
        }
        if self.0.len() < NODES_MAX || self.0.contains_key(&head.node) {
            let (reads_version, has_no_room) = match head.peer {
                Some(PeerHead { reads_version, has_no_room, .. }) => (reads_version, has_no_room),
                None => (1, false),
            };
            self.0.insert(head.node, Heard { log_ms, reads_version, has_no_room });
        }
    }

    /// Whether a node that was just heard has no room for more events. All nodes keep all events, so a node that takes
    /// more of them drives that node over its limit.
    pub(crate) fn is_any_full(&self, log_ms: i64) -> bool {
        self.0.values().any(|heard| heard.has_no_room && is_recent(heard, log_ms, PEER_ROOM_MS))
    }

    /// The number of nodes that were heard in the last seconds.
    pub(crate) fn len(&self, log_ms: i64) -> usize {
        self.recent(log_ms).count()
    }

    /// The newest version of a frame that all of these nodes read; none if there is no other node.
    pub(crate) fn version_read_by_all(&self, log_ms: i64) -> Option<u8> {
        self.recent(log_ms).map(|heard| heard.reads_version).min()
    }

    fn recent(&self, log_ms: i64) -> impl Iterator<Item = &Heard> {
        self.0.values().filter(move |heard| is_recent(heard, log_ms, PEER_HEARD_MS))
    }
}

fn is_recent(heard: &Heard, log_ms: i64, for_ms: i64) -> bool {
    heard.log_ms >= log_ms.saturating_sub(for_ms)
}
