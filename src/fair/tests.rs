//! The fair mutex on real threads.

use crate::fair::FairMutex;
use std::sync::TryLockError;

#[test]
fn a_waiter_gets_the_lock_before_the_thread_that_unlocks_and_locks_again() {
    for _ in 0..100 {
        let mutex = FairMutex::new(vec![]);
        let mut held = mutex.lock().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| mutex.lock().unwrap().push("waiter"));
            while !mutex.has_waiter() {
                std::thread::yield_now();
            }
            held.push("owner");
            drop(held);
            mutex.lock().unwrap().push("owner again");
        });
        assert_eq!(*mutex.lock().unwrap(), ["owner", "waiter", "owner again"]);
    }
}

#[test]
fn try_lock_fails_while_a_thread_holds_the_lock_or_waits_for_it() {
    let mutex = FairMutex::new(());
    let would_block = || matches!(mutex.try_lock(), Err(TryLockError::WouldBlock));
    assert!(!would_block());
    let held = mutex.lock().unwrap();
    assert!(would_block());
    std::thread::scope(|scope| {
        scope.spawn(|| drop(mutex.lock().unwrap()));
        while !mutex.has_waiter() {
            std::thread::yield_now();
        }
        assert!(would_block());
        drop(held);
    });
    assert!(!would_block());
}
