//! The backends of the dedup on real threads.

use crate::dedup::{Claim, Dedup, Elastic, Lines, Preallocated};
use crate::key::EventKey;
use crate::limits;
use Claim::{Duplicate, Full, Inserted};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const SLACK_MS: i64 = limits::STALL_SLACK_SECS as i64 * 1_000;

fn key(n: u64) -> EventKey {
    crate::key::HashKeys::from_seed(&[7; 32]).event(&n.to_string())
}

fn claim(dedup: &dyn Dedup, keys: &[u64], now_ms: i64) -> Vec<Claim> {
    let mut claims = vec![];
    dedup.claim(&keys.iter().map(|n| key(*n)).collect::<Vec<_>>(), now_ms, &mut claims);
    claims
}

/// Every backend, with a capacity of 1,000 ids.
fn backends(horizon_secs: Option<u64>) -> [Box<dyn Dedup>; 4] {
    [
        Box::new(Elastic::with_capacity(horizon_secs, 1_000)),
        Box::new(Preallocated::new(horizon_secs, 1_000).unwrap()),
        Box::new(Lines::new(horizon_secs).unwrap()),
        Box::new(Lines::with_capacity(horizon_secs, 1_000).unwrap()),
    ]
}

#[test]
fn the_first_claim_inserts_within_a_batch_and_across_batches() {
    for dedup in backends(Some(10)) {
        assert_eq!(claim(&*dedup, &[1, 2, 1], 0), [Inserted, Inserted, Duplicate]);
        assert_eq!(claim(&*dedup, &[2, 3], 5_000), [Duplicate, Inserted]);
        assert_eq!(dedup.ids(), 3);
    }
}

#[test]
fn an_id_is_remembered_for_exactly_the_horizon_in_spite_of_sweeps() {
    for dedup in backends(Some(10)) {
        dedup.sweep(0, &|_| true);
        assert_eq!(claim(&*dedup, &[1], 1_000), [Inserted]);
        for now_ms in (1_000..=11_000).step_by(500) {
            dedup.sweep(now_ms, &|_| true);
            assert_eq!(claim(&*dedup, &[1], now_ms), [Duplicate]);
        }
    }
}

#[test]
fn a_sweep_changes_no_result_of_a_claimant_that_may_be_stalled() {
    for dedup in backends(Some(10)) {
        dedup.sweep(0, &|_| true);
        claim(&*dedup, &[1], 0);
        for now_ms in (0..=10_000 + SLACK_MS).step_by(1_000) {
            dedup.sweep(now_ms, &|_| true);
        }
        assert_eq!(dedup.ids(), 1);
        assert_eq!(claim(&*dedup, &[1], 10_000), [Duplicate]);
    }
}

#[test]
fn a_claimant_whose_clock_is_behind_sees_a_young_id() {
    for dedup in backends(Some(10)) {
        assert_eq!(claim(&*dedup, &[1], 100_000), [Inserted]);
        assert_eq!(claim(&*dedup, &[1], 1_000), [Duplicate]);
        assert_eq!(claim(&*dedup, &[1], i64::MIN), [Duplicate]);
    }
}

#[test]
fn an_unbounded_horizon_never_forgets() {
    for dedup in backends(None) {
        assert_eq!(claim(&*dedup, &[1], 0), [Inserted]);
        for now_ms in [1, i64::MAX / 2, i64::MAX] {
            dedup.sweep(now_ms, &|_| true);
        }
        assert_eq!(claim(&*dedup, &[1], i64::MAX), [Duplicate]);
    }
}

#[test]
fn all_ids_are_removed_in_the_end_and_their_capacity_is_free_again() {
    for dedup in backends(Some(10)) {
        let keys: Vec<_> = (0..1_000).collect();
        dedup.sweep(0, &|_| true);
        assert!(claim(&*dedup, &keys, 0).iter().all(|claim| *claim == Inserted));
        let mut now_ms = 0;
        for _ in 0..200 {
            now_ms += 20_000;
            sweep_until_quiescent(&*dedup, now_ms);
            if dedup.ids() == 0 {
                break;
            }
        }
        assert_eq!(dedup.ids(), 0);
        assert!(claim(&*dedup, &keys, now_ms).iter().all(|claim| *claim == Inserted));
    }
}

mod elastic {
    use super::*;
    use crate::dedup::elastic::{IdentityHasher, map_indices};
    use std::hash::{BuildHasher, BuildHasherDefault};

    #[test]
    fn the_hash_of_a_key_is_its_first_word() {
        let [first, _] = key(1).0;
        assert_eq!(BuildHasherDefault::<IdentityHasher>::default().hash_one(key(1)), first);
    }

    #[test]
    fn the_maps_differ_in_size_evenly_up_to_a_factor_of_two() {
        let mut sizes = [0_u32; 64];
        map_indices(64).iter().for_each(|map| sizes[usize::from(*map)] += 1);
        assert!((1.9..2.1).contains(&(f64::from(sizes[63]) / f64::from(sizes[0]))), "{sizes:?}");
        let double = |(of_one, of_next): (&u32, &u32)| f64::from(*of_next) / f64::from(*of_one);
        assert!(sizes.iter().zip(&sizes[1..]).map(double).all(|factor| (0.9..1.1).contains(&factor)), "{sizes:?}");
        assert!(map_indices(1).iter().all(|map| *map == 0));
    }

    #[test]
    fn an_id_can_be_inserted_one_millisecond_after_the_horizon_and_is_young_again() {
        let dedup = Elastic::new(Some(10));
        assert_eq!(claim(&dedup, &[1], 1_000), [Inserted]);
        assert_eq!(claim(&dedup, &[1], 11_001), [Inserted]);
        assert_eq!(claim(&dedup, &[1], 21_001), [Duplicate]);
        assert_eq!(dedup.ids(), 1);
    }

    #[test]
    fn a_sweep_removes_ids_that_no_stalled_claimant_can_need() {
        let dedup = Elastic::new(Some(10));
        claim(&dedup, &[1], 0);
        dedup.sweep(10_001 + SLACK_MS, &|_| true);
        assert_eq!(dedup.ids(), 0);
        assert_eq!(claim(&dedup, &[1], 10_001 + SLACK_MS), [Inserted]);
    }

    #[test]
    fn capacity_is_counted_by_live_ids() {
        let dedup = Elastic::with_capacity(Some(10), 3);
        assert!(dedup.has_capacity(3, 0) && !dedup.has_capacity(4, 0));
        claim(&dedup, &[1, 2], 0);
        assert!(dedup.has_capacity(1, 0) && !dedup.has_capacity(2, 0));
        dedup.sweep(i64::MAX, &|_| true);
        assert!(dedup.has_capacity(3, 0));
    }

    /// Rounds with one id. Each round is more than a horizon after the round before, so every round is a race across an
    /// expiry. The clocks of the claimants differ, and a sweep runs at the same time.
    #[test]
    fn one_of_racing_claims_inserts_across_an_expiry() {
        let dedup = Elastic::new(Some(10));
        race(&dedup, 2_000, |_| 1, |round| round * 20_000);
    }
}

mod preallocated {
    use super::*;

    /// The length of a generation with a horizon of 10 seconds.
    const GENERATION_MS: i64 = 10_000 + SLACK_MS;

    #[test]
    fn the_memory_is_that_of_three_generations_or_of_one_without_a_horizon() {
        // The ids of 600 and of 3,600 + 60 seconds. 8 of 10 cells are filled, and a bucket has 8 cells.
        let bytes = |horizon_secs, capacity| Preallocated::bytes_for(horizon_secs, capacity) / 64;
        assert_eq!([bytes(None, 600), bytes(Some(3_600), 3_600)], [94, 3 * 572]);
        assert_eq!(Preallocated::bytes_for(Some(1), usize::MAX), usize::MAX);
        assert_eq!(Preallocated::new(None, 600).unwrap().bytes(), 0, "the tables have a fixed size");
    }

    #[test]
    fn ids_beyond_the_capacity_are_not_claimed_and_known_ids_are_still_duplicates() {
        let dedup = Preallocated::new(None, 3).unwrap();
        assert!(dedup.has_capacity(10, 0));
        assert_eq!(claim(&dedup, &[1, 1, 2, 3, 4, 2], 0), [Inserted, Duplicate, Inserted, Inserted, Full, Duplicate]);
        assert!(!dedup.has_capacity(1, 0) && dedup.has_capacity(0, 0));
        assert_eq!((claim(&dedup, &[4, 1], 0), dedup.ids()), (vec![Full, Duplicate], 3));
    }

    #[test]
    fn a_full_generation_leaves_capacity_once_it_is_the_previous_one() {
        let dedup = Preallocated::new(Some(10), 3).unwrap();
        dedup.sweep(0, &|_| true);
        let ids: Vec<_> = (0..1_000).collect();
        let inserted = claim(&dedup, &ids, 0).iter().filter(|claim| **claim == Inserted).count();
        assert_eq!(inserted, 3 * 7, "three ids for each ten seconds of a generation of seventy");
        assert_eq!(claim(&dedup, &[1_000], GENERATION_MS - 1), [Full]);
        sweep_until_quiescent(&dedup, GENERATION_MS + 1);
        assert_eq!(claim(&dedup, &[1_000, 0], GENERATION_MS), [Inserted, Duplicate]);
    }

    #[test]
    fn an_id_is_remembered_across_one_rotation_and_not_across_two() {
        let dedup = Preallocated::new(Some(10), 1_000).unwrap();
        sweep_until_quiescent(&dedup, 0);
        assert_eq!(claim(&dedup, &[1], 0), [Inserted]);
        sweep_until_quiescent(&dedup, GENERATION_MS + 1);
        assert_eq!(claim(&dedup, &[1], GENERATION_MS), [Duplicate]);
        sweep_until_quiescent(&dedup, 2 * (GENERATION_MS + 1));
        assert_eq!(claim(&dedup, &[1], 2 * GENERATION_MS), [Inserted]);
    }

    #[test]
    fn a_table_that_is_filled_to_its_capacity_holds_all_inserted_ids() {
        let dedup = Preallocated::new(None, 100_000).unwrap();
        let ids: Vec<_> = (0..100_000).collect();
        assert!(claim(&dedup, &ids, 0).iter().all(|claim| *claim == Inserted));
        assert!(claim(&dedup, &ids, 0).iter().all(|claim| *claim == Duplicate));
        assert!(claim(&dedup, &(100_000..200_000).collect::<Vec<_>>(), 0).iter().all(|claim| *claim == Full));
    }

    /// A new id in each round, while a generation ends in every round.
    #[test]
    fn one_of_racing_claims_inserts_across_rotations() {
        let dedup = Preallocated::new(Some(10), 100_000).unwrap();
        race(&dedup, 5_000, |round| round as u64, |round| round * (GENERATION_MS + 1));
        assert!(dedup.ids() < 2_500, "the tables have rotated many times");
    }
}

/// Sweeps until all grace periods are over. A grace period ends when all threads of the process that are pinned now
/// have unpinned, threads of other tests included. The sleeps let such a thread run if the system has preempted it.
fn sweep_until_quiescent(dedup: &dyn Dedup, now_ms: i64) {
    for _ in 0..100 {
        dedup.sweep(now_ms, &|_| true);
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets threads race for one id in each round, twice in each batch, while another thread sweeps. One claim of a round
/// inserts.
fn race(dedup: &dyn Dedup, rounds: i64, id: fn(i64) -> u64, now_ms: fn(i64) -> i64) {
    const THREADS: usize = 4;
    let barrier = Barrier::new(THREADS);
    let insertions: Vec<AtomicUsize> = (0..rounds).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (barrier, insertions) = (&barrier, &insertions);
            scope.spawn(move || {
                for round in 0..rounds {
                    barrier.wait();
                    let now_ms = now_ms(round) + thread as i64 * 7;
                    if thread == 0 {
                        dedup.sweep(now_ms, &|_| true);
                    }
                    let id = id(round);
                    let inserted = claim(dedup, &[id, id], now_ms).iter().filter(|claim| **claim == Inserted).count();
                    insertions[round as usize].fetch_add(inserted, Ordering::Relaxed);
                }
            });
        }
    });
    for (round, insertions) in insertions.iter().enumerate() {
        assert_eq!(insertions.load(Ordering::Relaxed), 1, "round {round}");
    }
}
