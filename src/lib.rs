//! A lock-free, in-memory engine for real-time event ingestion and exact, enriched, sliding-window metrics.
//!
//! [`Engine`] takes batches of events and answers windowed queries about them. It is a library without HTTP, runtime,
//! files or global state: time comes in as a value. The path of an event, module by module:
//!
//! ```text
//! bytes -> json -> event (decode, timestamp, validate) -> key -> dedup -> window -> timeline -> metrics
//!                                                               reference ────────────┘
//! ```
//!
//! - `json`: one front-end for events and reference tables.
//! - `event`: bytes into a [`Batch`] of columns, and the [`Verdict`] on each event.
//! - `key`: ids as keyed hashes.
//! - `rows`: what a log keeps of a batch, and what became of it.
//! - `dedup`: which ids were accepted before.
//! - `window`: the lock-free ring of per-second slots that writers publish into.
//! - `reference`: the table of users, in generations.
//! - `timeline`: the window's records folded into seconds, and the sums over them.
//! - `clock`, [`limits`]: time as a value, and every bound in one place.

mod clock;
mod config;
mod dedup;
// Not in `dedup`: the model checkers compile that module against their own types, on which these tests cannot run.
#[cfg(test)]
#[path = "dedup/lines/tests.rs"]
mod dedup_lines_tests;
#[cfg(test)]
#[path = "dedup/tests.rs"]
mod dedup_tests;
mod engine;
mod error;
mod event;
mod fair;
// Not in `fair`, for the same reason.
#[cfg(test)]
#[path = "fair/tests.rs"]
mod fair_tests;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod json;
#[cfg_attr(not(feature = "internals"), allow(dead_code, unreachable_pub, reason = "a door of `internals`"))]
mod key;
pub mod limits;
mod maintenance;
mod memory;
mod permits;
mod prefetch;
mod reference;
mod rows;
mod sync;
// Not in `sync`, for the same reason.
#[cfg(test)]
#[path = "sync/tests.rs"]
mod sync_tests;
mod timeline;
mod validate;
mod window;
// Not in `window`, for the same reason.
#[cfg(test)]
#[path = "window/tests.rs"]
mod window_tests;

pub use clock::{Clock, ManualClock, SystemClock, second_of};
pub use config::{DedupBackend, EngineConfig, Horizon};
pub use engine::{Engine, Observer, Reservation, Sizes, Stage};
pub use error::{ConfigError, EndOutOfRange, Overloaded};
pub use event::{Batch, DecodeError, Fault, Field, Format, Tally, Verdict, format_ms, parse_ms};
pub use json::Malformed;
pub use key::Secret;
pub use maintenance::Maintenance;
pub use memory::MemoryUse;
pub use reference::{Change, Generation, Generations, Preconditions, ReferenceCopy, ReferenceError};
pub use rows::{Outcome, Refusal, Rows};
pub use timeline::{Filter, Group, Groups, Metrics, Point, Query, Series, Stats};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
