//! The HTTP API: one file for each resource. The engine below it knows nothing about HTTP.

mod accept;
mod adaptive_limit;
mod app;
mod auth;
mod body;
mod body_memory;
mod coding;
mod concurrency_limiter;
mod config;
mod dashboard;
mod entity_tags;
mod events;
mod exposition;
mod header;
mod health;
mod live_streams;
mod media_type;
mod metrics;
mod monitor;
mod openapi;
mod openapi_errors;
#[cfg(feature = "internals")]
pub mod parsers;
mod problem;
mod query;
mod reference;
mod reject_log;
mod rejected;
mod response;
mod router;
mod series;
mod server_metrics;
mod status;
mod stream;
mod window_query;

pub use app::App;
pub(crate) use body::RequestBody;
pub use config::HttpConfig;
pub(crate) use monitor::monitor;
pub(crate) use router::router;
