use super::*;
use crate::load::connection::Answer;
use crate::load::recorder::{Exchange, Recorder};
use crate::load::reply::Failure;
use crate::load::{Target, Workload};
use serde_json::Value;
use std::time::Duration;

const TEN: IngestCounts = IngestCounts { accepted: 8, duplicates: 1, rejected: 1 };

fn options(rate: Rate) -> Options {
    let target: Target = "http://weir.example/<b>&".parse().unwrap_or_else(|_| "http://weir.example".parse().unwrap());
    let workload = Workload {
        users: 5,
        zipf_exponent: Some(1.5),
        duplicates: 0.1,
        late: 0.1,
        format: Format::Ndjson,
        minimal: true,
        seed: 7,
    };
    Options { target, rate, batch_events: 10, connections: 2, duration: Duration::from_secs(2), workload }
}

/// A run of 100 events a second, so that 20 turns are due in its two seconds.
fn report(outcomes: &[Result<Answer, Failure>]) -> Report {
    let recorder = Recorder::new();
    for (at, outcome) in outcomes.iter().enumerate() {
        let over_at = Duration::from_millis(at as u64 * 100);
        let latency = Duration::from_millis(at as u64 + 1);
        let renewing = Duration::from_nanos(500);
        recorder.record(&Exchange { over_at, latency, renewing, expected: TEN, outcome: *outcome });
    }
    Report::new(options(Rate::EventsPerSec(100)), recorder.finish())
}

const TOLD: Result<Answer, Failure> = Ok(Answer::Counts(TEN));
const LIE: IngestCounts = IngestCounts { accepted: 9, duplicates: 1, rejected: 0 };

#[test]
fn only_matching_counts_without_failures_are_a_success() {
    let lie = Ok(Answer::Counts(LIE));
    let overloaded = Ok(Answer::Overloaded);
    let failed = Err(Failure::Status(500));
    let mismatch = |of| Err(Unsound::Mismatch { answers: 1, of, expected: TEN, told: LIE });
    for (outcomes, expected) in [
        (&[TOLD, TOLD][..], Ok(())),
        (&[TOLD, overloaded], Ok(())),
        (&[overloaded], Err(Unsound::Unchecked)),
        (&[], Err(Unsound::Unchecked)),
        (&[TOLD, failed], Err(Unsound::Failed(1))),
        (&[failed], Err(Unsound::Failed(1))),
        (&[TOLD, lie, failed], mismatch(2)),
    ] {
        assert_eq!(report(outcomes).check(), expected, "{outcomes:?}");
    }
}

#[test]
fn lies_that_cancel_out_are_found() {
    let too_few = IngestCounts { accepted: 7, duplicates: 1, rejected: 2 };
    let report = report(&[Ok(Answer::Counts(LIE)), Ok(Answer::Counts(too_few))]);
    assert_eq!(report.records.told, report.records.expected);
    assert!(matches!(report.check(), Err(Unsound::Mismatch { answers: 2, of: 2, .. })));
}

#[test]
fn rates_are_over_the_whole_run() {
    let report = report(&[TOLD; 10]);
    assert!((report.events_per_sec() - 50.0).abs() < 1e-9, "{}", report.events_per_sec());
    assert!((report.renewing_ns_per_event() - 50.0).abs() < 1e-9);
    assert_eq!(report.unsent(), 10);
}

#[test]
fn the_table_says_it_all() {
    let mut outcomes = vec![TOLD; 9];
    outcomes.extend([Ok(Answer::Overloaded), Err(Failure::Status(404)), Ok(Answer::Counts(LIE))]);
    let text = report(&outcomes).to_string();
    for line in [
        "10 events a request (ndjson), 5 users, seed 7",
        "latency in ms, from when a request was due",
        "  p50                 5.001",
        "  max                12.001",
        "events/s                 50",
        "  accepted               80             81",
        "  duplicates             10             10",
        "  rejected               10              9",
        "requests                 12",
        "  answered               10",
        "  overloaded              1",
        "  failed                  1",
        "  unsent                  8",
        "failed                    1  status 404",
        "generator              50.0  ns an event",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn a_closed_loop_says_that_its_latency_is_service_time() {
    let report = Report { options: options(Rate::Max), ..report(&[TOLD]) };
    assert!(report.to_string().contains("service time"));
    assert_eq!(report.unsent(), 0);
}

#[test]
fn the_json_is_for_programs() {
    let json: Value = serde_json::from_str(&json::text(&report(&[TOLD; 20]))).unwrap();
    assert_eq!(
        (&json["rate"], &json["format"], &json["zipf_exponent"]),
        (&"100".into(), &"ndjson".into(), &1.5.into())
    );
    assert_eq!(json["expected"], serde_json::json!({"accepted": 160, "duplicates": 20, "rejected": 20}));
    assert_eq!(json["told"], json["expected"]);
    assert_eq!(
        json["requests"],
        serde_json::json!({"sent": 20, "answered": 20, "overloaded": 0, "failed": 0, "unsent": 0})
    );
    let seconds: Vec<_> =
        json["seconds"].as_array().unwrap().iter().map(|second| second["events"].as_u64().unwrap()).collect();
    assert_eq!(seconds, [100, 100]);
    assert!((json["latency_ms"]["max"].as_f64().unwrap() - 20.0).abs() < 0.1);
    let last = json["percentiles_ms"].as_array().unwrap().last().unwrap();
    assert_eq!(last[0], 1.0);
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    for outcomes in [&[TOLD; 20][..], &[TOLD], &[]] {
        let page = html::page(&report(outcomes));
        assert!(!page.contains("{{") && !page.contains("NaN") && !page.contains("inf,"), "{page}");
        assert_eq!(page.matches("<svg").count(), 2);
        for part in ["src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(part), "{part}");
        }
        assert!(page.contains("<th>p99.99</th>") && page.contains("prefers-color-scheme: dark"));
    }
}

#[test]
fn the_files_are_written_into_a_directory_that_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("a");
    let report = report(&[TOLD]);
    report.write(&directory).unwrap();
    report.write(&directory).unwrap();
    for file in ["latency.hgrm", "report.json", "report.html"] {
        assert!(!fs::read(directory.join(file)).unwrap().is_empty(), "{file}");
    }
    assert!(report.write(&directory.join("report.json")).is_err());
}
