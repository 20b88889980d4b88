//! Records the latencies and outcomes of all exchanges.

use crate::load::connection::IngestOutcome;
use crate::load::exchange_error::ExchangeError;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use weir_api::IngestCounts;

/// The number of significant digits of a latency.
const DIGITS: u8 = 3;

/// The records of all connections, behind a lock. A record takes a fraction of a microsecond, and an exchange takes at
/// least tens of microseconds, so the lock is rarely contended.
#[derive(Debug)]
pub(super) struct Recorder(Mutex<Records>);

/// The records of a run.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    /// Requests that a connection tried to send.
    pub requests: u64,
    /// Requests with the response 200. The counts, the latencies and the seconds are of these requests only.
    pub acknowledged: u64,
    /// Requests with the response 503.
    pub overloaded: u64,
    /// Requests without either response, by error.
    pub failures: BTreeMap<ExchangeError, u64>,
    /// The counts that follow from the requests.
    pub expected: IngestCounts,
    /// The counts that the server reported.
    pub reported: IngestCounts,
    /// Responses whose counts differ from the expected counts.
    pub mismatches: u64,
    /// The expected and the reported counts of the first mismatch.
    pub first_mismatch: Option<[IngestCounts; 2]>,
    /// Latencies in nanoseconds.
    pub latency: Histogram<u64>,
    /// The responses in each second of the run.
    pub seconds: Vec<Second>,
    /// The time from the start to the last response.
    pub elapsed: Duration,
    /// The time that all threads spent on filling requests.
    pub refill_time: Duration,
    /// Latencies in the current second.
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
    /// The end of the exchange, as the time since the start of the run.
    pub(super) end: Duration,
    /// The time from when the request was due to its response.
    pub(super) latency: Duration,
    /// The time that it took to fill the request.
    pub(super) refill_time: Duration,
    pub(super) expected: IngestCounts,
    pub(super) outcome: Result<IngestOutcome, ExchangeError>,
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
            reported: IngestCounts::default(),
            mismatches: 0,
            first_mismatch: None,
            latency: histogram.clone(),
            seconds: vec![],
            elapsed: Duration::ZERO,
            refill_time: Duration::ZERO,
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
        (records.reported.events(), records.seconds.last().copied())
    }

    /// All records, after the last exchange.
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
        self.refill_time += exchange.refill_time;
        // The records of different connections can arrive in a slightly different order than the responses.
        self.elapsed = self.elapsed.max(exchange.end);
        while exchange.end.as_secs() > self.seconds.len() as u64 {
            self.end_second();
        }
        match exchange.outcome {
            Ok(IngestOutcome::Counts(reported)) => self.acknowledge(exchange, reported),
            Ok(IngestOutcome::Overloaded) => self.overloaded += 1,
            Err(error) => *self.failures.entry(error).or_default() += 1,
        }
    }

    fn acknowledge(&mut self, exchange: &Exchange, reported: IngestCounts) {
        self.acknowledged += 1;
        self.expected += exchange.expected;
        self.reported += reported;
        if reported != exchange.expected {
            self.mismatches += 1;
            self.first_mismatch.get_or_insert([exchange.expected, reported]);
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

    /// A quantile of the latencies of acknowledged requests, in milliseconds.
    #[must_use]
    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        ms(self.latency.value_at_quantile(quantile))
    }

    /// Requests that failed. Overload is not a failure.
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

    fn exchange(end_ms: u64, latency_ms: u64, outcome: Result<IngestOutcome, ExchangeError>) -> Exchange {
        Exchange {
            end: Duration::from_millis(end_ms),
            latency: Duration::from_millis(latency_ms),
            refill_time: Duration::from_micros(1),
            expected: TEN,
            outcome,
        }
    }

    #[test]
    fn only_acknowledged_requests_are_checked_and_measured() {
        let recorder = Recorder::new();
        let mismatch = IngestCounts { accepted: 9, duplicates: 0, rejected: 1 };
        let closed = ExchangeError::Transport(ErrorKind::UnexpectedEof);
        for outcome in [
            Ok(IngestOutcome::Counts(TEN)),
            Ok(IngestOutcome::Overloaded),
            Ok(IngestOutcome::Counts(mismatch)),
            Err(closed),
            Err(closed),
            Err(ExchangeError::Status(404)),
            Ok(IngestOutcome::Counts(IngestCounts::default())),
        ] {
            recorder.record(&exchange(10, 5, outcome));
        }
        let records = recorder.finish();
        assert_eq!((records.requests, records.acknowledged, records.overloaded, records.failed()), (7, 3, 1, 3));
        assert_eq!(records.failures, BTreeMap::from([(closed, 2), (ExchangeError::Status(404), 1)]));
        assert_eq!(records.expected, IngestCounts { accepted: 24, duplicates: 3, rejected: 3 });
        assert_eq!(records.reported, IngestCounts { accepted: 17, duplicates: 1, rejected: 2 });
        assert_eq!((records.mismatches, records.first_mismatch), (2, Some([TEN, mismatch])));
        assert_eq!(records.latency.len(), 3);
        assert_eq!(records.refill_time, Duration::from_micros(7));
    }

    #[test]
    fn a_response_counts_in_the_second_of_its_arrival() {
        let recorder = Recorder::new();
        let reported = Ok(IngestOutcome::Counts(TEN));
        for (end_ms, latency_ms) in [(0, 1), (999, 3), (3_000, 7), (2_999, 9)] {
            recorder.record(&exchange(end_ms, latency_ms, reported));
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
