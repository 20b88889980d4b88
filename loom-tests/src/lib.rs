//! The shipped lock-free source, compiled against loom.
//!
//! `window` below is the engine's own directory, taken by path; what differs is `crate::sync`, which here is loom's. So
//! there is no copy that could drift, and no configuration that could compile to nothing.
#![allow(dead_code, unused_imports, reason = "the models use a part of what the engine uses")]

#[cfg(test)]
mod harness;
mod sync;
#[path = "../../src/window/mod.rs"]
mod window;
#[cfg(test)]
mod window_models;
