//! The publication of generations over a stand-in for arc-swap. Each test is one scenario with one invariant.

use crate::harness::check;
use crate::publication::Publication;
use loom::sync::Arc;
use loom::thread;

/// A small generation: its number, its timestamp, and a table, which always is twice the timestamp.
#[derive(Debug)]
struct Generation {
    number: u64,
    ts: u64,
    table: u64,
}

type Cell = Arc<Publication<Generation>>;

fn empty() -> Cell {
    Arc::new(Publication::new(Generation { number: 0, ts: 0, table: 0 }))
}

/// A PUT: the number of the new generation, or `None` if the current table is not older.
fn put(cell: &Cell, ts: u64) -> Option<u64> {
    change(cell, ts, |current| ts > current.ts)
}

/// A PUT with the precondition that generation `number` is the current one; returns whether it succeeds.
fn put_if(cell: &Cell, number: u64, ts: u64) -> bool {
    change(cell, ts, |current| current.number == number).is_some()
}

/// Publishes a generation if it is valid, and returns its number. As the engine does it: a change that loses a race is
/// validated again, against the winner.
fn change(cell: &Cell, ts: u64, is_valid: impl Fn(&Generation) -> bool) -> Option<u64> {
    let mut base = cell.current();
    loop {
        if !is_valid(&base) {
            return None;
        }
        let successor = Generation { number: base.number + 1, ts, table: 2 * ts };
        match cell.try_publish(&base, successor) {
            Ok(published) => return Some(published.number),
            Err(newer) => base = newer,
        }
    }
}

/// Two PUTs of different age race. The newer one is published; the older one is published before it or refused. Each
/// PUT returns its own result.
#[test]
fn two_puts() {
    check("two_puts", None, || {
        let cell = empty();
        let older = {
            let cell = cell.clone();
            thread::spawn(move || put(&cell, 1))
        };
        let newer = put(&cell, 2).unwrap();
        let older = older.join().unwrap();
        assert!(matches!((older, newer), (Some(1), 2) | (None, 1)), "{older:?}, {newer}");
        let current = cell.current();
        assert_eq!((current.number, current.ts), (newer, 2));
    });
}

/// Two PUTs with the same precondition race: exactly one succeeds, and the other one is refused.
#[test]
fn two_conditional_puts() {
    check("two_conditional_puts", None, || {
        let cell = empty();
        let other = {
            let cell = cell.clone();
            thread::spawn(move || put_if(&cell, 0, 1))
        };
        let succeeded = put_if(&cell, 0, 2);
        assert!(succeeded != other.join().unwrap());
        let current = cell.current();
        assert_eq!((current.number, current.ts), (1, if succeeded { 2 } else { 1 }));
    });
}

/// During a PUT, a reader sees a consistent generation, and never an older one than before.
#[test]
fn a_reader_during_a_put() {
    check("a_reader_during_a_put", None, || {
        let cell = empty();
        let writer = {
            let cell = cell.clone();
            thread::spawn(move || put(&cell, 1))
        };
        let (first, second) = (cell.current(), cell.current());
        for generation in [&first, &second] {
            assert_eq!(generation.table, 2 * generation.ts, "a mix of two generations: {generation:?}");
        }
        assert!(first.number <= second.number);
        assert_eq!(writer.join().unwrap(), Some(1));
        assert_eq!(cell.current().number, 1);
    });
}
