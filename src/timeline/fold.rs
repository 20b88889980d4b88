//! The fold of records: two cache lines of memory for each, the user's cell and the user's count in the second.

use crate::key::{UserKey, kind_of_record};
use crate::reference::Generation;
use crate::timeline::counters::Counters;
use crate::timeline::live_second::LiveSecond;
use crate::timeline::second::OpenSecond;
use crate::timeline::seconds::Seconds;
use crate::timeline::user_cells::UserCell;
use crate::timeline::users::Users;

/// A user's cell is prefetched this number of records ahead.
const CELL_AHEAD: usize = 16;

/// A user's count is changed this number of records after it was prefetched. Its place is known only from the cell.
const COUNT_BEHIND: usize = 8;

/// Adds records to a live second, which has been taken out of `seconds`. `has_begun` is false for a second ahead of the
/// clock.
pub(crate) fn fold_records(
    seconds: &mut Seconds,
    users: &mut Users,
    generation: &Generation,
    mut open: OpenSecond<'_>,
    has_begun: bool,
    records: &[u128],
) {
    let mut waiting = [(0, 0); COUNT_BEHIND];
    records.iter().take(CELL_AHEAD).for_each(|record| users.prefetch(UserKey::of_record(*record)));
    for (n, record) in records.iter().enumerate() {
        if let Some(ahead) = records.get(n + CELL_AHEAD) {
            users.prefetch(UserKey::of_record(*ahead));
        }
        let kind = kind_of_record(*record);
        let user = users.note_event(UserKey::of_record(*record), open.second, |key| generation.group_of(key));
        open.counts.prefetch(user.index());
        open.add_total(user.group, kind);
        let (user_before, kind_before) = std::mem::replace(&mut waiting[n % COUNT_BEHIND], (user.index(), kind));
        if has_begun {
            move_last_seen(seconds, user, open.last_seen, open.second);
        }
        if n >= COUNT_BEHIND {
            open.counts.add(user_before, kind_before);
        }
    }
    for n in records.len().saturating_sub(COUNT_BEHIND)..records.len() {
        let (user, kind) = waiting[n % COUNT_BEHIND];
        open.counts.add(user, kind);
    }
}

/// Makes `second` the last second of a user if it is later than that, and moves the user to `last_seen`, the counters
/// of `second`. That second has been taken out of `seconds`.
///
/// Always inlined: with a hint only, it depends on unrelated code whether the compiler does so. A call costs a sixth of
/// a fold.
#[inline(always)]
pub(crate) fn move_last_seen(seconds: &mut Seconds, user: &mut UserCell, last_seen: &mut Counters, second: LiveSecond) {
    let Some(before) = user.advance_last_seen(second) else { return };
    last_seen.add(user.group, 1);
    if before != LiveSecond::NEVER {
        seconds.decrement_last_seen(before, user.group);
    }
}
