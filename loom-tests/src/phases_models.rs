//! The grace period of a value that changes in steps. Each test is one scenario with one invariant.

use crate::harness::check;
use crate::sync::phases::Phases;
use crate::sync::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;

/// The value of each step is the number of the step.
type Steps = Phases<u64, ()>;

/// Makes a step, unless a thread is in the way.
fn try_step(steps: &Steps) {
    let mut stepper = steps.lock();
    if stepper.is_settled() {
        let next = *stepper.parts().0 + 1;
        stepper.advance(next);
    }
}

/// Two pins of one thread beside two steps: a value is replaced only while no thread uses it, and no pin sees an older
/// step than the pin before.
#[test]
fn two_pins_beside_two_steps() {
    check("two_pins_beside_two_steps", Some(3), || {
        let steps = Arc::new(Steps::new(0, ()));
        let pins = {
            let steps = steps.clone();
            thread::spawn(move || {
                let seen = [*steps.pin(), *steps.pin()];
                assert!(seen[0] <= seen[1], "{seen:?}");
            })
        };
        (0..3).for_each(|_| try_step(&steps));
        pins.join().unwrap();
    });
}

/// What a thread did in step 0 is seen by a thread that is pinned in step 2.
#[test]
fn a_pin_sees_what_was_done_two_steps_earlier() {
    check("a_pin_sees_what_was_done_two_steps_earlier", Some(3), || {
        let (steps, done) = (Arc::new(Steps::new(0, ())), Arc::new(AtomicU64::new(0)));
        let first = {
            let (steps, done) = (steps.clone(), done.clone());
            thread::spawn(move || {
                let step = steps.pin();
                done.store(1, Ordering::Relaxed);
                *step
            })
        };
        let stepper = {
            let steps = steps.clone();
            thread::spawn(move || (0..2).for_each(|_| try_step(&steps)))
        };
        let seen = {
            let step = steps.pin();
            (*step, done.load(Ordering::Relaxed))
        };
        stepper.join().unwrap();
        if first.join().unwrap() == 0 && seen.0 == 2 {
            assert_eq!(seen.1, 1, "a thread of step 0 has unpinned before step 2");
        }
    });
}
