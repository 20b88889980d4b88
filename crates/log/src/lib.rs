//! A log of batches and reference changes, in one order that outlives the process.
//!
//! The order is: log first, then judge. A batch's rows get a place in the log; only then are their ids claimed, in the
//! order of the places, by one thread. So a disk that fails does so before an id is claimed, and no answer shows an
//! event that could still be lost.

pub mod journal;
pub mod limits;
mod topic;

pub use topic::{Entry, Follow, Log, Lost, NotPlaced, Place, Placed};
