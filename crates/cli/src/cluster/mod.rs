//! `weir cluster`: the nodes of a cluster from the outside, and what an operator allows them.

#[cfg(feature = "cluster")]
mod allow;
mod report;
mod status;

#[cfg(feature = "cluster")]
pub(crate) use allow::{AllowOptions, allow};
pub(crate) use status::{StatusOptions, status};
