//! The summary of all verdicts.

use crate::client::EscapeControl;
use crate::client::send::verdicts::{RejectedEvent, Verdicts};
use crate::limits;
use std::collections::BTreeMap;
use std::fmt;
use weir_api::IngestCounts;

/// The counts of all verdicts, and the first rejected events.
#[derive(Debug, Default)]
pub(super) struct SendSummary {
    accepted: u64,
    duplicates: u64,
    /// Duplicates in batches of which an earlier attempt may have been processed, because its response was lost.
    resent_duplicates: u64,
    /// The number of rejected events, by code.
    rejected: BTreeMap<String, u64>,
    first_rejected: Vec<RejectedEvent>,
}

impl SendSummary {
    /// Counts the verdicts on a batch. Overloaded events have no verdict yet.
    pub(super) fn add(&mut self, verdicts: &Verdicts, may_be_processed: bool) {
        self.accepted += verdicts.accepted;
        *if may_be_processed { &mut self.resent_duplicates } else { &mut self.duplicates } += verdicts.duplicates;
        for event in &verdicts.rejected {
            *self.rejected.entry(event.code.clone()).or_default() += 1;
            if self.first_rejected.len() < limits::SEND_REJECTED_LISTED {
                self.first_rejected.push(event.clone());
            }
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
            let is_unreadable = |code: &String| ["malformed_json", "invalid_event"].contains(&code.as_str());
            let hint = match rejected == events && self.rejected.keys().all(is_unreadable) {
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
        for RejectedEvent { line, event_id, code, message, .. } in &self.first_rejected {
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
    use crate::client::send::batch::Batch;

    fn rejected(line: u64, event_id: Option<&str>, [code, message]: [&str; 2]) -> RejectedEvent {
        let event_id = event_id.map(str::to_owned);
        RejectedEvent { index: 0, line, event_id, code: code.into(), message: message.into() }
    }

    fn verdicts(accepted: u64, duplicates: u64, rejected: Vec<RejectedEvent>) -> Verdicts {
        Verdicts { accepted, duplicates, rejected, overloaded: Batch::default() }
    }

    #[test]
    fn verdicts_are_counted_and_rejected_lines_are_listed() {
        let mut summary = SendSummary::default();
        let late = rejected(12, Some("b\u{1b}"), ["too_late", "ts is late"]);
        let invalid = rejected(13, None, ["invalid_event", "no id"]);
        summary.add(&verdicts(1, 1, vec![late, invalid]), false);
        assert_eq!(
            summary.to_string(),
            "1 accepted, 1 duplicates, 2 rejected\n  1 invalid_event\n  1 too_late\n\
             line 12, b\\u{1b}: ts is late (too_late)\nline 13, -: no id (invalid_event)\n"
        );
        assert!(summary.check(false).unwrap_err().starts_with("2 of 4 events were rejected: fix the rejected events"));
    }

    #[test]
    fn duplicates_fail_the_run_with_the_option_unless_a_retry_explains_them() {
        let mut summary = SendSummary::default();
        summary.add(&verdicts(0, 2, vec![]), true);
        assert_eq!(summary.check(true), Ok(()));
        assert!(summary.to_string().contains("2 of the duplicates may come from a retry after a lost response"));
        summary.add(&verdicts(0, 2, vec![]), false);
        assert_eq!(summary.check(false), Ok(()));
        assert_eq!(summary.check(true).unwrap_err(), "2 of 4 events were duplicates");
    }

    #[test]
    fn only_the_first_rejected_events_are_listed() {
        let mut summary = SendSummary::default();
        let events = (10..35).map(|line| rejected(line, Some("x"), ["too_late", "late"])).collect();
        summary.add(&verdicts(0, 0, events), false);
        let text = summary.to_string();
        assert!(text.contains("line 19, ") && !text.contains("line 20, ") && text.ends_with("and 15 more\n"), "{text}");
    }
}
