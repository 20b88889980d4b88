//! `/reference/users`.

mod changes;
mod faults;
mod preconditions;
mod users;

use crate::common::{Reply, Server, table, user};
use std::fmt::Display;

const IF_MATCH: &str = "if-match";
const IF_NONE_MATCH: &str = "if-none-match";

type Change = fn(&Server, &[(&str, &str)], String) -> Reply;

/// Both ways to change the table.
const CHANGES: [Change; 2] = [Server::put_users, Server::patch_users];

/// A table of one user.
fn of(plan: &str, ts: impl Display) -> String {
    table([user("u", plan, "eu")], ts)
}

/// The summary of the current table.
fn shown(server: &Server) -> String {
    server.get("/reference/users").text().to_owned()
}

/// Checks the answer to a successful change.
fn assert_updated(reply: &Reply, generation: u64, users: usize) {
    let expected =
        format!(r#"{{"message":"Reference table updated successfully","generation":{generation},"users":{users}}}"#);
    assert_eq!((reply.status, reply.text()), (200, expected.as_str()));
    assert_eq!(reply.header("etag"), format!("\"{generation}\""));
    assert_eq!(reply.header("content-type"), "application/json");
}
