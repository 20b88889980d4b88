//! The elastic dedup over a stand-in for scc: one scenario a test, one invariant each.

use crate::dedup::{Claim, Dedup, Elastic};
use crate::harness::check;
use crate::key::{EventKey, HashKeys};
use crate::limits::STALL_SLACK_SECS;
use crate::window::{Appended, Folder, Window};
use loom::sync::Arc;
use loom::thread;

const HORIZON_SECS: u64 = 10;
const HORIZON_MS: i64 = 10_000;

fn elastic() -> Arc<Elastic> {
    Arc::new(Elastic::of_maps(Some(HORIZON_SECS), usize::MAX, 1))
}

fn key() -> EventKey {
    HashKeys::from_seed(&[0; 32]).event("e")
}

/// Whether the claim is won.
fn claim(dedup: &Elastic, now_ms: i64) -> bool {
    let mut claims = Vec::new();
    dedup.claim(&[key()], now_ms, &mut claims);
    claims[0] == Claim::Won
}

fn spawn_claim(dedup: &Arc<Elastic>, now_ms: i64) -> thread::JoinHandle<bool> {
    let dedup = dedup.clone();
    thread::spawn(move || claim(&dedup, now_ms))
}

/// Of two claims of a new id, exactly one wins.
#[test]
fn two_claims() {
    check("two_claims", None, || {
        let dedup = elastic();
        let other = spawn_claim(&dedup, 0);
        let won = claim(&dedup, 0);
        assert!(won != other.join().unwrap());
        assert_eq!(dedup.ids(), 1);
    });
}

/// Of two claims of an expired id, by claimants whose clocks differ, exactly one wins.
#[test]
fn two_claims_across_an_expiry() {
    check("two_claims_across_an_expiry", None, || {
        let dedup = elastic();
        assert!(claim(&dedup, 0));
        let other = spawn_claim(&dedup, HORIZON_MS + 1);
        let won = claim(&dedup, HORIZON_MS + 5_000);
        assert!(won != other.join().unwrap());
    });
}

/// The id expires between two claimants' clocks: only the one that is past the expiry may win, and the other is told
/// "duplicate" of either.
#[test]
fn a_clock_behind_and_a_clock_past_the_expiry() {
    check("a_clock_behind_and_a_clock_past_the_expiry", None, || {
        let dedup = elastic();
        assert!(claim(&dedup, 0));
        let behind = spawn_claim(&dedup, HORIZON_MS);
        assert!(claim(&dedup, HORIZON_MS + 1));
        assert!(!behind.join().unwrap());
    });
}

/// A sweep beside a claimant that has stalled since before the expiry changes nothing for it.
#[test]
fn a_sweep_beside_a_stalled_claimant() {
    check("a_sweep_beside_a_stalled_claimant", None, || {
        let dedup = elastic();
        assert!(claim(&dedup, 0));
        let stalled = spawn_claim(&dedup, HORIZON_MS);
        dedup.forget_expired(HORIZON_MS + i64::from(STALL_SLACK_SECS) * 1_000);
        assert!(!stalled.join().unwrap());
    });
}

/// A sweep that does forget the id, beside two claimants of which it is expired for both: exactly one wins.
#[test]
fn a_sweep_beside_two_claims_across_an_expiry() {
    check("a_sweep_beside_two_claims_across_an_expiry", Some(3), || {
        let now_ms = HORIZON_MS + i64::from(STALL_SLACK_SECS) * 1_000 + 1;
        let dedup = elastic();
        assert!(claim(&dedup, 0));
        let claims = [spawn_claim(&dedup, now_ms), spawn_claim(&dedup, now_ms - 500)];
        dedup.forget_expired(now_ms);
        let wins = claims.map(|claim| usize::from(claim.join().unwrap())).iter().sum::<usize>();
        assert_eq!((wins, dedup.ids()), (1, 1));
    });
}

/// Claim, then append: of two posts of one event one is counted, and once both have been answered the event is in what
/// is folded next, whoever won.
#[test]
fn a_duplicate_is_or_will_be_counted() {
    check("a_duplicate_is_or_will_be_counted", Some(3), || {
        let dedup = elastic();
        let window = Arc::new(Window::new(1, 1));
        let mut folder = Folder::new(&window);
        let post = |dedup: Arc<Elastic>, window: Arc<Window>| {
            let won = claim(&dedup, 0);
            if won {
                assert_eq!(window.append(0, 5, [1].into()), Appended::Stored);
            }
            won
        };
        let other = {
            let (dedup, window) = (dedup.clone(), window.clone());
            thread::spawn(move || post(dedup, window))
        };
        let won = post(dedup, window.clone());
        assert!(won != other.join().unwrap());
        let mut seen = vec![];
        folder.catch_up(&window, &(0..=9), u64::MAX, |_, records| seen.extend_from_slice(records));
        assert_eq!(seen, [1]);
    });
}
