//! The read side: the window's records, folded into seconds.
//!
//! One thread at a time works here, behind a lock of the engine that writers never wait for. For an answer, that thread
//! [advances](Timeline::advance) the timeline to the clock, [switches](Timeline::switch_generation) it to the newest
//! reference generation, [folds](Timeline::fold) the new records of the window, and
//! [aggregates](Timeline::aggregate) the seconds of the query.
//!
//! ## Unique users of any window in O(window)
//!
//! Each user has one last second, up to the clock. Each second counts, by group, the users whose last second it is. A
//! user was seen in a window that ends now exactly if their last second lies in it. So the unique users of a window are
//! the sum of those counts over its seconds, for any length and any number of events.
//!
//! ## Seconds ahead of the clock
//!
//! Their records are folded at once, into counts and totals. Only the update of the users' last seconds waits: it is
//! one pass over the counts of the second when the clock reaches it. No query reads the second before.

mod aggregates;
mod counters;
mod free_indices;
mod key_index;
mod metrics;
mod query;
mod second;
mod seconds;
mod segmented_vec;
mod series;
mod snapshot;
#[cfg(test)]
mod tests;
mod user_kind_counts;
mod users;

pub use metrics::{Group, Groups, Metrics, Stats};
pub use query::{Filter, Query};
pub use series::{Point, Series};

use crate::clock::second_of;
use crate::config::EngineConfig;
use crate::error::EndOutOfRange;
use crate::key::{UserKey, kind_of_record};
use crate::reference::{Generation, PublishedGeneration};
use crate::window::{Drained, Window, WindowConsumer};
use aggregates::{Aggregates, WindowAggregates};
use counters::Counters;
use second::{CounterLayout, Second};
use seconds::Seconds;
use snapshot::TimelineSnapshot;
use std::ops::RangeInclusive;
use std::sync::Arc;
use users::{NEVER, Users};

/// The folded seconds of `now - retention + 1 ..= now + skew`, and the users seen in them.
pub(crate) struct Timeline {
    now_ms: i64,
    retention_secs: i64,
    max_skew_secs: i64,
    kinds: usize,
    /// All users have their groups under this generation. The totals of a second may still be of an older one.
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

    /// The time that the timeline has advanced to, in milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Advances to `now_ms`; does nothing if that is earlier. Seconds that the clock reaches begin, seconds that no
    /// event can enter any more are sealed, and seconds that leave the retention expire together with their users.
    /// Returns the records that the window dropped unfolded.
    pub(crate) fn advance(&mut self, window: &Window, now_ms: i64) -> u64 {
        let before = self.now_secs();
        self.now_ms = self.now_ms.max(now_ms);
        let now = self.now_secs();
        if now == before {
            return 0;
        }
        for secs in self.seconds.list(before + 1..=now, |_| true) {
            self.begin(secs);
        }
        for secs in self.seconds.list(i64::MIN..=now - self.retention_secs, |_| true) {
            self.expire(secs);
        }
        for secs in self.seconds.list(i64::MIN..=now - self.max_skew_secs - 1, |second| !second.is_sealed) {
            self.seal(secs);
        }
        self.folder.clear(window, before - self.retention_secs + 1..=now - self.retention_secs)
    }

    /// Makes the published generation the one that answers use, unless the timeline has it or a newer one already.
    ///
    /// When this returns, all users have their groups under it. Most groups were prepared and come with the
    /// publication; the group of a user who was not known at that time is looked up here. So no answer can use a
    /// generation whose groups are missing.
    pub(crate) fn switch_generation(&mut self, published: &PublishedGeneration) {
        if published.generation().number() <= self.generation.number() {
            return;
        }
        self.generation = Arc::clone(published.generation());
        let generation = &self.generation;
        let prepared = published.take_groups();
        let groups = generation.groups();
        let users = &mut self.users;
        self.seconds.update_all(|seconds| {
            for second in seconds.iter_mut().flatten() {
                second.last_seen = Counters::new(groups);
            }
            let mask = seconds.len() - 1;
            users.regroup(
                &prepared,
                |key| generation.group_of(key),
                |last_seen, group| {
                    if let Some(second) = &mut seconds[last_seen as usize & mask] {
                        debug_assert_eq!(second.secs, last_seen, "the last second of a user is in the ring");
                        second.last_seen.add(group, 1);
                    }
                },
            );
        });
    }

    /// Folds the records that were published in the window since the last call, up to about `limit` records.
    pub(crate) fn fold(&mut self, window: &Window, limit: u64) -> Drained {
        let live = self.live();
        let now = self.now_secs();
        let layout = self.layout();
        let Self { folder, seconds, users, generation, .. } = self;
        folder.drain(window, &live, limit, |secs, records| {
            debug_assert!(live.contains(&secs), "second {secs} is live");
            fold_records(seconds, users, generation, layout, secs, secs <= now, records);
        })
    }

    /// The aggregates of the last `window_secs` seconds up to now. O(window x groups), and O(entries) more for each
    /// second that was last read under an older generation.
    pub(crate) fn aggregate(&mut self, window_secs: u32) -> WindowAggregates {
        let layout = self.layout();
        let mut aggregates = Aggregates::zero(layout);
        for secs in Self::window_to(self.now_secs(), window_secs) {
            let generation = self.generation.number();
            if let Some(second) = self.seconds.with_current_totals(secs, &self.users, layout, generation) {
                second.totals().add_to(&mut aggregates.events);
                second.last_seen.add_to(&mut aggregates.uniques);
            }
        }
        debug_assert!(aggregates.uniques.iter().sum::<u64>() <= aggregates.events.iter().sum());
        debug_assert!(aggregates.uniques.iter().sum::<u64>() <= self.users.len() as u64);
        WindowAggregates { now_ms: self.now_ms, generation: Arc::clone(&self.generation), aggregates }
    }

    /// A window, to be read without the lock; O(window + users). It ends with second `end_secs`, or now. It is at most
    /// as long as the retention.
    ///
    /// # Errors
    /// The end is ahead of the clock, or some seconds of the window have left the retention. Both are judged by the
    /// timeline's own clock. So no second can expire between this check and the snapshot.
    pub(crate) fn snapshot(&self, window_secs: u32, end_secs: Option<i64>) -> Result<TimelineSnapshot, EndOutOfRange> {
        let latest_secs = self.now_secs();
        let earliest_secs = latest_secs - self.retention_secs + i64::from(window_secs);
        let end_secs = end_secs.unwrap_or(latest_secs);
        if !(earliest_secs..=latest_secs).contains(&end_secs) {
            return Err(EndOutOfRange { earliest_secs, latest_secs });
        }
        let window = Self::window_to(end_secs, window_secs);
        Ok(TimelineSnapshot {
            now_ms: self.now_ms,
            generation: Arc::clone(&self.generation),
            layout: self.layout(),
            start_secs: *window.start(),
            seconds: window.map(|secs| Some(Arc::clone(&self.seconds.get(secs)?.counts))).collect(),
            groups: self.users.groups(),
        })
    }

    /// Memory that the users and the seconds occupy, together with what the next events may allocate at once beyond
    /// their own charge; O(1).
    ///
    /// The initial counters of each live second are counted, also if the second does not exist yet: one event can
    /// create it.
    pub(crate) fn bytes(&self) -> usize {
        let live_secs = (self.retention_secs + self.max_skew_secs) as usize;
        let counter_bytes = Second::initial_counter_bytes(self.layout());
        self.users.bytes() + self.seconds.bytes() + live_secs * counter_bytes
    }

    /// Memory that a timeline always occupies, without its folder.
    pub(crate) fn fixed_bytes(config: &EngineConfig) -> usize {
        config.ring_slots() * size_of::<Option<Second>>()
    }

    /// Memory that the initial counters of all live seconds occupy before there is a reference table.
    pub(crate) fn initial_counter_bytes(config: &EngineConfig) -> usize {
        let live_secs = config.retention_secs as usize + config.max_skew_secs as usize;
        live_secs * Second::initial_counter_bytes(CounterLayout { groups: 1, kinds: config.event_types.len() })
    }

    /// The generation that answers use.
    pub(crate) fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// User indices, the free ones included.
    pub(crate) fn user_indices(&self) -> usize {
        self.users.indices()
    }

    /// The keys of the user indices from `from` on, at most `max` keys; see [`Users::keys`].
    pub(crate) fn user_keys(&self, from: u32, max: u32) -> Vec<UserKey> {
        self.users.keys(from, max)
    }

    /// Users with an event within the retention or ahead of the clock.
    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    fn now_secs(&self) -> i64 {
        second_of(self.now_ms)
    }

    fn layout(&self) -> CounterLayout {
        CounterLayout::of(&self.generation, self.kinds)
    }

    /// The seconds of a window that ends with second `end_secs`.
    fn window_to(end_secs: i64, window_secs: u32) -> RangeInclusive<i64> {
        end_secs - i64::from(window_secs) + 1..=end_secs
    }

    /// The seconds that are folded.
    fn live(&self) -> RangeInclusive<i64> {
        self.now_secs() - self.retention_secs + 1..=self.now_secs() + self.max_skew_secs
    }

    /// The clock has reached a second: it becomes the last second of its users.
    fn begin(&mut self, secs: i64) {
        let Some(mut second) = self.seconds.take(secs) else { return };
        for entry in second.counts.iter() {
            move_last_seen(&mut self.seconds, &mut self.users, &mut second.last_seen, entry.user(), secs);
        }
        self.seconds.put(second);
    }

    /// No event can enter a second any more.
    fn seal(&mut self, secs: i64) {
        let Some(mut second) = self.seconds.take(secs) else { return };
        second.seal();
        self.seconds.put(second);
    }

    /// A second has left the retention.
    fn expire(&mut self, secs: i64) {
        if let Some(second) = self.seconds.take(secs) {
            for entry in second.counts.iter() {
                self.users.expire(entry.user(), secs);
            }
            self.users.trim();
        }
    }
}

/// Users that are looked up before the first of them is used.
const LOOKUPS_AT_ONCE: usize = 32;

/// Adds records to second `secs`, which is live. `has_begun` is false for a second ahead of the clock.
fn fold_records(
    seconds: &mut Seconds,
    users: &mut Users,
    generation: &Generation,
    layout: CounterLayout,
    secs: i64,
    has_begun: bool,
    records: &[u128],
) {
    let number = generation.number();
    let mut second = seconds.take(secs).unwrap_or_else(|| Second::new(secs, layout, number));
    let mut open = second.open(layout, number);
    for records in records.chunks(LOOKUPS_AT_ONCE) {
        let mut known = [None; LOOKUPS_AT_ONCE];
        let keys = records.iter().map(|record| UserKey::of_record(*record));
        users.find_all(keys, &mut known, |user| open.counts.prefetch(user));
        for (known, record) in known.iter().zip(records) {
            let user = match known {
                Some(user) => {
                    users.note_event(*user, secs);
                    *user
                }
                None => users.get_or_insert(UserKey::of_record(*record), secs, |key| generation.group_of(key)),
            };
            open.add(user, users.group(user), kind_of_record(*record));
            if has_begun {
                move_last_seen(seconds, users, open.last_seen, user, secs);
            }
        }
    }
    second.is_sealed = false;
    seconds.put(second);
}

/// Makes `secs` the last second of a user if it is later than that, and moves the user to `last_seen`, the counters of
/// `secs`. That second has been taken out of `seconds`.
#[inline]
fn move_last_seen(seconds: &mut Seconds, users: &mut Users, last_seen: &mut Counters, user: u32, secs: i64) {
    let Some(before) = users.advance_last_seen(user, secs) else { return };
    let group = users.group(user);
    last_seen.add(group, 1);
    if before != NEVER {
        seconds.decrement_last_seen(before, group);
    }
}
