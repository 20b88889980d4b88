//! The service as those who use it meet it: over HTTP, as a process, as the commands that talk to it, in a browser, and
//! before Prometheus. One binary, since most of what a test file costs is to compile and to link the service once more.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod browser;
mod commands;
mod common;
mod http;
mod prometheus;
mod webdriver;

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
