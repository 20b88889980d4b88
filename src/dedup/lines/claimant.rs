//! The claims of a batch, all in one phase.

use super::phase::{Phase, Place};
use super::table::Reads;
use crate::dedup::Claim;
use crate::key::EventKey;
use crate::sync::line::Vector;
use crate::sync::vector::Job;

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

/// Permits that were acquired and are not needed.
#[derive(Default)]
struct UnusedPermits {
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
        if phase.try_acquire(keys.len()) {
            phase.claim_all(vector, keys, claims);
        } else {
            claims.extend(keys.iter().map(|key| phase.claim_one_by_one(vector, *key)));
        }
    }
}

impl Phase {
    /// Claims keys whose permits are acquired, and releases the permits that are not needed.
    #[inline(always)]
    fn claim_all(&self, vector: impl Vector, keys: &[EventKey], claims: &mut Vec<Claim>) {
        let mut unused = UnusedPermits::default();
        keys.iter().take(PREFETCH_AHEAD).for_each(|key| self.prefetch(*key));
        for (index, key) in keys.iter().enumerate() {
            if let Some(ahead) = keys.get(index + PREFETCH_AHEAD) {
                self.prefetch(*ahead);
            }
            claims.push(self.claim(vector, *key, &mut unused));
        }
        self.release(keys.len(), &unused);
    }

    /// Claims a key whose permits are acquired, and adds the permits that are not needed to `unused`. All looks at
    /// older tables come before the first swap.
    #[inline(always)]
    fn claim(&self, vector: impl Vector, key: EventKey, unused: &mut UnusedPermits) -> Claim {
        let Place { table, generation } = &self.current;
        if self.is_in_older(vector, key) || !table.insert(vector, key, &self.reads, generation) {
            unused.current += 1;
            unused.next += 1;
            return Claim::Duplicate;
        }
        match &self.next {
            Some(next) if !next.table.insert(vector, key, &Reads::none(), &next.generation) => {
                unused.next += 1;
                Claim::Duplicate
            }
            _ => Claim::Inserted,
        }
    }

    #[inline(always)]
    fn is_in_older(&self, vector: impl Vector, key: EventKey) -> bool {
        self.older.iter().any(|view| view.table.contains(vector, key, &view.reads))
    }

    /// Claims a key when there are not enough permits for the whole batch.
    #[cold]
    fn claim_one_by_one(&self, vector: impl Vector, key: EventKey) -> Claim {
        if !self.try_acquire(1) {
            return self.look_up(vector, key);
        }
        let mut unused = UnusedPermits::default();
        let claim = self.claim(vector, key, &mut unused);
        self.release(1, &unused);
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

    /// Acquires permits for `ids` ids in every generation that claims insert into, or in none of them.
    fn try_acquire(&self, ids: usize) -> bool {
        if !self.current.generation.ids.try_acquire(ids) {
            return false;
        }
        let is_acquired = self.next_generation().is_none_or(|next| next.generation.ids.try_acquire(ids));
        if !is_acquired {
            self.current.generation.ids.release(ids);
        }
        is_acquired
    }

    /// Releases the unused ones of the permits for `ids` ids.
    fn release(&self, ids: usize, unused: &UnusedPermits) {
        self.current.generation.ids.release(unused.current);
        if let Some(next) = self.next_generation() {
            next.generation.ids.release(unused.next);
            // An id that this claimant has not inserted in the next generation was inserted there by another one.
            next.generation.add_also_in_previous(ids - unused.current);
        }
    }

    /// The next place, unless it is a new table for the current generation.
    fn next_generation(&self) -> Option<&Place> {
        self.next.as_ref().filter(|next| next.generation.number() != self.current.generation.number())
    }
}
