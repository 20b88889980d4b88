//! The examples run, and what they send arrives.

use crate::common::Server;
use crate::common::command::success;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
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

/// Answers a producer as a proxy does whose server restarts, and then as one that has no room for an event. Returns the
/// ids of each request, while there are any.
fn troubled(listener: &TcpListener, requests: usize) -> Vec<Vec<String>> {
    let ids = |body: &[u8]| -> Vec<String> {
        let events: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap();
        events.iter().map(|event| event["event_id"].as_str().unwrap().to_owned()).collect()
    };
    let mut seen = vec![];
    for request in 0..requests {
        let (stream, _) = listener.accept().unwrap();
        seen.push(ids(&body(&stream)));
        let events = seen[request].len();
        let judged = |rejected: usize, results: &str| {
            let accepted = events - rejected;
            let json =
                format!(r#"{{"results":[{results}],"accepted":{accepted},"duplicates":0,"rejected":{rejected}}}"#);
            format!("200 OK\r\ncontent-length: {}\r\n\r\n{json}", json.len())
        };
        let answer = match request {
            0 => {
                "502 Bad Gateway\r\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\ncontent-length: 0\r\n\r\n".to_owned()
            }
            1 => judged(1, r#"{"event_id":null,"status":"error","code":"overloaded","index":7,"message":"no room"}"#),
            _ => judged(0, ""),
        };
        (&stream)
            .write_all(format!("HTTP/1.1 {}", answer.replacen("\r\n", "\r\nconnection: close\r\n", 1)).as_bytes())
            .unwrap();
    }
    seen
}

/// The body of a request that says how long it is.
fn body(stream: &TcpStream) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().unwrap(),
            Some(_) => {}
            None if line == "\r\n" => break,
            None => assert!(line.starts_with("POST /events "), "{line:?}"),
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    body
}

/// A producer at a server that is in trouble at first: whatever it has not taken comes again.
fn assert_sends_again(mut command: Command) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    command.env("WEIR_URL", format!("http://{}", listener.local_addr().unwrap()));
    let server = thread::spawn(move || troubled(&listener, 12));
    success(&command.output().unwrap());
    let seen = server.join().unwrap();
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
