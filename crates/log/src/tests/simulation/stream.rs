//! A log of several nodes on servers that are simulated: delays, lost acknowledgements, copies of an entry that land
//! late or out of order, a quorum that is lost, a clock that steps, a stream that is full, and messages of other
//! programs.

use super::super::sim_log::Random;
use crate::frame::FRAME_VERSION;
use crate::topic::{Allowed, Entry, Follow, Log, Lost, NotPlaced, Place, Placed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// As the publisher of JetStream does it, in milliseconds.
const RESEND_MS: i64 = 500;
const RESEND_MS_MAX: i64 = 2_000;
const PLACED_MS_MAX: i64 = 15_000;
const UNSENT_MS_MAX: i64 = 2_000;

/// How often something goes wrong, in percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Troubles {
    pub(super) lost: u64,
    pub(super) lost_ack: u64,
    /// A copy is on its way for seconds.
    pub(super) late: u64,
    pub(super) repeats: u64,
}

/// What all handles share.
#[derive(Clone)]
pub(super) struct Stream(Arc<Mutex<State>>);

struct State {
    random: Random,
    troubles: Troubles,
    depth: usize,
    now_ms: i64,
    /// How far the clock of the servers is ahead.
    ahead_ms: i64,
    entries: Vec<Stored>,
    trimmed_before: u64,
    appends: Vec<Append>,
    copies: Vec<Copy>,
    no_quorum_until_ms: i64,
    is_full: bool,
    last_append: u64,
}

#[derive(Clone)]
struct Stored {
    bytes: Arc<[u8]>,
    logged_at_ms: i64,
    landed_ms: i64,
}

/// An entry whose writer waits for its place.
struct Append {
    id: u64,
    writer: u64,
    bytes: Arc<[u8]>,
    placed: Placed,
    started_ms: i64,
    next_send_ms: i64,
    pause_ms: i64,
    is_sent: bool,
    /// The acknowledgement that is on its way: when it comes, and the place.
    ack: Option<(i64, Place)>,
}

/// A copy of an entry on its way to the servers.
struct Copy {
    append: u64,
    writer: u64,
    bytes: Arc<[u8]>,
    due_ms: i64,
}

impl Stream {
    pub(super) fn new(seed: u64, depth: usize, now_ms: i64, troubles: Troubles) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random(seed),
            troubles,
            depth,
            now_ms,
            ahead_ms: 0,
            entries: vec![],
            trimmed_before: 1,
            appends: vec![],
            copies: vec![],
            no_quorum_until_ms: i64::MIN,
            is_full: false,
            last_append: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A handle of the process `writer`.
    pub(super) fn handle(&self, writer: u64) -> Handle {
        Handle { stream: self.clone(), writer }
    }

    /// Lets happen what is due by now. A frozen process sends nothing, and hears nothing.
    pub(super) fn run(&self, now_ms: i64, is_frozen: impl Fn(u64) -> bool) {
        let mut results = vec![];
        let mut state = self.lock();
        state.now_ms = now_ms;
        state.land();
        for append in std::mem::take(&mut state.appends) {
            if is_frozen(append.writer) {
                state.appends.push(append);
            } else if let Some((placed, result)) = state.go_on(append) {
                results.push((placed, result));
            }
        }
        drop(state);
        results.into_iter().for_each(|(placed, result)| placed(result));
    }

    /// The process has ended. What it has sent may still land.
    pub(super) fn end(&self, writer: u64) {
        let ended: Vec<Append> = self.lock().appends.extract_if(.., |append| append.writer == writer).collect();
        drop(ended);
    }

    pub(super) fn lose_quorum(&self, for_ms: i64) {
        let mut state = self.lock();
        state.no_quorum_until_ms = state.now_ms + for_ms;
    }

    pub(super) fn set_clock(&self, ahead_ms: i64) {
        self.lock().ahead_ms = ahead_ms;
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// Nothing goes wrong any more.
    pub(super) fn heal(&self) {
        let mut state = self.lock();
        state.troubles = Troubles { lost: 0, lost_ack: 0, late: 0, repeats: 0 };
        (state.no_quorum_until_ms, state.is_full, state.ahead_ms) = (i64::MIN, false, 0);
    }

    /// Another program puts a message into the stream.
    pub(super) fn disturb(&self, bytes: &[u8]) {
        self.lock().store(Arc::from(bytes));
    }

    /// The entries after the first `count`, each with the time at which it landed. None is missing.
    pub(super) fn after(&self, count: usize) -> Vec<(Arc<[u8]>, i64)> {
        let entries = &self.lock().entries;
        entries[count..].iter().map(|entry| (Arc::clone(&entry.bytes), entry.logged_at_ms)).collect()
    }

    pub(super) fn len(&self) -> u64 {
        self.lock().entries.len() as u64
    }

    pub(super) fn trimmed(&self) -> u64 {
        self.lock().trimmed_before - 1
    }
}

impl State {
    fn is_now(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    fn store(&mut self, bytes: Arc<[u8]>) -> Place {
        let logged_at_ms = self.now_ms + self.ahead_ms;
        self.entries.push(Stored { bytes, logged_at_ms, landed_ms: self.now_ms });
        Place(self.entries.len() as u64)
    }

    /// Copies arrive in the order in which they are due. Without a quorum, some are lost and some wait.
    fn land(&mut self) {
        self.copies.sort_by_key(|copy| copy.due_ms);
        let due = self.copies.partition_point(|copy| copy.due_ms <= self.now_ms);
        for mut copy in self.copies.drain(..due).collect::<Vec<_>>() {
            if self.no_quorum_until_ms > self.now_ms {
                if self.is_now(50) {
                    copy.due_ms = self.no_quorum_until_ms + self.random.below(20) as i64;
                    self.copies.push(copy);
                }
                continue;
            }
            let place = self.store(copy.bytes);
            let is_ack_lost = self.is_now(self.troubles.lost_ack);
            let delay_ms = 1 + self.random.below(6) as i64;
            let due_ms = self.now_ms + delay_ms;
            let append = self.appends.iter_mut().find(|append| append.id == copy.append && append.ack.is_none());
            if let Some(append) = append.filter(|_| !is_ack_lost) {
                append.ack = Some((due_ms, place));
            }
        }
    }

    /// Sends another copy of an entry if it is time for it. Returns the answer if there is one.
    fn go_on(&mut self, mut append: Append) -> Option<(Placed, Result<Place, NotPlaced>)> {
        if let Some((_, place)) = append.ack.filter(|(due_ms, _)| *due_ms <= self.now_ms) {
            return Some((append.placed, Ok(place)));
        }
        let elapsed_ms = self.now_ms - append.started_ms;
        if !append.is_sent && elapsed_ms >= UNSENT_MS_MAX {
            return Some((append.placed, Err(NotPlaced::Full)));
        }
        if elapsed_ms >= PLACED_MS_MAX {
            return Some((append.placed, Err(NotPlaced::Unknown)));
        }
        if append.next_send_ms <= self.now_ms {
            self.send(&mut append);
        }
        self.appends.push(append);
        None
    }

    fn send(&mut self, append: &mut Append) {
        append.next_send_ms = self.now_ms + append.pause_ms;
        append.pause_ms = (append.pause_ms * 2).min(RESEND_MS_MAX);
        // Without a connection, nothing is sent.
        if self.is_now(self.troubles.lost / 4) {
            return;
        }
        append.is_sent = true;
        if self.is_now(self.troubles.lost) {
            return;
        }
        let delay_ms =
            if self.is_now(self.troubles.late) { self.random.below(25_000) } else { 1 + self.random.below(6) };
        // One connection keeps the order of what is sent at once.
        let earlier = self.copies.iter().filter(|copy| copy.writer == append.writer && copy.due_ms < self.now_ms + 50);
        let earliest_ms = earlier.map(|copy| copy.due_ms).max().unwrap_or(i64::MIN);
        let due_ms = earliest_ms.max(self.now_ms + delay_ms as i64);
        let (id, writer, bytes) = (append.id, append.writer, Arc::clone(&append.bytes));
        self.copies.push(Copy { append: id, writer, bytes, due_ms });
    }
}

/// A stream as one process has it.
pub(super) struct Handle {
    stream: Stream,
    writer: u64,
}

impl Handle {
    fn start(&self, bytes: Arc<[u8]>, placed: Placed) {
        let mut state = self.stream.lock();
        state.last_append += 1;
        let (id, writer, started_ms) = (state.last_append, self.writer, state.now_ms);
        let (pause_ms, is_sent, ack) = (RESEND_MS, false, None);
        let mut append =
            Append { id, writer, bytes, placed, started_ms, next_send_ms: started_ms, pause_ms, is_sent, ack };
        state.send(&mut append);
        state.appends.push(append);
    }
}

impl Log for Handle {
    fn depth(&self) -> usize {
        self.stream.lock().depth
    }

    fn append(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        if self.stream.lock().is_full {
            placed(Err(NotPlaced::Full));
        } else {
            self.start(bytes, placed);
        }
    }

    fn append_necessary(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        self.start(bytes, placed);
    }

    fn follow(&mut self, after: Place) -> Box<dyn Follow> {
        let mut state = self.stream.lock();
        let (first, end) = (state.trimmed_before, state.entries.len() as u64);
        let lag_ms = state.random.below(8) as i64;
        let next = first.max(after.0 + 1);
        drop(state);
        Box::new(Reader { stream: self.stream.clone(), next, end, lag_ms })
    }

    fn trim(&mut self, before: Place) {
        let mut state = self.stream.lock();
        state.trimmed_before = state.trimmed_before.max(before.0);
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn allowed(&self) -> Allowed {
        Allowed { frame_version: FRAME_VERSION, event_types: usize::MAX }
    }
}

/// A reader of a stream. Entries come to it some time after they have landed.
struct Reader {
    stream: Stream,
    next: u64,
    /// The last place when the reader began.
    end: u64,
    lag_ms: i64,
}

/// The error of a reader whose next entry was trimmed.
pub(super) const OVERTAKEN: &str = "the next entry was removed before it was read";

impl Follow for Reader {
    fn next(&mut self, _: Duration) -> Result<Option<Entry>, Lost> {
        let mut state = self.stream.lock();
        if self.next < state.trimmed_before {
            return Err(Lost::log(OVERTAKEN));
        }
        let repeats = state.troubles.repeats;
        let place = if self.next > state.trimmed_before && state.is_now(repeats) { self.next - 1 } else { self.next };
        let Some(stored) = state.entries.get(place as usize - 1) else { return Ok(None) };
        if stored.landed_ms + self.lag_ms > state.now_ms {
            return Ok(None);
        }
        self.next = place + 1;
        let (bytes, logged_at_ms) = (Arc::clone(&stored.bytes), Some(stored.logged_at_ms));
        Ok(Some(Entry { place: Place(place), bytes, logged_at_ms }))
    }

    fn has_caught_up(&self) -> Option<bool> {
        Some(self.next > self.end)
    }

    fn confirm(&mut self, _: &Entry) -> Result<(), Lost> {
        Ok(())
    }

    fn read_again(&mut self, place: Place) -> Result<Arc<[u8]>, Lost> {
        let state = self.stream.lock();
        let stored = state.entries.get(place.0 as usize - 1).filter(|_| place.0 >= state.trimmed_before);
        stored.map(|stored| Arc::clone(&stored.bytes)).ok_or_else(|| Lost::log("no such place"))
    }
}
