//! The elastic backend: one concurrent hash map that grows and shrinks with the live ids.
//!
//! The lock of a key's entry arbitrates between its claimants. There is no second map to rotate into: with an old and
//! a new one, a claimant could insert into the old one after another has looked there, and both would win.

use crate::dedup::Dedup;
use crate::key::EventKey;
use crate::limits;
use scc::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicIsize, Ordering};

pub(crate) struct Elastic {
    /// When each id was accepted, in milliseconds.
    accepted_ms: scc::HashMap<EventKey, i64, BuildHasherDefault<KeyIsHash>>,
    /// None: ids never expire.
    horizon_ms: Option<i64>,
    /// Ids in the map. A bound and a gauge: it orders nothing, so every access is Relaxed. Signed, because a sweep may
    /// subtract an id before its claimant has added it.
    ids: AtomicIsize,
    ids_max: usize,
}

impl Elastic {
    /// Remembers ids for `horizon_secs`, or for good.
    pub(crate) fn new(horizon_secs: Option<u64>) -> Self {
        Self {
            accepted_ms: scc::HashMap::default(),
            horizon_ms: horizon_secs.map(|secs| i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1_000)),
            ids: AtomicIsize::new(0),
            ids_max: limits::DEDUP_IDS_MAX,
        }
    }

    /// Exactly the horizon is still remembered.
    fn expired(&self, accepted_ms: i64, now_ms: i64) -> bool {
        self.horizon_ms.is_some_and(|horizon_ms| now_ms.saturating_sub(accepted_ms) > horizon_ms)
    }
}

impl Dedup for Elastic {
    fn claim(&self, keys: &[EventKey], now_ms: i64, won: &mut Vec<bool>) {
        let mut inserted = 0;
        for key in keys {
            won.push(match self.accepted_ms.entry_sync(*key) {
                Entry::Vacant(entry) => {
                    entry.insert_entry(now_ms);
                    inserted += 1;
                    true
                }
                Entry::Occupied(mut entry) => {
                    let expired = self.expired(*entry.get(), now_ms);
                    if expired {
                        *entry.get_mut() = now_ms;
                    }
                    expired
                }
            });
        }
        self.ids.fetch_add(inserted, Ordering::Relaxed);
    }

    fn has_room(&self, ids: usize) -> bool {
        self.ids().saturating_add(ids) <= self.ids_max
    }

    fn sweep(&self, now_ms: i64) {
        if self.horizon_ms.is_none() {
            return;
        }
        // The slack leaves every claimant that may still be under way with the entry that it would judge by itself.
        let sweep_ms = now_ms.saturating_sub(i64::from(limits::STALL_SLACK_SECS) * 1_000);
        let mut removed = 0;
        self.accepted_ms.retain_sync(|_, accepted_ms| {
            let keep = !self.expired(*accepted_ms, sweep_ms);
            removed += isize::from(!keep);
            keep
        });
        self.ids.fetch_sub(removed, Ordering::Relaxed);
        // The map frees what it has replaced only once this thread has come back to it often enough for its epoch to move
        // on; 384 times were needed here.
        for _ in 0..1_024 {
            self.accepted_ms.contains_sync(&EventKey([0; 2]));
        }
    }

    fn ids(&self) -> usize {
        self.ids.load(Ordering::Relaxed).try_into().unwrap_or(0)
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
struct KeyIsHash(u64);

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;

    fn key(n: u64) -> EventKey {
        crate::key::HashKeys::from_seed(&[7; 32]).event(&n.to_string())
    }

    fn claim(dedup: &Elastic, keys: &[EventKey], now_ms: i64) -> Vec<bool> {
        let mut won = vec![];
        dedup.claim(keys, now_ms, &mut won);
        won
    }

    #[test]
    fn the_first_claim_wins_within_a_batch_and_across_batches() {
        let dedup = Elastic::new(Some(10));
        assert_eq!(claim(&dedup, &[key(1), key(2), key(1)], 0), [true, true, false]);
        assert_eq!(claim(&dedup, &[key(2), key(3)], 5_000), [false, true]);
        assert_eq!(dedup.ids(), 3);
    }

    #[test]
    fn an_id_is_vacant_one_millisecond_after_the_horizon_and_then_young_again() {
        let dedup = Elastic::new(Some(10));
        assert_eq!(claim(&dedup, &[key(1)], 1_000), [true]);
        assert_eq!(claim(&dedup, &[key(1)], 11_000), [false]);
        assert_eq!(claim(&dedup, &[key(1)], 11_001), [true]);
        assert_eq!(claim(&dedup, &[key(1)], 21_001), [false]);
        assert_eq!(dedup.ids(), 1);
    }

    #[test]
    fn a_claimant_whose_clock_is_behind_sees_a_young_id() {
        let dedup = Elastic::new(Some(10));
        assert_eq!(claim(&dedup, &[key(1)], 100_000), [true]);
        assert_eq!(claim(&dedup, &[key(1)], 1_000), [false]);
        assert_eq!(claim(&dedup, &[key(1)], i64::MIN), [false]);
    }

    #[test]
    fn an_unbounded_horizon_never_forgets() {
        let dedup = Elastic::new(None);
        assert_eq!(claim(&dedup, &[key(1)], 0), [true]);
        dedup.sweep(i64::MAX);
        assert_eq!(claim(&dedup, &[key(1)], i64::MAX), [false]);
    }

    #[test]
    fn a_sweep_changes_no_verdict_of_a_claimant_that_may_still_be_under_way() {
        let slack_ms = i64::from(limits::STALL_SLACK_SECS) * 1_000;
        let dedup = Elastic::new(Some(10));
        claim(&dedup, &[key(1)], 0);
        dedup.sweep(10_000 + slack_ms);
        assert_eq!(dedup.ids(), 1);
        assert_eq!(claim(&dedup, &[key(1)], 10_000), [false]);
        dedup.sweep(10_001 + slack_ms);
        assert_eq!(dedup.ids(), 0);
        assert_eq!(claim(&dedup, &[key(1)], 10_001 + slack_ms), [true]);
    }

    #[test]
    fn room_is_counted_by_live_ids() {
        let dedup = Elastic { ids_max: 3, ..Elastic::new(Some(10)) };
        assert!(dedup.has_room(3) && !dedup.has_room(4));
        claim(&dedup, &[key(1), key(2)], 0);
        assert!(dedup.has_room(1) && !dedup.has_room(2));
        dedup.sweep(i64::MAX);
        assert!(dedup.has_room(3));
    }

    /// Rounds of one id, each more than a horizon after the one before, so that every round is a race across an expiry;
    /// the racing clocks differ, and a sweep runs beside them.
    #[test]
    fn racing_claims_have_one_winner_across_expiry_too() {
        const THREADS: usize = 4;
        const ROUNDS: i64 = 2_000;
        let dedup = Elastic::new(Some(10));
        let barrier = Barrier::new(THREADS);
        let wins: Vec<AtomicUsize> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (dedup, barrier, wins) = (&dedup, &barrier, &wins);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        barrier.wait();
                        let now_ms = round * 20_000 + thread as i64 * 7;
                        if thread == 0 {
                            dedup.sweep(now_ms);
                        }
                        let won = claim(dedup, &[key(1), key(1)], now_ms);
                        wins[round as usize].fetch_add(won.iter().filter(|won| **won).count(), Ordering::Relaxed);
                    }
                });
            }
        });
        for (round, wins) in wins.iter().enumerate() {
            assert_eq!(wins.load(Ordering::Relaxed), 1, "round {round}");
        }
    }
}
