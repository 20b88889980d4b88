//! The examples run, and their events arrive.

use crate::common::{Raw, Running, Script, Server, Step, get_request, program, repository, run, success};
use std::process::Command;
use weir::SystemClock;
use weir_api::Role;

/// A server with tokens, and an example that has them.
fn example(interpreter: &str, args: &[&str]) -> (Server<SystemClock>, Command) {
    let tokens = [(Role::Ingest, "writes"), (Role::Admin, "changes")];
    let server = Server::builder().clock(SystemClock).tokens(&tokens).start();
    let mut command = program(interpreter, args);
    command.current_dir(repository("")).env("WEIR_URL", server.url() + "/");
    command.envs([("WEIR_INGEST_TOKEN", "writes"), ("WEIR_ADMIN_TOKEN", "changes")]).env("no_proxy", "*");
    (server, command)
}

#[test]
fn the_producer_in_python_sends_its_events() {
    let (server, mut command) = example("python3", &["examples/producer.py"]);
    let output = run(&mut command);
    let printed = success(&output);
    assert_eq!(printed.matches("{'accepted': 100, 'duplicates': 0, 'rejected': 0}").count(), 10, "{printed}");
    assert_eq!(server.total_events(), 1_000);
}

/// Runs a producer against a proxy whose server restarts, and then refuses an event as overloaded. The producer must
/// send the batch and the event again.
fn assert_sends_again(mut command: Command) {
    let ids = |body: String| -> Vec<String> {
        let events: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
        events.iter().map(|event| event["event_id"].as_str().unwrap().to_owned()).collect()
    };
    let answer = |results: &str, accepted: usize, rejected: usize| {
        let counts = format!(r#""accepted":{accepted},"duplicates":0,"rejected":{rejected}"#);
        Step::Answer("200 OK", "", format!(r#"{{"results":[{results}],{counts}}}"#))
    };
    let overloaded = r#"{"event_id":null,"status":"error","code":"overloaded","index":7,"message":"no room"}"#;
    let restarting = Step::Answer("502 Bad Gateway", "retry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n", String::new());
    let first = [restarting, answer(overloaded, 99, 1), answer("", 1, 0)];
    let script = Script::start(first.into_iter().chain((1..10).map(move |_| answer("", 100, 0))));
    success(&run(command.env("WEIR_URL", script.url())));
    let seen: Vec<_> = script.bodies.try_iter().map(ids).collect();
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [&[100, 100, 1][..], &[100; 9]].concat());
    assert_eq!((&seen[0], &seen[1][7..8]), (&seen[1], &seen[2][..]));
}

#[test]
fn the_producer_in_python_sends_refused_events_again() {
    assert_sends_again(example("python3", &["examples/producer.py"]).1);
}

#[test]
#[ignore = "needs packages of npm: ci/examples.sh installs them"]
fn a_compressing_proxy_passes_the_events_of_a_stream_on() {
    let script = std::env::var("WEIR_PROXY_JS").expect("ci/examples.sh names the proxy");
    let server = Server::builder().clock(SystemClock).start();
    let proxy = Running::start(&mut program("node", &[&script, &server.url()]));
    let accepts_gzip = |path: &str| get_request(path).replace("\r\n\r\n", "\r\naccept-encoding: gzip\r\n\r\n");
    let mut page = Raw::connect(proxy.address);
    // A file that is too small for the server to compress it.
    page.send(accepts_gzip("/dashboard/api.js"));
    assert_eq!(page.reply_to_head().header("content-encoding"), "gzip", "the proxy compresses");
    let mut stream = Raw::connect(proxy.address);
    stream.send(accepts_gzip("/metrics/stream?window=60"));
    assert_eq!(stream.reply_to_head().header("content-encoding"), "");
    stream.skip_to("event: metrics");
}

#[test]
#[ignore = "needs packages of npm: ci/examples.sh installs them"]
fn the_producer_in_typescript_sends_refused_events_again() {
    let script = std::env::var("WEIR_PRODUCER_JS").expect("ci/examples.sh names the compiled producer");
    assert_sends_again(example("node", &[&script]).1);
}

#[test]
fn the_curl_script_sends_events_and_a_table_and_queries_them() {
    let (server, mut command) = example("bash", &["examples/curl.sh"]);
    let output = run(&mut command);
    let printed = success(&output);
    for part in [r#""accepted":2,"duplicates":1,"rejected":0"#, r#""generation":1"#, r#""by_plan":{"pro":1}"#] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert_eq!(server.total_events(), 2);
}

#[test]
#[ignore = "needs packages of npm: ci/examples.sh installs them"]
fn the_producer_in_typescript_sends_its_events() {
    let script = std::env::var("WEIR_PRODUCER_JS").expect("ci/examples.sh names the compiled producer");
    let (server, mut command) = example("node", &[&script]);
    let output = run(&mut command);
    let printed = success(&output);
    assert_eq!(printed.matches("{ accepted: 100, duplicates: 0, rejected: 0 }").count(), 10, "{printed}");
    assert_eq!(server.total_events(), 1_000);
}
