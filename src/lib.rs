//! A lock-free, in-memory engine for real-time event ingestion and exact, enriched, sliding-window metrics.

#[cfg(feature = "server")]
pub mod cli;
pub mod clock;
mod config;
mod dedup;
mod engine;
pub mod event;
#[cfg(feature = "server")]
pub mod http;
mod json;
pub mod key;
pub mod limits;
mod maintenance;
pub mod reference;
#[cfg(feature = "server")]
pub mod server;
#[doc(hidden)]
pub mod stages;
mod sync;
#[cfg(feature = "server")]
pub mod telemetry;
mod timeline;
mod window;
#[cfg(test)]
#[path = "window/tests.rs"]
mod window_tests;

pub use config::{ConfigError, EngineConfig, Horizon};
pub use engine::{Engine, Overloaded, Sizes};
pub use json::Malformed;
pub use maintenance::Maintenance;
pub use timeline::Metrics;
