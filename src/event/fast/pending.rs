//! Valid events that have no rows so far.

use super::id_lanes::IdLanes;
use super::simd::{LANES, Simd};
use super::siphash_x4;
use super::text::Text;
use crate::event::batch::{Batch, Span};
use crate::key::{EventKey, HashKeys, UserKey};

/// Valid events wait here until the ids of [`LANES`] events can be hashed together.
#[derive(Default)]
pub(super) struct Pending {
    len: usize,
    event_ids: IdLanes,
    user_ids: IdLanes,
    /// The places of the event ids in the text of the batch.
    id_spans: [Span; LANES],
    kinds: [u8; LANES],
    ts_ms: [i64; LANES],
}

/// A valid event.
pub(super) struct PendingEvent<'t> {
    /// The event id and the user id, each with its text.
    pub(super) ids: [(Text<'t>, Span); 2],
    /// The place of the event id in the text of the batch.
    pub(super) id_span: Span,
    pub(super) kind: u8,
    pub(super) ts_ms: i64,
}

impl Pending {
    /// The number of events that wait.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an event. The caller flushes before there are too many.
    #[inline(always)]
    pub(super) fn push(&mut self, event: &PendingEvent<'_>) {
        let lane = self.len % LANES;
        let [(event_text, event_id), (user_text, user_id)] = event.ids;
        self.event_ids.set(lane, event_text, event_id.start as usize, event_id.len as usize);
        self.user_ids.set(lane, user_text, user_id.start as usize, user_id.len as usize);
        (self.id_spans[lane], self.kinds[lane], self.ts_ms[lane]) = (event.id_span, event.kind, event.ts_ms);
        self.len += 1;
    }

    /// Adds the rows of all events to `batch`.
    #[inline(always)]
    pub(super) fn flush<S: Simd>(&mut self, simd: S, keys: &HashKeys, batch: &mut Batch) {
        let len = self.len;
        if len < LANES {
            self.event_ids.end_at(len);
            self.user_ids.end_at(len);
        }
        let [event_hashes, user_hashes] =
            siphash_x4::hash_both(simd, [keys.event_key(), keys.user_key()], [&self.event_ids, &self.user_ids]);
        let event_key = |lane: usize| EventKey([event_hashes[0][lane], event_hashes[1][lane]]);
        let record =
            |lane: usize| UserKey::of_hash([user_hashes[0][lane], user_hashes[1][lane]]).record(self.kinds[lane]);
        let (event_keys, records) = ([0, 1, 2, 3].map(event_key), [0, 1, 2, 3].map(record));
        if len == LANES {
            batch.push_events(&self.id_spans, &event_keys, &records, &self.ts_ms);
        } else {
            batch.push_events(&self.id_spans[..len], &event_keys[..len], &records[..len], &self.ts_ms[..len]);
        }
        self.len = 0;
    }
}
