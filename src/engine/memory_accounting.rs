//! What the engine holds in memory: when it is counted, and who may know.

use super::Engine;
use crate::dedup::Preallocated;
use crate::limits;
use crate::memory::{MemoryUse, Parts};
use crate::reference::{Change, Generation};
use crate::timeline::Timeline;

impl Engine {
    /// What the engine holds in memory, as far as it was counted: at the last tick or sweep, and with a limit at the last
    /// fold; what is not folded counts as it is admitted. Takes no lock.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        self.memory.usage(self.backlog.in_use())
    }

    /// What the remembered event ids take, in bytes, as far as it was counted: in tables that grow, as much as they have
    /// grown to; preallocated tables, of which the system gives no more than was touched, whole from the start.
    #[must_use]
    pub fn dedup_bytes(&self) -> usize {
        let tables = |capacity| Preallocated::bytes_for(self.config.horizon_secs(), capacity);
        self.memory().dedup_bytes + self.config.dedup_capacity.map_or(0, tables)
    }

    /// Tells the engine what its process takes in all, in bytes. With a limit, what it does not count itself (the allocator's
    /// slack, bodies, connections) counts from then on, up to half of the limit. To be called again and again, or never.
    pub fn observe_process(&self, process_bytes: usize) {
        self.memory.observe(process_bytes, self.backlog.in_use());
    }

    /// Whether events were refused for want of memory, and the engine has not come back to 15/16 of its limit since. It
    /// comes back by itself, as seconds and ids expire: the tick and the sweep look again.
    #[must_use]
    pub fn is_over_memory(&self) -> bool {
        self.memory.is_over()
    }

    /// Records have left the backlog: what has become of them is counted before their room is given back.
    pub(super) fn settle(&self, timeline: &Timeline, records: usize) {
        if records > 0 {
            self.memory.linger(records);
            if self.memory.is_limited() {
                self.hold(timeline);
            }
        }
        self.backlog.release(records);
    }

    /// Counts what everything has come to; under the timeline's lock, so that no older count replaces a newer one.
    fn hold(&self, timeline: &Timeline) {
        let published = self.reference.published();
        self.memory.hold(&Parts {
            dedup_bytes: self.dedup.bytes(),
            timeline_bytes: timeline.bytes(),
            reference_bytes: published.bytes() + timeline.generation().bytes_beside(published.generation()),
        });
    }

    /// Counts, and looks again whether the limit is kept.
    pub(super) fn take_stock(&self) {
        self.hold(&self.lock_timeline());
        self.memory.review(self.backlog.in_use());
    }

    /// What a change needs beside its body: for a patch what it makes of `base`, and for any the groups of the known users.
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
