//! The dedup on scc's map, over a stand-in for scc. Each test is one scenario with one invariant.

use crate::dedup::{Claim, Dedup, SccMap};
use crate::harness::check;
use crate::key::{EventKey, HashKeys};
use crate::limits::STALL_SLACK_SECS;
use crate::window::{Appended, Window, WindowConsumer};
use loom::sync::Arc;
use loom::thread;

const HORIZON_SECS: u64 = 10;
const HORIZON_MS: i64 = 10_000;

fn scc_map() -> Arc<SccMap> {
    Arc::new(SccMap::with_maps(Some(HORIZON_SECS), 1))
}

fn key() -> EventKey {
    HashKeys::from_seed(&[0; 32]).event("e")
}

/// Whether the claim inserts the id.
fn claim(dedup: &SccMap, now_ms: i64) -> bool {
    let mut claims = Vec::new();
    dedup.claim(&[key()], now_ms, &mut claims);
    claims[0] == Claim::Inserted
}

fn spawn_claim(dedup: &Arc<SccMap>, now_ms: i64) -> thread::JoinHandle<bool> {
    let dedup = dedup.clone();
    thread::spawn(move || claim(&dedup, now_ms))
}

/// Of two claims of a new id, exactly one inserts it.
#[test]
fn two_claims() {
    check("two_claims", None, || {
        let dedup = scc_map();
        let other = spawn_claim(&dedup, 0);
        let inserted = claim(&dedup, 0);
        assert!(inserted != other.join().unwrap());
        assert_eq!(dedup.ids(), 1);
    });
}

/// Of two claims of an expired id, by claimants whose clocks differ, exactly one inserts it.
#[test]
fn two_claims_across_an_expiry() {
    check("two_claims_across_an_expiry", None, || {
        let dedup = scc_map();
        assert!(claim(&dedup, 0));
        let other = spawn_claim(&dedup, HORIZON_MS + 1);
        let inserted = claim(&dedup, HORIZON_MS + 5_000);
        assert!(inserted != other.join().unwrap());
    });
}

/// The clock of one claimant is before the expiry of the id, the clock of the other one is past it. Only the latter may
/// insert the id; the former always gets "duplicate".
#[test]
fn a_clock_before_and_a_clock_past_the_expiry() {
    check("a_clock_before_and_a_clock_past_the_expiry", None, || {
        let dedup = scc_map();
        assert!(claim(&dedup, 0));
        let before = spawn_claim(&dedup, HORIZON_MS);
        assert!(claim(&dedup, HORIZON_MS + 1));
        assert!(!before.join().unwrap());
    });
}

/// A sweep changes nothing for a claimant that has been stalled since before the expiry.
#[test]
fn a_sweep_and_a_stalled_claimant() {
    check("a_sweep_and_a_stalled_claimant", None, || {
        let dedup = scc_map();
        assert!(claim(&dedup, 0));
        let stalled = spawn_claim(&dedup, HORIZON_MS);
        dedup.remove_expired(HORIZON_MS + i64::from(STALL_SLACK_SECS) * 1_000);
        assert!(!stalled.join().unwrap());
    });
}

/// A sweep that removes the id, and two claimants for which the id is expired: exactly one of them inserts it.
#[test]
fn a_sweep_and_two_claims_across_an_expiry() {
    check("a_sweep_and_two_claims_across_an_expiry", Some(3), || {
        let now_ms = HORIZON_MS + i64::from(STALL_SLACK_SECS) * 1_000 + 1;
        let dedup = scc_map();
        assert!(claim(&dedup, 0));
        let claims = [spawn_claim(&dedup, now_ms), spawn_claim(&dedup, now_ms - 500)];
        dedup.remove_expired(now_ms);
        let insertions = claims.map(|claim| usize::from(claim.join().unwrap())).iter().sum::<usize>();
        assert_eq!((insertions, dedup.ids()), (1, 1));
    });
}

/// Each of two threads claims one event and then appends it. One of them counts the event, and after both have
/// returned, the next fold has it.
#[test]
fn a_duplicate_is_counted_eventually() {
    check("a_duplicate_is_counted_eventually", Some(3), || {
        let dedup = scc_map();
        let window = Arc::new(Window::new(1));
        let mut consumer = WindowConsumer::new(&window);
        let post = |dedup: Arc<SccMap>, window: Arc<Window>| {
            let inserted = claim(&dedup, 0);
            if inserted {
                assert_eq!(window.append(5, [1].into()), Appended::Stored);
            }
            inserted
        };
        let other = {
            let (dedup, window) = (dedup.clone(), window.clone());
            thread::spawn(move || post(dedup, window))
        };
        let inserted = post(dedup, window.clone());
        assert!(inserted != other.join().unwrap());
        let mut seen = vec![];
        consumer.drain(&window, &(0..=9), u64::MAX, |_, records| seen.extend_from_slice(records));
        assert_eq!(seen, [1]);
    });
}
