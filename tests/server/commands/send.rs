//! `weir send` as a process, against servers that take everything, something, or nothing at first.

use crate::common::command::{Running, Scratch, Script, Step, failure, success, wait_until, weir, with_input};
use crate::common::{Server, event_at, gzip, zstd};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use weir::{Clock as _, SystemClock};
use weir_api::Role;
use weir_server::Tls;

fn server() -> Server<SystemClock> {
    Server::on(SystemClock, 2, |_, _| {})
}

/// `weir send` with a few more arguments, to a server of this address.
fn send(address: SocketAddr, args: &[&str]) -> Command {
    let mut command = weir(&["send"]);
    command.args(args).env("WEIR_URL", format!("http://{address}"));
    command
}

/// An event of now.
fn event(id: &str) -> String {
    event_at(id, SystemClock.now_ms())
}

/// Lines of so many events whose ids begin alike.
fn events(prefix: &str, count: usize) -> String {
    (0..count).map(|number| event(&format!("{prefix}{number}")) + "\n").collect()
}

#[test]
fn a_file_and_a_pipe_are_sent_in_batches() {
    let (server, scratch) = (server(), Scratch::new("send-batches"));
    let file = scratch.file("events.ndjson", events("file-", 2_500));
    let output = send(server.address, &[&file]).output().unwrap();
    assert_eq!(success(&output), "2500 accepted, 0 duplicates, 0 refused\n");
    let output = with_input(&mut send(server.address, &["-", "--batch", "7", "--gzip"]), events("pipe-", 100));
    assert_eq!(success(&output), "100 accepted, 0 duplicates, 0 refused\n");
    assert_eq!(server.total_events(), 2_600);
    let output = with_input(&mut send(server.address, &["-"]), "");
    assert_eq!(success(&output), "0 accepted, 0 duplicates, 0 refused\n");
}

#[test]
fn compressed_files_are_told_by_their_bytes() {
    let (server, scratch) = (server(), Scratch::new("send-compressed"));
    for (name, bytes) in [("a", gzip(events("gzip-", 30))), ("b", zstd(events("zstd-", 30)))] {
        let output = send(server.address, &[&scratch.file(name, bytes)]).output().unwrap();
        assert_eq!(success(&output), "30 accepted, 0 duplicates, 0 refused\n");
    }
    // Cut in the trailer (RFC 1952), so that every line is there and the end is not.
    let mut cut = gzip(events("cut-", 3));
    cut.truncate(cut.len() - 4);
    let output = with_input(&mut send(server.address, &["-"]), cut);
    assert!(failure(&output).starts_with("standard input: cannot read on after line "), "{output:?}");
    assert_eq!(server.total_events(), 63, "what was read before the end is sent");
}

#[test]
fn refused_events_are_named_by_their_lines_and_fail_the_run() {
    let server = server();
    let [first, last] = ["e-1", "e-2"].map(event);
    let late = event_at("late", 0);
    let output = with_input(&mut send(server.address, &["-"]), format!("{first}\n\n{{oops\n{late}\r\n  \n{last}"));
    assert!(failure(&output).starts_with("2 of 4 events were refused: mend them"));
    let printed = str::from_utf8(&output.stdout).unwrap();
    assert!(
        printed.starts_with("2 accepted, 0 duplicates, 2 refused\n  1 malformed_json\n  1 too_late\n"),
        "{printed}"
    );
    assert!(printed.contains("line 3, -: the line is not valid JSON at byte 1 (malformed_json)\n"), "{printed}");
    assert!(printed.contains("line 4, late: ") && printed.ends_with("(too_late)\n"), "{printed}");
    assert_eq!(server.total_events(), 2);
}

#[test]
fn duplicates_fail_the_run_only_where_that_is_asked_for() {
    let server = server();
    let input = events("e-", 3);
    success(&with_input(&mut send(server.address, &["-"]), &input));
    let output = with_input(&mut send(server.address, &["-"]), &input);
    assert_eq!(success(&output), "0 accepted, 3 duplicates, 0 refused\n");
    let output = with_input(&mut send(server.address, &["-", "--fail-on-duplicates"]), &input);
    assert_eq!(failure(&output), "3 of 3 events were duplicates");
}

#[test]
fn a_line_that_is_too_long_is_named_and_those_before_it_are_sent() {
    let server = server();
    let long = format!("{}{}\n", events("e-", 3), "x".repeat(5_000));
    let output = with_input(&mut send(server.address, &["-", "--batch-bytes", "4KiB"]), long);
    assert!(failure(&output).starts_with("standard input: line 4 is longer than 4095 bytes"), "{output:?}");
    assert_eq!(server.total_events(), 3);
}

#[test]
fn a_live_pipe_is_sent_before_it_ends() {
    let server = server();
    let mut child = send(server.address, &["-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for sent in 1..=3 {
        writeln!(pipe, "{}", event(&format!("e-{sent}"))).unwrap();
        wait_until("the line is sent though no other comes", || server.total_events() == sent);
    }
    drop(pipe);
    assert_eq!(success(&child.wait_with_output().unwrap()), "3 accepted, 0 duplicates, 0 refused\n");
}

fn counts(accepted: u64, duplicates: u64) -> Step {
    let body = format!(r#"{{"results":[],"accepted":{accepted},"duplicates":{duplicates},"rejected":0}}"#);
    Step::Answer("200 OK", "", body)
}

fn overloaded() -> Step {
    let body = r#"{"code":"overloaded","detail":"there is no room"}"#.to_owned();
    Step::Answer("503 Service Unavailable", "retry-after: 1\r\n", body)
}

#[test]
fn a_server_without_room_is_tried_again() {
    let script = Script::start(vec![overloaded(), overloaded(), counts(2, 0)]);
    let output = with_input(&mut send(script.address, &["-", "--fail-on-duplicates"]), "a\nb\n");
    assert_eq!(success(&output), "2 accepted, 0 duplicates, 0 refused\n");
    assert_eq!(script.bodies.try_iter().collect::<Vec<_>>(), ["a\nb\n"; 3]);
}

#[test]
fn a_server_that_stays_without_room_is_given_up() {
    let script = Script::start(vec![overloaded()]);
    let output = with_input(&mut send(script.address, &["-", "--retry-for", "0s"]), "a\nb\n");
    let line = failure(&output);
    assert!(line.starts_with("lines 1 to 2: not taken within 0 s: ") && line.contains("there is no room"), "{line}");
    assert!(line.contains(", and asks to wait 1 s; --retry-for"), "{line}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_lost_answer_is_asked_for_again_and_its_duplicates_are_told_apart() {
    let script = Script::start(vec![counts(1, 0), Step::Hangup, counts(1, 2)]);
    let output =
        with_input(&mut send(script.address, &["-", "--batch", "3", "--fail-on-duplicates", "--linger", "0s"]), "a\n");
    assert_eq!(success(&output), "1 accepted, 0 duplicates, 0 refused\n");
    let output = with_input(&mut send(script.address, &["-", "--batch", "3", "--fail-on-duplicates"]), "b\nc\nd\n");
    let printed = success(&output);
    assert!(
        printed.starts_with("1 accepted, 2 duplicates, 0 refused\n2 of the duplicates were sent again"),
        "{printed}"
    );
    assert_eq!(script.bodies.try_iter().collect::<Vec<_>>(), ["a\n", "b\nc\nd\n", "b\nc\nd\n"]);
}

#[test]
fn events_without_room_are_sent_again_by_themselves() {
    let overloaded = |index| format!(r#"{{"event_id":"x","code":"overloaded","index":{index},"message":"no room"}}"#);
    let body =
        format!(r#"{{"results":[{},{}],"accepted":1,"duplicates":0,"rejected":2}}"#, overloaded(0), overloaded(2));
    let script = Script::start(vec![Step::Answer("200 OK", "", body), counts(2, 0)]);
    let output = with_input(&mut send(script.address, &["-"]), "a\nb\nc\n");
    assert_eq!(success(&output), "3 accepted, 0 duplicates, 0 refused\n");
    assert_eq!(script.bodies.try_iter().collect::<Vec<_>>(), ["a\nb\nc\n", "a\nc\n"]);
}

#[test]
fn what_is_no_weir_server_is_said_so() {
    let page = || Step::Answer("200 OK", "", "<html>".to_owned());
    let output = with_input(&mut send(Script::start(vec![page()]).address, &["-"]), "a\n");
    assert!(failure(&output).contains("does not answer as weir does"), "{output:?}");
    let absent = || Step::Answer("404 Not Found", "", "<html>".to_owned());
    let output = with_input(&mut send(Script::start(vec![absent()]).address, &["-"]), "a\n");
    assert!(failure(&output).contains("answers with status 404"), "{output:?}");
}

#[test]
fn a_server_that_restarts_in_between_is_waited_for() {
    let server = Running::start(&mut weir(&["--listen", "127.0.0.1:0"]));
    let address = server.address;
    let mut child = send(address, &["-", "--linger", "0s", "--batch", "10"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let total = || {
        let figures = crate::common::agent().get(format!("http://{address}/metrics")).call();
        let body = figures.ok().and_then(|mut figures| figures.body_mut().read_to_string().ok());
        body.and_then(|body| serde_json::from_str::<serde_json::Value>(&body).ok()?["total_events"].as_u64())
    };
    pipe.write_all(events("before-", 25).as_bytes()).unwrap();
    wait_until("the first events are there", || total() == Some(25));
    drop(server);
    pipe.write_all(events("between-", 25).as_bytes()).unwrap();
    let server = Running::start(&mut weir(&["--listen", &address.to_string()]));
    pipe.write_all(events("after-", 25).as_bytes()).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert!(success(&output).starts_with("75 accepted, 0 duplicates, 0 refused\n"), "{output:?}");
    assert_eq!(total(), Some(50), "those from before went with their server");
    drop(server);
}

#[test]
fn a_server_that_was_never_there_is_one_line_at_once() {
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = with_input(&mut send(absent, &["-"]), "a\n");
    let expected =
        format!("cannot reach http://{absent}: connection refused; is weir running? start it with `weir serve`");
    assert_eq!(failure(&output), expected);
    let output = send(absent, &["/nowhere"]).output().unwrap();
    assert!(failure(&output).starts_with("cannot read /nowhere: "), "{output:?}");
}

#[test]
fn a_token_is_taken_from_the_environment_or_a_file() {
    let (server, scratch) = (server(), Scratch::new("send-tokens"));
    server.set_tokens(&[(Role::Ingest, "s3cret"), (Role::Read, "other")]);
    let output = with_input(&mut send(server.address, &["-"]), event("e-1"));
    assert!(failure(&output).ends_with("set WEIR_INGEST_TOKEN or --token-file"), "{output:?}");
    let output = with_input(send(server.address, &["-"]).env("WEIR_INGEST_TOKEN", "other"), event("e-1"));
    assert!(failure(&output).contains("not for ingest"), "{output:?}");
    success(&with_input(send(server.address, &["-"]).env("WEIR_INGEST_TOKEN", "s3cret"), event("e-1")));
    let file = scratch.file("token", "# mine\ns3cret\n");
    success(&with_input(&mut send(server.address, &["-", "--token-file", &file]), event("e-2")));
}

#[test]
fn a_server_with_smaller_bounds_says_which_lines_are_too_much() {
    let server = Server::on(SystemClock, 2, |engine, _| engine.max_batch_events = 10);
    let output = with_input(&mut send(server.address, &["-", "--batch", "20"]), events("e-", 30));
    let line = failure(&output);
    assert!(
        line.starts_with("lines 1 to 20: ") && line.contains("too_many_events") && line.contains("--batch"),
        "{line}"
    );
    success(&with_input(&mut send(server.address, &["-", "--batch", "10"]), events("e-", 30)));
}

#[test]
fn a_certificate_is_believed_if_it_is_named() {
    let scratch = Scratch::new("send-tls");
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = scratch.file("cert.pem", certified.cert.pem());
    let key = scratch.file("key.pem", certified.signing_key.serialize_pem());
    let server = Server::over(Tls::from_files(certificate.clone().into(), key.clone().into()).unwrap());
    let url = format!("https://localhost:{}", server.address.port());
    let output =
        with_input(&mut weir(&["send", "-", "--url", &url, "--ca", &certificate]), crate::common::event("e-1") + "\n");
    assert_eq!(success(&output), "1 accepted, 0 duplicates, 0 refused\n");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = scratch.file("other.pem", other.cert.pem());
    let output = with_input(&mut weir(&["send", "-", "--url", &url, "--retry-for", "0s", "--ca", &other]), "a\n");
    assert!(failure(&output).contains("certificate"), "{output:?}");
    let output = with_input(&mut weir(&["send", "-", "--url", &url, "--ca", &key]), "a\n");
    assert!(failure(&output).ends_with("key.pem: no certificate in it"), "{output:?}");
}

#[test]
fn a_signal_ends_the_reading_and_what_was_read_is_sent() {
    let server = server();
    // The third line waits for a fourth that never comes.
    let mut command = send(server.address, &["-", "--batch", "2", "--linger", "1m"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(events("e-", 3).as_bytes()).unwrap();
    wait_until("the first two lines are there", || server.total_events() == 2);
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(failure(&output), "standard input: interrupted after line 3; all up to it were sent");
    assert_eq!(str::from_utf8(&output.stdout).unwrap(), "3 accepted, 0 duplicates, 0 refused\n");
    assert_eq!(server.total_events(), 3);
    drop(input);
}
