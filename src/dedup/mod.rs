//! Exactly once: which event ids were accepted before.
//!
//! One seam, [`Dedup`], and its backends. What every backend promises:
//!
//! - Of all claims of one key, in one batch or in many, on one thread or on many, exactly one wins; the others are told
//!   so, until the winner's claim is more than the horizon old, and possibly for some time longer.
//! - Age is a claimant's time less the winner's, signed: to a claimant whose clock is behind the winner's, the winner is
//!   young, not expired.
//! - A claim cannot fail half-way: once it returns, it is won or it has changed nothing.

mod claim;
pub(crate) mod elastic;
pub(crate) mod preallocated;
mod rotation;
mod table;

pub(crate) use claim::{Claim, Dedup};
pub(crate) use elastic::Elastic;
pub(crate) use preallocated::Preallocated;
