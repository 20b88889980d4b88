//! What became of the events.

use crate::client::Printable;
use crate::client::send::batch::Batch;
use crate::limits;
use std::collections::BTreeMap;
use std::fmt;
use weir_api::{EventResult, IngestCounts, IngestResponse, VerdictCode};

/// What became of the events: counts, and the first that were refused.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    accepted: u64,
    duplicates: u64,
    /// Duplicates in batches that may have been taken before, by a try whose answer was lost.
    resent: u64,
    rejected: BTreeMap<String, u64>,
    first: Vec<Refused>,
}

#[derive(Debug)]
struct Refused {
    line: u64,
    event_id: Option<String>,
    code: String,
    message: String,
}

impl Outcome {
    /// Counts the verdicts on a batch, and returns the events that the server had no room for.
    ///
    /// # Errors
    /// What is wrong with the answer, when it is not one to this batch.
    pub(super) fn add(&mut self, batch: &Batch, response: IngestResponse, may_be_taken: bool) -> Result<Batch, String> {
        let IngestResponse { results, counts: IngestCounts { accepted, duplicates, rejected } } = response;
        let events = [accepted, duplicates, rejected].into_iter().try_fold(0u64, u64::checked_add);
        let refused: Vec<_> = results.into_iter().filter(EventResult::is_rejected).collect();
        if events != Some(batch.len() as u64) || refused.len() as u64 != rejected {
            return Err(format!(
                "of {} events it counts {accepted} accepted, {duplicates} duplicates and {rejected} rejected, and lists {}",
                batch.len(),
                refused.len()
            ));
        }
        let mut overloaded = vec![];
        for verdict in refused {
            let index = verdict.index.unwrap_or(usize::MAX);
            let line = batch.line_number(index).ok_or("a verdict is on an event that was not sent")?;
            if verdict.code.as_deref() == Some(VerdictCode::Overloaded.as_str()) {
                overloaded.push(index);
            } else {
                self.refuse(line, verdict);
            }
        }
        self.accepted += accepted;
        *if may_be_taken { &mut self.resent } else { &mut self.duplicates } += duplicates;
        Ok(batch.part(&overloaded))
    }

    fn refuse(&mut self, line: u64, result: EventResult) {
        let EventResult { event_id, code, message, .. } = result;
        let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
        *self.rejected.entry(code.clone()).or_default() += 1;
        if self.first.len() < limits::SEND_REJECTED_LISTED {
            self.first.push(Refused { line, event_id, code, message });
        }
    }

    /// All events that have a verdict.
    pub(super) fn events(&self) -> u64 {
        self.accepted + self.duplicates + self.resent + self.refused()
    }

    fn refused(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// The counts in short.
    pub(super) fn counts(&self) -> String {
        let duplicates = self.duplicates + self.resent;
        format!("{} accepted, {duplicates} duplicates, {} refused", self.accepted, self.refused())
    }

    /// # Errors
    /// One line, when an event was refused, or, if that matters, was a duplicate.
    pub(super) fn check(&self, fail_on_duplicates: bool) -> Result<(), String> {
        let (refused, events) = (self.refused(), self.events());
        if refused > 0 {
            let advice = match refused == events {
                true => "the reasons are above; is it NDJSON, one event a line?",
                false => "fix the rejected events and resend the file; duplicates are not counted again",
            };
            return Err(format!("{refused} of {events} events were refused: {advice}"));
        }
        if fail_on_duplicates && self.duplicates > 0 {
            return Err(format!("{} of {events} events were duplicates", self.duplicates));
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.counts())?;
        if self.resent > 0 {
            writeln!(f, "{} of the duplicates were sent again after a lost answer, and may be their own", self.resent)?;
        }
        for (code, events) in &self.rejected {
            writeln!(f, "  {events} {}", Printable(code))?;
        }
        for Refused { line, event_id, code, message } in &self.first {
            let event_id = event_id.as_deref().unwrap_or("-");
            writeln!(f, "line {line}, {}: {} ({})", Printable(event_id), Printable(message), Printable(code))?;
        }
        match self.refused() - self.first.len() as u64 {
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

    fn reply(json: &str) -> IngestResponse {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn verdicts_are_counted_and_the_refused_lines_named() {
        let mut outcome = Outcome::default();
        let answer = r#"{"results":[
            {"event_id":"b\u001b","status":"error","code":"too_late","index":2,"message":"ts is late"},
            {"event_id":null,"status":"error","code":"invalid_event","index":3,"message":"no id"}],
            "accepted":1,"duplicates":1,"rejected":2}"#;
        assert!(outcome.add(&batch(4), reply(answer), false).unwrap().is_empty());
        assert_eq!(
            outcome.to_string(),
            "1 accepted, 1 duplicates, 2 refused\n  1 invalid_event\n  1 too_late\n\
             line 12, b\\u{1b}: ts is late (too_late)\nline 13, -: no id (invalid_event)\n"
        );
        assert!(outcome.check(false).unwrap_err().starts_with("2 of 4 events were refused: mend them"));
    }

    #[test]
    fn events_without_room_come_back_and_are_not_refused() {
        let mut outcome = Outcome::default();
        let overloaded =
            |index| format!(r#"{{"event_id":"x","code":"overloaded","index":{index},"message":"no room"}}"#);
        let answer = [overloaded(0), overloaded(2)].join(",");
        let answer = format!(r#"{{"results":[{answer}],"accepted":1,"duplicates":0,"rejected":2}}"#);
        let left = outcome.add(&batch(3), reply(&answer), false).unwrap();
        assert_eq!((left.bytes(), left.line_number(1)), (&b"0\n2\n"[..], Some(12)));
        assert_eq!((outcome.events(), outcome.check(true)), (1, Ok(())));
    }

    #[test]
    fn duplicates_fail_only_where_that_was_asked_for_and_where_they_are_not_its_own() {
        let answer = || reply(r#"{"results":[],"accepted":0,"duplicates":2,"rejected":0}"#);
        let mut outcome = Outcome::default();
        outcome.add(&batch(2), answer(), true).unwrap();
        assert_eq!(outcome.check(true), Ok(()));
        assert!(outcome.to_string().contains("2 of the duplicates were sent again after a lost answer"));
        outcome.add(&batch(2), answer(), false).unwrap();
        assert_eq!(outcome.check(false), Ok(()));
        assert_eq!(outcome.check(true).unwrap_err(), "2 of 4 events were duplicates");
    }

    #[test]
    fn only_the_first_refused_are_listed() {
        let refused = |index| format!(r#"{{"event_id":"x","code":"too_late","index":{index},"message":"late"}}"#);
        let results: Vec<_> = (0..25).map(refused).collect();
        let answer = format!(r#"{{"results":[{}],"accepted":0,"duplicates":0,"rejected":25}}"#, results.join(","));
        let mut outcome = Outcome::default();
        outcome.add(&batch(25), reply(&answer), false).unwrap();
        let text = outcome.to_string();
        assert!(text.contains("line 19, ") && !text.contains("line 20, ") && text.ends_with("and 15 more\n"), "{text}");
    }

    #[test]
    fn an_answer_to_something_else_is_not_believed() {
        for answer in [
            r#"{"results":[],"accepted":1,"duplicates":0,"rejected":0}"#,
            r#"{"results":[],"accepted":1,"duplicates":0,"rejected":1}"#,
            r#"{"results":[],"accepted":18446744073709551615,"duplicates":3,"rejected":0}"#,
            r#"{"results":[{"event_id":"x","code":"too_late","index":2}],"accepted":1,"duplicates":0,"rejected":1}"#,
            r#"{"results":[{"event_id":"x","code":"too_late"}],"accepted":1,"duplicates":0,"rejected":1}"#,
        ] {
            assert!(Outcome::default().add(&batch(2), reply(answer), false).is_err(), "{answer}");
        }
    }
}
