//! What happened, as it happens.

use crate::load::connection::Answer;
use crate::load::reply::Failure;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use weir_api::IngestCounts;

/// Significant digits of latencies.
const DIGITS: u8 = 3;

/// What all connections write to, one after the other: a record takes a fraction of a microsecond, an exchange at least
/// tens of them.
#[derive(Debug)]
pub(super) struct Recorder(Mutex<Records>);

/// What has happened so far.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    /// Requests that were tried to send.
    pub requests: u64,
    /// Requests answered with 200; all below but the failures is about these.
    pub acknowledged: u64,
    /// Requests refused with 503.
    pub overloaded: u64,
    /// Requests that failed otherwise, by reason.
    pub failures: BTreeMap<Failure, u64>,
    /// The verdicts that the events must have got.
    pub expected: IngestCounts,
    /// The verdicts that the server says they got.
    pub told: IngestCounts,
    /// Answers that say otherwise than expected.
    pub mismatches: u64,
    /// The first of them: what was expected, and what was told.
    pub first_mismatch: Option<[IngestCounts; 2]>,
    /// Latencies in nanoseconds.
    pub latency: Histogram<u64>,
    /// What came in each second of the run.
    pub seconds: Vec<Second>,
    /// From the start to the last answer.
    pub elapsed: Duration,
    /// What was spent on making requests new, all threads together.
    pub renewing: Duration,
    /// The second that is not over yet.
    current: Histogram<u64>,
    current_events: u64,
}

/// A second of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Second {
    /// Events acknowledged.
    pub events: u64,
    /// Requests acknowledged.
    pub requests: u64,
    /// The median latency, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// The longest latency, in milliseconds.
    pub max_ms: f64,
}

/// One exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// When it was over, from the start of the run on.
    pub(super) over_at: Duration,
    /// From when the request was due to its answer.
    pub(super) latency: Duration,
    /// What it took to make the request new.
    pub(super) renewing: Duration,
    pub(super) expected: IngestCounts,
    pub(super) outcome: Result<Answer, Failure>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        let histogram = Histogram::new(DIGITS).expect("three digits are allowed");
        Self(Mutex::new(Records {
            requests: 0,
            acknowledged: 0,
            overloaded: 0,
            failures: BTreeMap::new(),
            expected: IngestCounts::default(),
            told: IngestCounts::default(),
            mismatches: 0,
            first_mismatch: None,
            latency: histogram.clone(),
            seconds: vec![],
            elapsed: Duration::ZERO,
            renewing: Duration::ZERO,
            current: histogram,
            current_events: 0,
        }))
    }

    pub(super) fn record(&self, exchange: &Exchange) {
        self.lock().record(exchange);
    }

    /// Events acknowledged so far, and the last whole second.
    pub(super) fn progress(&self) -> (u64, Option<Second>) {
        let records = self.lock();
        (records.told.events(), records.seconds.last().copied())
    }

    /// Everything, once nothing more comes.
    pub(super) fn finish(self) -> Records {
        let mut records = self.0.into_inner().expect(NO_PANIC);
        records.end_second();
        records
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().expect(NO_PANIC)
    }
}

const NO_PANIC: &str = "no thread panics while it records";
const GROWS: &str = "a histogram without bounds grows to what it is given";

impl Records {
    fn record(&mut self, exchange: &Exchange) {
        self.requests += 1;
        self.renewing += exchange.renewing;
        // Connections come here in any order, by a hair.
        self.elapsed = self.elapsed.max(exchange.over_at);
        while exchange.over_at.as_secs() > self.seconds.len() as u64 {
            self.end_second();
        }
        match exchange.outcome {
            Ok(Answer::Counts(told)) => self.acknowledge(exchange, told),
            Ok(Answer::Overloaded) => self.overloaded += 1,
            Err(failure) => *self.failures.entry(failure).or_default() += 1,
        }
    }

    fn acknowledge(&mut self, exchange: &Exchange, told: IngestCounts) {
        self.acknowledged += 1;
        self.expected += exchange.expected;
        self.told += told;
        if told != exchange.expected {
            self.mismatches += 1;
            self.first_mismatch.get_or_insert([exchange.expected, told]);
        }
        self.current_events += exchange.expected.events();
        self.current.record(exchange.latency.as_nanos() as u64).expect(GROWS);
    }

    fn end_second(&mut self) {
        self.latency.add(&self.current).expect(GROWS);
        self.seconds.push(Second {
            events: self.current_events,
            requests: self.current.len(),
            p50_ms: ms(self.current.value_at_quantile(0.5)),
            p99_ms: ms(self.current.value_at_quantile(0.99)),
            max_ms: ms(self.current.max()),
        });
        self.current.reset();
        self.current_events = 0;
    }

    /// The latency that this share of the acknowledged requests did not exceed, in milliseconds.
    #[must_use]
    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        ms(self.latency.value_at_quantile(quantile))
    }

    /// Requests that failed for any reason but overload.
    #[must_use]
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// Milliseconds of nanoseconds.
pub(super) fn ms(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    const TEN: IngestCounts = IngestCounts { accepted: 8, duplicates: 1, rejected: 1 };

    fn exchange(over_at_ms: u64, latency_ms: u64, outcome: Result<Answer, Failure>) -> Exchange {
        Exchange {
            over_at: Duration::from_millis(over_at_ms),
            latency: Duration::from_millis(latency_ms),
            renewing: Duration::from_micros(1),
            expected: TEN,
            outcome,
        }
    }

    #[test]
    fn only_what_is_acknowledged_is_compared_and_measured() {
        let recorder = Recorder::new();
        let lie = IngestCounts { accepted: 9, duplicates: 0, rejected: 1 };
        let closed = Failure::Transport(ErrorKind::UnexpectedEof);
        for outcome in [
            Ok(Answer::Counts(TEN)),
            Ok(Answer::Overloaded),
            Ok(Answer::Counts(lie)),
            Err(closed),
            Err(closed),
            Err(Failure::Status(404)),
            Ok(Answer::Counts(IngestCounts::default())),
        ] {
            recorder.record(&exchange(10, 5, outcome));
        }
        let records = recorder.finish();
        assert_eq!((records.requests, records.acknowledged, records.overloaded, records.failed()), (7, 3, 1, 3));
        assert_eq!(records.failures, BTreeMap::from([(closed, 2), (Failure::Status(404), 1)]));
        assert_eq!(records.expected, IngestCounts { accepted: 24, duplicates: 3, rejected: 3 });
        assert_eq!(records.told, IngestCounts { accepted: 17, duplicates: 1, rejected: 2 });
        assert_eq!((records.mismatches, records.first_mismatch), (2, Some([TEN, lie])));
        assert_eq!(records.latency.len(), 3);
        assert_eq!(records.renewing, Duration::from_micros(7));
    }

    #[test]
    fn an_answer_counts_in_the_second_when_it_comes() {
        let recorder = Recorder::new();
        let told = Ok(Answer::Counts(TEN));
        for (over_at_ms, latency_ms) in [(0, 1), (999, 3), (3_000, 7), (2_999, 9)] {
            recorder.record(&exchange(over_at_ms, latency_ms, told));
        }
        assert_eq!(recorder.progress().0, 40);
        let records = recorder.finish();
        let events: Vec<_> = records.seconds.iter().map(|second| second.events).collect();
        assert_eq!(events, [20, 0, 0, 20]);
        assert!((records.seconds[0].p50_ms - 1.0).abs() < 0.01 && (records.seconds[0].max_ms - 3.0).abs() < 0.01);
        assert!((records.latency_ms(1.0) - 9.0).abs() < 0.01, "{}", records.latency_ms(1.0));
        assert_eq!(records.elapsed, Duration::from_millis(3_000));
    }
}
