//! The fair mutex and the permits. Each test is one scenario with one invariant.

use crate::fair::FairMutex;
use crate::harness::check;
use crate::permits::Permits;
use loom::thread::spawn;
use std::sync::Arc;

/// A waiter gets the lock before a thread that unlocks it and locks it again.
#[test]
fn a_waiter_is_not_overtaken() {
    check("a_waiter_is_not_overtaken", None, || {
        let mutex = Arc::new(FairMutex::new(Vec::new()));
        let held = mutex.lock().unwrap();
        let waiter = {
            let mutex = mutex.clone();
            spawn(move || mutex.lock().unwrap().push("waiter"))
        };
        let has_waiter = mutex.has_waiter();
        drop(held);
        mutex.lock().unwrap().push("again");
        waiter.join().unwrap();
        if has_waiter {
            assert_eq!(*mutex.lock().unwrap(), ["waiter", "again"]);
        }
    });
}

/// A waiter gets the lock before a thread that unlocks it and tries to lock it again.
#[test]
fn try_lock_does_not_overtake_a_waiter() {
    check("try_lock_does_not_overtake_a_waiter", None, || {
        let mutex = Arc::new(FairMutex::new(Vec::new()));
        let held = mutex.lock().unwrap();
        let waiter = {
            let mutex = mutex.clone();
            spawn(move || mutex.lock().unwrap().push("waiter"))
        };
        let has_waiter = mutex.has_waiter();
        drop(held);
        if let Ok(mut value) = mutex.try_lock() {
            value.push("tried");
        }
        waiter.join().unwrap();
        if has_waiter {
            assert_eq!(mutex.lock().unwrap()[0], "waiter");
        }
    });
}

/// Of two writers that need more than half of the permits, exactly one acquires its permits. Released permits can be
/// acquired again, and in the end no permit is in use.
#[test]
fn two_writers_and_permits_for_one() {
    check("two_writers_and_permits_for_one", None, || {
        let permits = Arc::new(Permits::new(3));
        let acquire = |permits: &Permits| {
            let is_acquired = permits.try_acquire(2);
            assert!(permits.in_use() <= 3, "more permits are in use than there are");
            is_acquired
        };
        let other = {
            let permits = permits.clone();
            spawn(move || acquire(&permits))
        };
        let acquired = [acquire(&permits), other.join().unwrap()];
        assert_eq!(acquired.iter().filter(|is_acquired| **is_acquired).count(), 1);
        permits.release(2);
        assert!(permits.in_use() == 0 && permits.try_acquire(3), "released permits are free");
    });
}
