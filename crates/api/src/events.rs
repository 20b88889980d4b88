//! `POST /events` and `GET /events/rejected`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::AddAssign;
use utoipa::ToSchema;

/// The content coding of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ContentCoding {
    /// gzip (RFC 1952).
    Gzip,
    /// zstd (RFC 8878), with a window of up to 8 MiB.
    Zstd,
    /// Not compressed.
    Identity,
}

/// One event. Other members are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "event_id": "e-1", "user_id": "u-123", "type": "{event_type}", "ts": "2025-10-08T12:34:56.789Z"
}))]
pub struct Event {
    /// The id of the event, 1 to 256 bytes. Of all events with the same id, only one is counted.
    #[schema(min_length = 1, max_length = 256)]
    pub event_id: String,
    /// The id of the user, 1 to 256 bytes.
    #[schema(min_length = 1, max_length = 256)]
    pub user_id: String,
    /// One of the configured event types.
    pub r#type: String,
    /// The time of the event (RFC 3339). It may differ from the clock of the server by at most the max-skew.
    #[schema(format = DateTime)]
    pub ts: String,
}

/// One event, or an array of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EventOrArray {
    /// One event.
    One(Event),
    /// Several events.
    Array(Vec<Event>),
}

/// The verdicts on a batch. The counts add up to the number of events in the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "results": [
        {"event_id": "e-1", "status": "success"},
        {
            "event_id": "e-1", "status": "error", "code": "duplicate_event", "index": 1,
            "message": "event_id was already accepted"
        }
    ],
    "accepted": 1, "duplicates": 1, "rejected": 0
}))]
pub struct IngestResponse {
    /// One result per event, in the order of the request. With `Prefer: return=minimal`, rejected events only.
    pub results: Vec<EventResult>,
    /// The number of events by outcome.
    #[serde(flatten)]
    #[schema(inline)]
    pub counts: IngestCounts,
}

/// The number of events of a batch by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngestCounts {
    /// Events that are now counted.
    pub accepted: u64,
    /// Events whose id was accepted before.
    pub duplicates: u64,
    /// Events that were rejected. Their ids stay unused.
    pub rejected: u64,
}

/// The verdict on one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventResult {
    /// The id of the event; null unless it is valid and unrepeated.
    #[schema(required)]
    pub event_id: Option<String>,
    /// Whether the event was accepted.
    pub status: EventStatus,
    /// Only of an error: the stable code. A newer server may have codes beyond [`VerdictCode`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<VerdictCode>)]
    pub code: Option<String>,
    /// Only of an error: the position of the event in the request, from 0 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub index: Option<usize>,
    /// Only of an error: what went wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
}

/// Whether an event was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// The event is counted.
    Success,
    /// The event is not counted. The code says why.
    Error,
}

/// Why an event was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VerdictCode {
    /// Only with NDJSON: the line is not valid JSON.
    MalformedJson,
    /// The value is not a valid event.
    InvalidEvent,
    /// `ts` is not an RFC 3339 date-time.
    InvalidTimestamp,
    /// `ts` is too far behind the server's clock.
    TooLate,
    /// `ts` is too far ahead of the server's clock.
    TooEarly,
    /// An event with this id was accepted before.
    DuplicateEvent,
    /// The server had no capacity left for the event.
    Overloaded,
}

/// The most recently rejected events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedResponse {
    /// The events, newest first.
    pub rejected: Vec<RejectedEvent>,
    /// The number of all events that were rejected since the start of the server.
    pub total: u64,
}

/// A rejected event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedEvent {
    /// The time at which the body of the request was complete (RFC 3339).
    #[schema(format = DateTime)]
    pub received_at: String,
    /// The position of the event in the request, from 0 on.
    pub index: usize,
    /// The id of the event; null unless it is valid and unrepeated.
    #[schema(required)]
    pub event_id: Option<String>,
    /// The stable code. A newer server may have codes beyond [`VerdictCode`].
    #[schema(value_type = VerdictCode)]
    pub code: String,
    /// Why the event was rejected, for people.
    pub message: String,
}

impl EventResult {
    /// Whether the event was rejected: it is neither accepted nor a duplicate.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.code.as_deref().is_some_and(|code| code != VerdictCode::DuplicateEvent.as_str())
    }
}

impl VerdictCode {
    /// All codes.
    pub const ALL: [Self; 7] = [
        Self::MalformedJson,
        Self::InvalidEvent,
        Self::InvalidTimestamp,
        Self::TooLate,
        Self::TooEarly,
        Self::DuplicateEvent,
        Self::Overloaded,
    ];

    /// The code as it is in `code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::InvalidEvent => "invalid_event",
            Self::InvalidTimestamp => "invalid_timestamp",
            Self::TooLate => "too_late",
            Self::TooEarly => "too_early",
            Self::DuplicateEvent => "duplicate_event",
            Self::Overloaded => "overloaded",
        }
    }
}

impl IngestCounts {
    /// The number of all events of the batch.
    #[must_use]
    pub fn events(self) -> u64 {
        self.accepted.saturating_add(self.duplicates).saturating_add(self.rejected)
    }

    /// Parses the counts at the end of an [`IngestResponse`] as the server writes it, without parsing its results:
    /// O(1). None if the text does not end like such a response.
    #[must_use]
    pub fn at_end_of(response: &[u8]) -> Option<Self> {
        // The last `]` ends the results. No string can contain the text after it, because its quotes would be escaped.
        let end = &response[response.iter().rposition(|byte| *byte == b']')?..];
        let (accepted, end) = number(end.strip_prefix(b"],\"accepted\":")?)?;
        let (duplicates, end) = number(end.strip_prefix(b",\"duplicates\":")?)?;
        let (rejected, end) = number(end.strip_prefix(b",\"rejected\":")?)?;
        (end == b"}").then_some(Self { accepted, duplicates, rejected })
    }
}

/// The number at the start of `text`, and the rest of the text.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    Some((str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

impl AddAssign for IngestCounts {
    fn add_assign(&mut self, other: Self) {
        // A server may send any number, so the sums saturate.
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.duplicates = self.duplicates.saturating_add(other.duplicates);
        self.rejected = self.rejected.saturating_add(other.rejected);
    }
}

impl fmt::Display for IngestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted, {} duplicates, {} rejected", self.accepted, self.duplicates, self.rejected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_after_the_results() {
        for results in ["", r#"{"event_id":"],\"accepted\":9","status":"success"}"#] {
            let body = format!(r#"{{"results":[{results}],"accepted":12,"duplicates":3,"rejected":0}}"#);
            let expected = IngestCounts { accepted: 12, duplicates: 3, rejected: 0 };
            assert_eq!(IngestCounts::at_end_of(body.as_bytes()), Some(expected), "{body}");
        }
    }

    #[test]
    fn other_texts_have_no_counts() {
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
            assert_eq!(IngestCounts::at_end_of(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn sums_saturate() {
        let mut sum = IngestCounts { accepted: u64::MAX, duplicates: 1, rejected: 2 };
        sum += IngestCounts { accepted: 1, duplicates: 1, rejected: 1 };
        assert_eq!(sum, IngestCounts { accepted: u64::MAX, duplicates: 2, rejected: 3 });
    }

    #[test]
    fn every_verdict_code_serializes_as_its_text() {
        for code in VerdictCode::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("{:?}", code.as_str()));
        }
    }

    #[test]
    fn the_counts_are_at_the_end_of_a_response() {
        let result = |code: Option<VerdictCode>| EventResult {
            event_id: Some("a".to_owned()),
            status: if code.is_none() { EventStatus::Success } else { EventStatus::Error },
            code: code.map(|code| code.as_str().to_owned()),
            index: code.map(|_| 1),
            message: code.map(|_| "why".to_owned()),
        };
        let results = vec![result(None), result(Some(VerdictCode::DuplicateEvent)), result(Some(VerdictCode::TooLate))];
        assert_eq!([0, 1, 2].map(|index: usize| results[index].is_rejected()), [false, false, true]);
        let counts = IngestCounts { accepted: 1, duplicates: 1, rejected: 1 };
        let response = IngestResponse { results, counts };
        let json = serde_json::to_string(&response).unwrap();
        assert_eq!(IngestCounts::at_end_of(json.as_bytes()), Some(counts));
        assert_eq!(serde_json::from_str::<IngestResponse>(&json).unwrap(), response);
    }
}
