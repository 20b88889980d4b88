//! Promises whose tests need private parts of the engine.

use super::*;
use crate::clock::ManualClock;
use crate::dedup::Claim;
use crate::error::Overloaded;
use crate::event::{Format, Verdict};
use crate::key::EventKey;
use crate::limits;
use crate::sync::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, Weak};
use std::time::Duration;

const EVENT: &[u8] = br#"{"event_id":"e","user_id":"u","type":"click","ts":"1970-01-01T00:00:00Z"}"#;

/// A dedup table without room for a single id.
struct Full;

impl Dedup for Full {
    fn claim(&self, _: &[EventKey], _: i64, _: &mut Vec<Claim>) {
        unreachable!("a batch without room claims nothing")
    }

    fn remember(&self, _: &[EventKey], _: i64) {}

    fn reach(&self, _: i64) -> i64 {
        i64::MIN
    }

    fn advance_log_time(&self, _: i64) {}

    fn has_capacity(&self, ids: usize, _: i64) -> bool {
        ids == 0
    }

    fn sweep(&self, _: i64, _: &dyn Fn(usize) -> bool) {}

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

#[test]
fn the_garbage_of_a_fold_is_counted_until_it_is_freed() {
    let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
    let mut batch = engine.decode(EVENT.to_vec(), Format::Json).unwrap();
    engine.ingest(&mut batch, 0).unwrap();
    let guard = reclaim::pin();
    engine.tick();
    let list_bytes = limits::RETIRED_LIST_BYTES_MAX + limits::RETIRED_BAG_BYTES;
    assert_eq!(engine.memory().garbage_bytes, limits::RECORD_BYTES_MAX + list_bytes);
    drop(guard);
    // Another test's thread that does not run may delay it.
    while engine.memory().garbage_bytes > 0 {
        engine.tick();
        std::thread::yield_now();
    }
}

#[derive(Default)]
struct RecordedStages(Mutex<Vec<Stage>>);

impl RecordedStages {
    fn take(&self) -> Vec<Stage> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for RecordedStages {
    fn observe(&self, stage: Stage, _: Duration) {
        self.0.lock().unwrap().push(stage);
    }
}

#[test]
fn each_stage_is_reported_once_a_batch_and_an_empty_fold_is_not() {
    let engine = Engine::new(EngineConfig::default(), ManualClock::new(0)).unwrap();
    let stages = Arc::new(RecordedStages::default());
    assert!(engine.set_observer(stages.clone()));
    assert!(!engine.set_observer(Arc::new(RecordedStages::default())), "the first observer stays");
    let mut batch = engine.decode(EVENT.to_vec(), Format::Json).unwrap();
    engine.ingest(&mut batch, 0).unwrap();
    assert_eq!(stages.take(), [Stage::Decode, Stage::Claim, Stage::Append]);
    assert!(engine.try_decode_fast(EVENT.to_vec(), Format::Json).is_ok());
    assert!(engine.try_decode_fast(b"7".to_vec(), Format::Json).is_err());
    assert_eq!(stages.take(), [Stage::Decode]);
    assert_eq!(engine.metrics(1).stats.events, 1);
    assert_eq!(stages.take(), [Stage::Fold, Stage::Query]);
    assert_eq!(engine.metrics(1).stats.events, 1);
    assert_eq!(stages.take(), [Stage::Query]);
    engine.tick();
    assert_eq!(stages.take(), []);
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
    engine.advance();
    let with_record = |partition: &&Partition| engine.fold(partition, &mut partition.lock(), 0).has_more;
    assert_eq!(engine.partitions.iter().filter(with_record).count(), 1, "a record is left");
    assert_eq!(engine.lag_ms(), 30);
    assert_eq!(engine.metrics(1).stats.events, 1);
    assert_eq!(engine.lag_ms(), 0);
    clock.set(0);
    assert_eq!(engine.lag_ms(), 0, "the engine's time does not go back");
}

/// Takes room in the backlog at each fold, as if other writers were as fast as the folds.
struct OtherWriters(OnceLock<Weak<Engine>>, AtomicUsize);

const RECORDS_OF_PARTITION: usize = limits::FOLD_SLICE / 4 * 3;

impl Observer for OtherWriters {
    fn observe(&self, stage: Stage, _: Duration) {
        if stage == Stage::Fold {
            let engine = self.0.get().and_then(Weak::upgrade).unwrap();
            assert!(engine.backlog.try_acquire(RECORDS_OF_PARTITION));
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_writer_folds_one_slice_also_while_others_fill_the_backlog() {
    let config = EngineConfig { partitions: 8, max_backlog_events: limits::FOLD_SLICE * 24, ..EngineConfig::default() };
    let engine = Arc::new(Engine::new(config, ManualClock::new(0)).unwrap());
    for partition in &engine.partitions {
        assert!(engine.backlog.try_acquire(RECORDS_OF_PARTITION));
        partition.window.append(0, vec![0; RECORDS_OF_PARTITION].into());
    }
    let others = Arc::new(OtherWriters(OnceLock::from(Arc::downgrade(&engine)), AtomicUsize::new(0)));
    assert!(engine.set_observer(others.clone()) && engine.is_backlogged());
    engine.fold_backlog(7);
    assert_eq!(others.1.load(Ordering::Relaxed), 2, "the second fold completes the slice");
}

#[test]
fn a_clock_may_jump_from_one_end_of_time_to_the_other() {
    let clock = Arc::new(ManualClock::new(i64::MIN));
    let config = EngineConfig { partitions: 4, ..EngineConfig::default() };
    let engine = Engine::new(config, Arc::clone(&clock)).unwrap();
    engine.tick();
    assert_eq!(engine.metrics(300).stats.events, 0);
    clock.set(0);
    let mut batch = engine.decode(EVENT.to_vec(), Format::Json).unwrap();
    assert_eq!(engine.ingest(&mut batch, 0).unwrap().accepted, 1);
    let stats = engine.metrics(300).stats;
    assert_eq!((stats.events, stats.unique_users, engine.sizes().users), (1, 1, 1));
    clock.set(i64::MAX);
    assert_eq!((engine.metrics(1_800).stats.events, engine.sizes().users), (0, 0));
    engine.tick();
    engine.sweep();
}
