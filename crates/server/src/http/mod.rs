//! The HTTP API: one file for each resource. The engine below it knows nothing about HTTP.

mod accept;
mod adaptive_limit;
mod allowed;
mod app;
mod around;
mod auth;
mod body;
mod body_memory;
mod browser_guard;
mod client_permits;
mod coding;
mod compression;
mod concurrency_limiter;
mod config;
mod cors;
mod dashboard;
mod entity_tags;
mod events;
mod exposition;
mod header;
mod health;
mod hosts;
mod live_streams;
mod media_type;
mod metrics;
mod monitor;
mod openapi;
mod openapi_errors;
mod origin;
mod paced_body;
#[cfg(feature = "internals")]
pub mod parsers;
mod problem;
mod query;
mod query_limiter;
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

pub use allowed::Allowed;
pub use app::App;
#[cfg(test)]
pub(crate) use around::TARGET_CUT;
pub(crate) use body::RequestBody;
pub use config::HttpConfig;
pub use cors::CorsOrigins;
pub use hosts::{AllowedHost, AllowedHosts};
pub(crate) use monitor::monitor;
pub use origin::Origin;
pub(crate) use router::router;
