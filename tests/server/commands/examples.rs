//! The examples run, and what they send arrives.

use crate::common::Server;
use crate::common::command::{Script, Step, success};
use std::process::Command;
use weir::SystemClock;
use weir_api::Role;

use crate::ROOT;

/// A server that asks for tokens, and an example that knows them.
fn example(program: &str, args: &[&str]) -> (Server<SystemClock>, Command) {
    let server = Server::on(SystemClock, 2, |_, _| {});
    server.set_tokens(&[(Role::Ingest, "writes"), (Role::Admin, "changes")]);
    let mut command = Command::new(program);
    command.args(args).current_dir(ROOT).env("WEIR_URL", format!("http://{}/", server.address));
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

/// A producer at a proxy whose server restarts, and then has no room for an event: what was not taken comes again.
fn assert_sends_again(mut command: Command) {
    let ids = |body: String| -> Vec<String> {
        let events: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
        events.iter().map(|event| event["event_id"].as_str().unwrap().to_owned()).collect()
    };
    let judged = |results: &str, accepted: usize, rejected: usize| {
        let counts = format!(r#""accepted":{accepted},"duplicates":0,"rejected":{rejected}"#);
        Step::Answer("200 OK", "", format!(r#"{{"results":[{results}],{counts}}}"#))
    };
    let overloaded = r#"{"event_id":null,"status":"error","code":"overloaded","index":7,"message":"no room"}"#;
    let restarting = Step::Answer("502 Bad Gateway", "retry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n", String::new());
    let first = [restarting, judged(overloaded, 99, 1), judged("", 1, 0)];
    let script = Script::start(first.into_iter().chain((1..10).map(|_| judged("", 100, 0))).collect());
    success(&command.env("WEIR_URL", format!("http://{}", script.address)).output().unwrap());
    let seen: Vec<_> = script.bodies.try_iter().map(ids).collect();
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [&[100, 100, 1][..], &[100; 9]].concat());
    assert_eq!((&seen[0], &seen[1][7..8]), (&seen[1], &seen[2][..]));
}

#[test]
fn the_producer_in_python_sends_again_what_was_not_taken() {
    assert_sends_again(example("python3", &["examples/producer.py"]).1);
}

#[test]
#[ignore = "needs packages of npm: ci/examples.sh installs them"]
fn the_producer_in_typescript_sends_again_what_was_not_taken() {
    let script = std::env::var("WEIR_PRODUCER_JS").expect("ci/examples.sh names the compiled producer");
    assert_sends_again(example("node", &[&script]).1);
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
