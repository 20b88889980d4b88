//! Who may watch the engine at work: how long its stages take, and whether the folds keep up.

use super::Engine;
use crate::sync::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A stage of the engine's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From a body's bytes to a batch; a body that [`Engine::decode_usual`] gives back does not count.
    Decode,
    /// The claims of a batch's ids.
    Claim,
    /// The appends of a batch's events to the window.
    Append,
    /// A fold of a slice of the window into the timeline; one that finds nothing does not count.
    Fold,
    /// The answer to a query, from the wait for the timeline on; the fold that it does counts as a fold, too.
    Query,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Decode, Self::Claim, Self::Append, Self::Fold, Self::Query];

    /// Its name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Claim => "claim",
            Self::Append => "append",
            Self::Fold => "fold",
            Self::Query => "query",
        }
    }
}

/// Is told how long each stage took.
pub trait Observer: Send + Sync {
    /// `stage` took so long, once. It is called by the thread that did the work, with the timeline's lock held after a
    /// fold: so it must neither wait nor panic. A panic there would abort the process.
    fn observe(&self, stage: Stage, elapsed: Duration);
}

impl Engine {
    /// Tells `observer`, from now on, how long each stage takes; two readings of a clock for each stage of a batch, and none
    /// while there is no observer. The first observer stays: this says whether it is the one given.
    pub fn set_observer(&self, observer: Arc<dyn Observer>) -> bool {
        self.observer.set(observer).is_ok()
    }

    /// How far the timeline may lag behind the window, in milliseconds of the engine's clock: how long ago the last fold
    /// began that left nothing behind. No unfolded record has waited longer. Takes no lock.
    ///
    /// With a [tick](Self::tick) every 50 ms it is some 50 ms. More means that the ticks do not keep up with the writers,
    /// or that there are none.
    #[must_use]
    pub fn lag_ms(&self) -> i64 {
        self.clock.now_ms().saturating_sub(self.caught_up_ms.load(Ordering::Relaxed)).max(0)
    }

    /// Does `work` and tells the observer, if there is one, how long it took.
    pub(super) fn timed<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        self.timed_if(stage, |_| true, work)
    }

    /// The same for work that counts only if it has come to something.
    pub(super) fn timed_if<T>(&self, stage: Stage, counts: impl FnOnce(&T) -> bool, work: impl FnOnce() -> T) -> T {
        let (done, elapsed) = self.measured(work);
        self.tell(stage, elapsed.filter(|_| counts(&done)));
        done
    }

    /// Does `work`, and says how long it took if there is an observer to be told so.
    pub(super) fn measured<T>(&self, work: impl FnOnce() -> T) -> (T, Option<Duration>) {
        let start = self.observer.get().map(|_| Instant::now());
        (work(), start.map(|start| start.elapsed()))
    }

    /// Tells the observer of work that was measured. Never between a claim and its append, where nothing may fail that is
    /// not the engine's own.
    pub(super) fn tell(&self, stage: Stage, elapsed: Option<Duration>) {
        if let (Some(observer), Some(elapsed)) = (self.observer.get(), elapsed) {
            observer.observe(stage, elapsed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::config::EngineConfig;
    use crate::event::Format;
    use std::sync::Mutex;

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

    const EVENT: &[u8] = br#"{"event_id":"e","user_id":"u","type":"click","ts":"1970-01-01T00:00:00Z"}"#;

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
}
