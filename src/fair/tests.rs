//! The lock that is taken in turns, on real threads. Apart from `fair.rs`, which a model checker compiles too.

use crate::fair::FairMutex;
use std::sync::TryLockError;

#[test]
fn a_waiter_comes_before_whoever_has_just_let_go() {
    for _ in 0..100 {
        let mutex = FairMutex::new(vec![]);
        let mut held = mutex.lock().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| mutex.lock().unwrap().push("waiter"));
            while !mutex.is_awaited() {
                std::thread::yield_now();
            }
            held.push("holder");
            drop(held);
            mutex.lock().unwrap().push("holder again");
        });
        assert_eq!(*mutex.lock().unwrap(), ["holder", "waiter", "holder again"]);
    }
}

#[test]
fn a_try_fails_while_somebody_holds_it_or_waits() {
    let mutex = FairMutex::new(());
    let would_block = || matches!(mutex.try_lock(), Err(TryLockError::WouldBlock));
    assert!(!would_block());
    let held = mutex.lock().unwrap();
    assert!(would_block());
    std::thread::scope(|scope| {
        scope.spawn(|| drop(mutex.lock().unwrap()));
        while !mutex.is_awaited() {
            std::thread::yield_now();
        }
        assert!(would_block());
        drop(held);
    });
    assert!(!would_block());
}
