//! The read side: what the window's records amount to, second by second.
//!
//! One thread at a time works here, behind the engine's lock, which writers never touch. To answer, it
//! [advances](Timeline::advance) to the clock, [switches](Timeline::switch_generation) to the newest reference generation,
//! [catches up](Timeline::catch_up) with the window and [sums](Timeline::sum) the seconds asked for.
//!
//! ## Unique users of any window in O(window)
//!
//! Each user has one last second up to the clock, and each second counts, by group, the users whose last second it is.
//! A user was seen in the window that ends now exactly if their last second lies in it; so the uniques of a window are
//! the sum of those counts over its seconds, whatever its length and however many events it has.
//!
//! ## Seconds ahead of the clock
//!
//! Their records are folded at once, into runs and totals; only the last-seen bookkeeping waits, one pass over that
//! second's runs when the clock reaches it. A query never looks at them before.

mod cells;
mod chunked;
mod free;
mod index;
mod metrics;
mod query;
mod runs;
mod second;
mod seconds;
mod series;
#[cfg(test)]
mod tests;
mod users;

pub use metrics::{Figures, Group, Groups, Metrics};
pub(crate) use metrics::{Sums, WindowSums};
pub use query::{Filter, Query};
pub(crate) use series::Excerpt;
pub use series::{Point, Series};

use crate::clock::second_of;
use crate::config::EngineConfig;
use crate::key::{UserKey, kind_of_record};
use crate::reference::{Generation, Published};
use crate::window::{Drained, Window, WindowConsumer};
use cells::Cells;
use second::{Second, Shape};
use seconds::Seconds;
use std::ops::RangeInclusive;
use std::sync::Arc;
use users::{NEVER, Users};

/// The folded seconds of `now - retention + 1 ..= now + skew`, and the users seen in them.
pub(crate) struct Timeline {
    now_ms: i64,
    retention_secs: i64,
    max_skew_secs: i64,
    kinds: usize,
    /// The generation that groups, and all totals that claim it, are of.
    generation: Arc<Generation>,
    seconds: Seconds,
    users: Users,
    folder: WindowConsumer,
}

impl Timeline {
    pub(crate) fn new(config: &EngineConfig, window: &Window, generation: Arc<Generation>, now_ms: i64) -> Self {
        Self {
            now_ms,
            retention_secs: config.retention_secs.into(),
            max_skew_secs: config.max_skew_secs.into(),
            kinds: config.event_types.len(),
            generation,
            seconds: Seconds::new(config.ring_slots()),
            users: Users::new(),
            folder: WindowConsumer::new(window),
        }
    }

    /// The time that it has advanced to, in milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Moves to `now_ms`, or stays where that is earlier. Seconds that the clock has reached fall due, those that no
    /// event can enter any more are sealed, those that have left the retention go, and their users with them. Returns
    /// the records that the window dropped unfolded.
    pub(crate) fn advance(&mut self, window: &Window, now_ms: i64) -> u64 {
        let was = self.now_secs();
        self.now_ms = self.now_ms.max(now_ms);
        let now = self.now_secs();
        if now == was {
            return 0;
        }
        for at in self.seconds.present(was + 1..=now, |_| true) {
            self.fall_due(at);
        }
        for at in self.seconds.present(i64::MIN..=now - self.retention_secs, |_| true) {
            self.expire(at);
        }
        for at in self.seconds.present(i64::MIN..=now - self.max_skew_secs - 1, |second| !second.sealed) {
            self.seal(at);
        }
        self.folder.clear(window, was - self.retention_secs + 1..=now - self.retention_secs)
    }

    /// Makes the published generation the one that answers are enriched by, unless it is already, or a newer one is.
    ///
    /// All users have their groups under it when this returns: most were prepared and come with the publication; a user who
    /// was not known then is looked up here. So no answer can use a generation whose groups are not there.
    pub(crate) fn switch_generation(&mut self, published: &Published) {
        if published.generation().number() <= self.generation.number() {
            return;
        }
        self.generation = Arc::clone(published.generation());
        let generation = &self.generation;
        let prepared = published.take_groups();
        let groups = generation.groups();
        let users = &mut self.users;
        self.seconds.change_all(|seconds| {
            for second in seconds.iter_mut().flatten() {
                second.last_seen = Cells::new(groups);
            }
            let mask = seconds.len() - 1;
            users.regroup(
                &prepared,
                |key| generation.group_of(key),
                |last, group| {
                    if let Some(second) = &mut seconds[last as usize & mask] {
                        second.last_seen.add(group, 1);
                    }
                },
            );
        });
    }

    /// Folds what was published in the window since the last call, up to about `limit` records.
    pub(crate) fn catch_up(&mut self, window: &Window, limit: u64) -> Drained {
        let live = self.live();
        let now = *live.end() - self.max_skew_secs;
        let shape = Shape::of(&self.generation, self.kinds);
        let Self { folder, seconds, users, generation, .. } = self;
        folder.drain(window, &live, limit, |at, records| {
            fold(seconds, users, generation, shape, at, at <= now, records);
        })
    }

    /// The sums of the last `window_secs` seconds; O(window x groups), and O(runs) more for each second that was last
    /// read under an older generation.
    pub(crate) fn sum(&mut self, window_secs: u32) -> WindowSums {
        let shape = Shape::of(&self.generation, self.kinds);
        let mut sums = Sums::zero(shape);
        for at in self.window(window_secs) {
            if let Some(second) = self.seconds.enriched(at, &self.users, shape, self.generation.number()) {
                second.totals().add_to(&mut sums.events);
                second.last_seen.add_to(&mut sums.uniques);
            }
        }
        WindowSums { now_ms: self.now_ms, generation: self.generation.clone(), sums }
    }

    /// The last `window_secs` seconds, to be looked at elsewhere; O(window + users).
    pub(crate) fn excerpt(&self, window_secs: u32) -> Excerpt {
        let window = self.window(window_secs);
        Excerpt {
            now_ms: self.now_ms,
            generation: self.generation.clone(),
            shape: Shape::of(&self.generation, self.kinds),
            start_secs: *window.start(),
            seconds: window.map(|at| Some(Arc::clone(&self.seconds.get(at)?.runs))).collect(),
            groups: self.users.groups(),
        }
    }

    /// What the users and the seconds take, and what the next events may make it take at once beyond their own part; O(1).
    ///
    /// Each live second counts with the counters that it takes from the start, whether it is there or not: one event can
    /// call for them.
    pub(crate) fn bytes(&self) -> usize {
        let live_secs = (self.retention_secs + self.max_skew_secs) as usize;
        let cells_bytes = Second::cells_bytes_of_empty(Shape::of(&self.generation, self.kinds));
        self.users.bytes() + self.seconds.bytes() + live_secs * cells_bytes
    }

    /// What a timeline takes whatever happens, without its folder.
    pub(crate) fn fixed_bytes(config: &EngineConfig) -> usize {
        config.ring_slots() * size_of::<Option<Second>>()
    }

    /// What the counters of all live seconds take before there is a reference table.
    pub(crate) fn cells_bytes_of_empty(config: &EngineConfig) -> usize {
        let live_secs = config.retention_secs as usize + config.max_skew_secs as usize;
        live_secs * Second::cells_bytes_of_empty(Shape { groups: 1, kinds: config.event_types.len() })
    }

    /// The generation that answers are enriched by.
    pub(crate) fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// User indices, free ones among them.
    pub(crate) fn user_indices(&self) -> usize {
        self.users.indices()
    }

    /// The keys of the user indices from `from` on; see [`Users::keys`].
    pub(crate) fn user_keys(&self, from: u32, most: u32) -> Vec<UserKey> {
        self.users.keys(from, most)
    }

    /// Users seen within the retention, or with an event ahead of the clock.
    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    fn now_secs(&self) -> i64 {
        second_of(self.now_ms)
    }

    /// The seconds of a window that ends now.
    fn window(&self, window_secs: u32) -> RangeInclusive<i64> {
        let now = self.now_secs();
        now - i64::from(window_secs) + 1..=now
    }

    /// The seconds that are folded.
    fn live(&self) -> RangeInclusive<i64> {
        self.now_secs() - self.retention_secs + 1..=self.now_secs() + self.max_skew_secs
    }

    /// The clock has reached a second: its users were seen in it.
    fn fall_due(&mut self, at: i64) {
        let Some(mut second) = self.seconds.take(at) else { return };
        for run in second.runs.iter() {
            see(&mut self.seconds, &mut self.users, &mut second.last_seen, run.user(), at);
        }
        self.seconds.put(second);
    }

    /// No event can enter a second any more.
    fn seal(&mut self, at: i64) {
        let Some(mut second) = self.seconds.take(at) else { return };
        second.seal();
        self.seconds.put(second);
    }

    /// A second has left the retention.
    fn expire(&mut self, at: i64) {
        if let Some(second) = self.seconds.take(at) {
            for run in second.runs.iter() {
                self.users.expire(run.user(), at);
            }
            self.users.trim();
        }
    }
}

/// How many users are looked up before the first of them is used.
const LOOKUPS_AT_ONCE: usize = 32;

/// Adds records to second `at`, which is live; `due` says that it is not ahead of the clock.
fn fold(
    seconds: &mut Seconds,
    users: &mut Users,
    generation: &Generation,
    shape: Shape,
    at: i64,
    due: bool,
    records: &[u128],
) {
    let number = generation.number();
    let mut second = seconds.take(at).unwrap_or_else(|| Second::new(at, shape, number));
    let mut open = second.open(shape, number);
    for records in records.chunks(LOOKUPS_AT_ONCE) {
        let mut known = [None; LOOKUPS_AT_ONCE];
        let keys = records.iter().map(|record| UserKey::of_record(*record));
        users.find_all(keys, &mut known, |user| open.runs.expect(user));
        for (known, record) in known.iter().zip(records) {
            let user = match known {
                Some(user) => {
                    users.renew(*user, at);
                    *user
                }
                None => users.enter(UserKey::of_record(*record), at, |key| generation.group_of(key)),
            };
            open.add(user, users.group(user), kind_of_record(*record));
            if due {
                see(seconds, users, open.last_seen, user, at);
            }
        }
    }
    second.sealed = false;
    seconds.put(second);
}

/// Moves the user from the second where they were last seen to `at`, if that is later. The second of `at` itself has
/// been taken out of `seconds`; `last_seen` is its part.
#[inline]
fn see(seconds: &mut Seconds, users: &mut Users, last_seen: &mut Cells, user: u32, at: i64) {
    let Some(before) = users.see(user, at) else { return };
    let group = users.group(user);
    last_seen.add(group, 1);
    if before != NEVER {
        seconds.unsee(before, group);
    }
}
