//! The verdicts on a batch.

use crate::client::request_error::ErrorResponse;
use crate::client::send::batch::Batch;
use weir_api::{EventResult, IngestCounts, IngestResponse, ProblemCode, VerdictCode};

/// The verdicts on the events of a batch.
#[derive(Debug)]
pub(super) struct Verdicts {
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: Vec<RejectedEvent>,
    /// The events without a verdict, because the server was overloaded.
    pub(super) overloaded: Batch,
}

/// An event that the server rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RejectedEvent {
    /// The index in the batch.
    pub(super) index: usize,
    /// The number of its line.
    pub(super) line: u64,
    /// Its id, if it has a valid one.
    pub(super) event_id: Option<String>,
    /// Why it was rejected.
    pub(super) code: String,
    /// The same, for people.
    pub(super) message: String,
}

impl Verdicts {
    /// The verdicts in a response.
    ///
    /// # Errors
    /// What is wrong with the response, if it does not match the batch.
    pub(super) fn of_response(batch: &Batch, response: IngestResponse) -> Result<Self, String> {
        let IngestResponse { results, counts } = response;
        let results: Vec<_> = results.into_iter().filter(EventResult::is_rejected).collect();
        if counts.events() != batch.len() as u64 || results.len() as u64 != counts.rejected {
            return Err(format!(
                "the response to {} events counts {counts}, and lists {} rejected events",
                batch.len(),
                results.len()
            ));
        }
        let (mut rejected, mut overloaded) = (vec![], vec![]);
        for EventResult { index, event_id, code, message, .. } in results {
            let index = index.unwrap_or(usize::MAX);
            let line = batch.line_number(index).ok_or("a verdict has an index outside the batch")?;
            let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
            if code == VerdictCode::Overloaded.as_str() {
                overloaded.push(index);
            } else {
                rejected.push(RejectedEvent { index, line, event_id, code, message });
            }
        }
        let IngestCounts { accepted, duplicates, .. } = counts;
        Ok(Self { accepted, duplicates, rejected, overloaded: batch.part(&overloaded) })
    }

    /// The verdict on the only event of a batch that is too large for the server.
    pub(super) fn of_too_large(batch: &Batch, response: &ErrorResponse) -> Self {
        let problem = &response.problem;
        // The response of a proxy has no code.
        let (code, message) = match problem.code.as_str() {
            "" => (ProblemCode::PayloadTooLarge.as_str(), "the event is too large (status 413)"),
            code => (code, problem.detail.as_str()),
        };
        let event = RejectedEvent {
            index: 0,
            line: batch.line_number(0).unwrap_or_default(),
            event_id: None,
            code: code.to_owned(),
            message: message.to_owned(),
        };
        Self { accepted: 0, duplicates: 0, rejected: vec![event], overloaded: Batch::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_api::{ProblemDocument, Role};

    fn batch(events: u64) -> Batch {
        let mut batch = Batch::default();
        (0..events).for_each(|event| batch.push(10 + event, format!("{event}").as_bytes()));
        batch
    }

    fn verdicts(events: u64, json: &str) -> Result<Verdicts, String> {
        Verdicts::of_response(&batch(events), serde_json::from_str(json).unwrap())
    }

    #[test]
    fn overloaded_events_are_no_rejected_events() {
        let rejected = |index, code| {
            format!(r#"{{"event_id":"x","status":"error","code":"{code}","index":{index},"message":"no"}}"#)
        };
        let results = [rejected(0, "overloaded"), rejected(1, "too_late"), rejected(2, "overloaded")].join(",");
        let json = format!(r#"{{"results":[{results}],"accepted":1,"duplicates":0,"rejected":3}}"#);
        let verdicts = verdicts(4, &json).unwrap();
        assert_eq!((verdicts.overloaded.bytes(), verdicts.overloaded.line_number(1)), (&b"0\n2\n"[..], Some(12)));
        let late = RejectedEvent {
            index: 1,
            line: 11,
            event_id: Some("x".into()),
            code: "too_late".into(),
            message: "no".into(),
        };
        assert_eq!((verdicts.accepted, verdicts.duplicates, verdicts.rejected), (1, 0, vec![late]));
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
            assert!(verdicts(2, json).is_err(), "{json}");
        }
    }

    #[test]
    fn an_event_that_is_too_large_has_the_code_of_the_server() {
        for (code, expected) in [
            ("payload_too_large", ["payload_too_large", "more than 7 bytes"]),
            ("", ["payload_too_large", "the event is too large (status 413)"]),
        ] {
            let problem =
                ProblemDocument { code: code.into(), detail: "more than 7 bytes".into(), ..ProblemDocument::default() };
            let response =
                ErrorResponse { url: String::new(), status: 413, problem, retry_after: None, role: Role::Ingest };
            let verdicts = Verdicts::of_too_large(&batch(1), &response);
            let RejectedEvent { line, code, message, .. } = &verdicts.rejected[0];
            assert_eq!((*line, code.as_str(), message.as_str()), (10, expected[0], expected[1]));
        }
    }
}
