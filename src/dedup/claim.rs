//! The interface of the backends.

use crate::key::EventKey;

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The id is the claimant's.
    Won,
    /// It was claimed before.
    Taken,
    /// It was not claimed before, and is not now.
    NoRoom,
}

/// Remembers the accepted ids.
pub(crate) trait Dedup: Send + Sync {
    /// Claims every key at `now_ms`, in order, and pushes what came of it.
    fn claim(&self, keys: &[EventKey], now_ms: i64, claims: &mut Vec<Claim>);

    /// Whether a batch of so many ids is worth a try. Without room it is refused whole, before anything is claimed.
    fn has_room(&self, ids: usize) -> bool;

    /// Forgets what has expired for every claimant whose clock is not more than
    /// [`STALL_SLACK_SECS`](crate::limits::STALL_SLACK_SECS) behind `now_ms`, and gives its memory back.
    fn sweep(&self, now_ms: i64);

    /// Ids that are remembered, expired ones that are not forgotten yet among them; one that stands in two tables counts twice.
    fn ids(&self) -> usize;

    /// What the ids take, in bytes, if that is not fixed; with what the next of them may make it take at once.
    fn bytes(&self) -> usize;
}
