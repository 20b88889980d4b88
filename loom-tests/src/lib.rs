//! The shipped lock-free source, compiled against loom.
//!
//! The modules of the engine below are its own files, taken by path; what differs is `crate::sync`,
//! which here is loom's, and the crates `scc` and `arc-swap`, which here are stand-ins that loom can see into. So there
//! is no copy that could drift, and no configuration that could compile to nothing.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "the models use a part of what the engine offers")]

#[path = "../../src/dedup/mod.rs"]
mod dedup;
#[cfg(test)]
mod dedup_models;
#[path = "../../src/fair/mod.rs"]
mod fair;
#[cfg(test)]
mod handoff_models;
#[cfg(test)]
mod harness;
#[path = "../../src/key.rs"]
mod key;
#[path = "../../src/limits.rs"]
mod limits;
#[path = "../../src/permits.rs"]
mod permits;
#[cfg(test)]
mod preallocated_models;
#[path = "../../src/reference/publication.rs"]
mod publication;
#[cfg(test)]
mod publication_models;
mod sync;
#[path = "../../src/window/mod.rs"]
mod window;
#[cfg(test)]
mod window_models;
