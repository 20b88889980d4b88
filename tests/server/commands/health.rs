//! `weir health`.

use crate::common::{NOON_MS, Server, failure, run, success, weir};
use std::process::Output;
use weir_api::Role;

fn health<C>(server: &Server<C>, args: &[&str]) -> Output {
    run(weir(&["health"]).args(args).env("WEIR_URL", server.url()))
}

#[test]
fn a_server_is_healthy_and_ready_without_a_token() {
    let server = Server::builder().tokens(&[(Role::Read, "secret")]).start();
    assert_eq!(success(&health(&server, &[])), "ok\n");
    assert_eq!(success(&health(&server, &["--ready"])), "ok\n");
}

#[test]
fn a_server_that_accepts_no_events_is_healthy_but_not_ready() {
    let server = Server::start();
    server.clock.set(NOON_MS - 120_001);
    assert_eq!(success(&health(&server, &[])), "ok\n");
    let output = health(&server, &["--ready"]);
    assert!(failure(&output).contains("503 not_ready"), "{output:?}");
}

#[test]
fn a_server_that_does_not_respond_is_an_error_of_one_line() {
    let absent = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = run(weir(&["health"]).env("WEIR_URL", format!("http://{absent}")));
    assert!(failure(&output).starts_with(&format!("cannot reach http://{absent}: connection refused")), "{output:?}");
}
