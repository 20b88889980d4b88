//! The read side of a partition: the records of its window, folded into seconds.
//!
//! The users are spread over partitions by bits of their keys. Each partition has a window and a timeline of its own,
//! and no user is in two of them. So partitions are folded in parallel, and the answer to a query is the sum over them.
//!
//! One thread at a time works on a timeline, behind a lock that writers never wait for. The timeline
//! [advances](Timeline::advance) to the clock, [switches](Timeline::switch_generation) to the newest reference
//! generation, and [folds](Timeline::fold) the new records of the window. For an answer it [sums](Timeline::add_sums)
//! the seconds of the query, or gives an [excerpt](Timeline::excerpt) of them to be read without the lock. Its whole
//! state can be [copied](Timeline::snapshot) and [restored](Timeline::restore).
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
mod excerpt;
mod fold;
mod free_indices;
mod live_second;
mod metrics;
mod query;
mod second;
mod seconds;
mod segmented_vec;
mod series;
#[allow(dead_code, reason = "a door of `internals`")]
mod snapshot;
#[cfg(test)]
mod tests;
mod user_cells;
mod user_kind_counts;
mod users;

pub(crate) use aggregates::{Aggregates, WindowAggregates};
pub(crate) use excerpt::{Excerpt, WindowExcerpt};
pub use metrics::{Group, Groups, Metrics, Stats};
pub use query::{Filter, Query};
pub use series::{Point, Series};

use crate::clock::second_of;
use crate::config::EngineConfig;
use crate::key::UserKey;
use crate::reference::Generation;
use crate::window::{Drained, Unlinked, Window, WindowConsumer};
use counters::Counters;
use fold::{fold_records, move_last_seen};
use live_second::LiveSecond;
use second::Second;
use seconds::Seconds;
use std::ops::RangeInclusive;
use std::sync::Arc;
use users::Users;

pub(crate) use second::CounterLayout;

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
    /// The memory that [`take_growth`](Self::take_growth) has reported.
    reported_bytes: usize,
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
            reported_bytes: 0,
        }
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

    /// Makes `generation` the one that answers use, unless the timeline has it or a newer one already.
    ///
    /// When this returns, all users have their groups under it. Most groups were `prepared` before the publication; the
    /// group of a user who was not known at that time is looked up here. So no answer can use a generation whose groups
    /// are missing.
    pub(crate) fn switch_generation(&mut self, generation: &Arc<Generation>, prepared: &[Vec<(UserKey, u32)>]) {
        if generation.number() <= self.generation.number() {
            return;
        }
        self.generation = Arc::clone(generation);
        let users = &mut self.users;
        self.seconds.update_all(|seconds| {
            for second in seconds.iter_mut().flatten() {
                second.last_seen = Counters::new(generation.groups());
            }
            let slots = seconds.len();
            users.regroup(
                prepared,
                |key| generation.group_of(key),
                |last_seen, group| {
                    if let Some(second) = &mut seconds[last_seen.slot(slots)] {
                        debug_assert_eq!(
                            LiveSecond::new(second.secs),
                            last_seen,
                            "a user's last second is in the ring"
                        );
                        second.last_seen.add(group, 1);
                    }
                },
            );
        });
    }

    /// The group of a user whom the timeline knows.
    #[cfg(test)]
    pub(crate) fn group_of_known(&mut self, key: UserKey) -> Option<u32> {
        self.users.group_of_known(key)
    }

    /// Folds the records that were published in the window since the last call, up to about `limit` records.
    pub(crate) fn fold(&mut self, window: &Window, limit: u64) -> Drained {
        let live = self.live();
        let now = self.now_secs();
        let layout = self.layout();
        let Self { folder, seconds, users, generation, .. } = self;
        folder.drain(window, &live, limit, |secs, records| {
            debug_assert!(live.contains(&secs), "second {secs} is live");
            let number = generation.number();
            let mut second = seconds.take(secs).unwrap_or_else(|| Second::new(secs, layout, number));
            fold_records(seconds, users, generation, second.open(layout, number), secs <= now, records);
            // A late batch, which was received before the second was sealed.
            if second.is_sealed {
                second.seal();
            }
            seconds.put(second);
        })
    }

    /// What folds and advances have unlinked in the window since the last call. The caller flushes it.
    pub(crate) fn take_unlinked(&mut self) -> Unlinked {
        self.folder.take_unlinked()
    }

    /// Adds the counts of the last `window_secs` seconds up to now. O(window x groups), and O(entries) more for each
    /// second that was last read under an older generation.
    pub(crate) fn add_sums(&mut self, window_secs: u32, sums: &mut Aggregates) {
        let layout = self.layout();
        let generation = self.generation.number();
        for secs in window_to(self.now_secs(), window_secs) {
            if let Some(second) = self.seconds.with_current_totals(secs, &self.users, layout, generation) {
                second.totals().add_to(&mut sums.events);
                second.last_seen.add_to(&mut sums.uniques);
            }
        }
    }

    /// Seconds within the retention, to be read without the lock; O(seconds + users).
    pub(crate) fn excerpt(&self, seconds: RangeInclusive<i64>) -> Excerpt {
        debug_assert!(*seconds.end() <= self.now_secs(), "no answer is about a second ahead of the clock");
        Excerpt {
            seconds: seconds.map(|secs| Some(Arc::clone(&self.seconds.get(secs)?.counts))).collect(),
            groups: self.users.groups(),
        }
    }

    /// Memory that the users and the seconds occupy, together with what the next events may allocate at once beyond
    /// their own charge; O(1).
    ///
    /// Each live second is counted with its initial counters, also if the second does not exist yet: one event can
    /// create it.
    pub(crate) fn bytes(&self) -> usize {
        let live_secs = (self.retention_secs + self.max_skew_secs) as usize;
        let second_bytes = Second::initial_bytes(self.layout());
        self.users.bytes() + self.seconds.bytes() + live_secs * second_bytes
    }

    /// The change of [`bytes`](Self::bytes) since the last call.
    pub(crate) fn take_growth(&mut self) -> isize {
        let bytes = self.bytes();
        let growth = bytes.wrapping_sub(self.reported_bytes).cast_signed();
        self.reported_bytes = bytes;
        growth
    }

    /// Memory that a timeline always occupies, without its folder.
    pub(crate) fn fixed_bytes(config: &EngineConfig) -> usize {
        config.ring_slots() * size_of::<Option<Box<Second>>>()
    }

    /// Memory that a timeline occupies before its first event and before there is a reference table, in addition to the
    /// fixed one.
    pub(crate) fn initial_bytes(config: &EngineConfig) -> usize {
        let live_secs = config.retention_secs as usize + config.max_skew_secs as usize;
        let layout = CounterLayout { groups: 1, kinds: config.event_types.len() };
        Users::new().bytes() + live_secs * Second::initial_bytes(layout)
    }

    /// User indices, the free ones included.
    pub(crate) fn user_indices(&self) -> usize {
        self.users.indices()
    }

    /// The keys of the users, a slice at a time; see [`Users::keys_by_table`].
    pub(crate) fn user_keys(&self, from_table: usize, max: usize) -> Vec<Vec<UserKey>> {
        self.users.keys_by_table(from_table, max)
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

    /// The seconds that are folded.
    fn live(&self) -> RangeInclusive<i64> {
        self.now_secs() - self.retention_secs + 1..=self.now_secs() + self.max_skew_secs
    }

    /// The clock has reached a second: it becomes the last second of its users.
    fn begin(&mut self, secs: i64) {
        let Some(mut second) = self.seconds.take(secs) else { return };
        let Self { seconds, users, .. } = self;
        users.for_each_of(&second.counts, |users, user| {
            move_last_seen(seconds, users.cell(user), &mut second.last_seen, LiveSecond::new(secs));
        });
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
            self.users.for_each_of(&second.counts, |users, user| users.expire(user, LiveSecond::new(secs)));
            self.users.trim();
        }
    }
}

/// The seconds of a window that ends with second `end_secs`.
pub(crate) fn window_to(end_secs: i64, window_secs: u32) -> RangeInclusive<i64> {
    end_secs - i64::from(window_secs) + 1..=end_secs
}
