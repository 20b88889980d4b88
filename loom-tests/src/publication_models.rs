//! The publication of generations over a stand-in for arc-swap: one scenario a test, one invariant each.

use crate::harness::check;
use crate::publication::Publication;
use loom::sync::Arc;
use loom::thread;

/// A generation in the small: its number, its timestamp, and a table that is to be the timestamp's double.
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

/// A PUT: the new generation's number, or none when the table in force is not older.
fn put(cell: &Cell, ts: u64) -> Option<u64> {
    change(cell, ts, |current| ts > current.ts)
}

/// A PUT on the condition that generation `number` is in force.
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

/// Two PUTs of different age race: the newer one is published, the older one either before it or not at all, and each is
/// told which.
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

/// Two PUTs on the condition of the same generation race: exactly one wins, and the other is told.
#[test]
fn two_conditional_puts() {
    check("two_conditional_puts", None, || {
        let cell = empty();
        let other = {
            let cell = cell.clone();
            thread::spawn(move || put_if(&cell, 0, 1))
        };
        let won = put_if(&cell, 0, 2);
        assert!(won != other.join().unwrap());
        let current = cell.current();
        assert_eq!((current.number, current.ts), (1, if won { 2 } else { 1 }));
    });
}

/// A reader beside a PUT sees one generation throughout, and never an older one than before.
#[test]
fn a_reader_beside_a_put() {
    check("a_reader_beside_a_put", None, || {
        let cell = empty();
        let writer = {
            let cell = cell.clone();
            thread::spawn(move || put(&cell, 1))
        };
        let (first, second) = (cell.current(), cell.current());
        for generation in [&first, &second] {
            assert_eq!(generation.table, 2 * generation.ts, "mixed: {generation:?}");
        }
        assert!(first.number <= second.number);
        assert_eq!(writer.join().unwrap(), Some(1));
        assert_eq!(cell.current().number, 1);
    });
}
