//! The preallocated backend: generations of flat tables, made ahead of need, and dropped whole.
//!
//! Memory is bounded and known, a claim costs two cache lines, and nothing grows or is swept id by id. In return an id may
//! be remembered for up to two horizons, and there is no room beyond the capacity.

use crate::dedup::rotation::{Roles, Steps};
use crate::dedup::table::Table;
use crate::dedup::{Claim, Dedup};
use crate::key::EventKey;
use crate::limits;
use crate::room::Room;
use crate::sync::{Mutex, reclaim};
use std::io;

/// How many claims ahead a line is asked for: far enough for the memory to answer, near enough to stay in the cache.
const PREFETCH_AHEAD: usize = 12;

pub(crate) struct Preallocated {
    generations: [Generation; 3],
    steps: Steps,
    rotation: Mutex<Rotation>,
}

struct Generation {
    table: Table,
    /// For its ids. Taken before an insertion, so an empty cell is always left.
    room: Room,
}

/// The sweeper's notes.
struct Rotation {
    /// How long a generation lasts; none: for good.
    generation_ms: Option<i64>,
    /// The last millisecond of the current generation; none before the first sweep.
    last_ms: Option<i64>,
    next: Next,
}

/// How far the next table is prepared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It was the previous one, and holds ids that have expired.
    Old,
    /// It is empty, and its memory is given back.
    Empty,
    /// It is empty, and its memory is there.
    Ready,
}

impl Preallocated {
    /// Remembers `capacity` ids for each `horizon_secs`, or so many for good.
    ///
    /// # Errors
    /// When the system has no memory for them.
    pub(crate) fn new(horizon_secs: Option<u64>, capacity: usize) -> io::Result<Self> {
        let ids_max = generation_ids(horizon_secs, capacity).ok_or(io::ErrorKind::OutOfMemory)?;
        // A generation that never ends needs no successor.
        let generation = |used: bool| {
            let ids_max = if used { ids_max } else { 0 };
            Ok::<_, io::Error>(Generation { table: Table::new(ids_max)?, room: Room::new(ids_max) })
        };
        let rotates = horizon_secs.is_some();
        let generations = [generation(true)?, generation(rotates)?, generation(rotates)?];
        generations[0].table.populate();
        let generation_ms =
            horizon_secs.map(generation_secs).map(|secs| i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1_000));
        Ok(Self {
            generations,
            steps: Steps::new(),
            rotation: Mutex::new(Rotation { generation_ms, last_ms: None, next: Next::Empty }),
        })
    }

    /// What the tables take when all are in memory.
    pub(crate) fn bytes_for(horizon_secs: Option<u64>, capacity: usize) -> usize {
        let bytes = generation_ids(horizon_secs, capacity).map_or(usize::MAX, Table::bytes_for);
        if horizon_secs.is_some() { bytes.saturating_mul(3) } else { bytes }
    }

    fn in_use(&self, roles: Roles) -> InUse<'_> {
        InUse {
            previous: Some(&self.generations[roles.previous]).filter(|previous| previous.room.taken() > 0),
            current: &self.generations[roles.current],
            next: roles.bridging.then(|| &self.generations[roles.next]),
        }
    }

    /// Takes the rotation as far as it can go now.
    fn rotate(&self, rotation: &mut Rotation, generation_ms: i64, now_ms: i64) {
        while self.steps.settled() {
            let last_ms = *rotation.last_ms.get_or_insert(now_ms.saturating_add(generation_ms));
            let roles = self.steps.roles(&reclaim::pin());
            let next = &self.generations[roles.next];
            match rotation.next {
                _ if roles.bridging => {
                    // The next table becomes the current one, and this generation's time begins.
                    self.steps.advance();
                    rotation.last_ms = Some(now_ms.saturating_add(generation_ms));
                    rotation.next = Next::Old;
                }
                Next::Old => {
                    next.table.clear();
                    next.room.give_back(next.room.taken());
                    rotation.next = Next::Empty;
                }
                Next::Empty if now_ms >= last_ms.saturating_sub(generation_ms / 8) => {
                    next.table.populate();
                    rotation.next = Next::Ready;
                }
                Next::Ready if now_ms > last_ms => self.steps.advance(),
                _ => return,
            }
        }
    }
}

impl Dedup for Preallocated {
    fn claim(&self, keys: &[EventKey], _: i64, claims: &mut Vec<Claim>) {
        let guard = reclaim::pin();
        let tables = self.in_use(self.steps.roles(&guard));
        if tables.take_room(keys.len()) {
            tables.claim_all(keys, claims);
        } else {
            claims.extend(keys.iter().map(|key| tables.claim_if_there_is_room(*key)));
        }
    }

    fn has_room(&self, ids: usize) -> bool {
        let tables = self.in_use(self.steps.roles(&reclaim::pin()));
        ids == 0 || !tables.current.room.is_full()
    }

    fn sweep(&self, now_ms: i64) {
        reclaim::flush();
        if let Ok(mut rotation) = self.rotation.try_lock()
            && let Some(generation_ms) = rotation.generation_ms
        {
            self.rotate(&mut rotation, generation_ms, now_ms);
        }
    }

    fn ids(&self) -> usize {
        let tables = self.in_use(self.steps.roles(&reclaim::pin()));
        tables.previous.map_or(0, |previous| previous.room.taken()) + tables.current.room.taken()
    }

    /// The tables are as large as they ever get, from the start.
    fn bytes(&self) -> usize {
        0
    }
}

/// How long a generation lasts, which remembers ids for so long. The slack leaves every claimant that may still be under
/// way with the generation that it would judge by.
fn generation_secs(horizon_secs: u64) -> u64 {
    horizon_secs.saturating_add(u64::from(limits::STALL_SLACK_SECS))
}

/// The ids of a generation, at `capacity` ids a horizon; none when no memory could hold them.
fn generation_ids(horizon_secs: Option<u64>, capacity: usize) -> Option<usize> {
    let Some(horizon_secs) = horizon_secs else { return Some(capacity) };
    let ids = capacity as u128 * u128::from(generation_secs(horizon_secs));
    usize::try_from(ids.div_ceil(u128::from(horizon_secs.max(1)))).ok()
}

/// The tables of one step, for as long as a claimant is pinned.
struct InUse<'t> {
    /// None while it has no ids, as in the first generation. Room is taken before an insertion, so whoever inserted into it
    /// two steps ago is seen here as surely as the id is seen in the table.
    previous: Option<&'t Generation>,
    current: &'t Generation,
    /// While bridging.
    next: Option<&'t Generation>,
}

/// Room that was taken and not used.
#[derive(Default)]
struct Spare {
    current: usize,
    next: usize,
}

impl InUse<'_> {
    #[inline]
    fn prefetch(&self, key: EventKey) {
        if let Some(previous) = self.previous {
            previous.table.prefetch(key);
        }
        self.current.table.prefetch(key);
    }

    /// Claims keys that room is taken for, and gives back what of it is not used.
    fn claim_all(&self, keys: &[EventKey], claims: &mut Vec<Claim>) {
        let mut spare = Spare::default();
        keys.iter().take(PREFETCH_AHEAD).for_each(|key| self.prefetch(*key));
        for (index, key) in keys.iter().enumerate() {
            if let Some(ahead) = keys.get(index + PREFETCH_AHEAD) {
                self.prefetch(*ahead);
            }
            claims.push(self.claim(*key, &mut spare));
        }
        self.give_back(&spare);
    }

    /// Claims a key that room is taken for; counts what of it is not used.
    #[inline]
    fn claim(&self, key: EventKey, spare: &mut Spare) -> Claim {
        if self.was_claimed_before(key) || !self.current.table.insert(key) {
            spare.current += 1;
            spare.next += 1;
            return Claim::Taken;
        }
        match self.next {
            Some(next) if !next.table.insert(key) => {
                spare.next += 1;
                Claim::Taken
            }
            _ => Claim::Won,
        }
    }

    #[inline]
    fn was_claimed_before(&self, key: EventKey) -> bool {
        self.previous.is_some_and(|previous| previous.table.contains(key))
    }

    /// The last places are given out one by one; whoever gets none is still told of a key that is taken.
    #[cold]
    fn claim_if_there_is_room(&self, key: EventKey) -> Claim {
        if self.take_room(1) {
            let mut spare = Spare::default();
            let claim = self.claim(key, &mut spare);
            self.give_back(&spare);
            return claim;
        }
        let taken = self.was_claimed_before(key) || self.current.table.contains(key);
        if taken { Claim::Taken } else { Claim::NoRoom }
    }

    /// Takes room for so many ids in every table that they are put into, or in none.
    fn take_room(&self, ids: usize) -> bool {
        if !self.current.room.take(ids) {
            return false;
        }
        let taken = self.next.is_none_or(|next| next.room.take(ids));
        if !taken {
            self.current.room.give_back(ids);
        }
        taken
    }

    fn give_back(&self, spare: &Spare) {
        self.current.room.give_back(spare.current);
        if let Some(next) = self.next {
            next.room.give_back(spare.next);
        }
    }
}
