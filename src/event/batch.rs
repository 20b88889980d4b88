//! The events of a request as columns, and their verdicts.

use crate::key::{EventKey, UserKey};
use std::fmt;

/// A field of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `event_id`
    EventId,
    /// `user_id`
    UserId,
    /// `type`
    Type,
    /// `ts`
    Ts,
}

impl Field {
    /// All fields, in the order in which they are checked.
    pub(crate) const ALL: [Self; 4] = [Self::EventId, Self::UserId, Self::Type, Self::Ts];

    /// The field that has this name in JSON.
    #[inline]
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"event_id" => Some(Self::EventId),
            b"user_id" => Some(Self::UserId),
            b"type" => Some(Self::Type),
            b"ts" => Some(Self::Ts),
            _ => None,
        }
    }

    /// The field's name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EventId => "event_id",
            Self::UserId => "user_id",
            Self::Type => "type",
            Self::Ts => "ts",
        }
    }
}

/// Why an event is `invalid_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The JSON value is not an object.
    NotAnObject,
    /// The object has the field more than once.
    Repeated(Field),
    /// The object does not have the field.
    Missing(Field),
    /// The field's value is not a string.
    NotAString(Field),
    /// The field is the empty string.
    Empty(Field),
    /// The field's value is longer than an id may be.
    TooLong(Field),
    /// The `type` is not in the configured set.
    UnknownType,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("the event is not a JSON object"),
            Self::Repeated(field) => write!(f, "{} is given more than once", field.name()),
            Self::Missing(field) => write!(f, "{} is missing", field.name()),
            Self::NotAString(field) => write!(f, "{} is not a string", field.name()),
            Self::Empty(field) => write!(f, "{} is empty", field.name()),
            Self::TooLong(field) => {
                write!(f, "{} is longer than {} bytes", field.name(), crate::limits::ID_BYTES.end())
            }
            Self::UnknownType => f.write_str("type is not one of the configured event types"),
        }
    }
}

/// The result of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Decoded and valid so far; the event is not checked against the clock and the accepted ids yet.
    Pending,
    /// Counted exactly once, in the second of its own timestamp.
    Accepted,
    /// NDJSON only: the line is not JSON.
    MalformedJson {
        /// The first invalid byte, counted from the start of the line.
        offset: u32,
    },
    /// Not an object with the fields of an event.
    Invalid(Fault),
    /// `ts` is not an RFC 3339 date-time.
    InvalidTimestamp,
    /// `ts` is too far behind the clock.
    TooLate {
        /// How far behind, in milliseconds.
        behind_ms: i64,
        /// The largest difference that is accepted, in milliseconds.
        max_skew_ms: i64,
    },
    /// `ts` is too far ahead of the clock.
    TooEarly {
        /// How far ahead, in milliseconds.
        ahead_ms: i64,
        /// The largest difference that is accepted, in milliseconds.
        max_skew_ms: i64,
    },
    /// The id was accepted before, in this batch or in another one.
    Duplicate,
    /// The server had no capacity for the event; its id was not claimed.
    Overloaded,
}

impl Verdict {
    /// The stable code of an error; `None` for an event that was counted.
    #[must_use]
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Pending | Self::Accepted => None,
            Self::MalformedJson { .. } => Some("malformed_json"),
            Self::Invalid(_) => Some("invalid_event"),
            Self::InvalidTimestamp => Some("invalid_timestamp"),
            Self::TooLate { .. } => Some("too_late"),
            Self::TooEarly { .. } => Some("too_early"),
            Self::Duplicate => Some("duplicate_event"),
            Self::Overloaded => Some("overloaded"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("not checked yet"),
            Self::Accepted => f.write_str("accepted"),
            Self::MalformedJson { offset } => write!(f, "the line is not valid JSON at byte {offset}"),
            Self::Invalid(fault) => fault.fmt(f),
            Self::InvalidTimestamp => f.write_str("ts is not an RFC 3339 date-time"),
            Self::TooLate { behind_ms, max_skew_ms } => {
                write!(f, "ts is {behind_ms} ms behind the server's clock; at most {max_skew_ms} ms are accepted")
            }
            Self::TooEarly { ahead_ms, max_skew_ms } => {
                write!(f, "ts is {ahead_ms} ms ahead of the server's clock; at most {max_skew_ms} ms are accepted")
            }
            Self::Duplicate => f.write_str("event_id was already accepted"),
            Self::Overloaded => {
                f.write_str("the server has no capacity for this event right now; it was not counted, send it again")
            }
        }
    }
}

/// The number of events by result. The three numbers add up to the events in the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that are counted now.
    pub accepted: usize,
    /// Events that were counted before.
    pub duplicates: usize,
    /// Events that are refused for any other reason.
    pub rejected: usize,
}

/// The position of an id in the batch's text; empty if the event has no valid, unrepeated id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// The events of one request in request order, as columns. Row `i` of every column is event `i`.
///
/// A row that fails during decode has zeros in the key, record and time columns, and nothing reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The decoded body, which the id spans refer to.
    pub(crate) text: Vec<u8>,
    pub(crate) ids: Vec<Span>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) event_keys: Vec<EventKey>,
    /// The user key and the kind of each event, as a record of the window.
    pub(crate) records: Vec<u128>,
    pub(crate) ts_ms: Vec<i64>,
    /// The number of events that failed at the decode.
    invalid: usize,
}

impl Batch {
    /// Reserves memory for `events` more rows.
    pub(crate) fn reserve(&mut self, events: usize) {
        self.ids.reserve(events);
        self.verdicts.reserve(events);
        self.event_keys.reserve(events);
        self.records.reserve(events);
        self.ts_ms.reserve(events);
    }

    /// The number of events in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.verdicts.len()
    }

    /// Whether the request had no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
    }

    /// The unescaped `event_id` of event `index`; `None` unless it is a valid, unrepeated id.
    #[must_use]
    pub fn event_id(&self, index: usize) -> Option<&str> {
        let Span { start, len } = self.ids[index];
        let bytes = &self.text[start as usize..][..len as usize];
        (len > 0).then(|| str::from_utf8(bytes).expect("an id is a part of valid UTF-8"))
    }

    /// The total length of all valid, unrepeated ids, unescaped. O(events).
    #[must_use]
    pub fn ids_bytes(&self) -> usize {
        self.ids.iter().map(|id| id.len as usize).sum()
    }

    /// The number of events that were invalid at the decode.
    #[must_use]
    pub fn invalid(&self) -> usize {
        self.invalid
    }

    /// The memory of the batch without the body, in bytes.
    #[must_use]
    pub fn columns_bytes(&self) -> usize {
        self.ids.capacity() * size_of::<Span>()
            + self.verdicts.capacity() * size_of::<Verdict>()
            + self.event_keys.capacity() * size_of::<EventKey>()
            + self.records.capacity() * size_of::<u128>()
            + self.ts_ms.capacity() * size_of::<i64>()
    }

    /// The verdict on event `index`.
    #[must_use]
    pub fn verdict(&self, index: usize) -> Verdict {
        self.verdicts[index]
    }

    /// The number of events by result.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for verdict in &self.verdicts {
            match verdict {
                Verdict::Accepted => tally.accepted += 1,
                Verdict::Duplicate => tally.duplicates += 1,
                _ => tally.rejected += 1,
            }
        }
        tally
    }

    /// Adds an event that is valid so far.
    #[inline(always)]
    pub(crate) fn push_event(&mut self, id: Span, event: EventKey, user: UserKey, kind: u8, ts_ms: i64) {
        self.ids.push(id);
        self.verdicts.push(Verdict::Pending);
        self.event_keys.push(event);
        self.records.push(user.record(kind));
        self.ts_ms.push(ts_ms);
    }

    /// Adds events that are valid so far: an element of each slice for each event.
    #[inline(always)]
    pub(crate) fn push_events(&mut self, ids: &[Span], event_keys: &[EventKey], records: &[u128], ts_ms: &[i64]) {
        self.ids.extend_from_slice(ids);
        self.verdicts.extend(std::iter::repeat_n(Verdict::Pending, ids.len()));
        self.event_keys.extend_from_slice(event_keys);
        self.records.extend_from_slice(records);
        self.ts_ms.extend_from_slice(ts_ms);
    }

    /// Adds an event that has failed already.
    pub(crate) fn push_failed(&mut self, id: Span, verdict: Verdict) {
        self.invalid += 1;
        self.ids.push(id);
        self.verdicts.push(verdict);
        self.event_keys.push(EventKey([0; 2]));
        self.records.push(0);
        self.ts_ms.push(0);
    }

    /// Checks `ts` of the pending events against the clock reading of their request. A difference of exactly
    /// `max_skew_ms` is accepted.
    pub(crate) fn judge_skew(&mut self, received_at_ms: i64, max_skew_ms: i64) {
        for (verdict, ts_ms) in self.verdicts.iter_mut().zip(&self.ts_ms) {
            if *verdict != Verdict::Pending {
                continue;
            }
            let ahead_ms = ts_ms.saturating_sub(received_at_ms);
            if ahead_ms < -max_skew_ms {
                *verdict = Verdict::TooLate { behind_ms: ahead_ms.saturating_neg(), max_skew_ms };
            } else if ahead_ms > max_skew_ms {
                *verdict = Verdict::TooEarly { ahead_ms, max_skew_ms };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_exactly_the_skew_is_accepted_and_one_millisecond_more_is_not() {
        let mut batch = Batch::default();
        let keys = crate::key::HashKeys::random();
        for ts_ms in [880_000, 879_999, 1_120_000, 1_120_001, 1_000_000] {
            batch.push_event(Span::default(), keys.event("e"), keys.user("u"), 0, ts_ms);
        }
        batch.judge_skew(1_000_000, 120_000);
        assert_eq!(
            batch.verdicts,
            [
                Verdict::Pending,
                Verdict::TooLate { behind_ms: 120_001, max_skew_ms: 120_000 },
                Verdict::Pending,
                Verdict::TooEarly { ahead_ms: 120_001, max_skew_ms: 120_000 },
                Verdict::Pending,
            ]
        );
    }

    #[test]
    fn the_largest_and_smallest_clock_readings_do_not_overflow() {
        let mut batch = Batch::default();
        let keys = crate::key::HashKeys::random();
        for received_at_ms in [i64::MAX, i64::MIN] {
            batch.push_event(Span::default(), keys.event("e"), keys.user("u"), 0, -1);
            batch.judge_skew(received_at_ms, 120_000);
        }
        let codes = [0, 1].map(|index| batch.verdict(index).code());
        assert_eq!(codes, [Some("too_late"), Some("too_early")]);
    }

    #[test]
    fn an_earlier_verdict_is_kept() {
        let mut batch = Batch::default();
        batch.push_failed(Span::default(), Verdict::InvalidTimestamp);
        batch.judge_skew(1_000_000, 120_000);
        assert_eq!(batch.invalid(), 1);
        assert_eq!(batch.verdict(0), Verdict::InvalidTimestamp);
        assert_eq!(batch.tally(), Tally { accepted: 0, duplicates: 0, rejected: 1 });
    }
}
