//! The shipped lock-free source, compiled against loom.
//!
//! The engine's modules below are its own files, compiled by path. Only `crate::sync` is different: here it is made of
//! loom's types. The crates `scc` and `arc-swap` are stand-ins that are made of loom's types too. So there is no
//! configuration that could leave the models empty, and no copy of the source that could become outdated, with one
//! exception: `publication_models.rs` repeats the loop of `Engine::change_reference` around the shipped `try_publish`.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "the models use a part of the engine's modules")]

#[path = "../../src/dedup/mod.rs"]
mod dedup;
#[path = "../../src/fair/mod.rs"]
mod fair;
#[cfg(test)]
mod harness;
#[path = "../../src/key.rs"]
mod key;
#[path = "../../src/limits.rs"]
mod limits;
#[cfg(test)]
mod lines_models;
#[cfg(test)]
mod lock_models;
#[path = "../../src/permits.rs"]
mod permits;
#[cfg(test)]
mod phase_models;
#[cfg(test)]
mod phases_models;
#[path = "../../src/reference/publication.rs"]
mod publication;
#[cfg(test)]
mod publication_models;
#[cfg(test)]
mod scc_models;
mod sync;
#[path = "../../src/window/mod.rs"]
mod window;
#[cfg(test)]
mod window_models;
