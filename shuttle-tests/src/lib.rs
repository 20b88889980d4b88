//! The whole engine as it is shipped, compiled against shuttle.
//!
//! The modules below are the engine's own files, included by path. Only two things differ: `crate::sync` uses shuttle's
//! types, and the crates `scc` and `arc-swap` are stand-ins whose steps shuttle can observe.
#![allow(dead_code, unreachable_pub, unused_imports, missing_docs, reason = "the scenarios use a part of the engine")]

#[path = "../../src/clock.rs"]
pub mod clock;
#[path = "../../src/config.rs"]
mod config;
#[path = "../../src/dedup/mod.rs"]
mod dedup;
#[path = "../../src/engine/mod.rs"]
mod engine;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/event/mod.rs"]
pub mod event;
#[path = "../../src/fair/mod.rs"]
mod fair;
#[path = "../../src/json/mod.rs"]
mod json;
#[path = "../../src/key.rs"]
pub mod key;
#[path = "../../src/limits.rs"]
pub mod limits;
#[path = "../../src/memory.rs"]
mod memory;
#[path = "../../src/permits.rs"]
mod permits;
#[path = "../../src/prefetch.rs"]
mod prefetch;
#[path = "../../src/reference/mod.rs"]
pub mod reference;
#[path = "../../src/rows.rs"]
mod rows;
mod sync;
#[path = "../../src/timeline/mod.rs"]
mod timeline;
#[path = "../../src/validate.rs"]
mod validate;
#[path = "../../src/window/mod.rs"]
mod window;

pub use config::{DedupBackend, EngineConfig, Horizon};
pub use engine::{Engine, Observer, Sizes, Stage};
pub use error::{ConfigError, Overloaded};
pub use json::Malformed;
pub use memory::MemoryUse;
pub use sync::reclaim::{begin, finish};
pub use timeline::{Filter, Group, Groups, Metrics, Point, Query, Series, Stats};
