//! A reference table on its way to the server. Its JSON is passed on as it stands, so that the server judges what was
//! written; here only its outermost members are told apart.

use crate::client::Failure;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// A reference table, and where its users come from.
#[derive(Debug)]
pub(super) struct Table<'a> {
    /// The map of users, as JSON.
    pub(super) users: Cow<'a, str>,
    /// The file's own time, as JSON.
    pub(super) ts: Option<&'a str>,
    /// The line of each user, where the file has lines.
    pub(super) lines: HashMap<String, u64>,
}

/// The body of `PUT /reference/users`.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    user_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
}

/// A member that is there, though it be null.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl<'a> Table<'a> {
    /// A whole body, which has a member `user_metadata`, or else just the map of users.
    pub(super) fn from_json(text: &'a str) -> Result<Self, String> {
        // Some editors begin a file with a byte order mark; to the server it is no JSON.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !text.trim_ascii_start().starts_with('{') {
            return Err("not a table in JSON: it must be an object".to_owned());
        }
        let body: Body<'a> = serde_json::from_str(text).map_err(|error| format!("not a table in JSON: {error}"))?;
        let (users, ts) = match body.user_metadata {
            Some(users) => (users.get(), body.ts.map(RawValue::get)),
            None => (text.trim_ascii(), None),
        };
        Ok(Self { users: users.into(), ts, lines: HashMap::new() })
    }

    /// The request's body, of the time that is given, else of the file's, else of the present.
    pub(super) fn body(&self, ts: Option<&str>, now: impl FnOnce() -> String) -> String {
        let quoted = |ts: String| serde_json::Value::from(ts).to_string();
        let ts = match (ts, self.ts) {
            (Some(ts), _) => quoted(ts.to_owned()),
            (None, Some(ts)) => ts.to_owned(),
            (None, None) => quoted(now()),
        };
        format!(r#"{{"user_metadata":{},"ts":{ts}}}"#, self.users)
    }

    /// The line of the user whom the server finds fault with.
    pub(super) fn line_of(&self, failure: &Failure) -> Option<u64> {
        let Failure::Refused(refusal) = failure else { return None };
        let pointer = refusal.problem.pointer.as_deref()?.strip_prefix("/user_metadata/")?;
        let user = pointer.split('/').next()?;
        // RFC 6901, 4: in this order.
        let user = user.replace("~1", "/").replace("~0", "~");
        self.lines.get(&user).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Refusal;
    use weir_api::{ProblemDocument, Role};

    fn body(text: &str, ts: Option<&str>) -> String {
        Table::from_json(text).unwrap().body(ts, || "NOW".to_owned())
    }

    #[test]
    fn a_map_of_users_is_wrapped_and_a_body_is_passed_on() {
        assert_eq!(body(" {\"a\": {}}\n", None), r#"{"user_metadata":{"a": {}},"ts":"NOW"}"#);
        let whole = r#"{"ts":"T","user_metadata":{"a":{"plan":1e400}},"other":1}"#;
        assert_eq!(body(whole, None), r#"{"user_metadata":{"a":{"plan":1e400}},"ts":"T"}"#);
        assert_eq!(body(whole, Some("G")), r#"{"user_metadata":{"a":{"plan":1e400}},"ts":"G"}"#);
        assert_eq!(body(r#"{"user_metadata":{}}"#, None), r#"{"user_metadata":{},"ts":"NOW"}"#);
        assert_eq!(body("\u{feff}{\"user_metadata\":null}", None), r#"{"user_metadata":null,"ts":"NOW"}"#);
        assert_eq!(body("{}", Some("\"")), r#"{"user_metadata":{},"ts":"\""}"#);
        // The server says what is wrong with a time that is none.
        assert_eq!(body(r#"{"user_metadata":{},"ts":7}"#, None), r#"{"user_metadata":{},"ts":7}"#);
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        for text in ["", "[]", "7", "[{},7]"] {
            assert_eq!(Table::from_json(text).unwrap_err(), "not a table in JSON: it must be an object", "{text}");
        }
        for text in ["{", "{}x", r#"{"user_metadata":{},"user_metadata":{}}"#] {
            let error = Table::from_json(text).unwrap_err();
            assert!(error.starts_with("not a table in JSON: ") && error.contains("line 1"), "{text}: {error}");
        }
    }

    #[test]
    fn a_pointer_leads_to_a_line() {
        let lines = HashMap::from([("a/b~".to_owned(), 3)]);
        let table = Table { users: "{}".into(), ts: None, lines };
        let failure = |pointer: &str| {
            let problem = ProblemDocument { pointer: Some(pointer.into()), ..ProblemDocument::default() };
            Failure::Refused(Box::new(Refusal {
                url: String::new(),
                status: 422,
                problem,
                retry_after: None,
                role: Role::Admin,
            }))
        };
        assert_eq!(table.line_of(&failure("/user_metadata/a~1b~0/plan")), Some(3));
        assert_eq!(table.line_of(&failure("/user_metadata/a~1b~0")), Some(3));
        for pointer in ["", "/ts", "/user_metadata", "/user_metadata/c"] {
            assert_eq!(table.line_of(&failure(pointer)), None, "{pointer}");
        }
    }
}
