//! The dedup with two generations in a line. Each test is one scenario with one invariant.

use crate::dedup::{Claim, Dedup, Lines};
use crate::harness::check;
use crate::key::EventKey;
use crate::limits::STALL_SLACK_SECS;
use Claim::{Duplicate, Full, Inserted};
use loom::sync::Arc;
use loom::thread;

const HORIZON_SECS: u64 = 10;
const HORIZON_MS: i64 = 10_000;
/// The length of a generation. Generation 1 is the first one that takes ids; it begins at 0.
const LENGTH_MS: i64 = HORIZON_MS + SLACK_MS;

/// How far a claimant may be behind.
const SLACK_MS: i64 = STALL_SLACK_SECS as i64 * 1_000;

/// An id whose home is the first line of any table.
const fn key(n: u64) -> EventKey {
    EventKey([0, n << 8])
}

const X: EventKey = key(1);

/// Two lines of two cells for each generation. Log time is 0.
fn fixed(ids_max: usize) -> Arc<Lines> {
    let dedup = Lines::with_lines(Some(HORIZON_SECS), 2, ids_max, Some(0)).unwrap();
    dedup.try_rotate(0);
    Arc::new(dedup)
}

/// The same, and its tables grow.
fn growing() -> Arc<Lines> {
    let dedup = Lines::new(Some(HORIZON_SECS)).unwrap();
    dedup.try_rotate(0);
    Arc::new(dedup)
}

fn claim(dedup: &Lines, key: EventKey, now_ms: i64) -> Claim {
    let mut claims = Vec::new();
    dedup.claim(&[key], now_ms, &mut claims);
    claims[0]
}

/// Claims new ids.
fn claim_all(dedup: &Lines, keys: &[EventKey], now_ms: i64) {
    let mut claims = Vec::new();
    dedup.claim(keys, now_ms, &mut claims);
    assert_eq!(insertions(claims), keys.len());
}

fn spawn_claim(dedup: &Arc<Lines>, key: EventKey, now_ms: i64) -> thread::JoinHandle<Claim> {
    let dedup = dedup.clone();
    thread::spawn(move || claim(&dedup, key, now_ms))
}

fn insertions(claims: impl IntoIterator<Item = Claim>) -> usize {
    claims.into_iter().filter(|claim| *claim == Inserted).count()
}

/// Of two claims of a new id, exactly one inserts it.
#[test]
fn two_claims_of_a_cell() {
    check("two_claims_of_a_cell", Some(3), || {
        let dedup = fixed(usize::MAX);
        let other = spawn_claim(&dedup, X, 0);
        let first = claim(&dedup, X, 0);
        assert_eq!(insertions([first, other.join().unwrap()]), 1);
        assert_eq!((claim(&dedup, X, 0), dedup.ids()), (Duplicate, 1));
    });
}

/// Two ids that race for the last cell of a half are both inserted, one of them in the neighbouring line. Both are
/// found in the next generation.
#[test]
fn two_ids_of_one_half() {
    check("two_ids_of_one_half", Some(3), || {
        let dedup = fixed(usize::MAX);
        claim(&dedup, key(9), 0);
        let other = spawn_claim(&dedup, key(2), 0);
        assert_eq!((claim(&dedup, X, 0), other.join().unwrap()), (Inserted, Inserted));
        for now_ms in [0, LENGTH_MS] {
            assert_eq!([key(9), X, key(2)].map(|key| claim(&dedup, key, now_ms)), [Duplicate; 3]);
        }
    });
}

/// Two claims of an id that finds no cell in two lines: exactly one inserts it into the overflow.
#[test]
fn two_claims_without_a_cell() {
    check("two_claims_without_a_cell", Some(2), || {
        let dedup = fixed(usize::MAX);
        claim_all(&dedup, &[2, 3, 4, 5].map(key), 0);
        let other = spawn_claim(&dedup, X, 0);
        let first = claim(&dedup, X, 0);
        assert_eq!(insertions([first, other.join().unwrap()]), 1);
        assert_eq!([0, LENGTH_MS].map(|now_ms| claim(&dedup, X, now_ms)), [Duplicate; 2]);
    });
}

/// Two claims of an id that finds no cell in the first segment either, so both open the second one.
#[test]
fn two_claims_beyond_a_segment() {
    check("two_claims_beyond_a_segment", Some(2), || {
        let dedup = fixed(usize::MAX);
        claim_all(&dedup, &[2, 3, 4, 5, 6, 7, 8, 9].map(key), 0);
        let other = spawn_claim(&dedup, X, 0);
        let first = claim(&dedup, X, 0);
        assert_eq!(insertions([first, other.join().unwrap()]), 1);
        assert_eq!([0, LENGTH_MS].map(|now_ms| claim(&dedup, X, now_ms)), [Duplicate; 2]);
    });
}

/// A claimant at the end of a generation and one at the beginning of the next: exactly one inserts the id.
#[test]
fn two_claims_across_generations() {
    check("two_claims_across_generations", Some(2), || {
        let dedup = fixed(usize::MAX);
        let before = spawn_claim(&dedup, X, LENGTH_MS - 1);
        let after = claim(&dedup, X, LENGTH_MS);
        assert_eq!(insertions([before.join().unwrap(), after]), 1);
        assert_eq!(claim(&dedup, X, LENGTH_MS), Duplicate);
    });
}

/// An id goes on to the neighbouring line at the end of a generation, while a claimant of the next generation looks for
/// it: exactly one inserts it.
#[test]
fn two_claims_beyond_a_half_across_generations() {
    check("two_claims_beyond_a_half_across_generations", Some(2), || {
        let dedup = fixed(usize::MAX);
        claim_all(&dedup, &[key(2), key(3)], 0);
        let before = spawn_claim(&dedup, X, LENGTH_MS - 1);
        let after = claim(&dedup, X, LENGTH_MS);
        assert_eq!(insertions([before.join().unwrap(), after]), 1);
        assert_eq!(claim(&dedup, X, LENGTH_MS), Duplicate);
    });
}

/// A claimant that is stalled while the generation of its id is forgotten. The id found no cell.
#[test]
fn a_stalled_claimant_of_an_id_without_a_cell() {
    check("a_stalled_claimant_of_an_id_without_a_cell", Some(2), || {
        let dedup = fixed(usize::MAX);
        claim_all(&dedup, &[key(2), key(3), key(4), key(5), X], 0);
        dedup.try_rotate(LENGTH_MS);
        let stalled = spawn_claim(&dedup, X, HORIZON_MS);
        dedup.try_rotate(2 * LENGTH_MS);
        assert_ne!(stalled.join().unwrap(), Inserted);
    });
}

/// A claimant that is stalled since its id was within the horizon, while the generation of the id is forgotten and its
/// cell is filled again. The claimant inserts nothing.
#[test]
fn a_stalled_claimant_of_a_forgotten_generation() {
    check("a_stalled_claimant_of_a_forgotten_generation", Some(2), || {
        let dedup = fixed(usize::MAX);
        assert_eq!(claim(&dedup, X, 0), Inserted);
        dedup.try_rotate(LENGTH_MS);
        let stalled = spawn_claim(&dedup, X, HORIZON_MS);
        claim_all(&dedup, &[key(2), key(3)], 2 * LENGTH_MS);
        assert_ne!(stalled.join().unwrap(), Inserted);
    });
}

/// A pinned claimant delays the end of a generation. An id of a later stretch of log time that is inserted meanwhile is
/// still remembered for the horizon.
#[test]
fn a_late_id_of_a_delayed_generation() {
    check("a_late_id_of_a_delayed_generation", Some(2), || {
        const LATE_MS: i64 = 2 * LENGTH_MS - 1;
        let dedup = fixed(usize::MAX);
        let other = spawn_claim(&dedup, key(2), 0);
        let claims = [claim(&dedup, X, LATE_MS), other.join().unwrap()];
        assert_eq!(claims[0], Inserted);
        assert_eq!(claim(&dedup, X, LATE_MS + HORIZON_MS), Duplicate);
    });
}

/// With a capacity of one id, at most one of two ids is inserted, and the other claim finds the backend full.
#[test]
fn two_ids_and_room_for_one() {
    check("two_ids_and_room_for_one", Some(3), || {
        let dedup = fixed(1);
        let other = spawn_claim(&dedup, key(2), 0);
        let claims = [claim(&dedup, X, 0), other.join().unwrap()];
        assert!(insertions(claims) <= 1 && !claims.contains(&Duplicate), "{claims:?}");
        assert_eq!(dedup.ids(), insertions(claims));
    });
}

/// Two ids around the beginning of a generation of one id: no generation has both of them.
#[test]
fn two_ids_and_room_for_one_across_generations() {
    check("two_ids_and_room_for_one_across_generations", Some(2), || {
        let dedup = fixed(1);
        let before = spawn_claim(&dedup, key(2), LENGTH_MS - 1);
        let claims = [claim(&dedup, X, LENGTH_MS), before.join().unwrap()];
        // Later, only the second of the two generations is remembered, even if the first one took an id of LENGTH_MS.
        let later = [X, key(2)].map(|key| claim(&dedup, key, 2 * LENGTH_MS + 1));
        assert_ne!(later, [Duplicate; 2], "{claims:?}");
    });
}

/// A claimant beside a table that takes over: exactly one of two claims inserts the id.
#[test]
fn two_claims_while_a_table_grows() {
    check("two_claims_while_a_table_grows", Some(2), || {
        let dedup = growing();
        claim_all(&dedup, &[2, 3, 4, 5].map(key), 0);
        let other = spawn_claim(&dedup, X, 0);
        dedup.sweep(SLACK_MS, &|_| true);
        let first = claim(&dedup, X, 0);
        assert_eq!(insertions([first, other.join().unwrap()]), 1);
        assert_eq!([X, key(2)].map(|key| claim(&dedup, key, 0)), [Duplicate; 2]);
        assert_eq!(claim(&dedup, X, LENGTH_MS), Duplicate);
    });
}

/// Ids of long ago, in cells whose tag is used again: they are wiped before that, also while claims run.
#[test]
fn a_tag_that_is_used_again() {
    check("a_tag_that_is_used_again", Some(1), || {
        // The first wipe comes in the stretch after this one.
        const FIRST: i64 = 11;
        const NOW_MS: i64 = (FIRST + 14) * LENGTH_MS;
        let dedup = fixed(usize::MAX);
        (0..FIRST).for_each(|stretch| dedup.try_rotate(stretch * LENGTH_MS));
        claim_all(&dedup, &[X, key(2)], FIRST * LENGTH_MS);
        (FIRST + 1..FIRST + 14).for_each(|stretch| dedup.try_rotate(stretch * LENGTH_MS));
        let other = spawn_claim(&dedup, key(3), NOW_MS - SLACK_MS);
        let claims = [claim(&dedup, X, NOW_MS), other.join().unwrap()];
        assert_eq!(claims, [Inserted; 2]);
        assert_eq!([X, key(3)].map(|key| claim(&dedup, key, NOW_MS)), [Duplicate; 2]);
    });
}

/// A wipe beside claims that fill the same cells: no id is lost.
#[test]
fn two_claims_beside_a_wipe() {
    check("two_claims_beside_a_wipe", Some(2), || {
        const NOW_MS: i64 = 10 * LENGTH_MS;
        let dedup = fixed(usize::MAX);
        // Each generation leaves dead cells to the generation after the next one. The last one fills only one of them.
        for stretch in 0..10 {
            claim_all(&dedup, &[2, 3].map(|n| key(n + stretch as u64 * 16)), stretch * LENGTH_MS);
        }
        claim_all(&dedup, &[key(2 + 160)], NOW_MS);
        let other = spawn_claim(&dedup, X, NOW_MS);
        dedup.sweep(NOW_MS, &|_| true);
        let first = claim(&dedup, X, NOW_MS);
        assert_eq!(insertions([first, other.join().unwrap()]), 1);
        assert_eq!([X, key(2 + 160)].map(|key| claim(&dedup, key, NOW_MS + HORIZON_MS)), [Duplicate; 2]);
    });
}

/// A thread that advances log time beside a claimant: it waits for the claimant, and all that is due is forgotten.
#[test]
fn log_time_advances_beside_a_claimant() {
    check("log_time_advances_beside_a_claimant", Some(2), || {
        let dedup = fixed(usize::MAX);
        assert_eq!(claim(&dedup, X, 0), Inserted);
        let other = spawn_claim(&dedup, key(2), LENGTH_MS - 1);
        dedup.advance_log_time(2 * LENGTH_MS);
        assert_eq!(claim(&dedup, X, 2 * LENGTH_MS), Inserted);
        other.join().unwrap();
    });
}

/// The grace period: a value is replaced only when no thread uses it.
#[test]
fn a_pinned_value_beside_steps() {
    check("a_pinned_value_beside_steps", Some(2), || {
        let dedup = fixed(usize::MAX);
        let other = spawn_claim(&dedup, X, 0);
        (1..4).for_each(|stretch| dedup.try_rotate(stretch * LENGTH_MS));
        assert_ne!(other.join().unwrap(), Duplicate);
        dedup.try_rotate(4 * LENGTH_MS);
        assert_eq!(claim(&dedup, key(2), 0), Full, "the time is before the horizon of a forgotten id");
    });
}
