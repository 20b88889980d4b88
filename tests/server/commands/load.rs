//! `weir load`: its counts, its report, and its check of the counts of the server.

use crate::common::{Scratch, Script, Server, failure, run, success, weir};
use serde_json::Value;
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
}

#[test]
fn a_run_without_an_acknowledged_request_fails() {
    let output = load(Script::repeat("503 Service Unavailable", "{}").address, &QUICK);
    assert_eq!(failure(&output), "no request was acknowledged");
}

#[test]
fn an_unreachable_server_is_an_error_of_one_line() {
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = load(absent, &QUICK);
    assert!(failure(&output).starts_with(&format!("cannot reach http://{absent}/events: ")), "{output:?}");
    assert!(output.stdout.is_empty());
}
