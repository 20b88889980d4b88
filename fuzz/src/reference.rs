//! Reference tables: each line of the input is a change of the table. It is applied to the table of an engine and to a
//! naive table, which is a JSON document that the algorithm of RFC 7396 merges into.

use crate::json::{self, Json, NaiveError};
use crate::{Target, timestamp};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use weir::limits::{ATTRIBUTE_VALUE_BYTES, ID_BYTES, POINTER_NAME_BYTES_MAX};
use weir::{Change, Engine, EngineConfig, ManualClock, Preconditions, ReferenceError};

/// Bodies of `PUT`.
pub const REFERENCE: Target =
    Target { name: "reference", words: WORDS, check: |input| check(input, |_| Change::Replace) };

/// Bodies of `PATCH`, after one body of `PUT`.
pub const MERGE_PATCH: Target = Target {
    name: "merge_patch",
    words: WORDS,
    check: |input| check(input, |line| if line == 0 { Change::Replace } else { Change::Merge }),
};

const WORDS: &[&[u8]] = &[
    b"\"user_metadata\":",
    b"\"ts\":\"2025-10-08T12:00:00Z\",",
    b"\"ts\":\"2025-10-08T12:00:01Z\",",
    b"\"ts\":\"2025-10-08T12:02:00.001Z\",",
    b"\"plan\":\"pro\",",
    b"\"region\":\"eu\",",
    b"\"plan\":null,",
    b"\"u-1\":null,",
    b"\"u-2\":{},",
    br#""u-3":{"plan":"pro","region":"eu"},"#,
    br#"{"user_metadata":{"u-1":{"plan":"free"}},"ts":"2025-10-08T12:00:02Z"}"#,
    b"\"\"",
    b"\"a/~b\"",
    b"null",
    b"{}",
    b"[1e999]",
    b"\\u0070",
    b"\n",
    b",",
    &[b'x'; 128],
    &[b'y'; 256],
    &[b'z'; 1024],
];

const ATTRIBUTES: [&str; 2] = ["plan", "region"];
/// 2025-10-08T12:00:00Z
const NOW_MS: i64 = 1_759_924_800_000;
const SKEW_SECS: u32 = 120;

fn check(input: &[u8], change: impl Fn(usize) -> Change) {
    let engine = engine();
    let mut model = Model::default();
    for (index, line) in input.split(|byte| *byte == b'\n').enumerate() {
        let outcome = engine.change_reference(change(index), line.to_vec(), &Preconditions::default(), NOW_MS);
        let expected = model.change(change(index), line);
        assert_eq!(outcome.map(|generation| generation.number()).map_err(Rejection::of), expected);
        model.assert_is(&engine);
    }
}

/// A small engine. Each input has its own engine.
fn engine() -> Engine {
    let mut config = EngineConfig::default();
    (config.retention_secs, config.max_skew_secs, config.partitions) = (1, SKEW_SECS, 1);
    config.attributes = ATTRIBUTES.map(str::to_owned).into();
    Engine::new(config, ManualClock::new(NOW_MS)).expect("the settings are valid")
}

/// A rejection, as the client sees it.
#[derive(Debug, PartialEq)]
enum Rejection {
    Malformed(usize),
    Invalid(String),
    InFuture,
    Stale,
}

impl Rejection {
    fn of(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Malformed(malformed) => Self::Malformed(malformed.offset),
            ReferenceError::Invalid { pointer, .. } => Self::Invalid(pointer),
            ReferenceError::TimestampInFuture { .. } => Self::InFuture,
            ReferenceError::Stale { .. } => Self::Stale,
            other => unreachable!("there is no precondition and no memory limit: {other}"),
        }
    }
}

type Users = BTreeMap<String, [String; 2]>;

/// The naive table.
#[derive(Default)]
struct Model {
    generation: u64,
    ts_ms: Option<i64>,
    users: Users,
}

impl Model {
    fn change(&mut self, change: Change, body: &[u8]) -> Result<u64, Rejection> {
        let body = json::read(body).map_err(|NaiveError { offset, .. }| Rejection::Malformed(offset))?;
        let base = (change == Change::Merge).then_some(&self.users);
        if let Some(pointer) = first_fault(&body, base) {
            return Err(Rejection::Invalid(pointer));
        }
        let document = match base {
            Some(users) => merge(&document(users), &body),
            None => body,
        };
        let Some(Json::String(ts)) = member(&document, "ts") else { unreachable!("there is no fault") };
        let ts_ms = timestamp::naive_ms(ts.as_bytes()).expect("there is no fault");
        let users = users(&document);
        if ts_ms > NOW_MS + i64::from(SKEW_SECS) * 1_000 {
            return Err(Rejection::InFuture);
        }
        if self.ts_ms == Some(ts_ms) && self.users == users {
            return Ok(self.generation);
        }
        if self.ts_ms.is_some_and(|current| ts_ms <= current) {
            return Err(Rejection::Stale);
        }
        *self = Self { generation: self.generation + 1, ts_ms: Some(ts_ms), users };
        Ok(self.generation)
    }

    fn assert_is(&self, engine: &Engine) {
        let current = engine.reference();
        assert_eq!((current.number(), current.ts_ms()), (self.generation, self.ts_ms));
        assert_eq!(current.users(), self.users.len());
        for (id, values) in &self.users {
            assert_eq!(engine.user(id).as_deref(), Some(&values[..]), "{id:?}");
        }
    }
}

/// The current table as a document to merge into. It has no `ts`, because every change must have its own.
fn document(users: &Users) -> Json {
    let user = |(id, values): (&String, &[String; 2])| {
        let attributes =
            ATTRIBUTES.iter().zip(values).map(|(name, value)| (name.to_string(), Json::String(value.clone())));
        (id.clone(), Json::Object(attributes.collect()))
    };
    Json::Object(vec![("user_metadata".to_owned(), Json::Object(users.iter().map(user).collect()))])
}

/// `MergePatch` of RFC 7396, section 2.
fn merge(target: &Json, patch: &Json) -> Json {
    let Json::Object(patch) = patch else { return patch.clone() };
    let mut merged = if let Json::Object(members) = target { members.clone() } else { Vec::new() };
    for (name, value) in patch {
        let place = merged.iter().position(|(other, _)| other == name);
        match (value, place) {
            (Json::Null, None) => {}
            (Json::Null, Some(place)) => drop(merged.remove(place)),
            (value, Some(place)) => merged[place].1 = merge(&merged[place].1, value),
            (value, None) => merged.push((name.clone(), merge(&Json::Null, value))),
        }
    }
    Json::Object(merged)
}

/// The users of a document without faults.
fn users(document: &Json) -> Users {
    let Some(Json::Object(users)) = member(document, "user_metadata") else { unreachable!("there is no fault") };
    let value = |user: &Json, name| match member(user, name) {
        Some(Json::String(value)) => value.clone(),
        _ => unreachable!("there is no fault"),
    };
    users.iter().map(|(id, user)| (id.clone(), ATTRIBUTES.map(|name| value(user, name)))).collect()
}

fn member<'j>(object: &'j Json, name: &str) -> Option<&'j Json> {
    let Json::Object(members) = object else { return None };
    members.iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// The pointer of the first fault, in document order. The body is a patch of `base`, or a whole table without `base`.
fn first_fault(body: &Json, base: Option<&Users>) -> Option<String> {
    let Json::Object(members) = body else { return Some(String::new()) };
    for (index, (name, value)) in members.iter().enumerate() {
        let is_wrong = match (name.as_str(), value) {
            ("user_metadata", Json::Object(_)) => false,
            ("ts", Json::String(text)) => timestamp::naive_ms(text.as_bytes()).is_none(),
            (name, _) => ["user_metadata", "ts"].contains(&name),
        };
        let is_known = ["user_metadata", "ts"].contains(&name.as_str());
        if is_wrong || (is_known && is_repeated(members, index)) {
            return Some(pointer(&[name]));
        }
        if let ("user_metadata", Json::Object(users)) = (name.as_str(), value)
            && let Some(fault) = first_user_fault(users, base)
        {
            return Some(fault);
        }
    }
    let required = if base.is_some() { &["ts"][..] } else { &["user_metadata", "ts"] };
    required.iter().find(|name| member(body, name).is_none()).map(|name| pointer(&[name]))
}

fn first_user_fault(users: &[(String, Json)], base: Option<&Users>) -> Option<String> {
    for (index, (id, user)) in users.iter().enumerate() {
        let here = || Some(pointer(&["user_metadata", id]));
        if !ID_BYTES.contains(&id.len()) || is_repeated(users, index) {
            return here();
        }
        let attributes = match user {
            Json::Null if base.is_some() => continue,
            Json::Object(attributes) => attributes,
            _ => return here(),
        };
        let is_inherited = base.is_some_and(|users| users.contains_key(id));
        let is_wrong = |(place, (name, value)): &(usize, &(String, Json))| {
            ATTRIBUTES.contains(&name.as_str())
                && (!is_string(value, &ATTRIBUTE_VALUE_BYTES) || is_repeated(attributes, *place))
        };
        let wrong = attributes.iter().enumerate().find(is_wrong).map(|(_, (name, _))| name.as_str());
        let missing = || ATTRIBUTES.into_iter().find(|name| !is_inherited && member(user, name).is_none());
        if let Some(name) = wrong.or_else(missing) {
            return Some(pointer(&["user_metadata", id, name]));
        }
    }
    None
}

/// Whether an earlier member has the same name.
fn is_repeated(members: &[(String, Json)], index: usize) -> bool {
    members[..index].iter().any(|(name, _)| *name == members[index].0)
}

fn is_string(value: &Json, bytes: &RangeInclusive<usize>) -> bool {
    matches!(value, Json::String(text) if bytes.contains(&text.len()))
}

/// A JSON Pointer (RFC 6901). It ends before the first name that is too long to be quoted.
fn pointer(names: &[&str]) -> String {
    let quoted = names.iter().take_while(|name| name.len() <= POINTER_NAME_BYTES_MAX);
    quoted.map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}
