//! A generation: the ids that were accepted in one stretch of log time, and that are forgotten together.

use super::overflow::Overflow;
use crate::permits::Permits;
use crate::sync::line::TAG_BITS;
use crate::sync::{AtomicI64, AtomicUsize, Ordering, Padded};
use std::sync::Arc;

/// Generations with the same tag and the same half are this number of generations apart.
pub(crate) const TAG_PERIOD: u64 = 2 * TAG_BITS;

pub(crate) struct Generation {
    number: u64,
    tag: u64,
    /// Log time up to which this generation takes ids, or the latest time of one of its ids, if that is later.
    last_ms: AtomicI64,
    /// Whether there is a greatest number of ids.
    is_limited: bool,
    /// The ids of this generation in all tables and in the overflow. Each batch writes to it.
    ids: Padded<Permits>,
    /// Those of the ids that the generation before has, too.
    also_in_previous: Padded<AtomicUsize>,
    pub(crate) overflow: Overflow,
}

/// The tag of a generation's cells, 1 to 7.
pub(crate) fn tag(number: u64) -> u64 {
    (number >> 1) % TAG_BITS + 1
}

impl Generation {
    /// A generation for at most `ids_max` ids, which begins in a table of `table_lines` lines; `usize::MAX` ids for no
    /// limit. `bytes` counts the memory of its overflow.
    pub(crate) fn new(number: u64, ids_max: usize, table_lines: usize, bytes: &Arc<AtomicUsize>) -> Self {
        Self {
            number,
            tag: tag(number),
            last_ms: AtomicI64::new(i64::MIN),
            is_limited: ids_max != usize::MAX,
            ids: Padded(Permits::new(ids_max)),
            also_in_previous: Padded(AtomicUsize::new(0)),
            overflow: Overflow::new(table_lines, bytes),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The tag of the generation's cells.
    #[inline(always)]
    pub(crate) fn tag(&self) -> u64 {
        self.tag
    }

    /// The half of each line that has the generation's cells.
    #[inline(always)]
    pub(crate) fn half(&self) -> usize {
        (self.number & 1) as usize
    }

    /// The number of ids.
    pub(crate) fn ids(&self) -> usize {
        self.ids.in_use()
    }

    /// Whether there is no capacity for another id.
    pub(crate) fn is_full(&self) -> bool {
        self.ids.is_exhausted()
    }

    /// Reserves capacity for `ids` ids, or for none of them; returns whether it is reserved. Without a limit, there is
    /// nothing to reserve.
    pub(crate) fn try_reserve(&self, ids: usize) -> bool {
        !self.is_limited || self.ids.try_acquire(ids)
    }

    /// Counts the ids that were inserted. Those that were accepted before had no capacity reserved, and are counted
    /// whatever the capacity is.
    pub(crate) fn count(&self, reserved: usize, inserted: usize) {
        let reserved = if self.is_limited { reserved } else { 0 };
        if inserted > reserved {
            self.ids.add(inserted - reserved);
        } else if inserted < reserved {
            self.ids.release(reserved - inserted);
        }
    }

    /// Records ids that were inserted here and in the generation before.
    pub(crate) fn add_also_in_previous(&self, ids: usize) {
        // Relaxed: a gauge.
        self.also_in_previous.fetch_add(ids, Ordering::Relaxed);
    }

    pub(crate) fn also_in_previous(&self) -> usize {
        self.also_in_previous.load(Ordering::Relaxed)
    }

    /// The latest time of an id, or the end of the stretch of log time.
    pub(crate) fn last_ms(&self) -> i64 {
        // Relaxed: the caller reads it after a grace period, so all claimants of this generation happen before.
        self.last_ms.load(Ordering::Relaxed)
    }

    /// Records that ids with this time may be inserted. A claimant calls it before its first insertion.
    #[inline]
    pub(crate) fn extend_to(&self, ms: i64) {
        // Relaxed: the maximum orders nothing, and the reader comes after a grace period. Almost always the stretch of
        // log time is longer, so there is no write to the shared cache line.
        if self.last_ms.load(Ordering::Relaxed) < ms {
            self.last_ms.fetch_max(ms, Ordering::Relaxed);
        }
    }
}
