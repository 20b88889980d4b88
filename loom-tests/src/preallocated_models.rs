//! The preallocated dedup. Each test is one scenario with one invariant.

use crate::dedup::{Claim, Dedup, Preallocated};
use crate::harness::check;
use crate::key::EventKey;
use crate::limits::STALL_SLACK_SECS;
use crate::sync::reclaim;
use Claim::{Duplicate, Full, Inserted};
use loom::sync::Arc;
use loom::thread;

const HORIZON_SECS: u64 = 10;
const HORIZON_MS: i64 = 10_000;
/// The last millisecond of a generation that begins at 0.
const GENERATION_MS: i64 = HORIZON_MS + STALL_SLACK_SECS as i64 * 1_000;

/// An id whose home is the first bucket.
const fn key(n: u64) -> EventKey {
    EventKey([0, n])
}

const X: EventKey = key(1);

/// A capacity of seven ids in each generation. The first generation begins at 0.
fn preallocated() -> Arc<Preallocated> {
    reclaim::track_unpins();
    let dedup = Preallocated::new(Some(HORIZON_SECS), 1).unwrap();
    dedup.sweep(0, &|_| true);
    Arc::new(dedup)
}

fn claim(dedup: &Preallocated, key: EventKey, now_ms: i64) -> Claim {
    let mut claims = Vec::new();
    dedup.claim(&[key], now_ms, &mut claims);
    claims[0]
}

fn spawn_claim(dedup: &Arc<Preallocated>, key: EventKey, now_ms: i64) -> thread::JoinHandle<Claim> {
    let dedup = dedup.clone();
    thread::spawn(move || claim(&dedup, key, now_ms))
}

fn insertions(claims: impl IntoIterator<Item = Claim>) -> usize {
    claims.into_iter().filter(|claim| *claim == Inserted).count()
}

/// Of two claims of a new id, exactly one inserts it.
#[test]
fn two_preallocated_claims() {
    check("two_preallocated_claims", Some(3), || {
        let dedup = preallocated();
        let other = spawn_claim(&dedup, X, 0);
        let first = claim(&dedup, X, 0);
        assert_eq!(insertions([first, other.join().unwrap()]), 1);
        assert_eq!((claim(&dedup, X, 0), dedup.ids()), (Duplicate, 1));
    });
}

/// Two ids that race for one cell are both inserted, one of them in the bucket after their home, and both are found
/// there.
#[test]
fn two_ids_of_one_bucket() {
    check("two_ids_of_one_bucket", Some(3), || {
        let dedup = preallocated();
        claim(&dedup, key(9), 0);
        let other = spawn_claim(&dedup, key(2), 0);
        assert_eq!((claim(&dedup, X, 0), other.join().unwrap()), (Inserted, Inserted));
        assert_eq!([key(9), X, key(2)].map(|key| claim(&dedup, key, 0)), [Duplicate; 3]);
    });
}

/// A claimant in the phase before a rotation and a claimant in the phase after it: exactly one inserts the id.
#[test]
fn two_claims_across_a_rotation() {
    check("two_claims_across_a_rotation", Some(3), || {
        let dedup = preallocated();
        let before = spawn_claim(&dedup, X, GENERATION_MS);
        dedup.sweep(GENERATION_MS + 1, &|_| true);
        dedup.sweep(GENERATION_MS + 1, &|_| true);
        let after = claim(&dedup, X, GENERATION_MS + 1);
        assert_eq!(insertions([before.join().unwrap(), after]), 1);
        assert_eq!(claim(&dedup, X, GENERATION_MS + 1), Duplicate);
    });
}

/// Two claimants during a rotation, each of which may be in any of its phases: exactly one inserts the id.
#[test]
fn two_claims_during_a_rotation() {
    check("two_claims_during_a_rotation", Some(2), || {
        let dedup = preallocated();
        let claims = [spawn_claim(&dedup, X, GENERATION_MS), spawn_claim(&dedup, X, GENERATION_MS + 1)];
        dedup.sweep(GENERATION_MS + 1, &|_| true);
        dedup.sweep(GENERATION_MS + 1, &|_| true);
        assert_eq!(insertions(claims.map(|claim| claim.join().unwrap())), 1);
        assert_eq!(claim(&dedup, X, GENERATION_MS + 1), Duplicate);
    });
}

/// A claimant that has been stalled since the horizon of its id ended, and a sweep as late as the slack allows. The id
/// was claimed in the last moment of its generation, and is still remembered.
#[test]
fn a_stalled_claimant_at_the_end_of_a_generation() {
    check("a_stalled_claimant_at_the_end_of_a_generation", None, || {
        const START_MS: i64 = GENERATION_MS + 1;
        let dedup = preallocated();
        claim(&dedup, X, START_MS);
        dedup.sweep(START_MS, &|_| true);
        let stalled = spawn_claim(&dedup, X, START_MS + HORIZON_MS);
        dedup.sweep(START_MS + GENERATION_MS, &|_| true);
        dedup.sweep(START_MS + GENERATION_MS, &|_| true);
        assert_eq!(stalled.join().unwrap(), Duplicate);
    });
}

/// With a capacity of one id, at most one of two ids is inserted, and the other claim finds the backend full. The
/// capacity is never exceeded.
#[test]
fn two_ids_and_capacity_for_one() {
    check("two_ids_and_capacity_for_one", Some(3), || {
        let dedup = Arc::new(Preallocated::new(None, 1).unwrap());
        let other = spawn_claim(&dedup, key(2), 0);
        let claims = [claim(&dedup, X, 0), other.join().unwrap()];
        assert!(insertions(claims) <= 1 && !claims.contains(&Duplicate), "{claims:?}");
        assert_eq!(dedup.ids(), insertions(claims));
        assert_eq!(claims.contains(&Inserted), claims != [Full; 2]);
    });
}
