//! The lock-free window: rings of per-second slots.
//!
//! ```text
//! Window ── shard 0 ── Ring ── slot 0   head ─> chunk ─> chunk ─> null     (one second's batches, newest first)
//!        │                  ├─ slot 1   head ─> null
//!        │                  └─ ...      slot = second mod slots
//!        └─ shard 1 ── ...
//! ```
//!
//! A slot is one atomic word: the address of its newest chunk, or null. A chunk is immutable once that address is
//! published, and carries the second it belongs to; so the slot's second and its data change in the same
//! compare-and-swap and can never disagree. Three kinds of change exist, each one compare-and-swap of that word:
//!
//! - [`append`](Window::append) puts a chunk on top; where the slot still holds an older second (the ring has wrapped),
//!   the same swap unlinks that second's list, and whoever swapped retires it;
//! - a fold replaces the list it has read by an empty chunk (`Slot::retire`);
//! - the janitor empties a slot whose second is over (`Slot::clear`).
//!
//! Writers never wait for anyone: a swap fails only because another one succeeded. A snapshot is one load, wait-free.
//!
//! This module knows records (128 bits), seconds and counts; nothing of HTTP, JSON, time or logging.
#![allow(unsafe_code, reason = "lists shared without locks; every block names why it may")]

pub(crate) mod chunk;
mod dirty;
mod folder;
mod ring;
mod shards;
pub(crate) mod slot;

pub(crate) use folder::{Consumed, Folder};
pub(crate) use shards::Window;
pub(crate) use slot::Appended;
