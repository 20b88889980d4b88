//! `weir load`: its counts, its report, and its check of the counts of the server.

use crate::common::{Certificate, Process, Scratch, Script, Server, eventually, failure, run, success, weir};
use serde_json::Value;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use weir::SystemClock;

fn server() -> Server<SystemClock> {
    Server::builder().clock(SystemClock).start()
}

/// Runs `weir load` against an address, with further arguments.
fn load(address: SocketAddr, args: &[&str]) -> Output {
    run(weir(&["load", "--url", &format!("http://{address}")]).args(args))
}

#[test]
fn the_counts_are_those_of_the_server_for_every_kind_of_body_and_answer() {
    let server = server();
    let mut accepted = 0;
    for format in [["--format", "json"], ["--format", "ndjson"]] {
        for (minimal, batch) in [(&["--minimal"][..], "1"), (&[], "50"), (&["--minimal"], "1000")] {
            let report = Scratch::new();
            let directory = report.path("out");
            let shape = ["--rate", "20000", "--duration", "300ms", "--connections", "4", "--batch", batch];
            let mix = ["--duplicates", "0.2", "--late", "0.1", "--users", "100", "--zipf", "1.1", "--seed", "3"];
            let args = [&shape[..], &mix, &format, minimal, &["--report", &directory]].concat();
            success(&load(server.address, &args));
            let json: Value = serde_json::from_str(&report.read("out/report.json")).unwrap();
            assert_eq!(json["told"], json["expected"], "{args:?}");
            assert_eq!((&json["mismatches"], &json["requests"]["failed"]), (&0.into(), &0.into()));
            assert_eq!(json["requests"]["sent"], json["requests"]["answered"]);
            for verdict in ["accepted", "duplicates", "rejected"] {
                assert!(json["told"][verdict].as_u64().unwrap() > 0, "{verdict}, {args:?}");
            }
            accepted += json["told"]["accepted"].as_u64().unwrap();
        }
    }
    // The server has the events of all reports, without the late and the repeated ones.
    let metrics = server.metrics(1_800);
    assert_eq!(metrics["total_events"], accepted);
    assert!(metrics["unique_users"].as_u64().unwrap() <= 100);
}

#[test]
fn a_closed_loop_reports_the_service_time() {
    let server = server();
    let output =
        load(server.address, &["--rate", "max", "--duration", "200ms", "--batch", "10", "--duplicates", "0.5"]);
    assert!(success(&output).contains("service time"));
}

#[test]
fn two_runs_with_the_same_seed_send_different_events() {
    let server = server();
    for _ in 0..2 {
        success(&load(server.address, &["--rate", "1000", "--duration", "100ms", "--batch", "10", "--seed", "1"]));
    }
}

#[test]
fn the_files_of_a_report_are_well_formed() {
    let (server, report) = (server(), Scratch::new());
    let args =
        ["--rate", "5000", "--duration", "400ms", "--batch", "10", "--seed", "42", "--report", &report.path("out")];
    let printed = success(&load(server.address, &args)).to_owned();
    assert!(printed.contains("seed 42") && printed.contains("  p99.99 "), "{printed}");

    let json: Value = serde_json::from_str(&report.read("out/report.json")).unwrap();
    let answered = json["requests"]["answered"].as_u64().unwrap();
    let counted: u64 =
        json["seconds"].as_array().unwrap().iter().map(|second| second["requests"].as_u64().unwrap()).sum();
    assert!(answered > 0 && counted == answered, "{json}");

    let hgrm = report.read("out/latency.hgrm");
    let rows: Vec<Vec<f64>> = hgrm
        .lines()
        .filter(|line| line.starts_with(' ') && !line.contains("Value"))
        .map(|line| line.split_whitespace().map(|number| number.parse().unwrap()).collect())
        .collect();
    assert!(rows.iter().all(|row| row.len() >= 3) && rows.is_sorted_by(|a, b| a[0] <= b[0] && a[2] <= b[2]), "{hgrm}");
    assert_eq!(rows.last().unwrap()[1..], [1.0, answered as f64]);

    let page = report.read("out/report.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.matches("<polyline").count() == 2, "{page}");
}

const QUICK: [&str; 6] = ["--rate", "1000", "--duration", "100ms", "--batch", "10"];

#[test]
fn a_server_that_miscounts_fails_the_run() {
    let correct = r#"{"results":[],"accepted":10,"duplicates":0,"rejected":0}"#;
    success(&load(Script::repeat("200 OK", correct).address, &QUICK));
    for (body, reported) in [
        (r#"{"results":[],"accepted":9,"duplicates":0,"rejected":0}"#, "9 accepted, 0 duplicates, 0 rejected"),
        (r#"{"results":[],"accepted":9,"duplicates":1,"rejected":0}"#, "9 accepted, 1 duplicates, 0 rejected"),
        (r#"{"results":[],"accepted":11,"duplicates":0,"rejected":0}"#, "11 accepted, 0 duplicates, 0 rejected"),
    ] {
        let report = Scratch::new();
        let server = Script::repeat("200 OK", body);
        let output = load(server.address, &[&QUICK[..], &["--report", &report.path("out")]].concat());
        let line = failure(&output);
        assert!(line.contains("do not match what was sent") && line.contains(reported), "{line}");
        // The report is written all the same.
        assert!(str::from_utf8(&output.stdout).unwrap().contains("p99.99"));
        assert!(report.read("out/report.json").contains("\"mismatches\""));
    }
}

#[test]
fn failed_requests_are_reported_by_kind_and_fail_the_run() {
    let output = load(Script::repeat("404 Not Found", "{}").address, &QUICK);
    assert!(failure(&output).contains(" requests failed, see the report; if the status is 401"));
    assert!(str::from_utf8(&output.stdout).unwrap().contains("status 404"));
    let output = load(Script::repeat("200 OK", "{}").address, &QUICK);
    assert!(failure(&output).contains(" requests failed, see the report; if the status is 401"));
    assert!(str::from_utf8(&output.stdout).unwrap().contains("counts are not where they should be"));
    let lost = Script::repeat("503 Service Unavailable", r#"{"code":"log_unavailable"}"#);
    let output = load(lost.address, &QUICK);
    assert!(failure(&output).contains(" requests failed, see the report"));
    assert!(str::from_utf8(&output.stdout).unwrap().contains("the log of the server did not answer"));
}

#[test]
fn a_run_without_an_acknowledged_request_fails() {
    let output = load(Script::repeat("503 Service Unavailable", "{}").address, &QUICK);
    assert_eq!(failure(&output), "no request was acknowledged");
}

#[test]
fn a_server_with_tls_is_loaded_if_its_certificate_is_trusted() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let server = Server::builder().clock(SystemClock).tls(certificate.tls()).start();
    let url = format!("https://localhost:{}", server.address.port());
    // A request is larger than the write buffer of a TLS connection.
    let shape = ["--rate", "max", "--duration", "300ms", "--batch", "2000", "--connections", "2"];
    let load = |ca| run(weir(&["load", "--url", &url, "--ca", ca]).args(shape));
    let printed = success(&load(&certificate.path)).to_owned();
    assert!(printed.starts_with(&format!("{url}/events: max events/s")), "{printed}");
    let output = load(&other.path);
    let line = failure(&output);
    assert!(line.starts_with(&format!("cannot trust {url}/events: ")) && line.contains("set --ca"), "{line}");
    let plain = Server::start();
    let url = format!("https://{}", plain.address);
    let output = run(weir(&["load", "--url", &url, "--ca", &certificate.path]).args(QUICK));
    assert!(failure(&output).starts_with(&format!("{url}/events does not respond as a weir server: ")), "{output:?}");
}

#[test]
fn a_signal_ends_the_run_with_a_report() {
    for signal in ["INT", "TERM"] {
        let (server, scratch) = (server(), Scratch::new());
        let url = format!("http://{}", server.address);
        let args = ["load", "--url", &url, "--rate", "100", "--batch", "1", "--duration", "1h"];
        let process = Process::start(weir(&args).args(["--report", &scratch.path("out")]));
        eventually("the first events", || server.total_events() > 0);
        process.signal(signal);
        let output = process.output();
        assert!(failure(&output).starts_with("a signal ended the run after "), "{output:?}");
        assert!(str::from_utf8(&output.stdout).unwrap().contains("\ninterrupted after "), "{output:?}");
        let json: Value = serde_json::from_str(&scratch.read("out/report.json")).unwrap();
        assert!(json["interrupted_after_sec"].as_f64().unwrap() > 0.0);
        assert_eq!((&json["told"], &json["duration_sec"]), (&json["expected"], &3_600.0.into()));
        assert_eq!(json["told"]["accepted"], server.total_events());
        assert!(scratch.read("out/report.html").contains("interrupted after"));
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let process = Process::start(weir(&["load", "--url", &url, "--connections", "1"]).args(QUICK));
    // The first connection only shows that the server is there.
    drop(silent.accept().unwrap());
    let (mut connection, _) = silent.accept().unwrap();
    connection.read_exact(&mut [0]).unwrap();
    process.signal("INT");
    process.signal("TERM");
    // No response comes, so the first signal ends nothing.
    let output = process.output();
    assert!(matches!(output.status.code(), Some(130 | 143)) && output.stdout.is_empty(), "{output:?}");
}

#[test]
fn an_unreachable_server_is_an_error_of_one_line() {
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = load(absent, &QUICK);
    assert!(failure(&output).starts_with(&format!("cannot reach http://{absent}/events: ")), "{output:?}");
    assert!(output.stdout.is_empty());
}
