//! The HTTP server of weir: the HTTP API of the engine, and the network edge that carries it.
//!
//! [`Server`] is the complete server: it takes [`Settings`] and serves a listener. [`App`] and [`serve_app`] are its
//! two halves. They are for programs that make the engine themselves, for example with a clock of their own.
//!
//! ```text
//! edge (accept, TLS, timeouts, framing) -> http (one file for each resource) -> weir (the engine)
//! ```

#![cfg_attr(not(feature = "cluster"), allow(dead_code, reason = "states and figures that only a cluster has"))]

mod client;
mod edge;
mod histogram;
mod http;
pub mod limits;
mod log;
mod min_rate;
mod opening;
mod process;
mod serve;
mod settings;
mod tokens;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub use http::parsers as internals;

pub use edge::{Endpoint, Tls, TlsError, serve as serve_app};
pub use http::{Allowed, AllowedHost, AllowedHosts, App, CorsOrigins, HttpConfig, Origin};
pub use log::ClockBehind;
#[cfg(feature = "cluster")]
pub use log::{ClusterPermission, allow_in_cluster};
pub use min_rate::Timeouts;
pub use serve::{Reloader, Server};
#[cfg(feature = "cluster")]
pub use settings::{ClusterLogin, ClusterSettings};
pub use settings::{JournalSettings, LogSettings, Settings, TlsFiles};
pub use tokens::{TokenSources, Tokens};
#[cfg(feature = "cluster")]
pub use weir_log::jetstream::{ClusterError, ClusterUrl};
pub use weir_log::journal::{Difference as JournalDifference, JournalError};
