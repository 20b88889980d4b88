//! A batch, tried until the server has a verdict on each of its events.

use crate::client::send::Options;
use crate::client::send::backoff::Backoff;
use crate::client::send::batch::Batch;
use crate::client::send::outcome::Outcome;
use crate::client::{Client, Failure};
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::ProgressBar;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::borrow::Cow;
use std::io::Write as _;
use std::thread;
use std::time::Duration;
use ureq::http::Method;
use weir_api::IngestResponse;

/// Sends batch after batch on one connection.
pub(super) struct Delivery {
    client: Client,
    gzip: bool,
    retry_for: Duration,
    bar: ProgressBar,
    rng: SmallRng,
    /// Whether anybody was ever there: until then an absent server is more likely a wrong URL than a restart.
    was_there: bool,
    outcome: Outcome,
}

impl Delivery {
    pub(super) fn new(client: Client, options: &Options, bar: ProgressBar) -> Self {
        // Where chance starts does not matter, as long as it differs from one sender to the next.
        let rng = SmallRng::seed_from_u64(getrandom::u64().unwrap_or_default());
        let Options { gzip, retry_for, .. } = *options;
        Self { client, gzip, retry_for, bar, rng, was_there: false, outcome: Outcome::default() }
    }

    /// Sends a batch, again and again while what is in the way may pass. An event that the server had no room for is sent
    /// again without those that it took.
    ///
    /// # Errors
    /// One line that names the lines, when the server does not take them.
    pub(super) fn deliver(&mut self, mut batch: Batch) -> Result<(), String> {
        let mut backoff = Backoff::new(self.retry_for);
        // An earlier try may have been taken though its answer was lost.
        let mut may_be_taken = false;
        loop {
            let failure = match self.post(&batch) {
                Ok(reply) => {
                    let taken = self.outcome.add(&batch, reply, may_be_taken);
                    let left = taken.map_err(|reason| told(&batch, &self.client.unsound(&reason)))?;
                    self.show_outcome();
                    if left.is_empty() {
                        return Ok(());
                    }
                    if left.len() < batch.len() {
                        backoff.reset();
                    }
                    batch = left;
                    None
                }
                Err(failure) if self.can_pass(&failure) => {
                    may_be_taken |= failure.may_be_taken();
                    Some(failure)
                }
                Err(failure) => return Err(told(&batch, &failure)),
            };
            let retry_after = failure.as_ref().and_then(Failure::retry_after);
            let Some(pause) = backoff.next(retry_after, &mut self.rng) else {
                return Err(gave_up(&batch, backoff.waited(), failure.as_ref()));
            };
            self.bar.set_message(format!("waiting {:.1} s to try again", pause.as_secs_f64()));
            thread::sleep(pause);
            self.show_outcome();
        }
    }

    /// What became of all events so far; the progress is shown no more.
    pub(super) fn finish(self) -> Outcome {
        self.bar.finish_and_clear();
        self.outcome
    }

    fn post(&mut self, batch: &Batch) -> Result<IngestResponse, Failure> {
        let mut headers = vec![("content-type", "application/x-ndjson"), ("prefer", "return=minimal")];
        let body = if self.gzip {
            headers.push(("content-encoding", "gzip"));
            Cow::Owned(gzip(batch.bytes()))
        } else {
            Cow::Borrowed(batch.bytes())
        };
        let answer = self.client.exchange(Method::POST, "/events", &headers, &body);
        self.was_there |= !matches!(answer, Err(Failure::Absent { .. }));
        serde_json::from_slice(&answer?).map_err(|error| self.client.unsound(&error))
    }

    fn can_pass(&self, failure: &Failure) -> bool {
        failure.is_passing() && (self.was_there || !matches!(failure, Failure::Absent { .. }))
    }

    fn show_outcome(&self) {
        self.bar.set_message(self.outcome.counts());
    }
}

fn told(batch: &Batch, failure: &Failure) -> String {
    let hint = match failure {
        Failure::Refused(refusal) if refusal.status == 413 => "; send less at once: --batch, --batch-bytes",
        _ => "",
    };
    match failure {
        Failure::Absent { .. } | Failure::Untrusted { .. } => failure.to_string(),
        _ => format!("{}: {failure}{hint}", lines(batch)),
    }
}

fn gave_up(batch: &Batch, waited: Duration, failure: Option<&Failure>) -> String {
    let reason = failure.map_or_else(|| "the server has no room for these events".to_owned(), Failure::to_string);
    let asks = failure.and_then(Failure::retry_after);
    let asks = asks.map_or_else(String::new, |pause| format!(", and asks to wait {} s", pause.as_secs()));
    let secs = waited.as_secs();
    format!("{}: not taken within {secs} s: {reason}{asks}; --retry-for waits longer", lines(batch))
}

/// The lines' numbers.
fn lines(batch: &Batch) -> String {
    match (batch.line_number(0), batch.line_number(batch.len() - 1)) {
        (Some(first), Some(last)) if first != last => format!("lines {first} to {last}"),
        (first, _) => format!("line {}", first.unwrap_or_default()),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a write to memory does not fail")
}
