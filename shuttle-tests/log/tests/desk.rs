//! The desk of the log under random schedules: every batch is answered exactly once, after its frame is applied, also
//! if the log fails, does not answer, or is closed meanwhile.
//!
//! `WEIR_SHUTTLE_EXECUTIONS` and the report of a failure are as for the scenarios of the engine.
#![allow(clippy::unwrap_used, missing_docs, reason = "an unwrap in a test is an assertion")]

use shuttle::thread::spawn;
use shuttle_tests_log::scenario::{Fates, start};
use shuttle_tests_log::topic::NotPlaced;
use shuttle_tests_log::{Answer, NotLogged};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use weir::Outcome;

/// Runs `scenario` under random schedules. It fails if nothing raced.
fn explore<O: Debug>(name: &str, scenario: impl Fn() -> O + Copy + Send + Sync + 'static) {
    let outcomes = Arc::new(Mutex::new(BTreeSet::new()));
    let run = {
        let outcomes = outcomes.clone();
        move || _ = outcomes.lock().unwrap().insert(format!("{:?}", scenario()))
    };
    if let Ok(schedule) = std::env::var("WEIR_SHUTTLE_SCHEDULE") {
        return shuttle::replay(run, &schedule);
    }
    let executions = std::env::var("WEIR_SHUTTLE_EXECUTIONS").map_or(1_000, |executions| executions.parse().unwrap());
    shuttle::check_random(run.clone(), executions);
    shuttle::check_pct(run, executions, 3);
    let outcomes = outcomes.lock().unwrap().len();
    assert!(executions == 1 || outcomes > 1, "{name} had only one outcome: nothing raced");
    println!("{name}: {} executions, {outcomes} outcomes", 2 * executions);
}

fn accepted() -> Answer {
    Ok(Outcome::accepted(1))
}

/// Three batches of two threads, and a stop. Those that are taken are accepted, and their rows are applied by then.
#[test]
fn batches_are_answered_once_they_are_applied() {
    explore("batches_are_answered_once_they_are_applied", || {
        let (client, threads) = start(1, Fates::new());
        let other = client.clone();
        let submits = spawn(move || {
            other.submit(1);
            other.submit(2);
        });
        client.submit(3);
        client.close();
        submits.join().unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let told = client.told();
        assert_eq!(told.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [1, 2, 3]);
        for (id, answer, is_applied) in &told {
            assert_eq!(*is_applied, *answer == accepted(), "batch {id}");
            assert!(*is_applied || *answer == Err(NotLogged::Overloaded), "only a stop refuses batch {id}");
        }
        told
    });
}

/// A frame without a known place, and one that found no room. The first one may be applied before or after the answer.
#[test]
fn a_frame_without_a_place_is_answered_once() {
    explore("a_frame_without_a_place_is_answered_once", || {
        let (client, threads) = start(2, vec![Err(NotPlaced::Unknown), Err(NotPlaced::Full)]);
        client.submit(1);
        let other = client.clone();
        let submits = spawn(move || {
            other.submit(2);
        });
        client.submit(3);
        submits.join().unwrap();
        client.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let told = client.told();
        assert_eq!(told.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [1, 2, 3]);
        for (id, answer, is_applied) in &told {
            assert!(*answer != accepted() || *is_applied, "batch {id}");
            assert!(*answer != Err(NotLogged::Overloaded) || !is_applied, "batch {id}");
        }
        told
    });
}

/// A batch is given up, and the log fails, while its frame is on its way.
#[test]
fn a_batch_that_is_given_up_is_answered_once() {
    explore("a_batch_that_is_given_up_is_answered_once", || {
        let (client, threads) = start(1, Fates::new());
        let ticket = client.submit(1);
        let (gives_up, fails) = (client.clone(), client.clone());
        let gives_up = spawn(move || gives_up.give_up(ticket));
        let fails = spawn(move || fails.fail());
        client.submit(2);
        gives_up.join().unwrap();
        fails.join().unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let told = client.told();
        assert_eq!(told.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [1, 2]);
        assert!(told.iter().all(|(_, answer, is_applied)| *answer != accepted() || *is_applied));
        told
    });
}
