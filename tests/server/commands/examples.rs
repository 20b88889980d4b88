//! The examples run, and what they send arrives.

use crate::common::Server;
use crate::common::command::success;
use std::process::Command;
use weir::clock::SystemClock;
use weir::http::Role;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A server that asks for tokens, and an example that knows them.
fn example(program: &str, args: &[&str]) -> (Server<SystemClock>, Command) {
    let server = Server::on(SystemClock, 2, |_, _| {});
    server.set_tokens(&[(Role::Ingest, "writes"), (Role::Admin, "changes")]);
    let mut command = Command::new(program);
    command.args(args).current_dir(ROOT).env("WEIR_URL", format!("http://{}", server.address));
    command.envs([("WEIR_INGEST_TOKEN", "writes"), ("WEIR_ADMIN_TOKEN", "changes")]).env("no_proxy", "*");
    (server, command)
}

#[test]
fn the_producer_in_python_sends_its_events() {
    let (server, mut command) = example("python3", &["examples/producer.py"]);
    let output = command.output().unwrap();
    let printed = success(&output);
    assert_eq!(printed.matches("{'accepted': 100, 'duplicates': 0, 'rejected': 0}").count(), 10, "{printed}");
    assert_eq!(server.total_events(), 1_000);
}

#[test]
fn the_script_of_curl_sends_asks_and_tells() {
    let (server, mut command) = example("bash", &["examples/curl.sh"]);
    let output = command.output().unwrap();
    let printed = success(&output);
    for part in [r#""accepted":2,"duplicates":1,"rejected":0"#, r#""generation":1"#, r#""by_plan":{"pro":1}"#] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert_eq!(server.total_events(), 2);
}

/// Needs Node and what `ci/examples.sh` installs, which runs this.
#[test]
#[ignore = "needs packages of npm: ci/examples.sh installs them"]
fn the_producer_in_typescript_sends_its_events() {
    let script = std::env::var("WEIR_PRODUCER_JS").expect("ci/examples.sh names the compiled producer");
    let (server, mut command) = example("node", &[&script]);
    let output = command.output().unwrap();
    let printed = success(&output);
    assert_eq!(printed.matches("{ accepted: 100, duplicates: 0, rejected: 0 }").count(), 10, "{printed}");
    assert_eq!(server.total_events(), 1_000);
}
