//! Stand-in for the part of scc that the dedup uses, made of types that a model checker explores.
//!
//! It has the guarantees that the protocol needs. An entry is held exclusively from [`HashMap::entry_sync`] until it is
//! consumed or dropped, and [`HashMap::retain_sync`] holds each entry while it decides about it. One lock replaces all
//! bucket locks of scc, which makes no difference for the one or two keys of a model.
//!
//! Not covered: scc's own algorithm (bucket locks, resizing, reclamation).

use checker::sync::Mutex;
use hash_map::{Entry, OccupiedEntry, VacantEntry};
use std::marker::PhantomData;

/// A concurrent map.
pub struct HashMap<K, V, H> {
    entries: Mutex<Vec<(K, V)>>,
    hasher: PhantomData<H>,
}

impl<K, V, H> Default for HashMap<K, V, H> {
    fn default() -> Self {
        Self { entries: Mutex::new(Vec::new()), hasher: PhantomData }
    }
}

impl<K: Eq, V, H> HashMap<K, V, H> {
    /// The key's entry, held exclusively.
    pub fn entry_sync(&self, key: K) -> Entry<'_, K, V> {
        let entries = self.entries.lock().expect("a model that panics has failed");
        match entries.iter().position(|(other, _)| *other == key) {
            Some(at) => Entry::Occupied(OccupiedEntry { entries, at }),
            None => Entry::Vacant(VacantEntry { entries, key }),
        }
    }

    /// Whether the map has the key.
    pub fn contains_sync(&self, key: &K) -> bool {
        self.entries.lock().expect("a model that panics has failed").iter().any(|(other, _)| other == key)
    }

    /// The capacity of the map. No protocol depends on this number, so it is constant and not a step of a model.
    #[must_use]
    pub fn capacity(&self) -> usize {
        64
    }

    /// Keeps the entries for which `keep` returns true.
    pub fn retain_sync(&self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.lock().expect("a model that panics has failed").retain_mut(|(key, value)| keep(key, value));
    }
}

/// The entries of a map.
pub mod hash_map {
    use checker::sync::MutexGuard;

    /// The entry of a key, held exclusively.
    pub enum Entry<'m, K, V> {
        /// An entry with a value.
        Occupied(OccupiedEntry<'m, K, V>),
        /// An entry without a value.
        Vacant(VacantEntry<'m, K, V>),
    }

    /// An entry with a value.
    pub struct OccupiedEntry<'m, K, V> {
        pub(crate) entries: MutexGuard<'m, Vec<(K, V)>>,
        pub(crate) at: usize,
    }

    impl<K, V> OccupiedEntry<'_, K, V> {
        /// The value.
        #[must_use]
        pub fn get(&self) -> &V {
            &self.entries[self.at].1
        }

        /// The value, mutably.
        pub fn get_mut(&mut self) -> &mut V {
            &mut self.entries[self.at].1
        }
    }

    /// An entry without a value.
    pub struct VacantEntry<'m, K, V> {
        pub(crate) entries: MutexGuard<'m, Vec<(K, V)>>,
        pub(crate) key: K,
    }

    impl<'m, K, V> VacantEntry<'m, K, V> {
        /// Sets the value.
        pub fn insert_entry(mut self, value: V) -> OccupiedEntry<'m, K, V> {
            self.entries.push((self.key, value));
            let at = self.entries.len() - 1;
            OccupiedEntry { entries: self.entries, at }
        }
    }
}
