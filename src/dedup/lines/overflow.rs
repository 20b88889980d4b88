//! The ids of a generation that found no cell.

use crate::key::EventKey;
use crate::limits::DEDUP_OVERFLOW_ID_BYTES;
use crate::sync::{AtomicUsize, Ordering};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// A set that grows. It is dropped together with its generation.
pub(crate) struct Overflow {
    ids: scc::HashSet<OverflowId, BuildHasherDefault<KeptHalf>>,
    /// The number of ids. A gauge, which orders nothing.
    count: AtomicUsize,
    /// The memory of all tables and sets, in bytes. A gauge.
    bytes: Arc<AtomicUsize>,
}

impl Overflow {
    pub(crate) fn new(bytes: &Arc<AtomicUsize>) -> Self {
        Self { ids: scc::HashSet::default(), count: AtomicUsize::new(0), bytes: Arc::clone(bytes) }
    }

    /// Inserts the key; returns whether it was absent. Of all calls with one key, exactly one returns true.
    pub(crate) fn insert(&self, key: EventKey) -> bool {
        let is_absent = self.ids.insert_sync(OverflowId(key)).is_ok();
        if is_absent {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(DEDUP_OVERFLOW_ID_BYTES, Ordering::Relaxed);
        }
        is_absent
    }

    pub(crate) fn contains(&self, key: EventKey) -> bool {
        self.ids.contains_sync(&OverflowId(key))
    }
}

impl Drop for Overflow {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.count.load(Ordering::Relaxed) * DEDUP_OVERFLOW_ID_BYTES, Ordering::Relaxed);
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
