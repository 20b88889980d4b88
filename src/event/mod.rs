//! Bytes in, a [`Batch`] out: decode, timestamp, validate.

mod batch;
mod decode;
mod fast;
mod kinds;
mod timestamp;
mod validate;

pub use batch::{Batch, Fault, Field, Tally, Verdict};
pub use decode::{DecodeError, Format};
pub(crate) use decode::{Decoder, Schema};
pub use timestamp::{format_ms, parse_ms};
