//! Memory accounting: when the engine measures what it holds, and what it reports.

use super::Engine;
use crate::dedup::Lines;
use crate::limits;
use crate::memory::MemoryUse;
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

    /// Releases the charge of records that have left the backlog of a timeline. What they have become is counted
    /// before, so the usage is never underestimated.
    pub(super) fn release_folded(&self, timeline: &mut Timeline, records: usize) {
        self.memory.add_garbage(records, timeline.take_unlinked());
        if records > 0 && self.memory.is_limited() {
            self.memory.add_timeline_bytes(timeline.take_growth());
            self.memory.update_dedup(|| self.dedup.bytes());
        }
        self.backlog.release(records);
    }

    /// Measures all parts, and checks whether the usage is within the limit again.
    pub(super) fn refresh_usage(&self) {
        for partition in &self.partitions {
            self.memory.add_timeline_bytes(partition.lock().take_growth());
        }
        self.memory.update_dedup(|| self.dedup.bytes());
        // The cut's lock keeps an older measurement from replacing a newer one.
        let cut = self.lock_cut();
        let published = self.reference.published();
        let folded_bytes = cut.generation.bytes_unless_shared_with(published.generation());
        let prepared_bytes = self.reference.prepared().bytes();
        self.memory.update_reference(published.bytes() + folded_bytes + prepared_bytes);
        drop(cut);
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
        let users: usize = self.partitions.iter().map(|partition| partition.lock().user_indices()).sum();
        copies_bytes + users * limits::PREPARED_USER_BYTES_MAX
    }
}
