//! Claimants of two successive phases at the same time. The phases are made directly, so that no step comes in between.
//! In each test, exactly one claimant inserts the id.

use crate::dedup::Claim;
use crate::dedup::lines::claimant::Claims;
use crate::dedup::lines::generation::Generation;
use crate::dedup::lines::phase::{Phase, Place};
use crate::dedup::lines::table::Table;
use crate::harness::check;
use crate::key::EventKey;
use crate::sync::{AtomicUsize, vector};
use loom::thread;
use std::sync::Arc;

/// An id whose home is the first line of any table.
const fn key(n: u64) -> EventKey {
    EventKey([0, n << 8])
}

const X: EventKey = key(1);

fn table() -> Arc<Table> {
    Arc::new(Table::new(2, &Arc::new(AtomicUsize::new(0))).unwrap())
}

fn generation(number: u64) -> Arc<Generation> {
    Arc::new(Generation::new(number, usize::MAX, 2, &Arc::new(AtomicUsize::new(0))))
}

/// Generation 2 in a table of which generation 0 has filled the first cells, after generation 0 was forgotten.
fn emptied() -> Phase {
    let table = table();
    let before = Phase::first(Place { table: table.clone(), generation: generation(0) }, i64::MAX);
    assert_eq!([2, 3].map(|n| claim(&before, key(n))), [Claim::Inserted; 2]);
    Phase::first(Place { table, generation: generation(1) }, i64::MAX)
}

fn claim(phase: &Phase, key: EventKey) -> Claim {
    let mut claims = Vec::new();
    vector::run(Claims { phase, keys: &[key], now_ms: 0, claims: &mut claims });
    claims[0]
}

/// Lets one claimant of each phase claim the same id.
fn race(name: &str, preemptions: usize, phases: impl Fn() -> Vec<Phase> + Send + Sync + 'static) {
    check(name, Some(preemptions), move || {
        let claimants: Vec<_> = phases().into_iter().map(|phase| thread::spawn(move || claim(&phase, X))).collect();
        let claims: Vec<_> = claimants.into_iter().map(|claimant| claimant.join().unwrap()).collect();
        assert_eq!(claims.iter().filter(|claim| **claim == Claim::Inserted).count(), 1, "{claims:?}");
    });
}

/// Takes all cells of both tables of the phase.
fn fill(phase: &Phase) {
    assert_eq!([2, 3, 4, 5].map(|n| claim(phase, key(n))), [Claim::Inserted; 4]);
}

#[test]
fn a_claim_before_and_a_claim_in_bridging() {
    race("a_claim_before_and_a_claim_in_bridging", 3, || {
        let emptied = emptied();
        let next = Place { table: emptied.current.table.clone(), generation: generation(2) };
        vec![emptied.bridging(next), emptied]
    });
}

/// Bridging fills cells that an older generation has left, and so does the phase after it.
#[test]
fn a_claim_in_bridging_and_a_claim_after_it() {
    race("a_claim_in_bridging_and_a_claim_after_it", 3, || {
        let emptied = emptied();
        let bridging = emptied.bridging(Place { table: emptied.current.table.clone(), generation: generation(2) });
        vec![bridging.rotated(i64::MAX, i64::MAX), bridging]
    });
}

#[test]
fn a_claim_in_bridging_to_a_new_table_and_a_claim_after_it() {
    race("a_claim_in_bridging_to_a_new_table_and_a_claim_after_it", 3, || {
        let bridging = emptied().bridging(Place { table: table(), generation: generation(2) });
        vec![bridging.rotated(i64::MAX, i64::MAX), bridging]
    });
}

#[test]
fn a_claim_before_and_a_claim_in_growing() {
    race("a_claim_before_and_a_claim_in_growing", 3, || {
        let emptied = emptied();
        vec![emptied.growing(table()), emptied]
    });
}

#[test]
fn a_claim_in_growing_and_a_claim_after_it() {
    race("a_claim_in_growing_and_a_claim_after_it", 3, || {
        let growing = emptied().growing(table());
        vec![growing.grown(i64::MAX), growing]
    });
}

/// Neither of the two tables has a cell left, and both have the same overflow.
#[test]
fn a_claim_in_growing_between_full_tables_and_a_claim_after_it() {
    race("a_claim_in_growing_between_full_tables_and_a_claim_after_it", 2, || {
        let growing = emptied().growing(table());
        fill(&growing);
        vec![growing.grown(i64::MAX), growing]
    });
}

/// Neither of the two tables has a cell left, and each generation has its own overflow.
#[test]
fn a_claim_in_bridging_between_full_tables_and_a_claim_after_it() {
    race("a_claim_in_bridging_between_full_tables_and_a_claim_after_it", 2, || {
        let bridging = emptied().bridging(Place { table: table(), generation: generation(2) });
        fill(&bridging);
        vec![bridging.rotated(i64::MAX, i64::MAX), bridging]
    });
}

/// Two claimants of the phase before and one of the phase after.
#[test]
fn two_claims_in_bridging_and_a_claim_after_it() {
    race("two_claims_in_bridging_and_a_claim_after_it", 1, || {
        let bridging = emptied().bridging(Place { table: table(), generation: generation(2) });
        vec![bridging.rotated(i64::MAX, i64::MAX), bridging.clone(), bridging]
    });
}
