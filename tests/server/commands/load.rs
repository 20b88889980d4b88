//! `weir load` against a server in this process: it counts what it sent, and it notices when a server does not.

use crate::common::Server;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use weir::SystemClock;

fn server() -> Server<SystemClock> {
    Server::on(SystemClock, 2, |_, _| {})
}

/// Runs `weir load` against an address with a few more arguments.
fn load(address: SocketAddr, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["load", "--url", &format!("http://{address}")]).args(args);
    command.stdin(Stdio::null()).env_clear().output().unwrap()
}

/// What it prints, once it has succeeded.
fn success(output: &Output) -> &str {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    str::from_utf8(&output.stdout).unwrap()
}

/// Its last words, once it has failed.
fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = str::from_utf8(&output.stderr).unwrap();
    stderr.strip_prefix("weir: ").unwrap_or_else(|| panic!("{stderr}")).trim_end().to_owned()
}

/// A directory of a test's own, which goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("weir-load-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(Path::join(&self.0, file)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_kind_of_body_and_answer_is_counted_as_it_was_sent() {
    let server = server();
    let mut accepted = 0;
    for (at, format) in [["--format", "json"], ["--format", "ndjson"]].into_iter().enumerate() {
        for (minimal, batch) in [(&["--minimal"][..], "1"), (&[], "50"), (&["--minimal"], "1000")] {
            let report = Scratch::new(&format!("counts-{at}-{batch}"));
            let shape = ["--rate", "20000", "--duration", "300ms", "--connections", "4", "--batch", batch];
            let mix = ["--duplicates", "0.2", "--late", "0.1", "--users", "100", "--zipf", "1.1", "--seed", "3"];
            let args = [&shape[..], &mix, &format, minimal, &["--report", report.path()]].concat();
            success(&load(server.address, &args));
            let json: Value = serde_json::from_str(&report.read("report.json")).unwrap();
            assert_eq!(json["told"], json["expected"], "{args:?}");
            assert_eq!((&json["mismatches"], &json["requests"]["failed"]), (&0.into(), &0.into()));
            assert_eq!(json["requests"]["sent"], json["requests"]["answered"]);
            for verdict in ["accepted", "duplicates", "rejected"] {
                assert!(json["told"][verdict].as_u64().unwrap() > 0, "{verdict}, {args:?}");
            }
            accepted += json["told"]["accepted"].as_u64().unwrap();
        }
    }
    // What the reports say is what the server has, late and repeated events not among it.
    let metrics = server.metrics(1_800);
    assert_eq!(metrics["total_events"], accepted);
    assert!(metrics["unique_users"].as_u64().unwrap() <= 100);
}

#[test]
fn a_closed_loop_is_counted_too() {
    let server = server();
    let output =
        load(server.address, &["--rate", "max", "--duration", "200ms", "--batch", "10", "--duplicates", "0.5"]);
    assert!(success(&output).contains("service time"));
}

#[test]
fn two_runs_with_one_seed_send_different_events() {
    let server = server();
    for _ in 0..2 {
        success(&load(server.address, &["--rate", "1000", "--duration", "100ms", "--batch", "10", "--seed", "1"]));
    }
}

#[test]
fn the_reports_files_can_be_read() {
    let (server, report) = (server(), Scratch::new("files"));
    let args = ["--rate", "5000", "--duration", "400ms", "--batch", "10", "--seed", "42", "--report", report.path()];
    let printed = success(&load(server.address, &args)).to_owned();
    assert!(printed.contains("seed 42") && printed.contains("  p99.99 "), "{printed}");

    let json: Value = serde_json::from_str(&report.read("report.json")).unwrap();
    let answered = json["requests"]["answered"].as_u64().unwrap();
    let counted: u64 =
        json["seconds"].as_array().unwrap().iter().map(|second| second["requests"].as_u64().unwrap()).sum();
    assert!(answered > 0 && counted == answered, "{json}");

    let hgrm = report.read("latency.hgrm");
    let rows: Vec<Vec<f64>> = hgrm
        .lines()
        .filter(|line| line.starts_with(' ') && !line.contains("Value"))
        .map(|line| line.split_whitespace().map(|number| number.parse().unwrap()).collect())
        .collect();
    assert!(rows.iter().all(|row| row.len() >= 3) && rows.is_sorted_by(|a, b| a[0] <= b[0] && a[2] <= b[2]), "{hgrm}");
    assert_eq!(rows.last().unwrap()[1..], [1.0, answered as f64]);

    let page = report.read("report.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.matches("<polyline").count() == 2, "{page}");
}

/// A server that answers every request alike, however often.
fn parrot(status: &'static str, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || repeat(&stream.unwrap(), status, body));
        }
    });
    address
}

fn repeat(mut stream: &TcpStream, status: &str, body: &str) {
    let mut requests = BufReader::new(stream);
    loop {
        let mut body_bytes = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(length) = line.strip_prefix("content-length: ") {
                body_bytes = length.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        requests.read_exact(&mut vec![0; body_bytes]).unwrap();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        // The client goes when it has seen enough.
        let _ = stream.write_all(answer.as_bytes());
    }
}

const QUICK: [&str; 6] = ["--rate", "1000", "--duration", "100ms", "--batch", "10"];

#[test]
fn a_server_that_miscounts_is_told_of() {
    let honest = parrot("200 OK", r#"{"results":[],"accepted":10,"duplicates":0,"rejected":0}"#);
    success(&load(honest, &QUICK));
    for (body, told) in [
        (r#"{"results":[],"accepted":9,"duplicates":0,"rejected":0}"#, "9 accepted, 0 duplicates, 0 rejected"),
        (r#"{"results":[],"accepted":9,"duplicates":1,"rejected":0}"#, "9 accepted, 1 duplicates, 0 rejected"),
        (r#"{"results":[],"accepted":11,"duplicates":0,"rejected":0}"#, "11 accepted, 0 duplicates, 0 rejected"),
    ] {
        let report = Scratch::new("liar");
        let output = load(parrot("200 OK", body), &[&QUICK[..], &["--report", report.path()]].concat());
        let line = failure(&output);
        assert!(line.contains("do not match what was sent") && line.contains(told), "{line}");
        // The figures are there all the same.
        assert!(str::from_utf8(&output.stdout).unwrap().contains("p99.99"));
        assert!(report.read("report.json").contains("\"mismatches\""));
    }
}

#[test]
fn failures_are_told_by_kind_and_fail_the_run() {
    let output = load(parrot("404 Not Found", "{}"), &QUICK);
    assert!(failure(&output).contains(" requests failed, as the report says; with status 401"));
    assert!(str::from_utf8(&output.stdout).unwrap().contains("status 404"));
    let output = load(parrot("200 OK", "{}"), &QUICK);
    assert!(failure(&output).contains(" requests failed, as the report says; with status 401"));
    assert!(str::from_utf8(&output.stdout).unwrap().contains("counts are not where they should be"));
}

#[test]
fn nothing_but_overload_has_checked_nothing() {
    let output = load(parrot("503 Service Unavailable", "{}"), &QUICK);
    assert_eq!(failure(&output), "no request was acknowledged");
}

#[test]
fn a_server_that_is_not_there_is_one_line() {
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = load(absent, &QUICK);
    assert!(failure(&output).starts_with(&format!("cannot reach http://{absent}/events: ")), "{output:?}");
    assert!(output.stdout.is_empty());
}
