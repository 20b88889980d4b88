//! The preallocated backend: flat tables, one for each generation, allocated at start and cleared as a whole.
//!
//! Its memory is bounded and known, a claim reads two cache lines, and ids are never removed one by one. In return, an
//! id may be remembered for up to two horizons, and ids beyond the capacity are refused.

use crate::dedup::rotation::{Roles, RotationPhase};
use crate::dedup::table::BucketTable;
use crate::dedup::{Claim, Dedup};
use crate::key::EventKey;
use crate::limits;
use crate::permits::Permits;
use crate::sync::{Mutex, reclaim};
use std::io;

/// A bucket is prefetched this number of claims ahead: early enough for the memory to respond, and late enough for the
/// bucket to stay in the cache.
const PREFETCH_AHEAD: usize = 12;

pub(crate) struct Preallocated {
    tables: [BoundedTable; 3],
    phase: RotationPhase,
    rotation: Mutex<Rotation>,
}

/// A table and the permits for its ids. A permit is acquired before an insertion, so the table always has an empty
/// cell.
struct BoundedTable {
    table: BucketTable,
    permits: Permits,
}

/// The state of the rotation, which sweeps change.
struct Rotation {
    /// The length of a generation; `None` if the only generation never ends.
    generation_ms: Option<i64>,
    /// The last millisecond of the current generation; `None` before the first sweep.
    last_ms: Option<i64>,
    next: NextTable,
}

/// How far the next table is prepared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NextTable {
    /// It was the previous table, and holds expired ids.
    Stale,
    /// It is empty, and its memory is returned to the system.
    Cleared,
    /// It is empty, and its memory is resident.
    Prefaulted,
}

impl Preallocated {
    /// Remembers `capacity` ids for each `horizon_secs`, or `capacity` ids without expiry.
    ///
    /// # Errors
    /// If the system has no memory for them.
    pub(crate) fn new(horizon_secs: Option<u64>, capacity: usize) -> io::Result<Self> {
        let ids_max = generation_ids(horizon_secs, capacity).ok_or(io::ErrorKind::OutOfMemory)?;
        // A generation that never ends needs no successor.
        let table = |is_used: bool| {
            let ids_max = if is_used { ids_max } else { 0 };
            Ok::<_, io::Error>(BoundedTable { table: BucketTable::new(ids_max)?, permits: Permits::new(ids_max) })
        };
        let rotates = horizon_secs.is_some();
        let tables = [table(true)?, table(rotates)?, table(rotates)?];
        tables[0].table.prefault();
        let generation_ms =
            horizon_secs.map(generation_secs).map(|secs| i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1_000));
        Ok(Self {
            tables,
            phase: RotationPhase::new(),
            rotation: Mutex::new(Rotation { generation_ms, last_ms: None, next: NextTable::Cleared }),
        })
    }

    /// The memory of the tables when all of it is resident.
    pub(crate) fn bytes_for(horizon_secs: Option<u64>, capacity: usize) -> usize {
        let bytes = generation_ids(horizon_secs, capacity).map_or(usize::MAX, BucketTable::bytes_for);
        if horizon_secs.is_some() { bytes.saturating_mul(3) } else { bytes }
    }

    fn active_tables(&self, roles: Roles) -> ActiveTables<'_> {
        ActiveTables {
            previous: Some(&self.tables[roles.previous]).filter(|previous| previous.permits.in_use() > 0),
            current: &self.tables[roles.current],
            next: roles.is_overlap.then(|| &self.tables[roles.next]),
        }
    }

    /// Advances the rotation as far as possible now.
    fn rotate(&self, rotation: &mut Rotation, generation_ms: i64, now_ms: i64) {
        while self.phase.is_quiescent() {
            let last_ms = *rotation.last_ms.get_or_insert(now_ms.saturating_add(generation_ms));
            let roles = self.phase.roles(&reclaim::pin());
            let next = &self.tables[roles.next];
            match rotation.next {
                _ if roles.is_overlap => {
                    // The next table becomes the current one, and its generation begins now.
                    self.phase.advance();
                    rotation.last_ms = Some(now_ms.saturating_add(generation_ms));
                    rotation.next = NextTable::Stale;
                }
                NextTable::Stale => {
                    next.table.clear();
                    next.permits.release(next.permits.in_use());
                    rotation.next = NextTable::Cleared;
                }
                NextTable::Cleared if now_ms >= last_ms.saturating_sub(generation_ms / 8) => {
                    next.table.prefault();
                    rotation.next = NextTable::Prefaulted;
                }
                NextTable::Prefaulted if now_ms > last_ms => {
                    debug_assert_eq!(next.permits.in_use(), 0, "a generation begins with an empty table");
                    self.phase.advance();
                }
                _ => return,
            }
        }
    }
}

impl Dedup for Preallocated {
    fn claim(&self, keys: &[EventKey], _: i64, claims: &mut Vec<Claim>) {
        let claims_before = claims.len();
        let guard = reclaim::pin();
        let tables = self.active_tables(self.phase.roles(&guard));
        if tables.try_acquire(keys.len()) {
            tables.claim_all(keys, claims);
        } else {
            claims.extend(keys.iter().map(|key| tables.claim_one_by_one(*key)));
        }
        debug_assert_eq!(claims.len() - claims_before, keys.len(), "each key has one result");
    }

    fn has_capacity(&self, ids: usize, _: i64) -> bool {
        let tables = self.active_tables(self.phase.roles(&reclaim::pin()));
        ids == 0 || !tables.current.permits.is_exhausted()
    }

    fn sweep(&self, now_ms: i64, _: &dyn Fn(usize) -> bool) {
        reclaim::flush();
        if let Ok(mut rotation) = self.rotation.try_lock()
            && let Some(generation_ms) = rotation.generation_ms
        {
            self.rotate(&mut rotation, generation_ms, now_ms);
        }
    }

    fn ids(&self) -> usize {
        let tables = self.active_tables(self.phase.roles(&reclaim::pin()));
        tables.previous.map_or(0, |previous| previous.permits.in_use()) + tables.current.permits.in_use()
    }

    /// Nothing beyond the fixed size of the tables.
    fn bytes(&self) -> usize {
        0
    }
}

/// The length of a generation for this horizon. The slack keeps a generation for every claimant that may be stalled and
/// still needs its ids.
fn generation_secs(horizon_secs: u64) -> u64 {
    horizon_secs.saturating_add(u64::from(limits::STALL_SLACK_SECS))
}

/// The number of ids of a generation, at `capacity` ids for each horizon; `None` if that exceeds any memory.
fn generation_ids(horizon_secs: Option<u64>, capacity: usize) -> Option<usize> {
    let Some(horizon_secs) = horizon_secs else { return Some(capacity) };
    let ids = capacity as u128 * u128::from(generation_secs(horizon_secs));
    usize::try_from(ids.div_ceil(u128::from(horizon_secs.max(1)))).ok()
}

/// The tables of one phase, valid as long as the claimant is pinned.
struct ActiveTables<'t> {
    /// `None` while the table has no ids, as in the first generation. A permit is acquired before the insertion, so
    /// this claimant sees the permit of an insertion two phases ago as surely as it sees the id in the table.
    previous: Option<&'t BoundedTable>,
    current: &'t BoundedTable,
    /// Only in an overlap phase.
    next: Option<&'t BoundedTable>,
}

/// Permits that were acquired and are not needed.
#[derive(Default)]
struct UnusedPermits {
    current: usize,
    next: usize,
}

impl ActiveTables<'_> {
    #[inline]
    fn prefetch(&self, key: EventKey) {
        if let Some(previous) = self.previous {
            previous.table.prefetch(key);
        }
        self.current.table.prefetch(key);
    }

    /// Claims keys whose permits are acquired, and releases the permits that are not needed.
    fn claim_all(&self, keys: &[EventKey], claims: &mut Vec<Claim>) {
        let mut unused = UnusedPermits::default();
        keys.iter().take(PREFETCH_AHEAD).for_each(|key| self.prefetch(*key));
        for (index, key) in keys.iter().enumerate() {
            if let Some(ahead) = keys.get(index + PREFETCH_AHEAD) {
                self.prefetch(*ahead);
            }
            claims.push(self.claim(*key, &mut unused));
        }
        self.release(&unused);
    }

    /// Claims a key whose permits are acquired, and adds the permits that are not needed to `unused`.
    #[inline]
    fn claim(&self, key: EventKey, unused: &mut UnusedPermits) -> Claim {
        if self.is_in_previous(key) || !self.current.table.insert(key) {
            unused.current += 1;
            unused.next += 1;
            return Claim::Duplicate;
        }
        match self.next {
            Some(next) if !next.table.insert(key) => {
                unused.next += 1;
                Claim::Duplicate
            }
            _ => Claim::Inserted,
        }
    }

    #[inline]
    fn is_in_previous(&self, key: EventKey) -> bool {
        self.previous.is_some_and(|previous| previous.table.contains(key))
    }

    /// Claims a key when there are not enough permits for the whole batch. Without a permit, a known key is still a
    /// duplicate.
    #[cold]
    fn claim_one_by_one(&self, key: EventKey) -> Claim {
        if self.try_acquire(1) {
            let mut unused = UnusedPermits::default();
            let claim = self.claim(key, &mut unused);
            self.release(&unused);
            return claim;
        }
        let is_known = self.is_in_previous(key) || self.current.table.contains(key);
        if is_known { Claim::Duplicate } else { Claim::Full }
    }

    /// Acquires permits for `ids` ids in every table that claims insert into, or in none of them.
    fn try_acquire(&self, ids: usize) -> bool {
        if !self.current.permits.try_acquire(ids) {
            return false;
        }
        let is_acquired = self.next.is_none_or(|next| next.permits.try_acquire(ids));
        if !is_acquired {
            self.current.permits.release(ids);
        }
        is_acquired
    }

    fn release(&self, unused: &UnusedPermits) {
        self.current.permits.release(unused.current);
        if let Some(next) = self.next {
            next.permits.release(unused.next);
        }
    }
}
