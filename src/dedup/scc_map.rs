//! The backend on concurrent hash maps, which grow and shrink with the number of live ids. It forgets each id exactly
//! at the end of its horizon, and takes more time and memory than `lines`.
//!
//! A map that grows blocks all claimants while it allocates its new table, which takes a second and more for millions
//! of ids. So there are many maps, each for a part of the hash values, and each wait is short. The largest part has
//! twice the keys of the smallest part, and the others are evenly spaced between them on a logarithmic scale. So the
//! maps double one after another instead of all at once.
//!
//! Whether an id has expired depends on the times of the claimants alone, never on when a sweep ran. An id can be used
//! again exactly when its horizon is over.
//!
//! The lock of a key's entry decides between its claimants. A second map to rotate into would not work: one claimant
//! could insert into the old map after another claimant has looked there, and both would insert the id.

use crate::dedup::spread::Spread;
use crate::dedup::{Claim, Dedup};
use crate::key::EventKey;
use crate::limits;
use crate::sync::{AtomicIsize, Ordering};
use scc::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The time of each id's acceptance, in milliseconds.
type AcceptedMs = scc::HashMap<EventKey, i64, BuildHasherDefault<IdentityHasher>>;

/// The number of maps.
const MAPS: usize = 64;

/// The memory of one entry: the id, its time, and its part of a bucket's 64 bytes (scc 3.8.8).
const ENTRY_BYTES: usize = 24 + 64 / 32;

/// The capacity of a map that has one id.
const MAP_CAPACITY_MIN: usize = 64;

/// The number of entries that one access moves from an old table into the table that replaces it (64 buckets of 32).
const ENTRIES_MOVED_PER_ACCESS: usize = 2_048;

/// The least memory that is counted for an id. Maps that double one after another take 43 to 48 bytes an id. Which of
/// them doubles next is random, so this is more, and it includes the old tables of the maps that have just doubled.
const ID_BYTES_MIN: usize = 52;

pub(crate) struct SccMap {
    maps: Box<[AcceptedMs]>,
    spread: Spread,
    /// `None`: ids never expire.
    horizon_ms: Option<i64>,
    /// The number of ids in all maps. A bound and a gauge: it orders no other memory, so every access is Relaxed. It is
    /// signed, because a sweep may subtract an id before the claimant has added it.
    ids: AtomicIsize,
}

impl SccMap {
    /// Remembers ids for `horizon_secs`, or without expiry.
    pub(crate) fn new(horizon_secs: Option<u64>) -> Self {
        Self::with_maps(horizon_secs, MAPS)
    }

    /// [`new`](Self::new), spread over `maps` maps.
    pub(crate) fn with_maps(horizon_secs: Option<u64>, maps: usize) -> Self {
        Self {
            maps: (0..maps).map(|_| AcceptedMs::default()).collect(),
            spread: Spread::new(maps),
            horizon_ms: horizon_secs.map(|secs| i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1_000)),
            ids: AtomicIsize::new(0),
        }
    }

    /// Whether an id is older than the horizon. An id whose age is exactly the horizon is still remembered.
    fn is_expired(&self, accepted_ms: i64, now_ms: i64) -> bool {
        self.horizon_ms.is_some_and(|horizon_ms| now_ms.saturating_sub(accepted_ms) > horizon_ms)
    }

    /// The part of a [`sweep`](Dedup::sweep) that changes which ids are remembered.
    pub(crate) fn remove_expired(&self, now_ms: i64) {
        if self.horizon_ms.is_none() {
            return;
        }
        // The slack keeps the entries of every claimant that may be stalled, so that it decides about its id by itself.
        let sweep_ms = now_ms.saturating_sub(i64::from(limits::STALL_SLACK_SECS) * 1_000);
        for map in &self.maps {
            let mut removed = 0;
            map.retain_sync(|_, accepted_ms| {
                let keep = !self.is_expired(*accepted_ms, sweep_ms);
                removed += isize::from(!keep);
                keep
            });
            self.ids.fetch_sub(removed, Ordering::Relaxed);
        }
    }

    /// The map of a key, by the half of the key that is not its hash within the map.
    fn map(&self, key: EventKey) -> &AcceptedMs {
        &self.maps[self.spread.part(key.0[1])]
    }
}

impl Dedup for SccMap {
    fn claim(&self, keys: &[EventKey], now_ms: i64, claims: &mut Vec<Claim>) {
        let claims_before = claims.len();
        let mut inserted = 0;
        for key in keys {
            claims.push(match self.map(*key).entry_sync(*key) {
                Entry::Vacant(entry) => {
                    entry.insert_entry(now_ms);
                    inserted += 1;
                    Claim::Inserted
                }
                Entry::Occupied(mut entry) => {
                    if self.is_expired(*entry.get(), now_ms) {
                        *entry.get_mut() = now_ms;
                        Claim::Inserted
                    } else {
                        Claim::Duplicate
                    }
                }
            });
        }
        self.ids.fetch_add(inserted, Ordering::Relaxed);
        debug_assert_eq!(claims.len() - claims_before, keys.len(), "each key has one result");
    }

    fn remember(&self, keys: &[EventKey], accepted_ms: i64) {
        let mut inserted = 0;
        for key in keys {
            match self.map(*key).entry_sync(*key) {
                Entry::Vacant(entry) => {
                    entry.insert_entry(accepted_ms);
                    inserted += 1;
                }
                Entry::Occupied(mut entry) => *entry.get_mut() = accepted_ms.max(*entry.get()),
            }
        }
        self.ids.fetch_add(inserted, Ordering::Relaxed);
    }

    fn reach(&self, log_ms: i64) -> i64 {
        let slack_ms = i64::from(limits::STALL_SLACK_SECS) * 1_000;
        self.horizon_ms.map_or(i64::MIN, |horizon_ms| log_ms.saturating_sub(horizon_ms).saturating_sub(slack_ms))
    }

    /// Each claimant decides by its own time.
    fn advance_log_time(&self, _: i64) {}

    fn has_capacity(&self, _: usize, _: i64) -> bool {
        true
    }

    fn sweep(&self, now_ms: i64, _: &dyn Fn(usize) -> bool) {
        let capacities: Vec<usize> = self.maps.iter().map(AcceptedMs::capacity).collect();
        self.remove_expired(now_ms);
        // A map that has shrunk keeps both of its tables until all entries are moved, a part of them with each access.
        for (map, capacity) in self.maps.iter().zip(capacities) {
            (0..capacity / ENTRIES_MOVED_PER_ACCESS).for_each(|_| _ = map.contains_sync(&EventKey([0; 2])));
        }
        // A map frees its old table only after this thread has accessed maps often enough for their epoch to advance;
        // 384 accesses were needed here.
        for map in self.maps.iter().cycle().take(1_024) {
            map.contains_sync(&EventKey([0; 2]));
        }
    }

    fn ids(&self) -> usize {
        self.ids.load(Ordering::Relaxed).try_into().unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        let entries: usize = self.maps.iter().map(AcceptedMs::capacity).sum();
        let empty_bytes = self.maps.len() * MAP_CAPACITY_MIN * ENTRY_BYTES;
        empty_bytes + (entries * ENTRY_BYTES).max(self.ids() * ID_BYTES_MIN)
    }
}

impl Hash for EventKey {
    /// The key is already the output of a keyed hash.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// A hasher that returns its input, for keys that are hashes already.
#[derive(Default)]
pub(crate) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("an event key hashes itself as one word")
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
