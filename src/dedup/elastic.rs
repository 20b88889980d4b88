//! The elastic backend: concurrent hash maps that grow and shrink with the live ids.
//!
//! A map that grows makes all claimants wait while its new half is made; of millions of ids that is a second and more. So
//! there are many maps, each with the keys of one part of the hashes, and a wait is short. The largest
//! part has twice the keys of the smallest, and the others lie evenly between on a logarithmic scale, so that the maps double one after another and not all at once.
//!
//! Whether a claim has expired depends on the claimants' times alone, never on when a sweep ran: an id can be used again
//! exactly when its horizon is over.
//!
//! The lock of a key's entry arbitrates between its claimants. There is no second map of a key to rotate into: with an old
//! and a new one, a claimant could insert into the old one after another has looked there, and both would win.

use crate::dedup::{Claim, Dedup};
use crate::key::EventKey;
use crate::limits;
use crate::sync::{AtomicIsize, Ordering};
use scc::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// When each id was accepted, in milliseconds.
type AcceptedMs = scc::HashMap<EventKey, i64, BuildHasherDefault<KeyIsHash>>;

/// Maps that the ids are spread over.
const MAPS: usize = 64;

/// The bits of a hash that choose the map.
const CHOICE_BITS: u32 = 12;

/// What a place for an id takes: the id and its time, and its part of a bucket's 64 bytes (scc 3.8.8).
const PLACE_BYTES: usize = 24 + 64 / 32;

/// The places of a map that has got its first id.
const PLACES_MIN: usize = 64;

/// The places of a table that a visit moves into the one that replaces it (64 buckets of 32).
const PLACES_MOVED: usize = 2_048;

/// What an id counts at the least. Maps that double one after another take 43 to 48 bytes an id; which of them is next is
/// chance, so this is more, and includes what the last ones to double have outgrown.
const ID_BYTES_MIN: usize = 52;

pub(crate) struct Elastic {
    maps: Box<[AcceptedMs]>,
    /// Which map has the keys with these bits.
    choice: Box<[u8]>,
    /// None: ids never expire.
    horizon_ms: Option<i64>,
    /// Ids in all maps. A bound and a gauge: it orders nothing, so every access is Relaxed. Signed, because a sweep may
    /// subtract an id before its claimant has added it.
    ids: AtomicIsize,
    ids_max: usize,
}

impl Elastic {
    /// Remembers ids for `horizon_secs`, or for good.
    pub(crate) fn new(horizon_secs: Option<u64>) -> Self {
        Self::with_room(horizon_secs, limits::DEDUP_IDS_MAX)
    }

    /// The same, for `ids_max` ids at once.
    pub(crate) fn with_room(horizon_secs: Option<u64>, ids_max: usize) -> Self {
        Self::of_maps(horizon_secs, ids_max, MAPS)
    }

    /// The same, in so many maps.
    pub(crate) fn of_maps(horizon_secs: Option<u64>, ids_max: usize, maps: usize) -> Self {
        Self {
            maps: (0..maps).map(|_| AcceptedMs::default()).collect(),
            choice: choice(maps),
            horizon_ms: horizon_secs.map(|secs| i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1_000)),
            ids: AtomicIsize::new(0),
            ids_max,
        }
    }

    /// Exactly the horizon is still remembered.
    fn expired(&self, accepted_ms: i64, now_ms: i64) -> bool {
        self.horizon_ms.is_some_and(|horizon_ms| now_ms.saturating_sub(accepted_ms) > horizon_ms)
    }

    /// The part of a [`sweep`](Dedup::sweep) that changes what is remembered.
    pub(crate) fn forget_expired(&self, now_ms: i64) {
        if self.horizon_ms.is_none() {
            return;
        }
        // The slack leaves every claimant that may still be under way with the entry that it would judge by itself.
        let sweep_ms = now_ms.saturating_sub(i64::from(limits::STALL_SLACK_SECS) * 1_000);
        for map in &self.maps {
            let mut removed = 0;
            map.retain_sync(|_, accepted_ms| {
                let keep = !self.expired(*accepted_ms, sweep_ms);
                removed += isize::from(!keep);
                keep
            });
            self.ids.fetch_sub(removed, Ordering::Relaxed);
        }
    }

    /// The map of a key: by the half of it that is not the map's hash.
    fn map(&self, key: EventKey) -> &AcceptedMs {
        &self.maps[usize::from(self.choice[(key.0[1] >> (u64::BITS - CHOICE_BITS)) as usize])]
    }
}

/// For each value of the bits the map: the last of `maps` has twice the keys of the first, and each the same factor more
/// than the one before.
pub(crate) fn choice(maps: usize) -> Box<[u8]> {
    let values = 1 << CHOICE_BITS;
    (0..values).map(|value| ((1.0 + f64::from(value) / f64::from(values)).log2() * maps as f64) as u8).collect()
}

impl Dedup for Elastic {
    fn claim(&self, keys: &[EventKey], now_ms: i64, claims: &mut Vec<Claim>) {
        let mut inserted = 0;
        for key in keys {
            claims.push(match self.map(*key).entry_sync(*key) {
                Entry::Vacant(entry) => {
                    entry.insert_entry(now_ms);
                    inserted += 1;
                    Claim::Won
                }
                Entry::Occupied(mut entry) => {
                    if self.expired(*entry.get(), now_ms) {
                        *entry.get_mut() = now_ms;
                        Claim::Won
                    } else {
                        Claim::Taken
                    }
                }
            });
        }
        self.ids.fetch_add(inserted, Ordering::Relaxed);
    }

    fn has_room(&self, ids: usize) -> bool {
        self.ids().saturating_add(ids) <= self.ids_max
    }

    fn sweep(&self, now_ms: i64) {
        let places: Vec<usize> = self.maps.iter().map(AcceptedMs::capacity).collect();
        self.forget_expired(now_ms);
        // A map that has shrunk has both its tables until the ids have moved, a part of them at each visit.
        for (map, places) in self.maps.iter().zip(places) {
            (0..places / PLACES_MOVED).for_each(|_| _ = map.contains_sync(&EventKey([0; 2])));
        }
        // A map frees what it has replaced only once this thread has come back to one often enough for the maps' epoch to
        // move on; 384 times were needed here.
        for map in self.maps.iter().cycle().take(1_024) {
            map.contains_sync(&EventKey([0; 2]));
        }
    }

    fn ids(&self) -> usize {
        self.ids.load(Ordering::Relaxed).try_into().unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        let places: usize = self.maps.iter().map(AcceptedMs::capacity).sum();
        let empty_bytes = self.maps.len() * PLACES_MIN * PLACE_BYTES;
        empty_bytes + (places * PLACE_BYTES).max(self.ids() * ID_BYTES_MIN)
    }
}

impl Hash for EventKey {
    /// The key is the output of a keyed hash already.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// A hasher for keys whose every bit is a hash's bit.
#[derive(Default)]
pub(crate) struct KeyIsHash(u64);

impl Hasher for KeyIsHash {
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
