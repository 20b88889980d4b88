//! The interface of the backends.

use crate::key::EventKey;

/// The result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The id was inserted: the claimant counts its event.
    Inserted,
    /// The id was claimed before.
    Duplicate,
    /// The id is not known, and is not inserted: there is no capacity, or the claim is so late that the id may have
    /// been forgotten since.
    Full,
}

/// Remembers the accepted ids.
pub(crate) trait Dedup: Send + Sync {
    /// Claims every key at `now_ms`, in order, and pushes one result for each key.
    fn claim(&self, keys: &[EventKey], now_ms: i64, claims: &mut Vec<Claim>);

    /// Forgets what is due to be forgotten at `now_ms`, and waits for other threads if they are in the way. A claimant
    /// does not wait, and so may find an id that is due. A single claimant that calls this before each batch gets the
    /// same results whenever sweeps run.
    fn advance_log_time(&self, now_ms: i64);

    /// Remembers keys that were accepted at `accepted_ms`, without judging them. Of two acceptances of a key, the later
    /// one stays. There is capacity for keys that were accepted by a backend of the same configuration.
    fn remember(&self, keys: &[EventKey], accepted_ms: i64);

    /// The earliest log time whose ids are still looked for when log time is `log_ms`. Ids that were accepted at an
    /// earlier log time change no result of a claim whose time is at most
    /// [`STALL_SLACK_SECS`](crate::limits::STALL_SLACK_SECS) behind log time.
    fn reach(&self, log_ms: i64) -> i64;

    /// Whether a batch of `ids` ids may be claimed at `now_ms`. Without capacity, the whole batch is refused before any
    /// claim.
    fn has_capacity(&self, ids: usize, now_ms: i64) -> bool;

    /// Removes the ids that are expired for every claimant whose clock is at most
    /// [`STALL_SLACK_SECS`](crate::limits::STALL_SLACK_SECS) behind `now_ms`, and frees their memory.
    /// Prepares memory ahead of need, if `may_allocate` says that there is memory for a number of bytes.
    fn sweep(&self, now_ms: i64, may_allocate: &dyn Fn(usize) -> bool);

    /// The number of remembered ids. Expired ids count until they are removed.
    fn ids(&self) -> usize;

    /// The memory of the ids in bytes, unless it is fixed. It includes the memory that the next id may allocate at
    /// once.
    fn bytes(&self) -> usize;
}
