//! Shows the table of users, or one of them.

use crate::client::{Access, Client, Printable};
use crate::output;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::error::Error;
use std::fmt;

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShowOptions {
    /// The server.
    pub access: Access,
    /// A user; the table as a whole where there is none.
    pub user_id: Option<String>,
    /// The answer as it came, instead of text for people.
    pub json: bool,
}

/// The members of an object, in its own order.
struct Members(Vec<(String, Value)>);

/// Shows the table's state, or one user's attributes.
///
/// # Errors
/// One line, when the server cannot be asked, or does not know the user.
pub(crate) fn show(options: &ShowOptions) -> Result<(), Box<dyn Error>> {
    let client = Client::new(&options.access)?;
    let path = match &options.user_id {
        Some(id) => format!("/reference/users/{}", utf8_percent_encode(id, NON_ALPHANUMERIC)),
        None => "/reference/users".to_owned(),
    };
    let answer = client.get(&path)?;
    let text = if options.json {
        String::from_utf8_lossy(&answer).into_owned()
    } else {
        let members: Members = serde_json::from_slice(&answer).map_err(|error| client.unsound(&error))?;
        members.to_string()
    };
    Ok(output::print(format_args!("{text}\n"))?)
}

/// A value without JSON's marks.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

impl fmt::Display for Members {
    /// Each member on a line, the values in one column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (at, (name, value)) in self.0.iter().enumerate() {
            let line_end = if at == 0 { "" } else { "\n" };
            write!(f, "{line_end}{:width$}  {}", Printable(name).to_string(), Printable(&plain(value)))?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = vec![];
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_stand_in_columns() {
        let json = r#"{"zone":"eu","b":null,"as":["x","y"],"n":7,"esc":"\u001b[2J"}"#;
        let members: Members = serde_json::from_str(json).unwrap();
        assert_eq!(members.to_string(), "zone  eu\nb     -\nas    x, y\nn     7\nesc   \\u{1b}[2J");
        assert!(serde_json::from_str::<Members>("[]").is_err());
    }
}
