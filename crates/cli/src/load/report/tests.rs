use super::finished_run::RunFailure;
use super::*;
use crate::load::connection::IngestOutcome;
use crate::load::exchange_error::ExchangeError;
use crate::load::options::{LoadOptions, Rate, Workload};
use crate::load::recorder::{Exchange, Recorder};
use crate::load::target::Target;
use serde_json::Value;
use std::fs;
use std::time::Duration;
use weir::Format;
use weir_api::IngestCounts;

const TEN: IngestCounts = IngestCounts { accepted: 8, duplicates: 1, rejected: 1 };

fn options(rate: Rate) -> LoadOptions {
    let target = Target::of_url("http://weir.example", None);
    let workload = Workload {
        users: 5,
        zipf_exponent: Some(1.5),
        duplicates: 0.1,
        late: 0.1,
        format: Format::Ndjson,
        minimal: true,
        seed: 7,
    };
    LoadOptions { target, rate, batch_events: 10, connections: 2, duration: Duration::from_secs(2), workload }
}

/// A run of 100 events per second, so 20 requests are due in its two seconds.
fn report(outcomes: &[Result<IngestOutcome, ExchangeError>]) -> Report {
    let recorder = Recorder::new();
    for (at, outcome) in outcomes.iter().enumerate() {
        let end = Duration::from_millis(at as u64 * 100);
        let latency = Duration::from_millis(at as u64 + 1);
        let refill_time = Duration::from_nanos(500);
        recorder.record(&Exchange { end, latency, refill_time, expected: TEN, outcome: *outcome });
    }
    Report::new(options(Rate::EventsPerSec(100)), recorder.finish(), None)
}

const MATCH: Result<IngestOutcome, ExchangeError> = Ok(IngestOutcome::Counts(TEN));
const WRONG_COUNTS: IngestCounts = IngestCounts { accepted: 9, duplicates: 1, rejected: 0 };

#[test]
fn a_run_succeeds_only_with_matching_counts_and_without_failures() {
    let wrong = Ok(IngestOutcome::Counts(WRONG_COUNTS));
    let overloaded = Ok(IngestOutcome::Overloaded);
    let failed = Err(ExchangeError::Status(500));
    let mismatch =
        |responses| Err(RunFailure::Mismatch { mismatches: 1, responses, expected: TEN, reported: WRONG_COUNTS });
    for (outcomes, expected) in [
        (&[MATCH, MATCH][..], Ok(())),
        (&[MATCH, overloaded], Ok(())),
        (&[overloaded], Err(RunFailure::Unchecked)),
        (&[], Err(RunFailure::Unchecked)),
        (&[MATCH, failed], Err(RunFailure::RequestsFailed(1))),
        (&[failed], Err(RunFailure::RequestsFailed(1))),
        (&[MATCH, wrong, failed], mismatch(2)),
    ] {
        assert_eq!(report(outcomes).check(), expected, "{outcomes:?}");
    }
}

#[test]
fn mismatches_that_cancel_out_are_found() {
    let too_few = IngestCounts { accepted: 7, duplicates: 1, rejected: 2 };
    let report = report(&[Ok(IngestOutcome::Counts(WRONG_COUNTS)), Ok(IngestOutcome::Counts(too_few))]);
    assert_eq!(report.records.reported, report.records.expected);
    assert!(matches!(report.check(), Err(RunFailure::Mismatch { mismatches: 2, responses: 2, .. })));
}

#[test]
fn rates_are_over_the_whole_run() {
    let report = report(&[MATCH; 10]);
    assert!((report.events_per_sec() - 50.0).abs() < 1e-9, "{}", report.events_per_sec());
    assert!((report.refill_ns_per_event() - 50.0).abs() < 1e-9);
    assert_eq!(report.unsent(), 10);
}

#[test]
fn the_table_has_all_results() {
    let mut outcomes = vec![MATCH; 9];
    outcomes.extend([
        Ok(IngestOutcome::Overloaded),
        Err(ExchangeError::Status(404)),
        Ok(IngestOutcome::Counts(WRONG_COUNTS)),
    ]);
    let text = report(&outcomes).to_string();
    for line in [
        "10 events per request (ndjson), 5 users, seed 7",
        "latency in ms, from when a request was due",
        "  p50                 5.001",
        "  max                12.001",
        "events/s                 50",
        "events             expected       reported",
        "  accepted               80             81",
        "  duplicates             10             10",
        "  rejected               10              9",
        "requests                 12",
        "  answered               10",
        "  overloaded              1",
        "  failed                  1",
        "  unsent                  8",
        "failed                    1  status 404",
        "generator              50.0  ns per event",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn the_latency_of_a_closed_loop_is_service_time() {
    let report = Report { options: options(Rate::Max), ..report(&[MATCH]) };
    assert!(report.to_string().contains("service time"));
    assert_eq!(report.unsent(), 0);
}

#[test]
fn the_report_of_an_interrupted_run_is_of_the_time_before_the_signal() {
    let interrupted = |outcomes: &[_]| Report { interrupted_after: Some(Duration::from_secs(1)), ..report(outcomes) };
    let run = interrupted(&[MATCH; 8]);
    // 10 of 20 requests were due in the first second.
    assert_eq!((run.unsent(), run.events_per_sec()), (2, 80.0));
    assert!(run.to_string().contains("\ninterrupted after 1.000s; the figures are of that time\n"), "{run}");
    assert!(html::page(&run).contains("interrupted after 1.000s"));
    let json: Value = serde_json::from_str(&json::text(&run)).unwrap();
    assert_eq!((&json["duration_sec"], &json["interrupted_after_sec"]), (&2.0.into(), &1.0.into()));
    let error = run.check().unwrap_err();
    assert_eq!(error, RunFailure::Interrupted(Duration::from_secs(1)));
    assert!(error.to_string().starts_with("a signal ended the run after 1.000s"), "{error}");
    let failed = Err(ExchangeError::Status(500));
    assert_eq!(interrupted(&[failed]).check(), Err(RunFailure::RequestsFailed(1)));
    assert_eq!(interrupted(&[]).check(), Err(RunFailure::Interrupted(Duration::from_secs(1))));
    assert_eq!(interrupted(&[MATCH; 11]).unsent(), 0);
}

#[test]
fn the_json_has_all_results() {
    let json: Value = serde_json::from_str(&json::text(&report(&[MATCH; 20]))).unwrap();
    assert_eq!(
        (&json["rate"], &json["format"], &json["zipf_exponent"]),
        (&"100".into(), &"ndjson".into(), &1.5.into())
    );
    assert_eq!(json["expected"], serde_json::json!({"accepted": 160, "duplicates": 20, "rejected": 20}));
    assert_eq!(json["told"], json["expected"]);
    assert_eq!(json["interrupted_after_sec"], Value::Null);
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
fn the_page_is_complete_and_loads_nothing() {
    for outcomes in [&[MATCH; 20][..], &[MATCH], &[]] {
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
fn the_directory_of_the_files_is_created() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("a");
    let report = report(&[MATCH]);
    report.write(&directory).unwrap();
    report.write(&directory).unwrap();
    for file in ["latency.hgrm", "report.json", "report.html"] {
        assert!(!fs::read(directory.join(file)).unwrap().is_empty(), "{file}");
    }
    assert!(report.write(&directory.join("report.json")).is_err());
}
