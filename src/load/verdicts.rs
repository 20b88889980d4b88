//! What is expected of the server and what it says: counts of verdicts.

use serde::Serialize;
use std::fmt;
use std::ops::AddAssign;

/// How many events end how; the three add up to the events sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Counted by the server.
    pub accepted: u64,
    /// Told to be counted already.
    pub duplicates: u64,
    /// Refused; of what the generator sends, the late events only.
    pub rejected: u64,
}

impl Verdicts {
    /// All events.
    #[must_use]
    pub fn events(self) -> u64 {
        self.accepted + self.duplicates + self.rejected
    }

    /// The counts at the end of an answer to `POST /events`, after the list of results, whose JSON is not looked at: it may
    /// be as long as the request. None where the counts do not stand there as they should.
    pub(super) fn of_reply(body: &[u8]) -> Option<Self> {
        let end = &body[memchr::memrchr(b']', body)?..];
        let (accepted, end) = number(end.strip_prefix(b"],\"accepted\":")?)?;
        let (duplicates, end) = number(end.strip_prefix(b",\"duplicates\":")?)?;
        let (rejected, end) = number(end.strip_prefix(b",\"rejected\":")?)?;
        (end == b"}").then_some(Self { accepted, duplicates, rejected })
    }
}

/// The number that `text` starts with, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    Some((str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

impl AddAssign for Verdicts {
    fn add_assign(&mut self, other: Self) {
        // A server may claim any number.
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.duplicates = self.duplicates.saturating_add(other.duplicates);
        self.rejected = self.rejected.saturating_add(other.rejected);
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted, {} duplicates, {} rejected", self.accepted, self.duplicates, self.rejected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_stand_after_the_results() {
        for results in ["", r#"{"event_id":"],\"accepted\":9","status":"success"}"#] {
            let body = format!(r#"{{"results":[{results}],"accepted":12,"duplicates":3,"rejected":0}}"#);
            let expected = Verdicts { accepted: 12, duplicates: 3, rejected: 0 };
            assert_eq!(Verdicts::of_reply(body.as_bytes()), Some(expected), "{body}");
        }
    }

    #[test]
    fn anything_else_is_not_an_answer() {
        for body in [
            "",
            "]",
            r#"{"results":[]}"#,
            r#"{"results":[],"accepted":1,"duplicates":0}"#,
            r#"{"results":[],"accepted":,"duplicates":0,"rejected":0}"#,
            r#"{"results":[],"accepted":-1,"duplicates":0,"rejected":0}"#,
            r#"{"results":[],"accepted":1,"duplicates":0,"rejected":0}}"#,
            r#"{"results":[],"accepted":1,"duplicates":0,"rejected":0"#,
            r#"{"results":[],"accepted":99999999999999999999,"duplicates":0,"rejected":0}"#,
        ] {
            assert_eq!(Verdicts::of_reply(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn claims_of_any_size_add_up() {
        let mut sum = Verdicts { accepted: u64::MAX, duplicates: 1, rejected: 2 };
        sum += Verdicts { accepted: 1, duplicates: 1, rejected: 1 };
        assert_eq!(sum, Verdicts { accepted: u64::MAX, duplicates: 2, rejected: 3 });
    }
}
