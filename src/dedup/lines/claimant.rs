//! The claims of a batch, all in one phase.

use super::phase::{Phase, Place, View};
use super::table::{AtHome, Insertion, Reads, Table};
use crate::dedup::Claim;
use crate::key::EventKey;
use crate::sync::line::{Look, Vector};
use crate::sync::vector::Job;
use std::sync::Arc;

/// A line is prefetched this number of claims ahead: early enough for the memory to respond, and late enough for the
/// line to stay in the cache.
const PREFETCH_AHEAD: usize = 16;

/// The rows that wait for the neighbouring line at once. About every twentieth row does.
const LATER: usize = 4;

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
            let before = claims.len();
            claims.resize(before + keys.len(), Claim::Inserted);
            phase.claim_all(vector, keys, &mut claims[before..]);
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
        prefetch_first(&phase.current.table, keys);
        for (row, key) in keys.iter().enumerate() {
            prefetch_ahead(&phase.current.table, keys, row);
            let insert = |place: &Place| place.table.insert(vector, *key, &Reads::none(), &place.generation).is_new;
            inserted.current += usize::from(insert(&phase.current));
            inserted.next += usize::from(phase.next.as_ref().is_some_and(insert));
        }
        phase.count(0, &inserted);
    }
}

impl View {
    /// Makes duplicates of the keys that this older table has. Without a swap in between, the processor overlaps the
    /// looks.
    #[inline(always)]
    fn find_all(&self, vector: impl Vector, keys: &[EventKey], claims: &mut [Claim]) {
        let Self { table, reads } = self;
        let mut later = Later::default();
        let find_after = |(row, look): (usize, Look), claims: &mut [Claim]| {
            if table.went_on(vector, keys[row], &look, reads) {
                claims[row] = Claim::Duplicate;
            }
        };
        prefetch_first(table, keys);
        for (row, key) in keys.iter().enumerate() {
            prefetch_ahead(table, keys, row);
            match table.home_contains(vector, *key, reads) {
                AtHome::Decided(false) => {}
                AtHome::Decided(true) => claims[row] = Claim::Duplicate,
                AtHome::Beyond(look) => {
                    table.prefetch_neighbour(*key);
                    if let Some(due) = later.push(row, look) {
                        find_after(due, claims);
                    }
                }
            }
        }
        later.rest().for_each(|due| find_after(due, claims));
    }
}

/// Rows of a batch that the home line has not decided, with the look at it, in their order. They wait until the
/// neighbouring line is in the cache.
#[derive(Default)]
struct Later {
    rows: [(usize, Look); LATER],
    pushed: usize,
}

impl Later {
    /// Adds a row, and takes the oldest one if there are many.
    fn push(&mut self, row: usize, look: Look) -> Option<(usize, Look)> {
        let slot = &mut self.rows[self.pushed % LATER];
        self.pushed += 1;
        let before = std::mem::replace(slot, (row, look));
        (self.pushed > LATER).then_some(before)
    }

    fn rest(self) -> impl Iterator<Item = (usize, Look)> {
        (self.pushed.saturating_sub(LATER)..self.pushed).map(move |index| self.rows[index % LATER])
    }
}

#[inline(always)]
fn prefetch_first(table: &Table, keys: &[EventKey]) {
    keys.iter().take(PREFETCH_AHEAD).for_each(|key| table.prefetch(*key));
}

#[inline(always)]
fn prefetch_ahead(table: &Table, keys: &[EventKey], row: usize) {
    if let Some(ahead) = keys.get(row + PREFETCH_AHEAD) {
        table.prefetch(*ahead);
    }
}

impl Phase {
    /// Claims keys for which there is capacity reserved, and releases what was not needed. All looks at older tables
    /// come before the first swap. Each claim is [`Claim::Inserted`] before.
    #[inline(always)]
    fn claim_all(&self, vector: impl Vector, keys: &[EventKey], claims: &mut [Claim]) {
        for view in &self.older {
            view.find_all(vector, keys, claims);
        }
        let mut inserted = Inserted::default();
        self.insert_all(vector, keys, claims, &mut inserted);
        self.count(keys.len(), &inserted);
    }

    /// Claims the keys that no older table has. Keys that are equal are claimed in their order: the home line of the
    /// first one does not decide the second one if it has not decided the first one.
    #[inline(always)]
    fn insert_all(&self, vector: impl Vector, keys: &[EventKey], claims: &mut [Claim], inserted: &mut Inserted) {
        let Place { table, generation } = &self.current;
        let mut later = Later::default();
        prefetch_first(table, keys);
        for (row, key) in keys.iter().enumerate() {
            prefetch_ahead(table, keys, row);
            if claims[row] == Claim::Duplicate {
                continue;
            }
            match table.insert_at_home(vector, *key, &self.reads, generation) {
                AtHome::Decided(is_new) => {
                    claims[row] = self.insert_next(vector, *key, Insertion::in_cell(is_new), inserted);
                }
                AtHome::Beyond(look) => {
                    table.prefetch_neighbour(*key);
                    if let Some((row, look)) = later.push(row, look) {
                        claims[row] = self.insert_after(vector, keys[row], &look, inserted);
                    }
                }
            }
        }
        for (row, look) in later.rest() {
            claims[row] = self.insert_after(vector, keys[row], &look, inserted);
        }
    }

    /// Claims a key that no older table has, and that the look at its home line has not decided.
    #[cold]
    fn insert_after(&self, vector: impl Vector, key: EventKey, look: &Look, inserted: &mut Inserted) -> Claim {
        let Place { table, generation } = &self.current;
        let first = table.insert_after(vector, key, look, &self.reads, generation);
        self.insert_next(vector, key, first, inserted)
    }

    /// The claim of a key, after its insertion in the current table: also inserts it in the next one. Adds the
    /// insertions to `inserted`.
    #[inline(always)]
    fn insert_next(&self, vector: impl Vector, key: EventKey, first: Insertion, inserted: &mut Inserted) -> Claim {
        if !first.is_new {
            return Claim::Duplicate;
        }
        inserted.current += 1;
        if let Some(next) = &self.next {
            let second = next.table.insert(vector, key, &Reads::none(), &next.generation);
            // Two tables of one generation have one overflow. If both are full, the id there is that of this claimant.
            let is_one_generation = Arc::ptr_eq(&self.current.generation, &next.generation);
            let is_own = first.is_in_overflow && second.is_in_overflow && is_one_generation;
            if !second.is_new && !is_own {
                // The claimant that has inserted the id in a new table of this generation counts it.
                inserted.current -= usize::from(is_one_generation);
                return Claim::Duplicate;
            }
            inserted.next += 1;
        }
        Claim::Inserted
    }

    /// Claims a key when there is not enough capacity for the whole batch.
    #[cold]
    fn claim_one_by_one(&self, vector: impl Vector, key: EventKey) -> Claim {
        if !self.try_reserve(1) {
            return self.look_up(vector, key);
        }
        let mut claim = [Claim::Inserted];
        self.claim_all(vector, &[key], &mut claim);
        claim[0]
    }

    /// The result of a claim that may insert nothing. A known key is still a duplicate.
    #[cold]
    fn look_up(&self, vector: impl Vector, key: EventKey) -> Claim {
        let mut reads = self.reads.clone();
        reads.insert(&self.current.generation);
        let is_in_older = self.older.iter().any(|view| view.table.contains(vector, key, &view.reads));
        let is_known = is_in_older || self.current.table.contains(vector, key, &reads);
        if is_known { Claim::Duplicate } else { Claim::Full }
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
