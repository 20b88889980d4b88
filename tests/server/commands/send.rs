//! `weir send`, to servers that accept all events, some events, or none at first.

use crate::common::{
    Certificate, MIB, Process, Running, Scratch, Script, Server, Step, agent, event, eventually, failure, gzip, run,
    success, weir, with_input, zstd,
};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use weir::{Clock as _, SystemClock};
use weir_api::Role;

fn server() -> Server<SystemClock> {
    Server::builder().clock(SystemClock).start()
}

/// `weir send` for a server, with further arguments.
fn send(address: SocketAddr, args: &[&str]) -> Command {
    let mut command = weir(&["send"]);
    command.args(args).env("WEIR_URL", format!("http://{address}"));
    command
}

/// A line with an event of the present.
fn line(id: &str) -> String {
    format!("{}\n", event(id).at_ms(SystemClock.now_ms()))
}

/// Lines with events whose ids start with `prefix`.
fn lines(prefix: &str, count: usize) -> String {
    (0..count).map(|number| line(&format!("{prefix}{number}"))).collect()
}

#[test]
fn a_file_and_a_pipe_are_sent_in_batches() {
    let (server, scratch) = (server(), Scratch::new());
    let file = scratch.file("events.ndjson", lines("file-", 2_500));
    let output = run(&mut send(server.address, &[&file]));
    assert_eq!(success(&output), "2500 accepted, 0 duplicates, 0 rejected\n");
    let output = with_input(&mut send(server.address, &["-", "--batch", "7", "--gzip"]), lines("pipe-", 100));
    assert_eq!(success(&output), "100 accepted, 0 duplicates, 0 rejected\n");
    assert_eq!(server.total_events(), 2_600);
    let output = with_input(&mut send(server.address, &["-"]), "");
    assert_eq!(success(&output), "0 accepted, 0 duplicates, 0 rejected\n");
}

#[test]
fn compressed_files_are_recognized_by_their_bytes() {
    let (server, scratch) = (server(), Scratch::new());
    for (name, bytes) in [("a", gzip(lines("gzip-", 30))), ("b", zstd(lines("zstd-", 30)))] {
        let output = run(&mut send(server.address, &[&scratch.file(name, bytes)]));
        assert_eq!(success(&output), "30 accepted, 0 duplicates, 0 rejected\n");
    }
    let skip = b"\x50\x2a\x4d\x18\x04\0\0\0size";
    let frames = [&skip[..], &zstd(lines("pzstd-", 15)), skip, &zstd(lines("more-", 15)), skip].concat();
    let padded = [&gzip(lines("padded-", 15))[..], &[0; 512], &gzip(lines("after-", 15)), &[0; 512]].concat();
    for (name, bytes) in [("c", frames), ("d", padded)] {
        let output = run(&mut send(server.address, &[&scratch.file(name, bytes)]));
        assert_eq!(success(&output), "30 accepted, 0 duplicates, 0 rejected\n");
    }
    let utf_16 = scratch.file("e", b"\xff\xfe{\0");
    let output = run(&mut send(server.address, &[&utf_16]));
    let expected = format!("cannot read {utf_16}: it is UTF-16, which weir does not read; save it as UTF-8");
    assert_eq!(failure(&output), expected);
    // Cut in the trailer (RFC 1952): all lines are there, but the stream is incomplete.
    let mut cut = gzip(lines("cut-", 3));
    cut.truncate(cut.len() - 4);
    let output = with_input(&mut send(server.address, &["-"]), cut);
    assert!(failure(&output).starts_with("standard input: reading failed after line "), "{output:?}");
    assert_eq!(server.total_events(), 123, "lines before the fault are sent");
}

#[test]
fn refused_events_are_named_by_their_lines_and_fail_the_run() {
    let server = server();
    let [first, last] = ["e-1", "e-2"].map(line);
    let late = event("late").at_ms(0);
    let input = format!("{first}\n{{oops\n{late}\r\n  \n{}", last.trim_end());
    let output = with_input(&mut send(server.address, &["-"]), input);
    assert!(failure(&output).starts_with("2 of 4 events were rejected: fix the rejected events"));
    let printed = str::from_utf8(&output.stdout).unwrap();
    assert!(
        printed.starts_with("2 accepted, 0 duplicates, 2 rejected\n  1 malformed_json\n  1 too_late\n"),
        "{printed}"
    );
    assert!(printed.contains("line 3, -: the line is not valid JSON at byte 1 (malformed_json)\n"), "{printed}");
    assert!(printed.contains("line 4, late: ") && printed.ends_with("(too_late)\n"), "{printed}");
    assert_eq!(server.total_events(), 2);
}

#[test]
fn duplicates_fail_the_run_on_request_only() {
    let server = server();
    let input = lines("e-", 3);
    success(&with_input(&mut send(server.address, &["-"]), &input));
    let output = with_input(&mut send(server.address, &["-"]), &input);
    assert_eq!(success(&output), "0 accepted, 3 duplicates, 0 rejected\n");
    let output = with_input(&mut send(server.address, &["-", "--fail-on-duplicates"]), &input);
    assert_eq!(failure(&output), "3 of 3 events were duplicates");
}

#[test]
fn a_line_that_is_too_long_is_named_and_lines_before_it_are_sent() {
    let server = server();
    let long = format!("{}{}\n", lines("e-", 3), "x".repeat(16 * MIB));
    let output = with_input(&mut send(server.address, &["-", "--batch-bytes", "4KiB"]), long);
    assert!(failure(&output).starts_with("standard input: line 4 is longer than 16777215 bytes"), "{output:?}");
    assert_eq!(server.total_events(), 3);
}

#[test]
fn a_line_that_is_larger_than_a_batch_is_sent_by_itself() {
    let server = server();
    let large = lines("large-", 1).replacen('{', &format!("{{\"more\":\"{}\",", "x".repeat(2 * MIB)), 1);
    let input = lines("a-", 2) + &large + &lines("b-", 2);
    let output = with_input(&mut send(server.address, &["-", "--batch-bytes", "4KiB"]), &input);
    assert_eq!(success(&output), "5 accepted, 0 duplicates, 0 rejected\n");
    let server = Server::builder().clock(SystemClock).http(|http| http.max_body_bytes = MIB).start();
    let output = with_input(&mut send(server.address, &["-"]), &input);
    assert!(failure(&output).starts_with("1 of 5 events were rejected"), "{output:?}");
    assert_eq!(server.total_events(), 4);
}

#[test]
fn a_live_pipe_is_sent_before_it_ends() {
    let server = server();
    let mut process = Process::start(send(server.address, &["-"]).stdin(Stdio::piped()));
    let mut pipe = process.stdin();
    for sent in 1..=3 {
        pipe.write_all(line(&format!("e-{sent}")).as_bytes()).unwrap();
        eventually("a line is sent without a further one", || server.total_events() == sent);
    }
    drop(pipe);
    assert_eq!(success(&process.output()), "3 accepted, 0 duplicates, 0 rejected\n");
}

fn counts(accepted: u64, duplicates: u64) -> Step {
    let body = format!(r#"{{"results":[],"accepted":{accepted},"duplicates":{duplicates},"rejected":0}}"#);
    Step::Answer("200 OK", "", body)
}

fn overloaded() -> Step {
    unavailable("overloaded", "there is no room")
}

/// A 503 with a code.
fn unavailable(code: &str, detail: &str) -> Step {
    let body = format!(r#"{{"code":"{code}","detail":"{detail}"}}"#);
    Step::Answer("503 Service Unavailable", "retry-after: 1\r\n", body)
}

#[test]
fn an_overloaded_server_is_tried_again() {
    let script = Script::start([overloaded(), overloaded(), counts(2, 0)]);
    let output = with_input(&mut send(script.address, &["-", "--fail-on-duplicates"]), "a\nb\n");
    assert_eq!(success(&output), "2 accepted, 0 duplicates, 0 rejected\n");
    assert_eq!(script.bodies.try_iter().collect::<Vec<_>>(), ["a\nb\n"; 3]);
}

#[test]
fn a_server_that_stays_overloaded_fails_the_run() {
    let script = Script::start([overloaded()]);
    let output = with_input(&mut send(script.address, &["-", "--retry-for", "0s"]), "a\nb\n");
    let line = failure(&output);
    assert!(line.starts_with("lines 1 to 2: not accepted within 0 s: ") && line.contains("there is no room"), "{line}");
    assert!(line.contains(", retry after 1 s; set a longer --retry-for"), "{line}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_batch_without_an_answer_is_sent_again_and_its_duplicates_are_told_apart() {
    let script = Script::start([counts(1, 0), Step::Hangup, counts(1, 2)]);
    let output =
        with_input(&mut send(script.address, &["-", "--batch", "3", "--fail-on-duplicates", "--linger", "0s"]), "a\n");
    assert_eq!(success(&output), "1 accepted, 0 duplicates, 0 rejected\n");
    let output = with_input(&mut send(script.address, &["-", "--batch", "3", "--fail-on-duplicates"]), "b\nc\nd\n");
    let printed = success(&output);
    assert!(
        printed.starts_with("1 accepted, 2 duplicates, 0 rejected\n2 of the duplicates may come from a retry"),
        "{printed}"
    );
    assert_eq!(script.bodies.try_iter().collect::<Vec<_>>(), ["a\n", "b\nc\nd\n", "b\nc\nd\n"]);
}

#[test]
fn a_batch_that_the_log_did_not_answer_for_is_sent_again_and_its_duplicates_are_told_apart() {
    let lost = unavailable("log_unavailable", "the log did not answer in time");
    let script = Script::start([lost, counts(1, 2), counts(1, 1)]);
    let output =
        with_input(&mut send(script.address, &["-", "--batch", "3", "--fail-on-duplicates"]), "b\nc\nd\ne\nf\n");
    assert_eq!(failure(&output), "1 of 5 events were duplicates", "only the first batch may have been taken before");
    let printed = str::from_utf8(&output.stdout).unwrap();
    assert!(
        printed.starts_with("2 accepted, 3 duplicates, 0 rejected\n2 of the duplicates may come from a retry"),
        "{printed}"
    );
    assert_eq!(script.bodies.try_iter().collect::<Vec<_>>(), ["b\nc\nd\n", "b\nc\nd\n", "e\nf\n"]);
}

#[test]
fn a_server_that_replays_its_log_is_waited_for() {
    let not_ready = || unavailable("not_ready", "the server replays its journal");
    let script = Script::start([not_ready(), not_ready(), counts(1, 1)]);
    let output = with_input(&mut send(script.address, &["-", "--fail-on-duplicates"]), "a\nb\n");
    assert_eq!(failure(&output), "1 of 2 events were duplicates", "nothing was taken before");
    assert_eq!(script.bodies.try_iter().collect::<Vec<_>>(), ["a\nb\n"; 3]);
    let output = with_input(&mut send(Script::start([not_ready()]).address, &["-", "--retry-for", "0s"]), "a\n");
    assert!(failure(&output).contains("the server replays its journal (503 not_ready)"), "{output:?}");
}

#[test]
fn overloaded_events_are_sent_again_alone() {
    let overloaded = |index| {
        format!(r#"{{"event_id":"x","status":"error","code":"overloaded","index":{index},"message":"no room"}}"#)
    };
    let body =
        format!(r#"{{"results":[{},{}],"accepted":1,"duplicates":0,"rejected":2}}"#, overloaded(0), overloaded(2));
    let script = Script::start([Step::Answer("200 OK", "", body), counts(2, 0)]);
    let output = with_input(&mut send(script.address, &["-"]), "a\nb\nc\n");
    assert_eq!(success(&output), "3 accepted, 0 duplicates, 0 rejected\n");
    assert_eq!(script.bodies.try_iter().collect::<Vec<_>>(), ["a\nb\nc\n", "a\nc\n"]);
}

#[test]
fn another_server_than_weir_is_recognized() {
    let page = || Step::Answer("200 OK", "", "<html>".to_owned());
    let output = with_input(&mut send(Script::start([page()]).address, &["-"]), "a\n");
    assert!(failure(&output).contains("does not respond as a weir server: "), "{output:?}");
    let absent = || Step::Answer("404 Not Found", "", "<html>".to_owned());
    let output = with_input(&mut send(Script::start([absent()]).address, &["-"]), "a\n");
    assert!(failure(&output).contains("does not respond as a weir server: status 404"), "{output:?}");
}

#[test]
fn a_restart_of_the_server_is_waited_for() {
    let server = Running::serve(&[]);
    let address = server.address;
    let mut process = Process::start(send(address, &["-", "--linger", "0s", "--batch", "10"]).stdin(Stdio::piped()));
    let mut pipe = process.stdin();
    let total = || {
        let figures = agent().get(format!("http://{address}/metrics")).call();
        let body = figures.ok().and_then(|mut figures| figures.body_mut().read_to_string().ok());
        body.and_then(|body| serde_json::from_str::<serde_json::Value>(&body).ok()?["total_events"].as_u64())
    };
    pipe.write_all(lines("before-", 25).as_bytes()).unwrap();
    eventually("the first events", || total() == Some(25));
    drop(server);
    pipe.write_all(lines("between-", 25).as_bytes()).unwrap();
    let server = Running::start(&mut weir(&["--listen", &address.to_string()]));
    pipe.write_all(lines("after-", 25).as_bytes()).unwrap();
    drop(pipe);
    let output = process.output();
    assert!(success(&output).starts_with("75 accepted, 0 duplicates, 0 rejected\n"), "{output:?}");
    assert_eq!(total(), Some(50), "the first server lost its events when it ended");
    drop(server);
}

#[test]
fn an_unreachable_server_is_an_error_of_one_line_at_once() {
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = with_input(&mut send(absent, &["-"]), "a\n");
    let expected =
        format!("cannot reach http://{absent}: connection refused; is weir running? start it with `weir serve`");
    assert_eq!(failure(&output), expected);
    let output = run(&mut send(absent, &["/nowhere"]));
    assert!(failure(&output).starts_with("cannot read /nowhere: "), "{output:?}");
}

#[test]
fn a_token_is_taken_from_the_environment_or_a_file() {
    let (server, scratch) = (server(), Scratch::new());
    server.set_tokens(&[(Role::Ingest, "s3cret"), (Role::Read, "other")]);
    let output = with_input(&mut send(server.address, &["-"]), line("e-1"));
    assert!(failure(&output).ends_with("set WEIR_INGEST_TOKEN or --token-file"), "{output:?}");
    let output = with_input(send(server.address, &["-"]).env("WEIR_INGEST_TOKEN", "other"), line("e-1"));
    assert!(failure(&output).contains("rejected the token for ingest (403)"), "{output:?}");
    success(&with_input(send(server.address, &["-"]).env("WEIR_INGEST_TOKEN", "s3cret"), line("e-1")));
    let file = scratch.file("token", "\u{feff}# mine\ns3cret\n");
    success(&with_input(&mut send(server.address, &["-", "--token-file", &file]), line("e-2")));
    let file = scratch.file("token", "\u{feff}s3cret\r\n");
    success(&with_input(&mut send(server.address, &["-", "--token-file", &file]), line("e-3")));
}

fn too_large(code: &str) -> Step {
    Step::Answer("413 Payload Too Large", "", format!(r#"{{"code":"{code}","detail":"it is too large"}}"#))
}

#[test]
fn a_batch_that_is_too_large_is_sent_in_halves() {
    // The third step is for a single event, which is rejected. After the second step, a batch of 4 bytes is halved at
    // once.
    let refused = ["payload_too_large"; 3].map(too_large);
    let script = Script::start(refused.into_iter().chain((0..3).map(|_| counts(1, 0))));
    let output = with_input(&mut send(script.address, &["-"]), "a\nb\n\nc\nd\n");
    assert!(failure(&output).starts_with("1 of 4 events were rejected"), "{output:?}");
    assert_eq!(
        str::from_utf8(&output.stdout).unwrap(),
        "3 accepted, 0 duplicates, 1 rejected\n  1 payload_too_large\nline 1, -: it is too large (payload_too_large)\n"
    );
    let bodies: Vec<_> = script.bodies.try_iter().collect();
    assert_eq!(bodies, ["a\nb\nc\nd\n", "a\nb\n", "a\n", "b\n", "c\n", "d\n"]);
}

#[test]
fn duplicates_of_a_half_may_come_from_a_lost_response_of_the_whole() {
    let script = Script::start([Step::Hangup, too_large("too_many_events"), counts(0, 1), counts(1, 0)]);
    let output = with_input(&mut send(script.address, &["-", "--fail-on-duplicates"]), "a\nb\n");
    assert!(success(&output).contains("1 of the duplicates may come from a retry"), "{output:?}");
    assert_eq!(script.bodies.try_iter().collect::<Vec<_>>(), ["a\nb\n", "a\nb\n", "a\n", "b\n"]);
}

#[test]
fn the_limits_of_a_server_end_no_run() {
    let server = Server::builder().clock(SystemClock).engine(|engine| engine.max_batch_events = 10).start();
    let output = with_input(&mut send(server.address, &["-", "--batch", "25"]), lines("e-", 60));
    assert_eq!(success(&output), "60 accepted, 0 duplicates, 0 rejected\n");

    let server = Server::builder().clock(SystemClock).http(|http| http.max_body_bytes = 4_000).start();
    let padding = "x".repeat(5_000);
    let long = line("long").replace("{\"", &format!("{{\"padding\":\"{padding}\",\""));
    let input = [lines("first-", 2_000), long, lines("last-", 2_000)].concat();
    for gzip in [&[][..], &["--gzip"]] {
        let output = with_input(send(server.address, &["-", "--batch", "4001"]).args(gzip), &input);
        assert!(failure(&output).starts_with("1 of 4001 events were rejected"), "{output:?}");
        let printed = str::from_utf8(&output.stdout).unwrap();
        assert!(printed.contains("\nline 2001, -: ") && printed.ends_with(" (payload_too_large)\n"), "{printed}");
        assert_eq!(server.total_events(), 4_000);
    }
}

#[test]
fn rejected_events_are_written_to_a_file() {
    let (server, scratch) = (server(), Scratch::new());
    let path = scratch.path("refused.ndjson");
    let late = event("late").at_ms(0).to_string();
    let input = format!("{}{late}\n{{oops\n\n7\n", line("e-1"));
    let output = with_input(&mut send(server.address, &["-", "--refused", &path, "--batch", "2"]), &input);
    assert!(failure(&output).starts_with("3 of 4 events were rejected"), "{output:?}");
    let text = scratch.read("refused.ndjson");
    let refused: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> = refused.iter().map(|line| (line["line"].as_u64(), line["code"].as_str())).collect();
    let expected = [(2, "too_late"), (3, "malformed_json"), (5, "invalid_event")];
    assert_eq!(found, expected.map(|(line, code)| (Some(line), Some(code))));
    assert!(text.lines().next().unwrap().ends_with(&format!(r#","event":{late}}}"#)), "{text}");
    assert_eq!((&refused[1]["event"], &refused[2]["event"]), (&"{oops".into(), &7.into()));
    assert!(refused.iter().all(|line| line["message"].as_str().is_some_and(|message| !message.is_empty())));

    // The events in the file may not be fixed yet.
    let output = with_input(&mut send(server.address, &["-", "--refused", &path]), line("e-2"));
    assert!(failure(&output).contains("refused.ndjson is not empty"), "{output:?}");
    assert_eq!((scratch.read("refused.ndjson"), server.total_events()), (text, 1));

    let output = with_input(&mut send(server.address, &["-", "--refused", "/dev/null"]), format!("7\n{}", line("e-2")));
    assert!(failure(&output).starts_with("1 of 2 events were rejected"), "{output:?}");
    let output = with_input(&mut send(server.address, &["-", "--refused", "/dev/full", "--batch", "1"]), "7\n8\n");
    let line = failure(&output);
    assert!(line.starts_with("line 1: cannot write /dev/full: ") && line.ends_with("may be missing"), "{line}");
}

#[test]
fn the_url_of_a_resource_has_a_hint() {
    let server = server();
    let url = format!("http://{}/events", server.address);
    let output = with_input(&mut weir(&["send", "-", "--url", &url]), line("e-1"));
    let expected = format!(
        "line 1: {url} does not have the resource (404); --url is the address of the server, without the path of a \
         resource such as /events"
    );
    assert_eq!(failure(&output), expected);
}

#[test]
fn a_certificate_is_trusted_if_it_is_given() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let server = Server::builder().clock(SystemClock).tls(certificate.tls()).start();
    let url = format!("https://localhost:{}", server.address.port());
    let send = |ca| with_input(&mut weir(&["send", "-", "--url", &url, "--retry-for", "0s", "--ca", ca]), line("e-1"));
    assert_eq!(success(&send(&certificate.path)), "1 accepted, 0 duplicates, 0 rejected\n");
    let output = send(&other.path);
    assert!(failure(&output).contains("certificate"), "{output:?}");
    let output = send(&certificate.key_path);
    assert!(failure(&output).ends_with("key.pem: contains no certificate"), "{output:?}");
}

#[test]
fn a_signal_ends_the_reading_and_lines_before_it_are_sent() {
    let server = server();
    // The third line waits for a fourth one, which does not come.
    let mut command = send(server.address, &["-", "--batch", "2", "--linger", "1m"]);
    let mut process = Process::start(command.stdin(Stdio::piped()));
    let mut input = process.stdin();
    input.write_all(lines("e-", 3).as_bytes()).unwrap();
    eventually("the first two lines", || server.total_events() == 2);
    process.signal("INT");
    let output = process.output();
    assert_eq!(failure(&output), "standard input: interrupted after line 3; all lines up to it were sent");
    assert_eq!(str::from_utf8(&output.stdout).unwrap(), "3 accepted, 0 duplicates, 0 rejected\n");
    assert_eq!(server.total_events(), 3);
    drop(input);
}
