//! The ids of a generation that found no cell.
//!
//! A set that grows makes its claimants wait. So there are many sets, and they grow one after another.

use crate::dedup::spread::Spread;
use crate::key::EventKey;
use crate::limits::{DEDUP_OVERFLOW_ID_BYTES, DEDUP_OVERFLOW_SET_BYTES, DEDUP_OVERFLOW_SETS};
use crate::sync::{AtomicUsize, OnceLock, Ordering};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

type Set = scc::HashSet<OverflowId, BuildHasherDefault<KeptHalf>>;

/// Sets that grow. They are dropped together with their generation.
pub(crate) struct Overflow {
    /// Made for the first id.
    sets: OnceLock<Sets>,
    /// The number of ids. A gauge, which orders nothing.
    count: AtomicUsize,
    /// The memory of all tables and sets, in bytes. A gauge.
    bytes: Arc<AtomicUsize>,
}

struct Sets {
    sets: Box<[Set]>,
    spread: Spread,
}

impl Overflow {
    pub(crate) fn new(bytes: &Arc<AtomicUsize>) -> Self {
        Self { sets: OnceLock::new(), count: AtomicUsize::new(0), bytes: Arc::clone(bytes) }
    }

    /// Inserts the key; returns whether it was absent. Of all calls with one key, exactly one returns true.
    pub(crate) fn insert(&self, key: EventKey) -> bool {
        let mut is_first = false;
        let sets = self.sets.get_or_init(|| {
            is_first = true;
            let sets = (0..DEDUP_OVERFLOW_SETS).map(|_| Set::default()).collect();
            Sets { sets, spread: Spread::new(DEDUP_OVERFLOW_SETS) }
        });
        if is_first {
            self.bytes.fetch_add(DEDUP_OVERFLOW_SETS * DEDUP_OVERFLOW_SET_BYTES, Ordering::Relaxed);
        }
        let is_absent = sets.of(key).insert_sync(OverflowId(key)).is_ok();
        if is_absent {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(DEDUP_OVERFLOW_ID_BYTES, Ordering::Relaxed);
        }
        is_absent
    }

    pub(crate) fn contains(&self, key: EventKey) -> bool {
        self.sets.get().is_some_and(|sets| sets.of(key).contains_sync(&OverflowId(key)))
    }
}

impl Drop for Overflow {
    fn drop(&mut self) {
        let sets = self.sets.get().map_or(0, |sets| sets.sets.len());
        let ids_bytes = self.count.load(Ordering::Relaxed) * DEDUP_OVERFLOW_ID_BYTES;
        self.bytes.fetch_sub(sets * DEDUP_OVERFLOW_SET_BYTES + ids_bytes, Ordering::Relaxed);
    }
}

impl Sets {
    /// The set of a key, by the half of the key that is not its hash within the set. The high bits of that half choose
    /// the line, so its low bits are used.
    fn of(&self, key: EventKey) -> &Set {
        &self.sets[self.spread.part(key.0[0].reverse_bits())]
    }
}

/// An id whose hash is the half of the key that does not choose the line. The ids of the set come from few lines, so
/// the other half of their keys is not spread evenly.
#[derive(PartialEq, Eq)]
struct OverflowId(EventKey);

impl Hash for OverflowId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.0[1]);
    }
}

/// A hasher that returns its input, for keys that are hashes already.
#[derive(Default)]
struct KeptHalf(u64);

impl Hasher for KeptHalf {
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
