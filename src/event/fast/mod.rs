//! The fast path: reads events of the usual shape in one pass, from the bytes into the columns.
//!
//! It expects that an event has the shape of the event before ([`EventShape`](shape::EventShape)). Then it only
//! compares the text around the values with the text of that event, and searches for the ends of the values, one vector
//! at a time. An event of another shape is read token by token ([`TokenReader`](token_reader::TokenReader)).
//!
//! The fast path leaves everything else to the general path, valid or not: an escape in a name, for example, or a value
//! that is not an object. So it needs no errors, and every event that it reads gets the same row from both paths.

mod body;
mod escape;
mod events;
mod leaf;
mod shape;
mod simd;
mod siphash_x4;
mod string_end;
#[cfg(test)]
mod tests;
mod token_reader;

pub(super) use body::{LineReader, read_json};
