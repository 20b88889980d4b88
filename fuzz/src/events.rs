//! Bodies of events: the fast path, the general path and a naive parser give the same verdicts and columns.

use crate::json::{self, Json, NaiveError};
use crate::{Target, timestamp};
use std::cell::RefCell;
use weir::internals::Decode;
use weir::limits::ID_BYTES;
use weir::{Batch, DecodeError, Fault, Field, Format, Verdict};

/// Bodies in `application/json`.
pub const EVENTS_JSON: Target = Target { name: "events_json", words: WORDS, check: check_json };

/// Bodies in `application/x-ndjson`.
pub const EVENTS_NDJSON: Target = Target { name: "events_ndjson", words: WORDS, check: check_ndjson };

const WORDS: &[&[u8]] = &[
    b"\"event_id\":",
    b"\"user_id\":",
    b"\"type\":",
    b"\"ts\":",
    br#"{"event_id":"e","user_id":"u","type":"click","ts":"2025-10-08T12:00:00.000Z"}"#,
    br#""ts":"2025-10-08T12:00:60+23:59","#,
    b"\"a longer type\"",
    b"\"\"",
    b"null",
    b"[]",
    b"{}",
    b"1e999",
    b"-0.5",
    b"\\u0065",
    b"\\ud83d\\ude00",
    b"\\ud800",
    b"\\n",
    b"\xc3\xa9",
    b"\xe2\x82",
    b"\n",
    b"\r\n",
    b" ",
    b",",
    &[b'x'; 256],
    &[b'['; 127],
];

const TYPES: [&str; 4] = ["click", "view", "purchase", "a longer type"];

/// A limit that no input exceeds, and a limit that many inputs exceed.
const EVENTS_MAX: [usize; 2] = [1 << 20, 3];

thread_local! {
    static DECODERS: [RefCell<Decode>; 2] = EVENTS_MAX.map(|max| RefCell::new(Decode::new(&TYPES, max)));
}

fn check_json(body: &[u8]) {
    let value = json::read(body);
    assert_ne!(json::serde_accepts(body), Some(value.is_err()));
    check(body, Format::Json, |events_max| match &value {
        Ok(Json::Array(elements)) if elements.len() > events_max => Err(too_many(events_max)),
        Ok(Json::Array(elements)) => Ok(elements.iter().map(NaiveEvent::of).collect()),
        Ok(value) => Ok(vec![NaiveEvent::of(value)]),
        Err(NaiveError { elements, .. }) if *elements > events_max => Err(too_many(events_max)),
        Err(NaiveError { offset, .. }) => Err(DecodeError::Malformed(weir::Malformed { offset: *offset })),
    });
}

fn check_ndjson(body: &[u8]) {
    let is_blank = |line: &[u8]| line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)).map(json::read);
    let lines: Vec<_> = lines.collect();
    let event = |line: &Result<Json, NaiveError>| match line {
        Ok(value) => NaiveEvent::of(value),
        Err(error) => NaiveEvent::failed(None, Verdict::MalformedJson { offset: error.offset as u32 }),
    };
    check(body, Format::Ndjson, |events_max| {
        if lines.len() > events_max { Err(too_many(events_max)) } else { Ok(lines.iter().map(event).collect()) }
    });
}

fn too_many(max: usize) -> DecodeError {
    DecodeError::TooManyEvents { max }
}

fn check(body: &[u8], format: Format, expected: impl Fn(usize) -> Result<Vec<NaiveEvent>, DecodeError>) {
    DECODERS.with(|decoders| {
        for (decoder, events_max) in decoders.iter().zip(EVENTS_MAX) {
            let decoder = &mut *decoder.borrow_mut();
            let expected = expected(events_max);
            let both = [decoder.decode(body.to_vec(), format), decoder.decode_general_path(body.to_vec(), format)];
            for decoded in both {
                match (decoded, &expected) {
                    (Ok(batch), Ok(events)) => {
                        assert_eq!(batch.len(), events.len());
                        for (index, event) in events.iter().enumerate() {
                            event.assert_is(&batch, index, decoder);
                        }
                    }
                    (decoded, expected) => assert_eq!(decoded.as_ref().err(), expected.as_ref().err()),
                }
            }
        }
    });
}

/// The expected result for one event.
struct NaiveEvent {
    /// The id, if it is valid and occurs once.
    id: Option<String>,
    verdict: Verdict,
    /// The user, kind and time of a valid event.
    valid: Option<(String, u8, i64)>,
}

impl NaiveEvent {
    fn failed(id: Option<String>, verdict: Verdict) -> Self {
        Self { id, verdict, valid: None }
    }

    fn of(value: &Json) -> Self {
        let Json::Object(members) = value else {
            return Self::failed(None, Verdict::Invalid(Fault::NotAnObject));
        };
        let id = (count(members, Field::EventId) == 1).then(|| id(members, Field::EventId).ok()).flatten();
        match valid(members) {
            Ok(valid) => Self { id, verdict: Verdict::Pending, valid: Some(valid) },
            Err(verdict) => Self::failed(id, verdict),
        }
    }

    fn assert_is(&self, batch: &Batch, index: usize, decoder: &Decode) {
        assert_eq!((batch.verdict(index), batch.event_id(index)), (self.verdict, self.id.as_deref()));
        if let (Some(id), Some((user, kind, ts_ms))) = (&self.id, &self.valid) {
            let keys = decoder.keys();
            assert_eq!(Decode::row(batch, index), (keys.event(id), keys.user(user).record(*kind), *ts_ms));
        }
    }
}

/// The user, kind and time of an event, or its first fault.
fn valid(members: &[(String, Json)]) -> Result<(String, u8, i64), Verdict> {
    let fields = [Field::EventId, Field::UserId, Field::Type, Field::Ts];
    if let Some(repeated) = fields.into_iter().find(|field| count(members, *field) > 1) {
        return Err(Verdict::Invalid(Fault::Repeated(repeated)));
    }
    id(members, Field::EventId).map_err(Verdict::Invalid)?;
    let user = id(members, Field::UserId).map_err(Verdict::Invalid)?;
    let name = text(members, Field::Type).map_err(Verdict::Invalid)?;
    let kind = TYPES.iter().position(|known| *known == name).ok_or(Verdict::Invalid(Fault::UnknownType))?;
    let ts = text(members, Field::Ts).map_err(Verdict::Invalid)?;
    Ok((user, kind as u8, timestamp::naive_ms(ts.as_bytes()).ok_or(Verdict::InvalidTimestamp)?))
}

fn count(members: &[(String, Json)], field: Field) -> usize {
    members.iter().filter(|(name, _)| name == field.name()).count()
}

fn id(members: &[(String, Json)], field: Field) -> Result<String, Fault> {
    let id = text(members, field)?;
    if id.len() > *ID_BYTES.end() { Err(Fault::TooLong(field)) } else { Ok(id) }
}

fn text(members: &[(String, Json)], field: Field) -> Result<String, Fault> {
    match members.iter().find(|(name, _)| name == field.name()) {
        None => Err(Fault::Missing(field)),
        Some((_, Json::String(text))) if text.is_empty() => Err(Fault::Empty(field)),
        Some((_, Json::String(text))) => Ok(text.clone()),
        Some(_) => Err(Fault::NotAString(field)),
    }
}
