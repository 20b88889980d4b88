//! The preallocated dedup: one scenario a test, one invariant each.

use crate::dedup::{Claim, Dedup, Preallocated};
use crate::harness::check;
use crate::key::EventKey;
use crate::limits::STALL_SLACK_SECS;
use crate::sync::reclaim;
use Claim::{NoRoom, Taken, Won};
use loom::sync::Arc;
use loom::thread;

const HORIZON_SECS: u64 = 10;
const HORIZON_MS: i64 = 10_000;
/// The last millisecond of a generation that begins at 0.
const GENERATION_MS: i64 = HORIZON_MS + STALL_SLACK_SECS as i64 * 1_000;

/// An id whose home is the first line.
const fn key(n: u64) -> EventKey {
    EventKey([0, n])
}

const X: EventKey = key(1);

/// Room for seven ids a generation, which begins at 0.
fn preallocated() -> Arc<Preallocated> {
    reclaim::track_unpins();
    let dedup = Preallocated::new(Some(HORIZON_SECS), 1).unwrap();
    dedup.sweep(0);
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

fn wins(claims: impl IntoIterator<Item = Claim>) -> usize {
    claims.into_iter().filter(|claim| *claim == Won).count()
}

/// Of two claims of a new id, exactly one wins.
#[test]
fn two_preallocated_claims() {
    check("two_preallocated_claims", Some(3), || {
        let dedup = preallocated();
        let other = spawn_claim(&dedup, X, 0);
        let won = claim(&dedup, X, 0);
        assert_eq!(wins([won, other.join().unwrap()]), 1);
        assert_eq!((claim(&dedup, X, 0), dedup.ids()), (Taken, 1));
    });
}

/// Ids that meet in one cell are both won, one of them in the line after their home, and both are found there.
#[test]
fn two_ids_of_one_home() {
    check("two_ids_of_one_home", Some(3), || {
        let dedup = preallocated();
        claim(&dedup, key(9), 0);
        let other = spawn_claim(&dedup, key(2), 0);
        assert_eq!((claim(&dedup, X, 0), other.join().unwrap()), (Won, Won));
        assert_eq!([key(9), X, key(2)].map(|key| claim(&dedup, key, 0)), [Taken; 3]);
    });
}

/// A claimant that saw the step before a rotation, and one that saw the step after it: exactly one wins.
#[test]
fn two_claims_across_a_rotation() {
    check("two_claims_across_a_rotation", Some(3), || {
        let dedup = preallocated();
        let before = spawn_claim(&dedup, X, GENERATION_MS);
        dedup.sweep(GENERATION_MS + 1);
        dedup.sweep(GENERATION_MS + 1);
        let after = claim(&dedup, X, GENERATION_MS + 1);
        assert_eq!(wins([before.join().unwrap(), after]), 1);
        assert_eq!(claim(&dedup, X, GENERATION_MS + 1), Taken);
    });
}

/// Two claimants beside a rotation, each of which may see any of its steps: exactly one wins.
#[test]
fn two_claims_beside_a_rotation() {
    check("two_claims_beside_a_rotation", Some(2), || {
        let dedup = preallocated();
        let claims = [spawn_claim(&dedup, X, GENERATION_MS), spawn_claim(&dedup, X, GENERATION_MS + 1)];
        dedup.sweep(GENERATION_MS + 1);
        dedup.sweep(GENERATION_MS + 1);
        assert_eq!(wins(claims.map(|claim| claim.join().unwrap())), 1);
        assert_eq!(claim(&dedup, X, GENERATION_MS + 1), Taken);
    });
}

/// A claimant that has stalled since its id's horizon ended, beside a sweep as late as the slack allows: the id, claimed
/// in the last moment of its generation, is still remembered.
#[test]
fn a_stalled_claimant_beside_the_end_of_a_generation() {
    check("a_stalled_claimant_beside_the_end_of_a_generation", None, || {
        const START_MS: i64 = GENERATION_MS + 1;
        let dedup = preallocated();
        claim(&dedup, X, START_MS);
        dedup.sweep(START_MS);
        let stalled = spawn_claim(&dedup, X, START_MS + HORIZON_MS);
        dedup.sweep(START_MS + GENERATION_MS);
        dedup.sweep(START_MS + GENERATION_MS);
        assert_eq!(stalled.join().unwrap(), Taken);
    });
}

/// With room for one id, one of two is won, and the other is refused as such; nothing is overbooked.
#[test]
fn two_ids_and_room_for_one() {
    check("two_ids_and_room_for_one", Some(3), || {
        let dedup = Arc::new(Preallocated::new(None, 1).unwrap());
        let other = spawn_claim(&dedup, key(2), 0);
        let claims = [claim(&dedup, X, 0), other.join().unwrap()];
        assert!(wins(claims) <= 1 && !claims.contains(&Taken), "{claims:?}");
        assert_eq!(dedup.ids(), wins(claims));
        assert_eq!(claims.contains(&Won), claims != [NoRoom; 2]);
    });
}
