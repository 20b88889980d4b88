//! A lock-free, in-memory engine for real-time event ingestion and exact, enriched, sliding-window metrics.
//!
//! [`Engine`] takes batches of events and answers windowed questions about them. The path of an event, module by module:
//!
//! ```text
//! http -> json -> event (decode, timestamp, validate) -> key -> dedup -> window -> timeline -> http
//!                                                              reference ────────────┘
//! ```
//!
//! - `json`: one front-end for events and reference tables.
//! - [`event`]: bytes into a [`Batch`](event::Batch) of columns, and its verdicts.
//! - [`key`]: ids as keyed hashes.
//! - `dedup`: which ids were accepted before.
//! - `window`: the lock-free ring of per-second slots that writers publish into.
//! - [`mod@reference`]: who the users are, in generations.
//! - `timeline`: the window's records folded into seconds, and the sums over them.
//! - [`clock`], [`limits`]: time as a value, and every bound in one place.
//!
//! The server (feature `server`, on by default) is a shell around the engine: `cli`, `serve`, `server`, `http`, `telemetry`. The load generator,
//! `load`, comes with it, and so do the commands that speak to a running server: `client` and `top`; `demo` is a server with
//! traffic of its own.

#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod client;
pub mod clock;
mod config;
mod dedup;
#[cfg(test)]
#[path = "dedup/tests.rs"]
mod dedup_tests;
#[cfg(feature = "server")]
pub mod demo;
mod engine;
mod error;
pub mod event;
mod fair;
#[cfg(test)]
#[path = "fair/tests.rs"]
mod fair_tests;
#[cfg(feature = "server")]
pub mod http;
mod json;
pub mod key;
pub mod limits;
#[cfg(feature = "server")]
pub mod load;
mod maintenance;
mod memory;
#[cfg(feature = "server")]
pub mod output;
#[cfg(feature = "server")]
mod pace;
mod prefetch;
#[cfg(feature = "server")]
mod process;
pub mod reference;
mod room;
#[cfg(feature = "server")]
pub mod serve;
#[cfg(feature = "server")]
pub mod server;
#[doc(hidden)]
pub mod stages;
mod sync;
#[cfg(feature = "server")]
pub mod telemetry;
mod timeline;
#[cfg(feature = "server")]
pub mod top;
mod validate;
mod window;
#[cfg(test)]
#[path = "window/tests.rs"]
mod window_tests;

pub use config::{EngineConfig, Horizon};
pub use engine::{Engine, Observer, Sizes, Stage};
pub use error::{ConfigError, Overloaded};
pub use json::Malformed;
pub use maintenance::Maintenance;
pub use memory::MemoryUse;
pub use timeline::{Filter, Group, Groups, Metrics, Point, Query, Series, Stats};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
