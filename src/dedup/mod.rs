//! Exactly-once: the event ids that were accepted before.
//!
//! [`Dedup`] is the interface, and there are two backends. Every backend guarantees:
//!
//! - Of all claims of one key, exactly one inserts the key, in one batch or in many, on one thread or on many. All
//!   other claims get [`Claim::Duplicate`] until the inserting claim is older than the horizon, and possibly for some
//!   time longer.
//! - The age of an id is the time of a claim minus the time of the inserting claim, and it is signed. So for a claimant
//!   whose clock is behind, the id is young and not expired.
//! - A claim is atomic. When it returns, it has inserted the key or changed nothing.

mod claim;
pub(crate) mod lines;
pub(crate) mod scc_map;
mod spread;

pub(crate) use claim::{Claim, Dedup};
pub(crate) use lines::Lines;
pub(crate) use scc_map::SccMap;
