//! The HTTP interface: one file for each resource, over an engine that knows nothing of HTTP.

mod accept;
mod admission;
mod app;
mod auth;
mod body;
mod body_memory;
mod coding;
mod config;
mod dashboard;
mod events;
mod exposition;
mod gate;
mod header;
mod health;
mod instruments;
mod media_type;
mod metrics;
mod openapi;
#[cfg(feature = "internals")]
pub mod parsers;
mod problem;
mod problem_sets;
mod query;
mod reference;
mod reject_log;
mod rejected;
mod response;
mod router;
mod series;
mod stream;
mod streams;
mod watch;
mod window_query;

pub use app::App;
pub(crate) use body::RequestBody;
pub use config::HttpConfig;
pub(crate) use router::router;
pub(crate) use watch::watch;
