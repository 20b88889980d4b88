//! The service as its users see it: the HTTP interface, the commands, the page in a browser, the metrics in Prometheus,
//! and the figures in the documentation. All tests are in one binary, because the costliest part of a test file is to
//! link the service.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod browser;
#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod common;
mod grafana;
mod http;
mod journal;
mod prometheus;
mod webdriver;

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
