//! weir over HTTP: the interface in front of the engine, and the network edge below it.
//!
//! [`Server`] is the whole: settings in, a served listener out. [`App`] and [`serve_app`] are its two halves, for programs
//! that make the engine themselves, with a clock of their own for example.
//!
//! ```text
//! edge (accept, framing, timeouts, TLS) -> http (one file for each resource) -> weir (the engine)
//! ```

mod edge;
mod http;
pub mod limits;
mod min_rate;
mod process;
mod serve;
mod settings;
mod tokens;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub use http::parsers as internals;

pub use edge::{Endpoint, Tls, TlsError, serve as serve_app};
pub use http::{App, HttpConfig};
pub use min_rate::Timeouts;
pub use serve::{Reloader, Server};
pub use settings::{Settings, TlsFiles};
pub use tokens::{TokenSources, Tokens};
