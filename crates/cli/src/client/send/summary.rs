//! The summary of all verdicts.

use crate::client::EscapeControl;
use crate::client::send::batch::Batch;
use crate::limits;
use std::collections::BTreeMap;
use std::fmt;
use weir_api::{EventResult, IngestCounts, IngestResponse, VerdictCode};

/// The counts of all verdicts, and the first rejected events.
#[derive(Debug, Default)]
pub(super) struct SendSummary {
    accepted: u64,
    duplicates: u64,
    /// Duplicates in batches of which an earlier attempt may have been processed, because its response was lost.
    resent_duplicates: u64,
    /// The number of rejected events, by code.
    rejected: BTreeMap<String, u64>,
    first_rejected: Vec<RejectedLine>,
}

#[derive(Debug)]
struct RejectedLine {
    line: u64,
    event_id: Option<String>,
    code: String,
    message: String,
}

impl SendSummary {
    /// Counts the verdicts on a batch, and returns the overloaded events.
    ///
    /// # Errors
    /// What is wrong with the response, if it does not match the batch.
    pub(super) fn add(
        &mut self,
        batch: &Batch,
        response: IngestResponse,
        may_be_processed: bool,
    ) -> Result<Batch, String> {
        let IngestResponse { results, counts } = response;
        let rejected: Vec<_> = results.into_iter().filter(EventResult::is_rejected).collect();
        if counts.events() != batch.len() as u64 || rejected.len() as u64 != counts.rejected {
            return Err(format!(
                "the response to {} events counts {counts}, and lists {} rejected events",
                batch.len(),
                rejected.len()
            ));
        }
        let mut overloaded = vec![];
        for result in rejected {
            let index = result.index.unwrap_or(usize::MAX);
            let line = batch.line_number(index).ok_or("a verdict has an index outside the batch")?;
            if result.code.as_deref() == Some(VerdictCode::Overloaded.as_str()) {
                overloaded.push(index);
            } else {
                self.reject(line, result);
            }
        }
        self.accepted += counts.accepted;
        *if may_be_processed { &mut self.resent_duplicates } else { &mut self.duplicates } += counts.duplicates;
        Ok(batch.part(&overloaded))
    }

    fn reject(&mut self, line: u64, result: EventResult) {
        let EventResult { event_id, code, message, .. } = result;
        let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
        *self.rejected.entry(code.clone()).or_default() += 1;
        if self.first_rejected.len() < limits::SEND_REJECTED_LISTED {
            self.first_rejected.push(RejectedLine { line, event_id, code, message });
        }
    }

    /// The number of events that have a verdict.
    pub(super) fn events(&self) -> u64 {
        self.counts().events()
    }

    /// The counts of all verdicts.
    pub(super) fn counts(&self) -> IngestCounts {
        IngestCounts {
            accepted: self.accepted,
            duplicates: self.duplicates + self.resent_duplicates,
            rejected: self.rejected.values().sum(),
        }
    }

    /// Whether the run succeeded.
    ///
    /// # Errors
    /// One line: an event was rejected, or, with `fail_on_duplicates`, was a duplicate.
    pub(super) fn check(&self, fail_on_duplicates: bool) -> Result<(), String> {
        let (rejected, events) = (self.counts().rejected, self.events());
        if rejected > 0 {
            let hint = match rejected == events {
                true => "the reasons are above; check that the input is NDJSON, with one event per line",
                false => "fix the rejected events and resend the file; duplicates are not counted again",
            };
            return Err(format!("{rejected} of {events} events were rejected: {hint}"));
        }
        if fail_on_duplicates && self.duplicates > 0 {
            return Err(format!("{} of {events} events were duplicates", self.duplicates));
        }
        Ok(())
    }
}

impl fmt::Display for SendSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        writeln!(f, "{counts}")?;
        if self.resent_duplicates > 0 {
            writeln!(f, "{} of the duplicates may come from a retry after a lost response", self.resent_duplicates)?;
        }
        for (code, events) in &self.rejected {
            writeln!(f, "  {events} {}", EscapeControl(code))?;
        }
        for RejectedLine { line, event_id, code, message } in &self.first_rejected {
            let event_id = EscapeControl(event_id.as_deref().unwrap_or("-"));
            writeln!(f, "line {line}, {event_id}: {} ({})", EscapeControl(message), EscapeControl(code))?;
        }
        match counts.rejected - self.first_rejected.len() as u64 {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(events: u64) -> Batch {
        let mut batch = Batch::default();
        (0..events).for_each(|event| batch.push(10 + event, format!("{event}").as_bytes()));
        batch
    }

    fn response(json: &str) -> IngestResponse {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn verdicts_are_counted_and_rejected_lines_are_listed() {
        let mut summary = SendSummary::default();
        let json = r#"{"results":[
            {"event_id":"b\u001b","status":"error","code":"too_late","index":2,"message":"ts is late"},
            {"event_id":null,"status":"error","code":"invalid_event","index":3,"message":"no id"}],
            "accepted":1,"duplicates":1,"rejected":2}"#;
        assert!(summary.add(&batch(4), response(json), false).unwrap().is_empty());
        assert_eq!(
            summary.to_string(),
            "1 accepted, 1 duplicates, 2 rejected\n  1 invalid_event\n  1 too_late\n\
             line 12, b\\u{1b}: ts is late (too_late)\nline 13, -: no id (invalid_event)\n"
        );
        assert!(summary.check(false).unwrap_err().starts_with("2 of 4 events were rejected: fix the rejected events"));
    }

    #[test]
    fn overloaded_events_are_returned_and_not_counted() {
        let mut summary = SendSummary::default();
        let overloaded = |index| {
            format!(r#"{{"event_id":"x","status":"error","code":"overloaded","index":{index},"message":"no room"}}"#)
        };
        let results = [overloaded(0), overloaded(2)].join(",");
        let json = format!(r#"{{"results":[{results}],"accepted":1,"duplicates":0,"rejected":2}}"#);
        let overloaded = summary.add(&batch(3), response(&json), false).unwrap();
        assert_eq!((overloaded.bytes(), overloaded.line_number(1)), (&b"0\n2\n"[..], Some(12)));
        assert_eq!((summary.events(), summary.check(true)), (1, Ok(())));
    }

    #[test]
    fn duplicates_fail_the_run_with_the_option_unless_a_retry_explains_them() {
        let duplicates = || response(r#"{"results":[],"accepted":0,"duplicates":2,"rejected":0}"#);
        let mut summary = SendSummary::default();
        summary.add(&batch(2), duplicates(), true).unwrap();
        assert_eq!(summary.check(true), Ok(()));
        assert!(summary.to_string().contains("2 of the duplicates may come from a retry after a lost response"));
        summary.add(&batch(2), duplicates(), false).unwrap();
        assert_eq!(summary.check(false), Ok(()));
        assert_eq!(summary.check(true).unwrap_err(), "2 of 4 events were duplicates");
    }

    #[test]
    fn only_the_first_rejected_events_are_listed() {
        let rejected = |index| {
            format!(r#"{{"event_id":"x","status":"error","code":"too_late","index":{index},"message":"late"}}"#)
        };
        let results: Vec<_> = (0..25).map(rejected).collect();
        let json = format!(r#"{{"results":[{}],"accepted":0,"duplicates":0,"rejected":25}}"#, results.join(","));
        let mut summary = SendSummary::default();
        summary.add(&batch(25), response(&json), false).unwrap();
        let text = summary.to_string();
        assert!(text.contains("line 19, ") && !text.contains("line 20, ") && text.ends_with("and 15 more\n"), "{text}");
    }

    #[test]
    fn a_response_that_does_not_match_the_batch_is_an_error() {
        for json in [
            r#"{"results":[],"accepted":1,"duplicates":0,"rejected":0}"#,
            r#"{"results":[],"accepted":1,"duplicates":0,"rejected":1}"#,
            r#"{"results":[],"accepted":18446744073709551615,"duplicates":3,"rejected":0}"#,
            r#"{"results":[{"event_id":"x","status":"error","code":"too_late","index":2}],
                "accepted":1,"duplicates":0,"rejected":1}"#,
            r#"{"results":[{"event_id":"x","status":"error","code":"too_late"}],
                "accepted":1,"duplicates":0,"rejected":1}"#,
        ] {
            assert!(SendSummary::default().add(&batch(2), response(json), false).is_err(), "{json}");
        }
    }
}
