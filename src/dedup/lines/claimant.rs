//! The claims of a batch, all in one phase.

use super::phase::{Phase, Place};
use super::table::Reads;
use crate::dedup::Claim;
use crate::key::EventKey;
use crate::sync::line::Vector;
use crate::sync::vector::Job;
use std::sync::Arc;

/// A line is prefetched this number of claims ahead: early enough for the memory to respond, and late enough for the
/// line to stay in the cache.
const PREFETCH_AHEAD: usize = 16;

/// The claims of the keys of a batch at one time.
pub(crate) struct Claims<'a> {
    pub(crate) phase: &'a Phase,
    pub(crate) keys: &'a [EventKey],
    pub(crate) now_ms: i64,
    pub(crate) claims: &'a mut Vec<Claim>,
}

/// The number of inserted ids.
#[derive(Default)]
struct Inserted {
    current: usize,
    next: usize,
}

impl Job for Claims<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, vector: impl Vector) {
        let Self { phase, keys, now_ms, claims } = self;
        if now_ms <= phase.floor_ms {
            claims.extend(keys.iter().map(|key| phase.look_up(vector, *key)));
            return;
        }
        phase.current.generation.extend_to(now_ms);
        if let Some(next) = &phase.next {
            next.generation.extend_to(now_ms);
        }
        if phase.try_reserve(keys.len()) {
            phase.claim_all(vector, keys, claims);
        } else {
            claims.extend(keys.iter().map(|key| phase.claim_one_by_one(vector, *key)));
        }
    }
}

/// Keys that were accepted before, in the stretch of log time of the current generation.
pub(crate) struct Remembered<'a> {
    pub(crate) phase: &'a Phase,
    pub(crate) keys: &'a [EventKey],
}

impl Job for Remembered<'_> {
    type Output = ();

    /// No older generation is looked at: a key that one of them has was accepted again later.
    #[inline(always)]
    fn run(self, vector: impl Vector) {
        let Self { phase, keys } = self;
        let mut inserted = Inserted::default();
        keys.iter().take(PREFETCH_AHEAD).for_each(|key| phase.prefetch(*key));
        for (index, key) in keys.iter().enumerate() {
            if let Some(ahead) = keys.get(index + PREFETCH_AHEAD) {
                phase.prefetch(*ahead);
            }
            let insert = |place: &Place| place.table.insert(vector, *key, &Reads::none(), &place.generation).is_new;
            inserted.current += usize::from(insert(&phase.current));
            inserted.next += usize::from(phase.next.as_ref().is_some_and(insert));
        }
        phase.count(0, &inserted);
    }
}

impl Phase {
    /// Claims keys for which there is capacity reserved, and releases what was not needed.
    #[inline(always)]
    fn claim_all(&self, vector: impl Vector, keys: &[EventKey], claims: &mut Vec<Claim>) {
        let mut inserted = Inserted::default();
        let before = claims.len();
        claims.resize(before + keys.len(), Claim::Full);
        keys.iter().take(PREFETCH_AHEAD).for_each(|key| self.prefetch(*key));
        for (index, (key, claim)) in keys.iter().zip(&mut claims[before..]).enumerate() {
            if let Some(ahead) = keys.get(index + PREFETCH_AHEAD) {
                self.prefetch(*ahead);
            }
            *claim = self.claim(vector, *key, &mut inserted);
        }
        self.count(keys.len(), &inserted);
    }

    /// Claims a key for which there is capacity reserved, and adds it to `inserted` if it was inserted. All looks at
    /// older tables come before the first swap.
    #[inline(always)]
    fn claim(&self, vector: impl Vector, key: EventKey, inserted: &mut Inserted) -> Claim {
        let Place { table, generation } = &self.current;
        if self.is_in_older(vector, key) {
            return Claim::Duplicate;
        }
        let first = table.insert(vector, key, &self.reads, generation);
        if !first.is_new {
            return Claim::Duplicate;
        }
        inserted.current += 1;
        if let Some(next) = &self.next {
            let second = next.table.insert(vector, key, &Reads::none(), &next.generation);
            // Two tables of one generation have one overflow. If both are full, the id there is that of this claimant.
            let is_own = first.is_in_overflow && second.is_in_overflow && Arc::ptr_eq(generation, &next.generation);
            if !second.is_new && !is_own {
                return Claim::Duplicate;
            }
            inserted.next += 1;
        }
        Claim::Inserted
    }

    #[inline(always)]
    fn is_in_older(&self, vector: impl Vector, key: EventKey) -> bool {
        self.older.iter().any(|view| view.table.contains(vector, key, &view.reads))
    }

    /// Claims a key when there is not enough capacity for the whole batch.
    #[cold]
    fn claim_one_by_one(&self, vector: impl Vector, key: EventKey) -> Claim {
        if !self.try_reserve(1) {
            return self.look_up(vector, key);
        }
        let mut inserted = Inserted::default();
        let claim = self.claim(vector, key, &mut inserted);
        self.count(1, &inserted);
        claim
    }

    /// The result of a claim that may insert nothing. A known key is still a duplicate.
    #[cold]
    fn look_up(&self, vector: impl Vector, key: EventKey) -> Claim {
        let mut reads = self.reads.clone();
        reads.insert(&self.current.generation);
        let is_known = self.is_in_older(vector, key) || self.current.table.contains(vector, key, &reads);
        if is_known { Claim::Duplicate } else { Claim::Full }
    }

    #[inline(always)]
    fn prefetch(&self, key: EventKey) {
        self.current.table.prefetch(key);
        self.older.iter().for_each(|view| view.table.prefetch(key));
    }

    /// Reserves capacity for `ids` ids in every generation that claims insert into, or in none of them.
    fn try_reserve(&self, ids: usize) -> bool {
        if !self.current.generation.try_reserve(ids) {
            return false;
        }
        let is_reserved = self.next_generation().is_none_or(|next| next.generation.try_reserve(ids));
        if !is_reserved {
            self.current.generation.count(ids, 0);
        }
        is_reserved
    }

    /// Counts the inserted ids, of those for which there was capacity reserved.
    fn count(&self, reserved: usize, inserted: &Inserted) {
        self.current.generation.count(reserved, inserted.current);
        if let Some(next) = self.next_generation() {
            next.generation.count(reserved, inserted.next);
            // An id that this claimant has not inserted in the next generation was inserted there by another one.
            next.generation.add_also_in_previous(inserted.current);
        }
    }

    /// The next place, unless it is a new table for the current generation.
    fn next_generation(&self) -> Option<&Place> {
        self.next.as_ref().filter(|next| next.generation.number() != self.current.generation.number())
    }
}
