//! The limit on what the engine holds in memory.
//!
//! An event that was admitted and is not folded yet counts at the worst that it can take
//! ([`UNFOLDED_EVENT_BYTES_MAX`](crate::limits::UNFOLDED_EVENT_BYTES_MAX)); what was folded counts at what it has come to.
//! So nothing has to be measured while events are taken, and what is held is never counted too low, only too high.
//!
//! Whoever wants room takes it first and then looks whether everything together is within the limit; if it is not, the
//! room is given back. So of two who come at once at least one sees the other.

use crate::config::EngineConfig;
use crate::dedup::Preallocated;
use crate::error::Overloaded;
use crate::limits::{RECORD_BYTES_MAX, UNFOLDED_EVENT_BYTES_MAX};
use crate::sync::{AtomicUsize, Ordering, fence, reclaim};
use crate::timeline::Timeline;
use crate::window::{Window, WindowConsumer};
use std::sync::Arc;

/// What an engine takes before its first event, but for its fixed part: the smallest maps and the first chunks.
const EMPTY_BYTES_MAX: usize = 1 << 20;

/// Below this many of so many parts of the limit, an engine that was over it is no longer.
const RECOVERED_PARTS: usize = 15;
const PARTS: usize = 16;

/// What an engine holds in memory, in bytes, counted high rather than low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUse {
    /// The limit.
    pub max_bytes: Option<usize>,
    /// What does not depend on what happens: the window's slots, the timeline's, and preallocated dedup tables.
    pub fixed_bytes: usize,
    /// Event ids, in tables that grow.
    pub dedup_bytes: usize,
    /// Records that are not folded, each at the worst that its event can come to.
    pub backlog_bytes: usize,
    /// Folded records that are unlinked and not freed yet, because a thread may still read them.
    pub garbage_bytes: usize,
    /// Users, and what they did in each second.
    pub timeline_bytes: usize,
    /// The reference tables in use.
    pub reference_bytes: usize,
    /// Set aside for changes of the reference table that are under way.
    pub reserved_bytes: usize,
    /// What the process was last seen to take beside all of this, up to half of the limit.
    pub beside_bytes: usize,
}

impl MemoryUse {
    /// All of it. It can be more than the limit: without any event, a new reference table lets the seconds take more room
    /// when they are next read, and so does a second ahead of the clock when that reaches it. Events are refused then
    /// until it is less.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        [
            self.fixed_bytes,
            self.dedup_bytes,
            self.backlog_bytes,
            self.garbage_bytes,
            self.timeline_bytes,
            self.reference_bytes,
            self.reserved_bytes,
            self.beside_bytes,
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

/// The least limit with which an engine of these settings takes its largest batch while it is empty.
pub(crate) fn min_bytes(config: &EngineConfig) -> usize {
    fixed_bytes(config)
        .saturating_add(EMPTY_BYTES_MAX)
        .saturating_add(Timeline::cells_bytes_of_empty(config))
        .saturating_add(config.max_batch_events * UNFOLDED_EVENT_BYTES_MAX)
}

fn fixed_bytes(config: &EngineConfig) -> usize {
    let tables = |capacity| Preallocated::bytes_for(config.horizon_secs(), capacity);
    Window::bytes_for(config.shards, config.ring_slots())
        .saturating_add(WindowConsumer::bytes_for(config.shards, config.ring_slots()))
        .saturating_add(Timeline::fixed_bytes(config))
        .saturating_add(config.dedup_capacity.map_or(0, tables))
}

/// What the parts of an engine that grow and shrink take.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) dedup_bytes: usize,
    pub(crate) timeline_bytes: usize,
    pub(crate) reference_bytes: usize,
}

/// The gauges and the limit. Every access is Relaxed but where a fence says otherwise.
pub(crate) struct Memory {
    max_bytes: Option<usize>,
    fixed_bytes: usize,
    dedup_bytes: AtomicUsize,
    timeline_bytes: AtomicUsize,
    reference_bytes: AtomicUsize,
    reserved_bytes: AtomicUsize,
    /// Folded records that may still be read, and so are not freed.
    lingering_bytes: Arc<AtomicUsize>,
    beside_bytes: AtomicUsize,
    /// 1 while it is over the limit.
    over: AtomicUsize,
}

/// Room that was set aside, until it is dropped.
pub(crate) struct Reservation<'m> {
    memory: &'m Memory,
    bytes: usize,
}

impl Memory {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            max_bytes: config.max_memory_bytes,
            fixed_bytes: fixed_bytes(config),
            dedup_bytes: AtomicUsize::new(0),
            timeline_bytes: AtomicUsize::new(0),
            reference_bytes: AtomicUsize::new(0),
            reserved_bytes: AtomicUsize::new(0),
            lingering_bytes: Arc::new(AtomicUsize::new(0)),
            beside_bytes: AtomicUsize::new(0),
            over: AtomicUsize::new(0),
        }
    }

    /// Whether there is a limit. Without one nothing needs to be counted.
    pub(crate) fn is_limited(&self) -> bool {
        self.max_bytes.is_some()
    }

    /// Whether a batch whose events are in the backlog already may stay there.
    pub(crate) fn admits(&self, backlog_events: usize) -> bool {
        let admits = self.fits(backlog_events);
        if !admits {
            self.over.store(1, Ordering::Relaxed);
        }
        admits
    }

    /// Sets `bytes` aside, or refuses to. A refusal does not mean that the engine is over its limit: what was asked for
    /// may be more than all of it.
    pub(crate) fn reserve(&self, bytes: usize, backlog_events: usize) -> Result<Reservation<'_>, Overloaded> {
        let bytes = if self.is_limited() { bytes } else { 0 };
        // Refused beforehand, so that nobody else is refused for a room that can never be.
        if self.max_bytes.is_some_and(|max_bytes| bytes > max_bytes) {
            return Err(Overloaded);
        }
        self.reserved_bytes.fetch_add(bytes, Ordering::Relaxed);
        let reservation = Reservation { memory: self, bytes };
        if self.fits(backlog_events) { Ok(reservation) } else { Err(Overloaded) }
    }

    fn fits(&self, backlog_events: usize) -> bool {
        let Some(max_bytes) = self.max_bytes else { return true };
        // Pairs with itself in another thread: each has taken its room before, so in whatever order the two come here, the
        // second sees the room of the first. And with the one in `hold`: who has found room in the backlog that a fold
        // had given back sees what that fold has counted before.
        fence(Ordering::SeqCst);
        self.usage(backlog_events).used_bytes() <= max_bytes
    }

    /// Takes note of what the parts have come to; whatever room that stands for is given back afterwards.
    pub(crate) fn hold(&self, parts: &Parts) {
        self.dedup_bytes.store(parts.dedup_bytes, Ordering::Relaxed);
        self.timeline_bytes.store(parts.timeline_bytes, Ordering::Relaxed);
        self.reference_bytes.store(parts.reference_bytes, Ordering::Relaxed);
        // See `fits`.
        fence(Ordering::SeqCst);
    }

    /// The part of [`hold`](Self::hold) that a query can change.
    pub(crate) fn hold_timeline(&self, bytes: usize) {
        self.timeline_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Counts folded records until nobody can read them any more; they are unlinked already.
    pub(crate) fn linger(&self, records: usize) {
        let bytes = records * RECORD_BYTES_MAX;
        self.lingering_bytes.fetch_add(bytes, Ordering::Relaxed);
        let lingering_bytes = Arc::clone(&self.lingering_bytes);
        reclaim::pin().defer(move || _ = lingering_bytes.fetch_sub(bytes, Ordering::Relaxed));
    }

    /// Takes note of what the process takes: what is not counted here counts all the same, but for no more than half of
    /// the limit, so that the engine can always go on with the other half.
    pub(crate) fn observe(&self, process_bytes: usize, backlog_events: usize) {
        let Some(max_bytes) = self.max_bytes else { return };
        let usage = self.usage(backlog_events);
        let counted_bytes = usage.used_bytes() - usage.beside_bytes;
        let beside_bytes = process_bytes.saturating_sub(counted_bytes).min(max_bytes / 2);
        self.beside_bytes.store(beside_bytes, Ordering::Relaxed);
    }

    /// Looks again whether the engine is over its limit.
    pub(crate) fn review(&self, backlog_events: usize) {
        let Some(max_bytes) = self.max_bytes else { return };
        let used_bytes = self.usage(backlog_events).used_bytes();
        if used_bytes > max_bytes {
            self.over.store(1, Ordering::Relaxed);
        } else if used_bytes <= max_bytes / PARTS * RECOVERED_PARTS {
            self.over.store(0, Ordering::Relaxed);
        }
    }

    /// From a refusal of events on until no more than 15/16 of the limit is in use.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) == 1
    }

    pub(crate) fn usage(&self, backlog_events: usize) -> MemoryUse {
        MemoryUse {
            max_bytes: self.max_bytes,
            fixed_bytes: self.fixed_bytes,
            dedup_bytes: self.dedup_bytes.load(Ordering::Relaxed),
            backlog_bytes: backlog_events.saturating_mul(UNFOLDED_EVENT_BYTES_MAX),
            garbage_bytes: self.lingering_bytes.load(Ordering::Relaxed),
            timeline_bytes: self.timeline_bytes.load(Ordering::Relaxed),
            reference_bytes: self.reference_bytes.load(Ordering::Relaxed),
            reserved_bytes: self.reserved_bytes.load(Ordering::Relaxed),
            beside_bytes: self.beside_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.memory.reserved_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BYTES: usize = 64 << 20;

    fn memory() -> Memory {
        let config = EngineConfig { max_memory_bytes: Some(MAX_BYTES), ..EngineConfig::default() };
        Memory { fixed_bytes: 0, ..Memory::new(&config) }
    }

    #[test]
    fn two_who_want_more_than_half_cannot_both_have_it() {
        let memory = memory();
        let first = memory.reserve(MAX_BYTES / 2, 0).unwrap();
        assert!(memory.reserve(MAX_BYTES / 2 + 1, 0).is_err());
        assert_eq!(memory.usage(0).reserved_bytes, MAX_BYTES / 2, "what is refused holds nothing");
        assert!(memory.reserve(MAX_BYTES / 2, 1).is_err(), "an unfolded event counts");
        let second = memory.reserve(MAX_BYTES / 2, 0).unwrap();
        drop((first, second));
        assert_eq!(memory.usage(0).used_bytes(), 0);
        assert!(memory.reserve(MAX_BYTES + 1, 0).is_err());
        assert!(!memory.is_over(), "events were not refused");
    }

    #[test]
    fn events_are_refused_when_all_parts_together_leave_no_room() {
        let memory = memory();
        let reserved = memory.reserve(MAX_BYTES / 8, 0).unwrap();
        let eighth = MAX_BYTES / 8;
        memory.hold(&Parts { dedup_bytes: eighth, timeline_bytes: eighth, reference_bytes: eighth });
        memory.linger(eighth / RECORD_BYTES_MAX);
        let left_events = (MAX_BYTES - 5 * eighth) / UNFOLDED_EVENT_BYTES_MAX;
        assert!(memory.admits(left_events));
        assert!(!memory.is_over());
        assert!(!memory.admits(left_events + 1));
        assert!(memory.is_over());
        drop(reserved);
        assert!(memory.admits(left_events + 1));
    }

    #[test]
    fn it_is_over_until_a_sixteenth_is_free() {
        let memory = memory();
        let review = |sixteenths: usize, more_bytes: usize| {
            memory.hold(&Parts { timeline_bytes: MAX_BYTES / 16 * sixteenths + more_bytes, ..Parts::default() });
            memory.review(0);
            memory.is_over()
        };
        assert_eq!([review(16, 0), review(16, 1)], [false, true], "over without a refusal, too");
        assert_eq!([review(16, 0), review(15, 1), review(15, 0), review(15, 1)], [true, true, false, false]);
    }

    #[test]
    fn what_the_process_takes_beside_counts_up_to_half_of_the_limit() {
        let memory = memory();
        memory.hold(&Parts { timeline_bytes: 100, ..Parts::default() });
        let beside = |process_bytes| {
            memory.observe(process_bytes, 0);
            memory.usage(0).beside_bytes
        };
        assert_eq!([99, 100, 101, 250].map(beside), [0, 0, 1, 150]);
        assert_eq!([usize::MAX, 100].map(beside), [MAX_BYTES / 2, 0], "what was seen before is not counted twice");
        memory.observe(usize::MAX, 0);
        let left_events = (MAX_BYTES / 2 - 100) / UNFOLDED_EVENT_BYTES_MAX;
        assert!(memory.admits(left_events) && !memory.admits(left_events + 1));
    }

    #[test]
    fn without_a_limit_nothing_is_refused() {
        let memory = Memory::new(&EngineConfig::default());
        assert!(memory.admits(usize::MAX));
        assert!(memory.reserve(usize::MAX, usize::MAX).is_ok());
        memory.hold(&Parts { dedup_bytes: usize::MAX, ..Parts::default() });
        memory.observe(usize::MAX, 0);
        memory.review(usize::MAX);
        assert!(!memory.is_over());
        assert_eq!(memory.usage(1).used_bytes(), usize::MAX);
    }
}
