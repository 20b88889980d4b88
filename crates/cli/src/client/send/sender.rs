//! Sends batches, with retries, until each event has a verdict.

use crate::client::send::backoff::Backoff;
use crate::client::send::batch::Batch;
use crate::client::send::options::SendOptions;
use crate::client::send::summary::SendSummary;
use crate::client::{Client, RequestError};
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::ProgressBar;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::borrow::Cow;
use std::io::Write as _;
use std::thread;
use std::time::Duration;
use ureq::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use ureq::http::{HeaderName, Method};
use weir_api::{IngestResponse, headers};

/// Sends one batch after the other on one connection.
pub(super) struct Sender {
    client: Client,
    gzip: bool,
    retry_for: Duration,
    bar: ProgressBar,
    rng: SmallRng,
    /// Whether the server was ever reachable. Until then, a wrong URL is more likely than a restart of the server.
    was_reachable: bool,
    summary: SendSummary,
}

impl Sender {
    pub(super) fn new(client: Client, options: &SendOptions, bar: ProgressBar) -> Self {
        // The seed must only differ from one process to the next.
        let rng = SmallRng::seed_from_u64(getrandom::u64().unwrap_or_default());
        let SendOptions { gzip, retry_for, .. } = *options;
        Self { client, gzip, retry_for, bar, rng, was_reachable: false, summary: SendSummary::default() }
    }

    /// Sends a batch, and retries temporary failures. Overloaded events are sent again without the others.
    ///
    /// # Errors
    /// One line that names the lines of the batch, if the server did not accept them.
    pub(super) fn send(&mut self, mut batch: Batch) -> Result<(), String> {
        let mut backoff = Backoff::new(self.retry_for);
        // Whether the server may have processed an earlier attempt whose response was lost.
        let mut may_be_processed = false;
        loop {
            let error = match self.post(&batch) {
                Ok(response) => {
                    let overloaded = self.summary.add(&batch, response, may_be_processed);
                    let overloaded =
                        overloaded.map_err(|reason| describe(&batch, &self.client.invalid_response(&reason)))?;
                    self.show_counts();
                    if overloaded.is_empty() {
                        return Ok(());
                    }
                    if overloaded.len() < batch.len() {
                        backoff.reset();
                    }
                    batch = overloaded;
                    None
                }
                Err(error) if self.is_retryable(&error) => {
                    may_be_processed |= error.may_be_processed();
                    Some(error)
                }
                Err(error) => return Err(describe(&batch, &error)),
            };
            let retry_after = error.as_ref().and_then(RequestError::retry_after);
            let Some(pause) = backoff.next(retry_after, &mut self.rng) else {
                return Err(describe_timeout(&batch, backoff.waited(), error.as_ref()));
            };
            self.bar.set_message(format!("retrying in {:.1} s", pause.as_secs_f64()));
            thread::sleep(pause);
            self.show_counts();
        }
    }

    /// Removes the progress bar, and returns the summary of all batches.
    pub(super) fn finish(self) -> SendSummary {
        self.bar.finish_and_clear();
        self.summary
    }

    fn post(&mut self, batch: &Batch) -> Result<IngestResponse, RequestError> {
        let mut headers =
            vec![(CONTENT_TYPE, headers::NDJSON), (HeaderName::from_static(headers::PREFER), headers::RETURN_MINIMAL)];
        let body = if self.gzip {
            headers.push((CONTENT_ENCODING, "gzip"));
            Cow::Owned(gzip(batch.bytes()))
        } else {
            Cow::Borrowed(batch.bytes())
        };
        let response = self.client.exchange(Method::POST, "/events", &headers, &body);
        self.was_reachable |= !matches!(response, Err(RequestError::Unreachable { .. }));
        serde_json::from_slice(&response?).map_err(|error| self.client.invalid_response(&error))
    }

    fn is_retryable(&self, error: &RequestError) -> bool {
        error.is_temporary() && (self.was_reachable || !matches!(error, RequestError::Unreachable { .. }))
    }

    fn show_counts(&self) {
        self.bar.set_message(self.summary.counts().to_string());
    }
}

fn describe(batch: &Batch, error: &RequestError) -> String {
    let hint = match error {
        RequestError::Rejected(response) if response.status == 413 => "; set a smaller --batch or --batch-bytes",
        _ => "",
    };
    match error {
        RequestError::Unreachable { .. } | RequestError::Untrusted { .. } => error.to_string(),
        _ => format!("{}: {error}{hint}", line_range(batch)),
    }
}

fn describe_timeout(batch: &Batch, waited: Duration, error: Option<&RequestError>) -> String {
    let reason = error.map_or_else(|| "these events are overloaded".to_owned(), RequestError::to_string);
    let retry_after = error.and_then(RequestError::retry_after);
    let retry_after = retry_after.map_or_else(String::new, |pause| format!(", retry after {} s", pause.as_secs()));
    let secs = waited.as_secs();
    format!("{}: not accepted within {secs} s: {reason}{retry_after}; set a longer --retry-for", line_range(batch))
}

/// The numbers of the first and the last line.
fn line_range(batch: &Batch) -> String {
    match (batch.line_number(0), batch.line_number(batch.len() - 1)) {
        (Some(first), Some(last)) if first != last => format!("lines {first} to {last}"),
        (first, _) => format!("line {}", first.unwrap_or_default()),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a write to memory does not fail")
}
