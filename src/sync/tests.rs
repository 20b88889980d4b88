//! The phases on real threads. The models in `loom-tests` have the interleavings.

use crate::sync::phases::Phases;

#[test]
fn a_step_waits_for_the_threads_of_the_step_before() {
    let phases = Phases::new("zero", 0);
    let at_zero = phases.pin();
    assert_eq!(phases.lock().advance("one"), None, "no thread was pinned in the step before step zero");
    let at_one = phases.pin();
    assert_eq!((*at_zero, *at_one), ("zero", "one"));
    assert!(!phases.lock().is_settled(), "a thread uses the value of step zero");
    drop(at_one);
    assert!(!phases.lock().is_settled(), "the thread of the current step is not the one that is waited for");
    drop(at_zero);
    let at_one = phases.pin();
    let mut stepper = phases.lock();
    assert!(stepper.is_settled() && stepper.is_settled(), "a thread in the current step delays no step");
    assert_eq!(stepper.advance("two"), Some("zero"));
    assert!(!stepper.is_settled());
    drop(at_one);
    assert!(stepper.is_settled());
    assert_eq!(stepper.parts(), (&"two", &mut 0));
    assert_eq!((stepper.take_previous(), stepper.take_previous()), (Some("one"), None));
    assert_eq!(stepper.advance("three"), None, "the value of step one was taken");
}

#[test]
#[should_panic = "a thread may still use the value"]
fn a_value_in_use_is_not_taken() {
    let phases = Phases::new("zero", ());
    let _at_zero = phases.pin();
    phases.lock().advance("one");
    phases.lock().take_previous();
}

#[test]
fn one_thread_at_a_time_steps_and_has_the_state() {
    let phases = Phases::new((), 7);
    let mut stepper = phases.lock();
    assert!(phases.try_lock().is_none());
    *stepper += 1;
    drop(stepper);
    assert_eq!(phases.try_lock().as_deref(), Some(&8));
}

#[test]
fn a_thread_of_any_stripe_delays_a_step() {
    let phases = Phases::new(0, ());
    for step in 1..=2 * crate::sync::PIN_STRIPES {
        std::thread::scope(|scope| {
            let pinned = scope.spawn(|| *phases.pin());
            assert_eq!(pinned.join().unwrap(), step - 1);
            let (start, started) = std::sync::mpsc::channel();
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let phases = &phases;
            scope.spawn(move || {
                let _pinned = phases.pin();
                start.send(()).unwrap();
                ended.recv().unwrap_err();
            });
            started.recv().unwrap();
            phases.lock().advance(step);
            assert!(!phases.lock().is_settled());
            drop(end);
        });
        assert!(phases.lock().is_settled());
    }
}
