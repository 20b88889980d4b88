//! The promises that need a look behind the public interface.

use super::*;
use crate::clock::ManualClock;
use std::sync::Mutex;
use std::time::Duration;

const EVENT: &[u8] = br#"{"event_id":"e","user_id":"u","type":"click","ts":"1970-01-01T00:00:00Z"}"#;

/// Has no room for a single id.
struct Full;

impl Dedup for Full {
    fn claim(&self, _: &[EventKey], _: i64, _: &mut Vec<Claim>) {
        unreachable!("nothing is claimed that there was no room for")
    }

    fn has_capacity(&self, ids: usize) -> bool {
        ids == 0
    }

    fn sweep(&self, _: i64) {}

    fn ids(&self) -> usize {
        0
    }

    fn bytes(&self) -> usize {
        0
    }
}

#[test]
fn a_full_dedup_table_refuses_a_batch_whole() {
    let mut engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
    engine.dedup = Box::new(Full);
    let mut batch = engine.decode(EVENT.to_vec(), Format::Json).unwrap();
    assert_eq!(engine.ingest(&mut batch, 0), Err(Overloaded));
    assert_eq!((batch.verdict(0), engine.sizes().backlog), (Verdict::Pending, 0));
}

#[derive(Default)]
struct Notes(Mutex<Vec<Stage>>);

impl Notes {
    fn take(&self) -> Vec<Stage> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Notes {
    fn observe(&self, stage: Stage, _: Duration) {
        self.0.lock().unwrap().push(stage);
    }
}

#[test]
fn each_stage_is_told_once_a_batch_and_a_fold_of_nothing_is_not() {
    let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
    let notes = Arc::new(Notes::default());
    assert!(engine.set_observer(notes.clone()));
    assert!(!engine.set_observer(Arc::new(Notes::default())), "the first one stays");
    let mut batch = engine.decode(EVENT.to_vec(), Format::Json).unwrap();
    engine.ingest(&mut batch, 0).unwrap();
    assert_eq!(notes.take(), [Stage::Decode, Stage::Claim, Stage::Append]);
    assert!(engine.decode_usual(EVENT.to_vec(), Format::Json).is_ok());
    assert!(engine.decode_usual(b"7".to_vec(), Format::Json).is_err());
    assert_eq!(notes.take(), [Stage::Decode]);
    assert_eq!(engine.metrics(1).figures.events, 1);
    assert_eq!(notes.take(), [Stage::Fold, Stage::Query]);
    assert_eq!(engine.metrics(1).figures.events, 1);
    assert_eq!(notes.take(), [Stage::Query]);
    engine.tick();
    assert_eq!(notes.take(), []);
}

#[test]
fn the_lag_is_the_time_since_a_fold_that_left_nothing_behind() {
    let clock = Arc::new(ManualClock::new(0));
    let engine = Engine::new(EngineConfig::default(), Arc::clone(&clock)).unwrap();
    assert_eq!(engine.lag_ms(), 0);
    clock.advance(70);
    assert_eq!(engine.lag_ms(), 70);
    engine.tick();
    assert_eq!(engine.lag_ms(), 0);
    let mut batch = engine.decode(EVENT.to_vec(), Format::Json).unwrap();
    engine.ingest(&mut batch, 70).unwrap();
    clock.advance(30);
    let mut timeline = engine.lock_timeline();
    engine.bring_up_to_date(&mut timeline);
    assert!(engine.fold(&mut timeline, 0), "a record is left");
    drop(timeline);
    assert_eq!(engine.lag_ms(), 30);
    assert_eq!(engine.metrics(1).figures.events, 1);
    assert_eq!(engine.lag_ms(), 0);
    clock.set(0);
    assert_eq!(engine.lag_ms(), 0, "the engine's time does not go back");
}
