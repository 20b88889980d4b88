//! The `weir` command as a process: its arguments, its exit codes, its signals.

#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod common;

use common::Raw;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// The command, whatever the environment of the tests.
fn weir(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(args).stdin(Stdio::null()).env_clear();
    command
}

/// Expects the command to fail, and returns its one line on stderr.
fn refusal(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && status.code().is_some(), "{command:?}: {stderr}");
    assert!(stdout.is_empty(), "{command:?}");
    assert_eq!(stderr.lines().count(), 1, "{command:?}: {stderr}");
    let line = stderr.trim_end();
    line.strip_prefix("weir: ").unwrap_or_else(|| panic!("{command:?}: {line}")).to_owned()
}

/// A running server, its address, and what it logs. Dropped before its end, it is killed.
struct Running {
    child: Child,
    address: SocketAddr,
    log: BufReader<ChildStderr>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let (_, address) = line.split_once("http://").unwrap_or_else(|| panic!("{line}"));
        let address = address.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        Self { child, address, log }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; returns the exit code and the rest of the log.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn bad_arguments_are_one_line() {
    for (args, named) in [
        (&["--retention", "0"][..], "retention must be 1 to 86400, not 0"),
        (&["serve", "--retention", "soon"], "--retention"),
        (&["--attributes", "plan,plan"], "attributes: \"plan\" is given twice"),
        (&["--max-body-bytes", "1TB"], "--max-body-bytes"),
        (&["--dedup-horizon", "7"], "dedup-horizon must be at least"),
        (&["--unheard-of"], "--unheard-of"),
        (&["--listen", "nowhere"], "cannot listen on nowhere"),
        (&["--listen", "127.0.0.1:99999"], "cannot listen on 127.0.0.1:99999"),
    ] {
        let line = refusal(&mut weir(args));
        assert!(line.contains(named), "{args:?}: {line}");
    }
}

#[test]
fn bad_environments_are_one_line() {
    for (name, value, named) in [
        ("WEIR_MAX_SKEW", "100000", "max-skew must be 0 to 86400, not 100000"),
        ("WEIR_WORKERS", "many", "--workers"),
        ("WEIR_LOG", "weir=loud", "WEIR_LOG"),
        ("PORT", "http", "PORT must be 0 to 65535, not \"http\""),
    ] {
        let line = refusal(weir(&[]).env(name, value));
        assert!(line.contains(named), "{name}={value}: {line}");
    }
}

#[test]
fn a_taken_port_is_one_line() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let line = refusal(&mut weir(&["--listen", &address]));
    assert!(line.starts_with(&format!("cannot listen on {address}: ")), "{line}");
}

#[test]
fn help_and_version_are_answers() {
    for (args, expected) in [
        (&["--help"][..], "WEIR_DEDUP_HORIZON"),
        (&["serve", "--help"], "[default: 1800]"),
        (&["--version"], concat!("weir ", env!("CARGO_PKG_VERSION"))),
    ] {
        let Output { status, stdout, .. } = weir(args).output().unwrap();
        let stdout = String::from_utf8(stdout).unwrap();
        assert!(status.success() && stdout.contains(expected), "{args:?}: {stdout}");
    }
}

#[test]
fn the_environment_configures_and_the_command_line_wins() {
    let mut command = weir(&["serve", "--retention", "50"]);
    let running = Running::start(command.env("PORT", "0").env("WEIR_RETENTION", "40").env("WEIR_ATTRIBUTES", "tier"));
    let mut connection = Raw::connect(running.address);
    connection.send("GET /metrics HTTP/1.1\r\nhost: weir\r\n\r\n");
    let metrics = connection.reply().json();
    assert_eq!((&metrics["window_sec"], metrics.get("by_tier").is_some()), (&50.into(), true));
}

#[test]
fn either_signal_drains_and_exits_with_success() {
    for signal in ["TERM", "INT"] {
        let running = Running::start(&mut weir(&["--listen", "127.0.0.1:0", "--log-format", "json"]));
        let mut connection = Raw::connect(running.address);
        connection.send("POST /events HTTP/1.1\r\nhost: weir\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
        assert_eq!((connection.line().as_str(), connection.line().as_str()), ("HTTP/1.1 100 Continue", ""));
        running.signal(signal);
        connection.send("[]");
        assert_eq!(connection.reply().text(), r#"{"results":[],"accepted":0,"duplicates":0,"rejected":0}"#);
        let (code, log) = running.end();
        assert_eq!(code, Some(0), "{signal}: {log}");
        assert!(log.lines().last().unwrap().contains(r#""message":"stopped""#), "{signal}: {log}");
    }
}

#[test]
fn a_server_out_of_file_descriptors_recovers_when_connections_end() {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 40 && exec \"$0\" --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_weir")]);
    let mut running = Running::start(&mut limited);
    let hoard: Vec<_> = (0..40).map(|_| Raw::connect(running.address)).collect();
    let mut line = String::new();
    while !line.contains("cannot accept a connection") {
        line.clear();
        assert_ne!(running.log.read_line(&mut line).unwrap(), 0, "the server ended");
    }
    drop(hoard);
    let mut connection = Raw::connect(running.address);
    connection.send("GET /healthz HTTP/1.1\r\nhost: weir\r\n\r\n");
    assert_eq!(connection.reply().status, 200);
}

#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_the_server() {
    let mut server = Running::start(&mut weir(&["--listen", "127.0.0.1:0"]));
    drop(std::mem::replace(&mut server.log, BufReader::new(dead_end())));
    let mut connection = Raw::connect(server.address);
    connection.send("GET /healthz HTTP/1.1\r\nhost: weir\r\n\r\n");
    assert_eq!(connection.reply().status, 200);
    server.signal("TERM"); // which is logged
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

/// The stderr of a process that has written nothing and ended.
fn dead_end() -> ChildStderr {
    let mut child = Command::new("true").stderr(Stdio::piped()).spawn().unwrap();
    child.wait().unwrap();
    child.stderr.take().unwrap()
}
