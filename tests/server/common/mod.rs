//! Servers, clients and request bodies for all tests, and one way to wait.

mod bodies;
mod certificate;
mod files;
mod process;
mod proxy;
mod raw;
mod reply;
pub(crate) mod requests;
mod samples;
mod script;
mod server;
mod wait;

pub(crate) use bodies::{Body, NOON, NOON_MS, after_noon, array, event, gzip, lines, table, user, zstd};
pub(crate) use certificate::Certificate;
pub(crate) use files::{Scratch, repository};
pub(crate) use process::{BINARY, Capture, Process, Running, failure, program, run, success, weir, with_input};
pub(crate) use proxy::{serve_page, serve_under};
pub(crate) use raw::{Raw, get_request, post_head, post_request};
pub(crate) use reply::{Reply, problem};
pub(crate) use samples::Samples;
pub(crate) use script::{Script, Step};
pub(crate) use server::Server;
pub(crate) use wait::{DEADLINE, eventually, wait_for};

/// Bytes of a mebibyte.
pub(crate) const MIB: usize = 1 << 20;

/// The media type of newline-delimited JSON, as a header field.
pub(crate) const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// A client that returns every status as an answer.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(DEADLINE))
        .max_idle_connections_per_host(16)
        .build();
    config.new_agent()
}
