//! `weir cluster`: the nodes of a cluster, from the outside.

mod report;
mod status;

pub(crate) use status::{StatusOptions, status};
