//! Models of what else threads hand over: the timeline's lock, which is taken in turns, and room.

use crate::fair::FairMutex;
use crate::harness::check;
use crate::room::Room;
use loom::thread::spawn;
use std::sync::Arc;

/// Whoever waits for the lock gets it before a thread that lets go of it and asks again.
#[test]
fn a_waiter_is_not_overtaken() {
    check("a_waiter_is_not_overtaken", None, || {
        let mutex = Arc::new(FairMutex::new(Vec::new()));
        let held = mutex.lock().unwrap();
        let waiter = {
            let mutex = mutex.clone();
            spawn(move || mutex.lock().unwrap().push("waiter"))
        };
        let awaited = mutex.is_awaited();
        drop(held);
        mutex.lock().unwrap().push("again");
        waiter.join().unwrap();
        if awaited {
            assert_eq!(*mutex.lock().unwrap(), ["waiter", "again"]);
        }
    });
}

/// Whoever waits for the lock gets it before a thread that lets go of it and tries.
#[test]
fn a_try_does_not_overtake_a_waiter() {
    check("a_try_does_not_overtake_a_waiter", None, || {
        let mutex = Arc::new(FairMutex::new(Vec::new()));
        let held = mutex.lock().unwrap();
        let waiter = {
            let mutex = mutex.clone();
            spawn(move || mutex.lock().unwrap().push("waiter"))
        };
        let awaited = mutex.is_awaited();
        drop(held);
        if let Ok(mut value) = mutex.try_lock() {
            value.push("tried");
        }
        waiter.join().unwrap();
        if awaited {
            assert_eq!(mutex.lock().unwrap()[0], "waiter");
        }
    });
}

/// Of two writers with room for one, one gets it; what is given back fits another one, and in the end nothing is held.
#[test]
fn two_writers_with_room_for_one() {
    check("two_writers_with_room_for_one", None, || {
        let room = Arc::new(Room::new(3));
        let reserve = |room: &Room| {
            let taken = room.take(2);
            assert!(room.taken() <= 3, "more than there is room for");
            taken
        };
        let other = {
            let room = room.clone();
            spawn(move || reserve(&room))
        };
        let reserved = [reserve(&room), other.join().unwrap()];
        assert_eq!(reserved.iter().filter(|reserved| **reserved).count(), 1);
        room.give_back(2);
        assert!(room.taken() == 0 && room.take(3), "what was given back is free");
    });
}
