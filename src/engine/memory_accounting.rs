//! Memory accounting: when the engine measures what it holds, and what it reports.

use super::Engine;
use crate::dedup::Lines;
use crate::limits;
use crate::memory::{MemoryUse, Parts};
use crate::reference::{Change, Generation};
use crate::timeline::Timeline;

impl Engine {
    /// The memory that the engine holds, as it was last measured: by the last tick or sweep, and with a limit also by
    /// the last fold. Unfolded events are always up to date. Takes no lock.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        self.memory.usage(self.backlog.in_use())
    }

    /// The memory of the remembered event ids, in bytes, as it was last measured. Tables that grow and shrink
    /// count with their present size. A table of a fixed size counts in full from the start.
    #[must_use]
    pub fn dedup_bytes(&self) -> usize {
        let tables = |capacity| Lines::bytes_for(self.config.horizon_secs(), capacity);
        self.memory().dedup_bytes + self.config.dedup_capacity.map_or(0, tables)
    }

    /// Reports the resident memory of the process, in bytes. With a limit, the part that the engine does not count
    /// itself is counted from then on, up to half of the limit: the allocator's slack, request bodies, connections.
    /// Call it regularly, or never.
    pub fn report_rss(&self, rss_bytes: usize) {
        self.memory.report_rss(rss_bytes, self.backlog.in_use());
    }

    /// Whether events were refused because of the memory limit, and the usage has not been down to 15/16 of the limit
    /// since. It recovers by itself as seconds and ids expire; the tick and the sweep check it.
    #[must_use]
    pub fn is_over_memory(&self) -> bool {
        self.memory.is_over()
    }

    /// Releases the charge of records that have left the backlog. What they have become is counted before, so the usage
    /// is never underestimated.
    pub(super) fn release_folded(&self, timeline: &Timeline, records: usize) {
        if records > 0 {
            self.memory.add_garbage(records);
            if self.memory.is_limited() {
                self.update_parts(timeline);
            }
        }
        self.backlog.release(records);
    }

    /// Measures all parts. It needs the timeline's lock, so that no older measurement replaces a newer one.
    fn update_parts(&self, timeline: &Timeline) {
        let published = self.reference.published();
        self.memory.update(&Parts {
            dedup_bytes: self.dedup.bytes(),
            timeline_bytes: timeline.bytes(),
            reference_bytes: published.bytes() + timeline.generation().bytes_unless_shared_with(published.generation()),
        });
    }

    /// Measures all parts, and checks whether the usage is within the limit again.
    pub(super) fn refresh_usage(&self) {
        self.update_parts(&self.lock_timeline());
        self.memory.recheck(self.backlog.in_use());
    }

    /// The most memory that a change needs in addition to its body: for a patch the copies of the table of `base`, and
    /// for any change the groups of the known users.
    pub(super) fn table_bytes_max(&self, change: Change, base: &Generation) -> usize {
        if !self.memory.is_limited() {
            return 0;
        }
        let copies_bytes = match change {
            Change::Replace => 0,
            Change::Merge => base.bytes().saturating_mul(limits::REFERENCE_COPIES_MAX),
        };
        copies_bytes + self.lock_timeline().user_indices() * limits::PREPARED_USER_BYTES_MAX
    }
}
