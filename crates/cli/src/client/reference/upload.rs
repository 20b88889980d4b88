//! A reference table as it is uploaded. The client does not check the JSON of the users: it passes the text on, so that
//! the server checks exactly what the file says. Only the outermost members are parsed here.

use crate::client::RequestError;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// A reference table, with the lines of its users in the file.
#[derive(Debug)]
pub(super) struct TableUpload<'a> {
    /// The map of users, as JSON.
    pub(super) users: Cow<'a, str>,
    /// The timestamp in the file, as JSON.
    pub(super) ts: Option<&'a str>,
    /// The line of each user, if the format has lines.
    pub(super) lines: HashMap<String, u64>,
}

/// A [`ReferenceTable`](weir_api::ReferenceTable) whose members are not parsed.
#[derive(Deserialize)]
struct RawTable<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    user_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
}

/// A member that exists, even if its value is null.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl<'a> TableUpload<'a> {
    /// Parses a whole body, which has a member `user_metadata`, or else just the map of users.
    ///
    /// # Errors
    /// One line: the text is not a JSON object.
    pub(super) fn from_json(text: &'a str) -> Result<Self, String> {
        // Some editors start a file with a byte order mark. The server would reject it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !text.trim_ascii_start().starts_with('{') {
            return Err("not a table in JSON: it must be an object".to_owned());
        }
        let table: RawTable<'a> = serde_json::from_str(text).map_err(|error| not_a_table(&error))?;
        let (users, ts) = match table.user_metadata {
            Some(users) => {
                reject_users_outside(text)?;
                (users.get(), table.ts.map(RawValue::get))
            }
            None => (text.trim_ascii(), None),
        };
        Ok(Self { users: users.into(), ts, lines: HashMap::new() })
    }

    /// The request body. Its timestamp is `ts`, or else the timestamp in the file, or else `now`.
    pub(super) fn body(&self, ts: Option<&str>, now: impl FnOnce() -> String) -> String {
        let quoted = |ts: String| serde_json::Value::from(ts).to_string();
        let ts = match (ts, self.ts) {
            (Some(ts), _) => quoted(ts.to_owned()),
            (None, Some(ts)) => ts.to_owned(),
            (None, None) => quoted(now()),
        };
        format!(r#"{{"user_metadata":{},"ts":{ts}}}"#, self.users)
    }

    /// The line of the user at the pointer of a problem document.
    pub(super) fn line_of(&self, error: &RequestError) -> Option<u64> {
        let RequestError::Rejected(response) = error else { return None };
        let pointer = response.problem.pointer.as_deref()?.strip_prefix("/user_metadata/")?;
        let user = pointer.split('/').next()?;
        // The order matters (RFC 6901, 4).
        let user = user.replace("~1", "/").replace("~0", "~");
        self.lines.get(&user).copied()
    }
}

fn not_a_table(error: &serde_json::Error) -> String {
    format!("not a table in JSON: {error}")
}

/// Checks the other members of a whole body. The server ignores them, so a user among them would be lost.
fn reject_users_outside(text: &str) -> Result<(), String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|error| not_a_table(&error))?;
    let is_known = |name: &str| ["user_metadata", "ts"].contains(&name);
    match members.iter().find(|(name, value)| !is_known(name) && value.get().starts_with('{')) {
        Some((name, _)) => Err(format!("the member {name:?} is outside user_metadata; move it there, or remove it")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::request_error::ErrorResponse;
    use weir_api::{ProblemDocument, Role};

    fn body(text: &str, ts: Option<&str>) -> String {
        TableUpload::from_json(text).unwrap().body(ts, || "NOW".to_owned())
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
        // An invalid timestamp is left to the server, which reports the error.
        assert_eq!(body(r#"{"user_metadata":{},"ts":7}"#, None), r#"{"user_metadata":{},"ts":7}"#);
    }

    #[test]
    fn other_text_is_rejected_with_its_position() {
        for text in ["", "[]", "7", "[{},7]"] {
            let error = TableUpload::from_json(text).unwrap_err();
            assert_eq!(error, "not a table in JSON: it must be an object", "{text}");
        }
        for text in ["{", "{}x", r#"{"user_metadata":{},"user_metadata":{}}"#] {
            let error = TableUpload::from_json(text).unwrap_err();
            assert!(error.starts_with("not a table in JSON: ") && error.contains("line 1"), "{text}: {error}");
        }
    }

    #[test]
    fn a_user_outside_of_the_map_is_not_lost() {
        let error = TableUpload::from_json(r#"{"user_metadata":{},"u-2":{"plan":"pro"}}"#).unwrap_err();
        assert_eq!(error, "the member \"u-2\" is outside user_metadata; move it there, or remove it");
        assert!(TableUpload::from_json(r#"{"user_metadata":{},"note":"{}","version":[{}]}"#).is_ok());
    }

    #[test]
    fn the_pointer_of_a_problem_leads_to_a_line() {
        let lines = HashMap::from([("a/b~".to_owned(), 3)]);
        let table = TableUpload { users: "{}".into(), ts: None, lines };
        let rejected = |pointer: &str| {
            let problem = ProblemDocument { pointer: Some(pointer.into()), ..ProblemDocument::default() };
            RequestError::Rejected(Box::new(ErrorResponse {
                url: String::new(),
                status: 422,
                problem,
                retry_after: None,
                role: Role::Admin,
            }))
        };
        assert_eq!(table.line_of(&rejected("/user_metadata/a~1b~0/plan")), Some(3));
        assert_eq!(table.line_of(&rejected("/user_metadata/a~1b~0")), Some(3));
        for pointer in ["", "/ts", "/user_metadata", "/user_metadata/c"] {
            assert_eq!(table.line_of(&rejected(pointer)), None, "{pointer}");
        }
    }
}
