//! The backends of the dedup on real threads. Apart from `dedup/mod.rs`, which a model checker compiles too.

use crate::dedup::Dedup;
use crate::dedup::elastic::{Elastic, KeyIsHash};
use crate::key::EventKey;
use crate::limits;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

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
fn an_id_is_found_by_the_first_word_of_its_key() {
    let hash = |key| BuildHasherDefault::<KeyIsHash>::default().hash_one(key);
    assert_eq!(hash(EventKey([u64::MAX - 7, 3])), u64::MAX - 7);
}

#[test]
fn room_is_counted_by_live_ids() {
    let dedup = Elastic::with_room(Some(10), 3);
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
