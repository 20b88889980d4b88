//! The journal: what it promises, on real files and on a disk whose power can be cut.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod child;
mod directory;
mod failures;
mod follow;
mod helpers;
mod migrate;
mod node;
mod power_cut;
mod read_only;
mod sim_disk;
mod space;
