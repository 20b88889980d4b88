//! The fast path: reads events of the usual shapes in one pass, from the bytes into the columns.
//!
//! It expects that an event has the shape of the event before ([`EventShape`](shape::EventShape)). Then it only
//! compares the text around the values with the text of that event, and searches for the ends of the values, one vector
//! at a time. If that fails, it tries the same members in any order ([`AnyOrder`](any_order::AnyOrder)), and the other
//! shapes that it knows ([`Shapes`](shapes::Shapes)). An event of a new shape is read token by token
//! ([`TokenReader`](token_reader::TokenReader)). The ids of four events are hashed together
//! ([`Pending`](pending::Pending)).
//!
//! The fast path leaves everything else to the general path, valid or not: an escape in a name, for example, or a value
//! that is not an object. So it needs no errors, and every event that it reads gets the same row from both paths.

mod any_order;
mod body;
mod escape;
mod events;
mod id_lanes;
mod leaf;
mod pending;
mod separator;
mod shape;
mod shapes;
mod simd;
mod siphash_x4;
mod string_end;
mod strings;
#[cfg(test)]
mod tests;
mod text;
mod token_reader;

pub(super) use body::{LineReader, read_json};
