//! A log of batches and reference changes, in one order that outlives the process.
//!
//! The order is: log first, then judge. A batch's rows get a place in the log; only then are their ids claimed, in the
//! order of the places, by one thread. So a disk that fails does so before an id is claimed, and no answer shows an
//! event that could still be lost.
//!
//! ```text
//! prepared batch -> order (groups) -> frame -> a Log -> reader -> apply (engine) -> outcome -> answer
//!                                                        replay ────┘      └─> outcomes -> a later frame
//! ```
//!
//! - [`topic`](Log): what a log promises.
//! - `frame`, `bytes`: the bytes of a frame.
//! - `order`, `desk`: what waits for a place, and who waits for an answer.
//! - `barriers`: who waits until all that is in the log is applied.
//! - `reader`, `replay`, `apply`: frames into an engine, live and after a restart.
//! - `figures`: how a log is doing, for its operator.
//! - `reference`: changes of the reference table, in an order of their own.
//! - `landings`, `chain`, `outcomes`: which frames count, and whether all readers agree.
//! - `agreement`, `suspect`, `peers`: who is wrong if they do not, and what other nodes say of themselves.
//! - [`journal`]: the log on this machine, and what its tools do.
//! - `jetstream`: the log of many machines, on NATS JetStream (feature `cluster`).
//! - [`fingerprint`]: the settings that the entries of a log depend on.
//! - [`limits`]: every bound.

mod agreement;
mod answers;
mod applied;
mod apply;
mod barriers;
mod bytes;
mod chain;
mod clock_offset;
mod desk;
mod figures;
pub mod fingerprint;
pub mod frame;
#[cfg(feature = "cluster")]
pub mod jetstream;
pub mod journal;
mod landings;
pub mod limits;
mod logged;
mod order;
mod outcomes;
mod peers;
mod reader;
mod reference;
mod replay;
mod suspect;
mod sync;
mod topic;
mod uptime;
mod walk;

pub use answers::{Answer, Asker, BarrierAsker, NotLogged};
pub use desk::Progress;
pub use figures::Figures;
pub use logged::{Logged, Ticket};
pub use order::Submission;
pub use reference::{ChangeAnswer, ChangeAsker, ChangeSubmission, NotChanged};
pub use topic::{Allowed, Entry, Follow, Log, Lost, LostKind, NotPlaced, Place, Placed};
pub use uptime::Uptime;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]
mod tests;
