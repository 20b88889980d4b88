//! The backends of the dedup on real threads. Apart from `dedup/mod.rs`, which a model checker compiles too.

use crate::dedup::{Claim, Dedup, Elastic, Preallocated};
use crate::key::EventKey;
use crate::limits;
use Claim::{NoRoom, Taken, Won};
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

/// Every backend, with room for 1,000 ids.
fn backends(horizon_secs: Option<u64>) -> [Box<dyn Dedup>; 2] {
    [Box::new(Elastic::with_room(horizon_secs, 1_000)), Box::new(Preallocated::new(horizon_secs, 1_000).unwrap())]
}

#[test]
fn the_first_claim_wins_within_a_batch_and_across_batches() {
    for dedup in backends(Some(10)) {
        assert_eq!(claim(&*dedup, &[1, 2, 1], 0), [Won, Won, Taken]);
        assert_eq!(claim(&*dedup, &[2, 3], 5_000), [Taken, Won]);
        assert_eq!(dedup.ids(), 3);
    }
}

#[test]
fn exactly_the_horizon_is_remembered_whatever_is_swept() {
    for dedup in backends(Some(10)) {
        dedup.sweep(0);
        assert_eq!(claim(&*dedup, &[1], 1_000), [Won]);
        for now_ms in (1_000..=11_000).step_by(500) {
            dedup.sweep(now_ms);
            assert_eq!(claim(&*dedup, &[1], now_ms), [Taken]);
        }
    }
}

#[test]
fn a_sweep_changes_no_verdict_of_a_claimant_that_may_still_be_under_way() {
    for dedup in backends(Some(10)) {
        dedup.sweep(0);
        claim(&*dedup, &[1], 0);
        for now_ms in (0..=10_000 + SLACK_MS).step_by(1_000) {
            dedup.sweep(now_ms);
        }
        assert_eq!(dedup.ids(), 1);
        assert_eq!(claim(&*dedup, &[1], 10_000), [Taken]);
    }
}

#[test]
fn a_claimant_whose_clock_is_behind_sees_a_young_id() {
    for dedup in backends(Some(10)) {
        assert_eq!(claim(&*dedup, &[1], 100_000), [Won]);
        assert_eq!(claim(&*dedup, &[1], 1_000), [Taken]);
        assert_eq!(claim(&*dedup, &[1], i64::MIN), [Taken]);
    }
}

#[test]
fn an_unbounded_horizon_never_forgets() {
    for dedup in backends(None) {
        assert_eq!(claim(&*dedup, &[1], 0), [Won]);
        for now_ms in [1, i64::MAX / 2, i64::MAX] {
            dedup.sweep(now_ms);
        }
        assert_eq!(claim(&*dedup, &[1], i64::MAX), [Taken]);
    }
}

#[test]
fn everything_is_forgotten_in_the_end_and_its_room_given_back() {
    for dedup in backends(Some(10)) {
        let keys: Vec<_> = (0..1_000).collect();
        dedup.sweep(0);
        assert!(claim(&*dedup, &keys, 0).iter().all(|claim| *claim == Won));
        let mut now_ms = 0;
        for _ in 0..200 {
            now_ms += 20_000;
            settle(&*dedup, now_ms);
            if dedup.ids() == 0 {
                break;
            }
        }
        assert_eq!(dedup.ids(), 0);
        assert!(claim(&*dedup, &keys, now_ms).iter().all(|claim| *claim == Won));
    }
}

mod elastic {
    use super::*;
    use crate::dedup::elastic::{KeyIsHash, choice};
    use std::hash::{BuildHasher, BuildHasherDefault};

    #[test]
    fn a_key_hashes_as_its_own_first_word() {
        let [first, _] = key(1).0;
        assert_eq!(BuildHasherDefault::<KeyIsHash>::default().hash_one(key(1)), first);
    }

    #[test]
    fn the_maps_differ_in_size_evenly_up_to_a_factor_of_two() {
        let mut sizes = [0_u32; 64];
        choice(64).iter().for_each(|map| sizes[usize::from(*map)] += 1);
        assert!((1.9..2.1).contains(&(f64::from(sizes[63]) / f64::from(sizes[0]))), "{sizes:?}");
        let double = |(of_one, of_next): (&u32, &u32)| f64::from(*of_next) / f64::from(*of_one);
        assert!(sizes.iter().zip(&sizes[1..]).map(double).all(|factor| (0.9..1.1).contains(&factor)), "{sizes:?}");
        assert!(choice(1).iter().all(|map| *map == 0));
    }

    #[test]
    fn an_id_is_vacant_one_millisecond_after_the_horizon_and_then_young_again() {
        let dedup = Elastic::new(Some(10));
        assert_eq!(claim(&dedup, &[1], 1_000), [Won]);
        assert_eq!(claim(&dedup, &[1], 11_001), [Won]);
        assert_eq!(claim(&dedup, &[1], 21_001), [Taken]);
        assert_eq!(dedup.ids(), 1);
    }

    #[test]
    fn a_sweep_forgets_what_nobody_under_way_can_ask_for() {
        let dedup = Elastic::new(Some(10));
        claim(&dedup, &[1], 0);
        dedup.sweep(10_001 + SLACK_MS);
        assert_eq!(dedup.ids(), 0);
        assert_eq!(claim(&dedup, &[1], 10_001 + SLACK_MS), [Won]);
    }

    #[test]
    fn room_is_counted_by_live_ids() {
        let dedup = Elastic::with_room(Some(10), 3);
        assert!(dedup.has_room(3) && !dedup.has_room(4));
        claim(&dedup, &[1, 2], 0);
        assert!(dedup.has_room(1) && !dedup.has_room(2));
        dedup.sweep(i64::MAX);
        assert!(dedup.has_room(3));
    }

    /// Rounds of one id, each more than a horizon after the one before, so that every round is a race across an expiry;
    /// the racing clocks differ, and a sweep runs beside them.
    #[test]
    fn racing_claims_have_one_winner_across_expiry_too() {
        let dedup = Elastic::new(Some(10));
        race(&dedup, 2_000, |_| 1, |round| round * 20_000);
    }
}

mod preallocated {
    use super::*;

    /// How long a generation of a horizon of 10 seconds lasts.
    const GENERATION_MS: i64 = 10_000 + SLACK_MS;

    #[test]
    fn three_generations_of_horizon_and_slack_are_counted_or_one_for_good() {
        // 600 and 3,600 + 60 seconds' ids, at 8 of 10 cells, 8 of which make a line.
        let bytes = |horizon_secs, capacity| Preallocated::bytes_for(horizon_secs, capacity) / 64;
        assert_eq!([bytes(None, 600), bytes(Some(3_600), 3_600)], [94, 3 * 572]);
        assert_eq!(Preallocated::bytes_for(Some(1), usize::MAX), usize::MAX);
        assert_eq!(Preallocated::new(None, 600).unwrap().bytes(), 0, "they are fixed");
    }

    #[test]
    fn what_does_not_fit_is_not_claimed_and_what_is_taken_is_still_said_to_be() {
        let dedup = Preallocated::new(None, 3).unwrap();
        assert!(dedup.has_room(10));
        assert_eq!(claim(&dedup, &[1, 1, 2, 3, 4, 2], 0), [Won, Taken, Won, Won, NoRoom, Taken]);
        assert!(!dedup.has_room(1) && dedup.has_room(0));
        assert_eq!((claim(&dedup, &[4, 1], 0), dedup.ids()), (vec![NoRoom, Taken], 3));
    }

    #[test]
    fn a_full_generation_has_room_again_when_it_has_become_the_previous_one() {
        let dedup = Preallocated::new(Some(10), 3).unwrap();
        dedup.sweep(0);
        let ids: Vec<_> = (0..1_000).collect();
        let taken = claim(&dedup, &ids, 0).iter().filter(|claim| **claim == Won).count();
        assert_eq!(taken, 3 * 7, "three for each ten seconds of a generation of seventy");
        assert_eq!(claim(&dedup, &[1_000], GENERATION_MS - 1), [NoRoom]);
        settle(&dedup, GENERATION_MS + 1);
        assert_eq!(claim(&dedup, &[1_000, 0], GENERATION_MS), [Won, Taken]);
    }

    #[test]
    fn an_id_outlives_one_rotation_and_not_two() {
        let dedup = Preallocated::new(Some(10), 1_000).unwrap();
        settle(&dedup, 0);
        assert_eq!(claim(&dedup, &[1], 0), [Won]);
        settle(&dedup, GENERATION_MS + 1);
        assert_eq!(claim(&dedup, &[1], GENERATION_MS), [Taken]);
        settle(&dedup, 2 * (GENERATION_MS + 1));
        assert_eq!(claim(&dedup, &[1], 2 * GENERATION_MS), [Won]);
    }

    #[test]
    fn a_table_filled_to_its_capacity_holds_what_was_put_in() {
        let dedup = Preallocated::new(None, 100_000).unwrap();
        let ids: Vec<_> = (0..100_000).collect();
        assert!(claim(&dedup, &ids, 0).iter().all(|claim| *claim == Won));
        assert!(claim(&dedup, &ids, 0).iter().all(|claim| *claim == Taken));
        assert!(claim(&dedup, &(100_000..200_000).collect::<Vec<_>>(), 0).iter().all(|claim| *claim == NoRoom));
    }

    /// A fresh id a round, and one of the round before, while a generation ends in every round.
    #[test]
    fn racing_claims_have_one_winner_across_rotations_too() {
        let dedup = Preallocated::new(Some(10), 100_000).unwrap();
        race(&dedup, 5_000, |round| round as u64, |round| round * (GENERATION_MS + 1));
        assert!(dedup.ids() < 2_500, "it has rotated many times");
    }
}

/// Sweeps until every grace period has passed. One ends when each pinned thread of the process has moved on, those of other
/// tests included; the naps let them, if they have been put aside.
fn settle(dedup: &dyn Dedup, now_ms: i64) {
    for _ in 0..100 {
        dedup.sweep(now_ms);
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets threads race for an id in each round, twice in each batch, beside a sweep; there is one winner a round.
fn race(dedup: &dyn Dedup, rounds: i64, id: fn(i64) -> u64, now_ms: fn(i64) -> i64) {
    const THREADS: usize = 4;
    let barrier = Barrier::new(THREADS);
    let wins: Vec<AtomicUsize> = (0..rounds).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (barrier, wins) = (&barrier, &wins);
            scope.spawn(move || {
                for round in 0..rounds {
                    barrier.wait();
                    let now_ms = now_ms(round) + thread as i64 * 7;
                    if thread == 0 {
                        dedup.sweep(now_ms);
                    }
                    let id = id(round);
                    let won = claim(dedup, &[id, id], now_ms).iter().filter(|claim| **claim == Won).count();
                    wins[round as usize].fetch_add(won, Ordering::Relaxed);
                }
            });
        }
    });
    for (round, wins) in wins.iter().enumerate() {
        assert_eq!(wins.load(Ordering::Relaxed), 1, "round {round}");
    }
}
