//! A simulated log. A seed decides what becomes of each entry.

use crate::topic::{Entry, Follow, Log, Lost, NotPlaced, Place, Placed};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % end
    }
}

/// How often the log misbehaves, in percent of the entries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// The answer comes later.
    pub(crate) late: u64,
    /// The entry is in the log twice.
    pub(crate) twice: u64,
    /// There is no answer. The entry is in the log now, later, or never.
    pub(crate) unknown: u64,
    /// The log has no room.
    pub(crate) full: u64,
    /// A follower repeats an entry.
    pub(crate) repeats: u64,
    /// Half of the time a trim leaves some of the entries, as a journal does.
    pub(crate) trims_slowly: bool,
}

/// The log that all handles share.
#[derive(Clone)]
pub(crate) struct SimLog(Arc<Mutex<Sim>>);

struct Sim {
    random: Random,
    faults: Faults,
    depth: usize,
    is_shared: bool,
    /// Every entry that was ever placed. The trimmed ones are kept for the model.
    entries: Vec<Arc<[u8]>>,
    trimmed_before: u64,
    later: Vec<Later>,
}

enum Later {
    Land(Arc<[u8]>),
    Answer(Place, Placed),
}

impl SimLog {
    pub(crate) fn new(seed: u64, depth: usize, faults: Faults) -> Self {
        let (random, entries, later) = (Random(seed), vec![], vec![]);
        Self(Arc::new(Mutex::new(Sim { random, faults, depth, is_shared: false, entries, trimmed_before: 1, later })))
    }

    /// The same log for several nodes at a time.
    pub(crate) fn shared(self) -> Self {
        self.0.lock().unwrap().is_shared = true;
        self
    }

    /// Lets something happen that was to come later, if there is something.
    pub(crate) fn step(&self) {
        let mut sim = self.0.lock().unwrap();
        if sim.later.is_empty() {
            return;
        }
        let count = sim.later.len() as u64;
        let index = sim.random.below(count) as usize;
        match sim.later.swap_remove(index) {
            Later::Land(bytes) => sim.entries.push(bytes),
            Later::Answer(place, placed) => {
                drop(sim);
                placed(Ok(place));
            }
        }
    }

    /// Everything that was ever placed.
    pub(crate) fn entries(&self) -> Vec<Arc<[u8]>> {
        self.0.lock().unwrap().entries.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().entries.len()
    }

    /// The same entries, with none trimmed and without faults.
    pub(crate) fn untrimmed(&self) -> Self {
        let log = Self::new(0, 1, Faults::default());
        log.0.lock().unwrap().entries = self.entries();
        log
    }

    /// The number of entries that were trimmed.
    pub(crate) fn trimmed(&self) -> u64 {
        self.0.lock().unwrap().trimmed_before - 1
    }
}

impl Log for SimLog {
    fn depth(&self) -> usize {
        self.0.lock().unwrap().depth
    }

    fn append(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        let mut sim = self.0.lock().unwrap();
        let Faults { late, twice, unknown, full, .. } = sim.faults;
        let fate = sim.random.below(100);
        if fate < unknown {
            match sim.random.below(3) {
                0 => sim.entries.push(bytes),
                1 => sim.later.push(Later::Land(bytes)),
                _ => {}
            }
            drop(sim);
            return placed(Err(NotPlaced::Unknown));
        }
        if fate < unknown + full {
            drop(sim);
            return placed(Err(NotPlaced::Full));
        }
        sim.entries.push(Arc::clone(&bytes));
        let place = Place(sim.entries.len() as u64);
        if sim.random.below(100) < twice {
            let copy_is_now = sim.random.below(2) == 0;
            if copy_is_now {
                sim.entries.push(bytes);
            } else {
                sim.later.push(Later::Land(bytes));
            }
        }
        if sim.random.below(100) < late {
            sim.later.push(Later::Answer(place, placed));
        } else {
            drop(sim);
            placed(Ok(place));
        }
    }

    fn follow(&mut self, after: Place) -> Box<dyn Follow> {
        let first = self.0.lock().unwrap().trimmed_before;
        Box::new(SimFollow { log: self.clone(), next: first.max(after.0 + 1) })
    }

    fn trim(&mut self, before: Place) {
        let mut sim = self.0.lock().unwrap();
        let due = before.0.saturating_sub(sim.trimmed_before);
        let is_whole = !sim.faults.trims_slowly || sim.random.below(2) == 0;
        sim.trimmed_before += if is_whole { due } else { sim.random.below(due + 1) };
    }

    fn is_shared(&self) -> bool {
        self.0.lock().unwrap().is_shared
    }
}

struct SimFollow {
    log: SimLog,
    next: u64,
}

impl Follow for SimFollow {
    fn next(&mut self, _: Duration) -> Result<Option<Entry>, Lost> {
        let mut sim = self.log.0.lock().unwrap();
        let Faults { repeats, .. } = sim.faults;
        let is_repeat = self.next > sim.trimmed_before && sim.random.below(100) < repeats;
        let place = if is_repeat { self.next - 1 } else { self.next };
        let Some(bytes) = sim.entries.get(place as usize - 1) else { return Ok(None) };
        self.next = place + 1;
        Ok(Some(Entry { place: Place(place), bytes: Arc::clone(bytes), logged_at_ms: None }))
    }
}

/// A simulated log with room for a number of bytes. Necessary entries have no bound.
#[derive(Clone)]
pub(crate) struct Bounded {
    pub(crate) log: SimLog,
    max_bytes: Arc<AtomicUsize>,
}

impl Bounded {
    pub(crate) fn new(log: SimLog, max_bytes: usize) -> Self {
        Self { log, max_bytes: Arc::new(AtomicUsize::new(max_bytes)) }
    }

    pub(crate) fn set_max_bytes(&self, max_bytes: usize) {
        // Relaxed: the bound orders nothing.
        self.max_bytes.store(max_bytes, Ordering::Relaxed);
    }

    fn live_bytes(&self) -> usize {
        self.log.entries().iter().skip(self.log.trimmed() as usize).map(|entry| entry.len()).sum()
    }
}

impl Log for Bounded {
    fn depth(&self) -> usize {
        1
    }

    fn append(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        let has_room = self.live_bytes() + bytes.len() <= self.max_bytes.load(Ordering::Relaxed);
        if has_room { self.log.append(bytes, placed) } else { placed(Err(NotPlaced::Full)) }
    }

    fn append_necessary(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        self.log.append(bytes, placed);
    }

    fn follow(&mut self, after: Place) -> Box<dyn Follow> {
        self.log.follow(after)
    }

    fn trim(&mut self, before: Place) {
        self.log.trim(before);
    }
}
