//! From the bytes of a request to a [`Batch`]: decode, parse timestamps, validate.

mod batch;
mod decode;
mod error;
mod fast;
mod kinds;
mod schema;
mod timestamp;
mod unescaped_ids;
mod validate;

pub use batch::{Batch, Fault, Field, Tally, Verdict};
pub use decode::Format;
pub(crate) use decode::{Decoder, check_event_count};
pub use error::DecodeError;
pub(crate) use schema::Schema;
pub use timestamp::{format_ms, parse_ms};
