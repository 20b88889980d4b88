//! The lock-free window: a ring of per-second slots. Each partition of the users has one.
//!
//! ```text
//! Window ── slot 0   head ─> chunk ─> chunk ─> null     (one second's batches, newest first)
//!        ├─ slot 1   head ─> null
//!        └─ ...      slot = second mod slots
//! ```
//!
//! A slot is one atomic word: the address of its newest chunk, or null. A chunk is immutable once that address is
//! published, and it has the second that it belongs to. So the second and the data of a slot change in the same
//! compare-and-swap and never disagree. Three operations change a slot, each by one compare-and-swap of that word:
//!
//! - [`append`](Appends::append) puts a chunk on top. If the slot still has an older second, because the ring has
//!   wrapped, the same swap unlinks the list of that second, and the thread that swapped retires the list.
//! - A fold replaces the list that it has read by an empty chunk (`Slot::retire`).
//! - The janitor empties a slot whose second is over (`Slot::clear`).
//!
//! Writers never wait: a swap fails only because another swap succeeded. A snapshot is one load, and wait-free.
//!
//! This module knows records (128 bits), seconds and counts. It knows nothing of HTTP, JSON, time or logging.
#![allow(unsafe_code, reason = "lists that are shared without locks; each block says why it is sound")]

pub(crate) mod chunk;
mod consumer;
mod dirty;
mod ring;
pub(crate) mod slot;

pub(crate) use consumer::{Drained, Unlinked, WindowConsumer};
pub(crate) use ring::Window;
pub(crate) use slot::Appended;
