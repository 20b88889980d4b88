//! The whole state of a timeline, and how a timeline is made of it.

use crate::key::UserKey;
use crate::timeline::Timeline;
use crate::timeline::fold::move_last_seen;
use crate::timeline::live_second::LiveSecond;
use crate::timeline::second::Second;
use crate::timeline::seconds::Seconds;
use crate::timeline::user_kind_counts::UserKindCounts;
use crate::timeline::users::Users;
use std::sync::Arc;

/// The state of a timeline without the records that are not folded. It depends on no reference generation.
pub(crate) struct TimelineSnapshot {
    now_ms: i64,
    /// The key of every user index.
    users: Vec<UserKey>,
    /// The seconds, oldest first.
    seconds: Vec<SecondSnapshot>,
}

struct SecondSnapshot {
    secs: i64,
    counts: Arc<UserKindCounts>,
    is_sealed: bool,
}

impl Timeline {
    /// A copy of the state; O(users + seconds). The counts of the seconds are shared until a fold changes them.
    pub(crate) fn snapshot(&self) -> TimelineSnapshot {
        let seconds = self.seconds.list(i64::MIN..=i64::MAX, |_| true).into_iter();
        let seconds = seconds.filter_map(|secs| self.seconds.get(secs)).map(|second| SecondSnapshot {
            secs: second.secs,
            counts: Arc::clone(&second.counts),
            is_sealed: second.is_sealed,
        });
        TimelineSnapshot { now_ms: self.now_ms, users: self.users.keys_by_index(), seconds: seconds.collect() }
    }

    /// Replaces the state by that of the snapshot. The window has no record that is not folded. The users get their
    /// groups under the timeline's generation. O(entries).
    pub(crate) fn restore(&mut self, snapshot: &TimelineSnapshot) {
        self.now_ms = snapshot.now_ms;
        (self.users, self.seconds) = (Users::new(), Seconds::new(self.seconds.slots()));
        snapshot.seconds.iter().for_each(|second| self.restore_second(second, &snapshot.users));
    }

    fn restore_second(&mut self, snapshot: &SecondSnapshot, keys: &[UserKey]) {
        let SecondSnapshot { secs, counts, is_sealed } = snapshot;
        let (layout, number) = (self.layout(), self.generation.number());
        let has_begun = *secs <= self.now_secs();
        let mut second = Second::new(*secs, layout, number);
        let mut open = second.open(layout, number);
        for entry in counts.iter() {
            let key = keys[entry.user() as usize];
            let user = self.users.note_event(key, LiveSecond::new(*secs), |key| self.generation.group_of(key));
            open.add_entry(user.index(), user.group, entry);
            if has_begun {
                move_last_seen(&mut self.seconds, user, open.last_seen, LiveSecond::new(*secs));
            }
        }
        if *is_sealed {
            second.seal();
        }
        self.seconds.put(second);
    }
}
