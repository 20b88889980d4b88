//! The log on NATS JetStream, against real servers.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod agreed;
mod bodies;
mod changes;
mod faults;
mod helpers;
mod monitor;
mod nats;
mod node;
mod nodes;
mod one_server;
