//! Exactly once: which event ids were accepted before.
//!
//! One seam, [`Dedup`], and its backends. What every backend promises:
//!
//! - Of all claims of one key, in one batch or in many, on one thread or on many, exactly one wins; the others are told
//!   so, until the winner's claim is more than the horizon old.
//! - Age is a claimant's time less the winner's, signed: to a claimant whose clock is behind the winner's, the winner is
//!   young, not expired.
//! - Whether a claim has expired depends on the claimants' times alone, never on when a sweep ran.
//! - A claim cannot fail half-way: once it returns, it is won or it has changed nothing.

pub(crate) mod elastic;

pub(crate) use elastic::Elastic;

use crate::key::EventKey;

/// Remembers the accepted ids.
pub(crate) trait Dedup: Send + Sync {
    /// Claims every key at `now_ms`, in order, and pushes whether it was won.
    fn claim(&self, keys: &[EventKey], now_ms: i64, won: &mut Vec<bool>);

    /// Whether this many more ids fit, as far as can be told before they are claimed.
    fn has_room(&self, ids: usize) -> bool;

    /// Forgets what has expired for every claimant whose clock is not more than
    /// [`STALL_SLACK_SECS`](crate::limits::STALL_SLACK_SECS) behind `now_ms`, and gives its memory back.
    fn sweep(&self, now_ms: i64);

    /// Ids that are remembered, expired ones that are not swept yet among them.
    fn ids(&self) -> usize;
}
