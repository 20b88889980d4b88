//! Shows the reference table, or one user of it.

use crate::client::{Client, ClientConfig, EscapeControl};
use crate::output;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::error::Error;
use std::fmt::Write as _;
use weir_api::{ReferenceSummary, UserResponse};

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShowOptions {
    /// The server.
    pub client: ClientConfig,
    /// The user; the table as a whole if there is none.
    pub user_id: Option<String>,
    /// Whether to print the response as it is.
    pub json: bool,
}

/// Prints the state of the table, or the attributes of one user.
///
/// # Errors
/// One line: the request failed, or the table does not have the user.
pub(crate) fn show(options: &ShowOptions) -> Result<(), Box<dyn Error>> {
    let client = Client::new(&options.client)?;
    let path = match &options.user_id {
        Some(id) => format!("/reference/users/{}", utf8_percent_encode(id, NON_ALPHANUMERIC)),
        None => "/reference/users".to_owned(),
    };
    let response = client.get(&path)?;
    let text = match &options.user_id {
        _ if options.json => format!("{}\n", String::from_utf8_lossy(&response)),
        Some(_) => user_text(serde_json::from_slice(&response).map_err(|error| client.invalid_response(&error))?),
        None => summary_text(serde_json::from_slice(&response).map_err(|error| client.invalid_response(&error))?),
    };
    Ok(output::print(text)?)
}

fn user_text(user: UserResponse) -> String {
    let UserResponse { user_id, attributes } = user;
    let attributes = attributes.iter().map(|(name, value)| (name.as_str(), value.clone()));
    columns(&std::iter::once(("user_id", user_id)).chain(attributes).collect::<Vec<_>>())
}

fn summary_text(summary: ReferenceSummary) -> String {
    let ReferenceSummary { generation, ts, users, attributes } = summary;
    columns(&[
        ("generation", generation.to_string()),
        ("ts", ts.unwrap_or_else(|| "-".to_owned())),
        ("users", users.to_string()),
        ("attributes", attributes.join(", ")),
    ])
}

/// A line for each name and value, with the values in one column.
fn columns(members: &[(&str, String)]) -> String {
    let width = members.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, value) in members {
        let name = EscapeControl(name).to_string();
        writeln!(text, "{name:width$}  {}", EscapeControl(value)).expect("a write to memory does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_keep_their_order_and_the_values_are_in_one_column() {
        let json = r#"{"user_id":"u-1","zone":"eu","b":"","esc":"\u001b[2J"}"#;
        let user = serde_json::from_str(json).unwrap();
        assert_eq!(user_text(user), "user_id  u-1\nzone     eu\nb        \nesc      \\u{1b}[2J\n");
    }

    #[test]
    fn a_missing_timestamp_is_a_dash() {
        let json = r#"{"generation":0,"ts":null,"users":0,"attributes":["x","y"]}"#;
        let summary = serde_json::from_str(json).unwrap();
        assert_eq!(summary_text(summary), "generation  0\nts          -\nusers       0\nattributes  x, y\n");
        assert!(serde_json::from_str::<ReferenceSummary>("[]").is_err());
    }
}
