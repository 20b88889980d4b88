//! The limit on the memory that the engine holds.
//!
//! Unfolded events are charged a worst case of 728 bytes
//! ([`UNFOLDED_EVENT_BYTES_MAX`](crate::limits::UNFOLDED_EVENT_BYTES_MAX)). Folding records the actual size first and
//! then releases the charge. So nothing needs to be measured while events are taken, and usage is never underestimated.
//!
//! Callers reserve memory before they check the total, and release it if the total exceeds the limit. So two concurrent
//! reservations cannot both miss each other.

use crate::config::EngineConfig;
use crate::dedup::Lines;
use crate::error::Overloaded;
use crate::limits::{
    DEDUP_TABLE_BYTES_MIN, RECORD_BYTES_MAX, RETIRED_BAG_BYTES, RETIRED_LIST_BYTES_MAX, UNFOLDED_EVENT_BYTES_MAX,
};
use crate::sync::{AtomicUsize, Mutex, Ordering, fence, reclaim};
use crate::timeline::Timeline;
use crate::window::{Unlinked, Window, WindowConsumer};
use std::sync::{Arc, PoisonError};

/// Memory that an engine occupies before its first event, without its fixed part: the smallest maps and the first
/// segments, and the first dedup table.
const EMPTY_BYTES_MAX: usize = (1 << 20) + DEDUP_TABLE_BYTES_MIN;

/// An engine that was over its limit has recovered when it uses at most 15/16 of it.
const RECOVERED_PARTS: usize = 15;
const PARTS: usize = 16;

/// The memory that an engine holds, in bytes. It is rather overestimated than underestimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUse {
    /// The limit.
    pub max_bytes: Option<usize>,
    /// What is allocated from the start: the slots of the windows and of the timelines, and a dedup table of a fixed
    /// size.
    pub fixed_bytes: usize,
    /// Event ids in tables that grow and shrink.
    pub dedup_bytes: usize,
    /// Unfolded records, each with the worst case of its event.
    pub backlog_bytes: usize,
    /// Folded records that are not freed yet: a thread may still read them, or a fold could not unlink them because of
    /// an append.
    pub garbage_bytes: usize,
    /// Users, and their events in each second.
    pub timeline_bytes: usize,
    /// The reference tables in use.
    pub reference_bytes: usize,
    /// Reserved for changes of the reference table that are in progress.
    pub reserved_bytes: usize,
    /// The part of the process's last reported memory that none of the other fields count, up to half of the limit.
    pub unaccounted_bytes: usize,
}

impl MemoryUse {
    /// The sum of all parts. It can exceed the limit without any event: seconds need more memory when they are first
    /// read under a new reference table, and when the clock reaches a second that was ahead of it. A fold of a few
    /// events takes 2 KiB in each partition until they are freed. Events are then refused until the usage is below the
    /// limit again.
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
            self.unaccounted_bytes,
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

/// The lowest limit with which an empty engine with these settings accepts its largest batch.
pub(crate) fn min_bytes(config: &EngineConfig) -> usize {
    fixed_bytes(config)
        .saturating_add(EMPTY_BYTES_MAX)
        .saturating_add(config.partitions * Timeline::initial_bytes(config))
        .saturating_add(config.max_batch_events * UNFOLDED_EVENT_BYTES_MAX)
}

fn fixed_bytes(config: &EngineConfig) -> usize {
    let tables = |capacity| Lines::bytes_for(config.horizon_secs(), capacity);
    let slots = config.ring_slots();
    let partition_bytes = Window::bytes_for(slots) + WindowConsumer::bytes_for(slots) + Timeline::fixed_bytes(config);
    (config.partitions * partition_bytes).saturating_add(config.dedup_capacity.map_or(0, tables))
}

/// The gauges and the limit. Every access is Relaxed; the fences order what needs an order.
pub(crate) struct Memory {
    max_bytes: Option<usize>,
    fixed_bytes: usize,
    dedup_bytes: AtomicUsize,
    /// Held from the measurement of the ids until it is recorded.
    measuring_dedup: Mutex<()>,
    timeline_bytes: AtomicUsize,
    reference_bytes: AtomicUsize,
    reserved_bytes: AtomicUsize,
    /// Folded records that are not freed.
    garbage_bytes: Arc<AtomicUsize>,
    unaccounted_bytes: AtomicUsize,
    /// 1 while the engine is over its limit.
    over: AtomicUsize,
}

/// Reserved memory; dropping it releases the memory.
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
            measuring_dedup: Mutex::new(()),
            timeline_bytes: AtomicUsize::new(0),
            reference_bytes: AtomicUsize::new(0),
            reserved_bytes: AtomicUsize::new(0),
            garbage_bytes: Arc::new(AtomicUsize::new(0)),
            unaccounted_bytes: AtomicUsize::new(0),
            over: AtomicUsize::new(0),
        }
    }

    /// Whether there is a limit. Without a limit the parts need not be measured at each fold.
    pub(crate) fn is_limited(&self) -> bool {
        self.max_bytes.is_some()
    }

    /// Whether a batch may stay in the backlog, to which its events were already added. `backlog_events` reads the
    /// backlog.
    pub(crate) fn admits(&self, backlog_events: impl FnOnce() -> usize) -> bool {
        let admits = self.fits(backlog_events);
        if !admits {
            self.over.store(1, Ordering::Relaxed);
        }
        admits
    }

    /// Reserves `bytes`, or refuses to. A refusal does not mean that the engine is over its limit: `bytes` alone may
    /// exceed it. `backlog_events` reads the backlog, once the bytes are reserved.
    pub(crate) fn reserve(
        &self,
        bytes: usize,
        backlog_events: impl FnOnce() -> usize,
    ) -> Result<Reservation<'_>, Overloaded> {
        let bytes = if self.is_limited() { bytes } else { 0 };
        // Refused before it is reserved: a reservation that can never fit must not make other callers fail.
        if self.max_bytes.is_some_and(|max_bytes| bytes > max_bytes) {
            return Err(Overloaded);
        }
        self.reserved_bytes.fetch_add(bytes, Ordering::Relaxed);
        let reservation = Reservation { memory: self, bytes };
        if self.fits(backlog_events) { Ok(reservation) } else { Err(Overloaded) }
    }

    /// Reserves `bytes` for work that must not be refused.
    pub(crate) fn reserve_unchecked(&self, bytes: usize) -> Reservation<'_> {
        let bytes = if self.is_limited() { bytes } else { 0 };
        self.reserved_bytes.fetch_add(bytes, Ordering::Relaxed);
        Reservation { memory: self, bytes }
    }

    fn fits(&self, backlog_events: impl FnOnce() -> usize) -> bool {
        let Some(max_bytes) = self.max_bytes else { return true };
        // Pairs with itself in another thread. Each caller reserves before its fence, in the backlog or in the reserved
        // bytes, and reads both after its fence. Of two callers, the one whose fence comes second sees the reservation
        // of the first, so in either order at least one of them counts both.
        fence(Ordering::SeqCst);
        let backlog_events = backlog_events();
        // Pairs with the fences of the updates. If the backlog no longer contains the records of a fold, this thread
        // sees the sizes that the fold recorded before it released them. Otherwise these records are still charged in
        // full.
        fence(Ordering::Acquire);
        self.usage(backlog_events).used_bytes() <= max_bytes
    }

    /// Records a change of the memory of the timelines. A caller that has folded records releases their charge only
    /// afterwards.
    pub(crate) fn add_timeline_bytes(&self, growth: isize) {
        // The sum of all changes is not negative, whatever their order is.
        self.timeline_bytes.fetch_add(growth.cast_unsigned(), Ordering::Relaxed);
        // Pairs with the fence in `fits`, see there.
        fence(Ordering::SeqCst);
    }

    /// Records the memory of the ids, which `measure` returns. No older measurement replaces a newer one.
    pub(crate) fn update_dedup(&self, measure: impl FnOnce() -> usize) {
        let _measuring = self.measuring_dedup.lock().unwrap_or_else(PoisonError::into_inner);
        self.dedup_bytes.store(measure(), Ordering::Relaxed);
        // Pairs with the fence in `fits`, see there.
        fence(Ordering::SeqCst);
    }

    /// Records the memory of the reference tables in use.
    pub(crate) fn update_reference(&self, bytes: usize) {
        self.reference_bytes.store(bytes, Ordering::Relaxed);
        // Pairs with the fence in `fits`: a reservation for the table is released only afterwards.
        fence(Ordering::SeqCst);
    }

    /// Counts records that were folded until they are unlinked and no thread can read them any more. `unlinked` are
    /// records of this call or of earlier ones; this thread has retired their lists and flushes them here.
    pub(crate) fn add_garbage(&self, folded_records: usize, unlinked: Unlinked) {
        let folded_bytes = folded_records * RECORD_BYTES_MAX;
        if unlinked.lists == 0 {
            if folded_bytes > 0 {
                self.garbage_bytes.fetch_add(folded_bytes, Ordering::Relaxed);
            }
            return;
        }
        let lists_bytes = unlinked.lists as usize * RETIRED_LIST_BYTES_MAX + RETIRED_BAG_BYTES;
        self.garbage_bytes.fetch_add(folded_bytes + lists_bytes, Ordering::Relaxed);
        let freed_bytes = unlinked.records as usize * RECORD_BYTES_MAX + lists_bytes;
        let garbage_bytes = Arc::clone(&self.garbage_bytes);
        reclaim::pin().defer(move || _ = garbage_bytes.fetch_sub(freed_bytes, Ordering::Relaxed));
    }

    /// Records the resident memory of the process. The part that the gauges do not count is charged from then on, but
    /// at most half of the limit: the engine can always use the other half.
    pub(crate) fn report_rss(&self, rss_bytes: usize, backlog_events: usize) {
        let Some(max_bytes) = self.max_bytes else { return };
        let usage = self.usage(backlog_events);
        let counted_bytes = usage.used_bytes() - usage.unaccounted_bytes;
        let unaccounted_bytes = rss_bytes.saturating_sub(counted_bytes).min(max_bytes / 2);
        self.unaccounted_bytes.store(unaccounted_bytes, Ordering::Relaxed);
    }

    /// Checks again whether the engine is over its limit.
    pub(crate) fn recheck(&self, backlog_events: usize) {
        let Some(max_bytes) = self.max_bytes else { return };
        let used_bytes = self.usage(backlog_events).used_bytes();
        if used_bytes > max_bytes {
            self.over.store(1, Ordering::Relaxed);
        } else if used_bytes <= max_bytes / PARTS * RECOVERED_PARTS {
            self.over.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the engine is over its limit: from a refusal of events until at most 15/16 of the limit is in use.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) == 1
    }

    pub(crate) fn usage(&self, backlog_events: usize) -> MemoryUse {
        MemoryUse {
            max_bytes: self.max_bytes,
            fixed_bytes: self.fixed_bytes,
            dedup_bytes: self.dedup_bytes.load(Ordering::Relaxed),
            backlog_bytes: backlog_events.saturating_mul(UNFOLDED_EVENT_BYTES_MAX),
            garbage_bytes: self.garbage_bytes.load(Ordering::Relaxed),
            timeline_bytes: self.timeline_bytes.load(Ordering::Relaxed),
            reference_bytes: self.reference_bytes.load(Ordering::Relaxed),
            reserved_bytes: self.reserved_bytes.load(Ordering::Relaxed),
            unaccounted_bytes: self.unaccounted_bytes.load(Ordering::Relaxed),
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
    fn two_reservations_of_more_than_half_cannot_both_succeed() {
        let memory = memory();
        let first = memory.reserve(MAX_BYTES / 2, || 0).unwrap();
        assert!(memory.reserve(MAX_BYTES / 2 + 1, || 0).is_err());
        assert_eq!(memory.usage(0).reserved_bytes, MAX_BYTES / 2, "a refused reservation holds nothing");
        assert!(memory.reserve(MAX_BYTES / 2, || 1).is_err(), "an unfolded event is charged");
        let second = memory.reserve(MAX_BYTES / 2, || 0).unwrap();
        drop((first, second));
        assert_eq!(memory.usage(0).used_bytes(), 0);
        assert!(memory.reserve(MAX_BYTES + 1, || 0).is_err());
        assert!(!memory.is_over(), "events were not refused");
    }

    #[test]
    fn the_backlog_is_read_after_the_bytes_are_reserved() {
        let memory = memory();
        let mut reserved_bytes = 0;
        let read_backlog = || {
            reserved_bytes = memory.usage(0).reserved_bytes;
            0
        };
        let _reservation = memory.reserve(7, read_backlog).unwrap();
        assert_eq!(reserved_bytes, 7, "otherwise a batch that is admitted in between is missed");
    }

    #[test]
    fn events_are_refused_when_the_sum_of_all_parts_leaves_no_room() {
        let memory = memory();
        let reserved = memory.reserve(MAX_BYTES / 8, || 0).unwrap();
        let eighth = MAX_BYTES / 8;
        memory.update_dedup(|| eighth);
        memory.add_timeline_bytes(2 * eighth.cast_signed());
        memory.add_timeline_bytes(-eighth.cast_signed());
        memory.update_reference(eighth);
        memory.add_garbage(eighth / RECORD_BYTES_MAX, Unlinked::default());
        let left_events = (MAX_BYTES - 5 * eighth) / UNFOLDED_EVENT_BYTES_MAX;
        assert!(memory.admits(|| left_events));
        assert!(!memory.is_over());
        assert!(!memory.admits(|| left_events + 1));
        assert!(memory.is_over());
        drop(reserved);
        assert!(memory.admits(|| left_events + 1));
    }

    #[test]
    fn folded_records_are_counted_until_they_are_unlinked_and_freed() {
        let memory = memory();
        let garbage_bytes = |expected_bytes| {
            // Another test's thread that does not run may delay a grace period.
            while memory.usage(0).garbage_bytes > expected_bytes {
                reclaim::flush();
                std::thread::yield_now();
            }
            memory.usage(0).garbage_bytes
        };
        memory.add_garbage(5, Unlinked::default());
        (0..100).for_each(|_| reclaim::flush());
        assert_eq!(memory.usage(0).garbage_bytes, 5 * RECORD_BYTES_MAX, "still linked");
        let guard = reclaim::pin();
        memory.add_garbage(1, Unlinked { records: 4, lists: 2 });
        (0..100).for_each(|_| reclaim::flush());
        let lists_bytes = 2 * RETIRED_LIST_BYTES_MAX + RETIRED_BAG_BYTES;
        assert_eq!(memory.usage(0).garbage_bytes, 6 * RECORD_BYTES_MAX + lists_bytes, "a thread may read them");
        drop(guard);
        assert_eq!(garbage_bytes(2 * RECORD_BYTES_MAX), 2 * RECORD_BYTES_MAX);
        memory.add_garbage(0, Unlinked { records: 2, lists: 1 });
        assert_eq!(garbage_bytes(0), 0);
    }

    #[test]
    fn an_engine_is_over_its_limit_until_a_sixteenth_is_free() {
        let memory = memory();
        let is_over = |sixteenths: usize, more_bytes: usize| {
            memory.update_reference(MAX_BYTES / 16 * sixteenths + more_bytes);
            memory.recheck(0);
            memory.is_over()
        };
        assert_eq!([is_over(16, 0), is_over(16, 1)], [false, true], "also without a refusal");
        assert_eq!([is_over(16, 0), is_over(15, 1), is_over(15, 0), is_over(15, 1)], [true, true, false, false]);
    }

    #[test]
    fn unaccounted_memory_of_the_process_is_charged_up_to_half_of_the_limit() {
        let memory = memory();
        memory.update_reference(100);
        let unaccounted_bytes = |rss_bytes| {
            memory.report_rss(rss_bytes, 0);
            memory.usage(0).unaccounted_bytes
        };
        assert_eq!([99, 100, 101, 250].map(unaccounted_bytes), [0, 0, 1, 150]);
        let expected = [MAX_BYTES / 2, 0];
        assert_eq!([usize::MAX, 100].map(unaccounted_bytes), expected, "the earlier report is not counted again");
        memory.report_rss(usize::MAX, 0);
        let left_events = (MAX_BYTES / 2 - 100) / UNFOLDED_EVENT_BYTES_MAX;
        assert!(memory.admits(|| left_events) && !memory.admits(|| left_events + 1));
    }

    #[test]
    fn without_a_limit_nothing_is_refused() {
        let memory = Memory::new(&EngineConfig::default());
        assert!(memory.admits(|| usize::MAX));
        assert!(memory.reserve(usize::MAX, || usize::MAX).is_ok());
        memory.update_reference(usize::MAX);
        memory.report_rss(usize::MAX, 0);
        memory.recheck(usize::MAX);
        assert!(!memory.is_over());
        assert_eq!(memory.usage(1).used_bytes(), usize::MAX);
    }
}
