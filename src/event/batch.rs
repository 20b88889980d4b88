//! A request's events as columns, from decode to the verdicts.

use crate::key::{EventKey, UserKey};
use std::fmt;

/// A field of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// All fields, in the order of the checks.
    pub(crate) const ALL: [Self; 4] = [Self::EventId, Self::UserId, Self::Type, Self::Ts];

    /// The field of this name in JSON.
    #[inline]
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
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
pub enum Fault {
    /// The JSON value is not an object.
    NotAnObject,
    /// The field stands in the object more than once.
    Repeated(Field),
    /// The field is not there.
    Missing(Field),
    /// The field is there and is not a string.
    NotAString(Field),
    /// The field is the empty string.
    Empty(Field),
    /// The field is a string of more bytes than an id may have.
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

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Decoded and valid in itself; not judged yet.
    Pending,
    /// Counted once, in the second of its own timestamp.
    Accepted,
    /// NDJSON: the line is not JSON; it broke at this byte of the line.
    MalformedJson {
        /// Bytes from the start of the line.
        offset: u32,
    },
    /// Not an event of the agreed shape.
    Invalid(Fault),
    /// `ts` is not an RFC 3339 date-time.
    InvalidTimestamp,
    /// `ts` lies too far behind the clock.
    TooLate {
        /// How far, in milliseconds.
        behind_ms: i64,
        /// How far it may.
        max_skew_ms: i64,
    },
    /// `ts` lies too far ahead of the clock.
    TooEarly {
        /// How far, in milliseconds.
        ahead_ms: i64,
        /// How far it may.
        max_skew_ms: i64,
    },
    /// The id was accepted before, in this batch or another.
    Duplicate,
    /// There was no room left for the event; its id was not claimed.
    Overloaded,
}

impl Verdict {
    /// The stable code of an error; none for an event that was counted.
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
            Self::Pending => f.write_str("not judged yet"),
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
                f.write_str("no room left for the event at the moment; it was not taken, send it again")
            }
        }
    }
}

/// How many events of a batch ended how; the three add up to the events in the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Counted now.
    pub accepted: usize,
    /// Counted before.
    pub duplicates: usize,
    /// Refused for any other reason.
    pub rejected: usize,
}

/// Where an id stands in the batch's text; empty where the event has no valid, unrepeated id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// The events of one request in request order, as columns. Row `i` of every column is event `i`.
///
/// A row whose verdict is an error from the start holds zeros in the other columns, and nothing reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What the id spans point into.
    pub(crate) text: Vec<u8>,
    pub(crate) ids: Vec<Span>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) event_keys: Vec<EventKey>,
    /// User key and kind, as the window keeps them.
    pub(crate) records: Vec<u128>,
    pub(crate) ts_ms: Vec<i64>,
}

impl Batch {
    /// Makes room for `events` more.
    pub(crate) fn reserve(&mut self, events: usize) {
        self.ids.reserve(events);
        self.verdicts.reserve(events);
        self.event_keys.reserve(events);
        self.records.reserve(events);
        self.ts_ms.reserve(events);
    }

    /// Events in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.verdicts.len()
    }

    /// Whether the request had no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
    }

    /// The `event_id` of event `index`, unescaped; none unless it is a valid, unrepeated id.
    #[must_use]
    pub fn event_id(&self, index: usize) -> Option<&str> {
        let Span { start, len } = self.ids[index];
        let bytes = &self.text[start as usize..][..len as usize];
        (len > 0).then(|| str::from_utf8(bytes).expect("ids were cut out of valid UTF-8"))
    }

    /// Bytes of all valid, unrepeated ids, unescaped. O(events).
    #[must_use]
    pub fn ids_bytes(&self) -> usize {
        self.ids.iter().map(|id| id.len as usize).sum()
    }

    /// What became of event `index`.
    #[must_use]
    pub fn verdict(&self, index: usize) -> Verdict {
        self.verdicts[index]
    }

    /// How many events ended how.
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

    /// Adds an event that is valid in itself.
    #[inline(always)]
    pub(crate) fn push_event(&mut self, id: Span, event: EventKey, user: UserKey, kind: u8, ts_ms: i64) {
        self.ids.push(id);
        self.verdicts.push(Verdict::Pending);
        self.event_keys.push(event);
        self.records.push(user.record(kind));
        self.ts_ms.push(ts_ms);
    }

    /// Adds an event that failed already.
    pub(crate) fn push_failed(&mut self, id: Span, verdict: Verdict) {
        self.ids.push(id);
        self.verdicts.push(verdict);
        self.event_keys.push(EventKey([0; 2]));
        self.records.push(0);
        self.ts_ms.push(0);
    }

    /// Judges the pending events by the clock reading of their request: `ts` may lie up to `max_skew_ms` off, inclusive.
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
    fn exactly_the_skew_is_accepted_and_one_millisecond_more_is_not() {
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
    fn no_clock_reading_is_too_far_off() {
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
    fn an_earlier_verdict_stands() {
        let mut batch = Batch::default();
        batch.push_failed(Span::default(), Verdict::InvalidTimestamp);
        batch.judge_skew(1_000_000, 120_000);
        assert_eq!(batch.verdict(0), Verdict::InvalidTimestamp);
        assert_eq!(batch.tally(), Tally { accepted: 0, duplicates: 0, rejected: 1 });
    }
}
