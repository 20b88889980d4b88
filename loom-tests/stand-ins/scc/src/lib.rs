//! Stand-in for the part of scc that the elastic dedup uses, so that a model checker sees its locks.
//!
//! Faithful in what the protocol rests on: an entry is held exclusively from [`HashMap::entry_sync`] until it is used up
//! or dropped, and [`HashMap::retain_sync`] holds each entry that it judges. One lock stands for all of scc's bucket
//! locks, which is as fine as they are for the one or two keys of a model.
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

    /// Whether the key is there.
    pub fn contains_sync(&self, key: &K) -> bool {
        self.entries.lock().expect("a model that panics has failed").iter().any(|(other, _)| other == key)
    }

    /// Entries that there is room for: a figure that no protocol rests on, so always the same, and no step of a model.
    #[must_use]
    pub fn capacity(&self) -> usize {
        64
    }

    /// Keeps the entries that `keep` says.
    pub fn retain_sync(&self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.lock().expect("a model that panics has failed").retain_mut(|(key, value)| keep(key, value));
    }
}

/// Entries.
pub mod hash_map {
    use checker::sync::MutexGuard;

    /// A key's place in the map, held exclusively.
    pub enum Entry<'m, K, V> {
        /// With a value.
        Occupied(OccupiedEntry<'m, K, V>),
        /// Without one.
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

        /// The value, to be changed.
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
        /// Gives it one.
        pub fn insert_entry(mut self, value: V) -> OccupiedEntry<'m, K, V> {
            self.entries.push((self.key, value));
            let at = self.entries.len() - 1;
            OccupiedEntry { entries: self.entries, at }
        }
    }
}
