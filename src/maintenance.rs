//! The housekeeping threads of an engine.

use crate::config::{DedupBackend, EngineConfig};
use crate::engine::Engine;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The period of the tick.
const TICK_PERIOD: Duration = Duration::from_millis(50);

/// Runs an engine's housekeeping until it is dropped. The drop waits for the threads to end.
///
/// The [`tick`](Engine::tick) and the [`sweep`](Engine::sweep) run about every 50 ms. With [`DedupBackend::Scc`], the
/// sweep runs about thirty times in a dedup horizon. It has its own thread. The tick has as many threads as are
/// [configured](EngineConfig::fold_threads).
pub struct Maintenance {
    stop: Arc<StopFlag>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct StopFlag {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Maintenance {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system cannot create a thread.
    pub fn start(engine: &Arc<Engine>) -> io::Result<Self> {
        let mut maintenance = Self { stop: Arc::default(), threads: Vec::new() };
        let threads = engine.config().fold_threads.min(engine.config().partitions);
        for thread in 0..threads {
            let fold = move |engine: &Engine| engine.tick_share(thread, threads);
            maintenance.every(TICK_PERIOD, &format!("weir-fold-{thread}"), engine, fold)?;
        }
        maintenance.every(sweep_period(engine.config()), "weir-sweep", engine, Engine::sweep)?;
        Ok(maintenance)
    }

    fn every(
        &mut self,
        period: Duration,
        name: &str,
        engine: &Arc<Engine>,
        work: impl Fn(&Engine) + Send + 'static,
    ) -> io::Result<()> {
        let (engine, stop) = (engine.clone(), self.stop.clone());
        let run = move || {
            while !stop.wait(period) {
                work(&engine);
            }
        };
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.stop.set();
        for thread in self.threads.drain(..) {
            // A panic of the thread was already reported, and a drop cannot return an error.
            let _ = thread.join();
        }
    }
}

impl StopFlag {
    fn set(&self) {
        *self.stopped.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits for `period` or until the flag is set. Returns whether it is set.
    fn wait(&self, period: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(stopped, period, |stopped| !*stopped);
        *waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
    }
}

/// The period of the sweep. With lines, a sweep does not visit ids, and has to make a larger table before the current
/// one is full. With a map, the period is short enough that expired ids are a small part of all ids, and long enough
/// that the sweep costs little.
fn sweep_period(config: &EngineConfig) -> Duration {
    if config.dedup == DedupBackend::Lines {
        return TICK_PERIOD;
    }
    let secs = config.horizon_secs().map_or(60, |horizon_secs| (horizon_secs / 32).clamp(1, 60));
    Duration::from_secs(secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_drop_stops_the_threads_before_their_period_has_passed() {
        let engine = Arc::new(Engine::new(EngineConfig::default(), SystemClock).unwrap());
        let maintenance = Maintenance::start(&engine).unwrap();
        drop(maintenance);
        assert_eq!(Arc::strong_count(&engine), 1, "the threads have dropped the engine");
    }

    #[test]
    fn there_are_about_thirty_sweeps_in_a_horizon_within_bounds() {
        let period = |retention_secs, max_skew_secs| {
            let dedup = DedupBackend::Scc;
            sweep_period(&EngineConfig { retention_secs, max_skew_secs, dedup, ..EngineConfig::default() }).as_secs()
        };
        assert_eq!([period(1, 0), period(640, 0), period(1_800, 120)], [1, 20, 60]);
        assert_eq!(sweep_period(&EngineConfig::default()), TICK_PERIOD, "a sweep of lines visits no ids");
    }
}
