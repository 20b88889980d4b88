//! The part of the log that its threads share, as it is shipped, compiled against shuttle.
//!
//! The modules below are the log's own files, included by path. Only `crate::sync` differs: it uses shuttle's types.
#![allow(dead_code, unreachable_pub, unused_imports, missing_docs, reason = "the scenarios use a part of the log")]

#[path = "../../../crates/log/src/agreement.rs"]
mod agreement;
#[path = "../../../crates/log/src/answers.rs"]
mod answers;
#[path = "../../../crates/log/src/applied.rs"]
pub mod applied;
#[path = "../../../crates/log/src/barriers.rs"]
mod barriers;
#[path = "../../../crates/log/src/bytes.rs"]
mod bytes;
#[path = "../../../crates/log/src/chain.rs"]
mod chain;
#[path = "../../../crates/log/src/clock_offset.rs"]
mod clock_offset;
#[path = "../../../crates/log/src/desk.rs"]
mod desk;
#[path = "../../../crates/log/src/figures.rs"]
pub mod figures;
#[path = "../../../crates/log/src/frame.rs"]
pub mod frame;
#[path = "../../../crates/log/src/landings.rs"]
mod landings;
#[path = "../../../crates/log/src/limits.rs"]
pub mod limits;
#[path = "../../../crates/log/src/order.rs"]
mod order;
#[path = "../../../crates/log/src/outcomes.rs"]
mod outcomes;
#[path = "../../../crates/log/src/peers.rs"]
mod peers;
pub mod scenario;
mod sync;
#[path = "../../../crates/log/src/topic.rs"]
pub mod topic;

pub use answers::{Answer, NotLogged};
