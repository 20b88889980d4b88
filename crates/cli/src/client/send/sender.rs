//! Sends batches, with retries, until each event has a verdict.

use crate::client::request_error::ErrorResponse;
use crate::client::send::backoff::Backoff;
use crate::client::send::batch::Batch;
use crate::client::send::options::SendOptions;
use crate::client::send::refused_file::RefusedFile;
use crate::client::send::summary::SendSummary;
use crate::client::send::verdicts::Verdicts;
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
use weir_api::{IngestResponse, ProblemCode, headers};

/// A part of a batch, or a whole batch.
struct Part {
    batch: Batch,
    /// Whether the server may have processed an earlier attempt whose response was lost.
    may_be_processed: bool,
}

impl Part {
    fn halves(&self) -> [Self; 2] {
        self.batch.halves().map(|batch| Self { batch, may_be_processed: self.may_be_processed })
    }
}

/// The smallest sizes of a batch of several events that the server refused with status 413. Larger batches are halved
/// before they are sent, so a large input is not uploaded several times.
struct RefusedSizes {
    events: usize,
    bytes: usize,
}

impl RefusedSizes {
    fn add(&mut self, batch: &Batch, response: &ErrorResponse) {
        if response.problem.known_code() == Some(ProblemCode::TooManyEvents) {
            self.events = self.events.min(batch.len());
        } else {
            self.bytes = self.bytes.min(batch.bytes().len());
        }
    }
}

/// Sends one batch after the other on one connection.
pub(super) struct Sender {
    client: Client,
    gzip: bool,
    retry_for: Duration,
    bar: ProgressBar,
    rng: SmallRng,
    /// Whether the server was ever reachable. Until then, a wrong URL is more likely than a restart of the server.
    was_reachable: bool,
    too_large: RefusedSizes,
    refused: Option<RefusedFile>,
    summary: SendSummary,
}

impl Sender {
    pub(super) fn new(client: Client, options: &SendOptions, refused: Option<RefusedFile>, bar: ProgressBar) -> Self {
        // The seed must only differ from one process to the next.
        let rng = SmallRng::seed_from_u64(getrandom::u64().unwrap_or_default());
        let SendOptions { gzip, retry_for, .. } = *options;
        let too_large = RefusedSizes { events: usize::MAX, bytes: usize::MAX };
        let summary = SendSummary::default();
        Self { client, gzip, retry_for, bar, rng, was_reachable: false, too_large, refused, summary }
    }

    /// Sends a batch, and retries temporary failures. Overloaded events are sent again without the others. A batch that
    /// is too large for the server is sent in halves, and an event that is too large by itself is rejected.
    ///
    /// # Errors
    /// One line that names the lines of the batch, if the server did not accept them.
    pub(super) fn send(&mut self, batch: Batch) -> Result<(), String> {
        // The part to send next is the last.
        let mut parts = vec![Part { batch, may_be_processed: false }];
        while let Some(part) = parts.pop() {
            let halves = self.send_part(part)?;
            parts.extend(halves.into_iter().flatten().rev());
        }
        Ok(())
    }

    /// Sends a part of a batch until each event has a verdict. Returns its halves if it is too large for the server,
    /// which accepted none of it.
    fn send_part(&mut self, mut part: Part) -> Result<Option<[Part; 2]>, String> {
        let mut backoff = Backoff::new(self.retry_for);
        loop {
            if self.is_too_large(&part.batch) {
                return Ok(Some(part.halves()));
            }
            let error = match self.post(&part.batch) {
                Ok(response) => {
                    let verdicts = Verdicts::of_response(&part.batch, response);
                    let verdicts =
                        verdicts.map_err(|reason| describe(&part.batch, &self.client.invalid_response(&reason)))?;
                    self.record(&part, &verdicts)?;
                    if verdicts.overloaded.is_empty() {
                        return Ok(None);
                    }
                    if verdicts.overloaded.len() < part.batch.len() {
                        backoff.reset();
                    }
                    part.batch = verdicts.overloaded;
                    None
                }
                Err(error) if self.is_retryable(&error) => {
                    part.may_be_processed |= error.may_be_processed();
                    Some(error)
                }
                Err(RequestError::Rejected(response)) if response.status == 413 => {
                    if part.batch.len() > 1 {
                        self.too_large.add(&part.batch, &response);
                        return Ok(Some(part.halves()));
                    }
                    self.record(&part, &Verdicts::of_too_large(&part.batch, &response))?;
                    return Ok(None);
                }
                Err(error) => return Err(describe(&part.batch, &error)),
            };
            self.pause(&part.batch, &mut backoff, error.as_ref())?;
        }
    }

    /// Waits for the next attempt.
    fn pause(&mut self, batch: &Batch, backoff: &mut Backoff, error: Option<&RequestError>) -> Result<(), String> {
        let retry_after = error.and_then(RequestError::retry_after);
        let Some(pause) = backoff.next(retry_after, &mut self.rng) else {
            return Err(describe_timeout(batch, backoff.waited(), error));
        };
        self.bar.set_message(format!("retrying in {:.1} s", pause.as_secs_f64()));
        thread::sleep(pause);
        self.show_counts();
        Ok(())
    }

    /// Counts the verdicts, and writes the rejected events to the file.
    fn record(&mut self, part: &Part, verdicts: &Verdicts) -> Result<(), String> {
        self.summary.add(verdicts, part.may_be_processed);
        self.show_counts();
        let Some(file) = &mut self.refused else { return Ok(()) };
        let written = file.write(&part.batch, &verdicts.rejected);
        written.map_err(|error| {
            format!("{}: {error}; some of these events and all after them may be missing", line_range(&part.batch))
        })
    }

    fn is_too_large(&self, batch: &Batch) -> bool {
        batch.len() > 1 && (batch.len() >= self.too_large.events || batch.bytes().len() >= self.too_large.bytes)
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
    match error {
        RequestError::Unreachable { .. } | RequestError::Untrusted { .. } => error.to_string(),
        _ => format!("{}: {error}", line_range(batch)),
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
