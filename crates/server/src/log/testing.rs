//! A log for tests that can be held up.

use crate::log::durations::LogDurations;
use crate::log::event_log::EventLog;
use crate::log::steady_clock::SteadyClock;
use crate::log::store::Store;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;
use weir::{Engine, EngineConfig, ManualClock, Secret};
use weir_log::fingerprint::fingerprint;
use weir_log::journal::{Journal, Settings};
use weir_log::limits::JOURNAL_BYTES;
use weir_log::{Entry, Follow, Log, Lost, NotPlaced, Place, Placed};

/// A door that threads wait at while it is closed.
#[derive(Clone, Default)]
pub(crate) struct Door(Arc<(Mutex<bool>, Condvar)>, Arc<AtomicUsize>);

impl Door {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn close(&self) {
        *self.0.0.lock().unwrap() = false;
    }

    /// Waits until a thread is at the closed door.
    pub(crate) fn wait_for_thread(&self) {
        while self.1.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
    }

    fn pass(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |is_open| !*is_open).unwrap());
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the test holds of a log: its doors, its faults and its clocks.
#[derive(Clone)]
pub(crate) struct Handles {
    /// The reader passes it before each entry.
    pub(crate) reads: Door,
    /// An append passes it.
    pub(crate) appends: Door,
    /// Whether appends fail.
    pub(crate) is_broken: Arc<AtomicBool>,
    pub(crate) wall: Arc<ManualClock>,
}

struct HeldLog {
    log: Box<dyn Log>,
    handles: Handles,
}

impl Log for HeldLog {
    fn depth(&self) -> usize {
        self.log.depth()
    }

    fn append(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        self.handles.appends.pass();
        if self.handles.is_broken.load(Ordering::Relaxed) {
            return placed(Err(NotPlaced::Unknown));
        }
        self.log.append(bytes, placed);
    }

    fn follow(&mut self, after: Place) -> Box<dyn Follow> {
        Box::new(HeldFollow { follow: self.log.follow(after), handles: self.handles.clone() })
    }

    fn trim(&mut self, before: Place) {
        self.log.trim(before);
    }
}

struct HeldFollow {
    follow: Box<dyn Follow>,
    handles: Handles,
}

impl Follow for HeldFollow {
    fn next(&mut self, patience: Duration) -> Result<Option<Entry>, Lost> {
        self.handles.reads.pass();
        if self.handles.is_broken.load(Ordering::Relaxed) {
            return Err(Lost::log("the disk is gone"));
        }
        self.follow.next(patience)
    }
}

/// An engine at `now_ms` with a journal in `dir`, whose reader waits until its door is opened.
pub(crate) fn held_log(dir: &std::path::Path, now_ms: i64) -> (Arc<Engine>, EventLog, Handles) {
    let config = EngineConfig::default();
    let wall = Arc::new(ManualClock::new(now_ms));
    let clock = Arc::new(SteadyClock::new(Box::new(Arc::clone(&wall)), Box::new(ManualClock::new(0))));
    let handles = Handles { reads: Door::default(), appends: Door::default(), is_broken: Arc::default(), wall };
    let settings = Settings {
        max_bytes: *JOURNAL_BYTES.start(),
        must_exist: false,
        fingerprint: fingerprint(&config),
        now_ms,
        on_commit: None,
    };
    let journal = Journal::open(dir, settings).unwrap();
    let secret = Secret::from_bytes(journal.meta().secret);
    let engine = Arc::new(Engine::with_secret(config, Arc::clone(&clock), &secret).unwrap());
    let frames = HeldLog { log: Box::new(journal.frames()), handles: handles.clone() };
    let logs: [Box<dyn Log>; 2] = [Box::new(frames), Box::new(journal.reference())];
    let store = Store::Journal { dir: dir.to_owned(), journal, clock };
    let log = EventLog::start(&engine, store, logs, Arc::new(LogDurations::default())).unwrap();
    assert_eq!(engine.now_ms(), now_ms);
    (engine, log, handles)
}

/// Waits until the replay is complete.
pub(crate) fn wait_until_ready(log: &EventLog) {
    while !log.is_ready() {
        thread::yield_now();
    }
}
