//! A reference table from CSV (RFC 4180).

use crate::client::reference::csv_syntax;
use crate::client::reference::upload::TableUpload;
use csv::{ErrorKind, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Parses a table. Its header is `user_id` and the names of the attributes.
///
/// # Errors
/// One line that names the line of the text.
pub(super) fn parse(text: &str) -> Result<TableUpload<'static>, String> {
    // Some editors start a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    csv_syntax::check(text)?;
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| describe(&error))?.clone();
    let attributes = attribute_names(&header)?;
    let (mut users, mut lines) = (Map::new(), HashMap::new());
    for record in reader.records() {
        let record = record.map_err(|error| describe(&error))?;
        let (id, line) = (record[0].to_owned(), line_of(&record));
        match lines.entry(id.clone()) {
            Entry::Occupied(first) => {
                return Err(format!("line {line}: user {id:?} is already on line {}", first.get()));
            }
            Entry::Vacant(entry) => entry.insert(line),
        };
        let values = record.iter().skip(1).map(Value::from);
        let user = attributes.iter().map(|name| (*name).to_owned()).zip(values);
        users.insert(id, Value::Object(user.collect()));
    }
    Ok(TableUpload { users: Value::Object(users).to_string().into(), ts: None, lines })
}

/// The columns after `user_id`.
fn attribute_names(header: &StringRecord) -> Result<Vec<&str>, String> {
    if let Some(name) = header.iter().find(|name| name.trim() != *name) {
        return Err(format!("line 1: the column name {name:?} begins or ends with a blank; remove the blank"));
    }
    if header.get(0) != Some("user_id") {
        let first = header.get(0).unwrap_or_default();
        return Err(format!("line 1: the first column must be user_id, not {first:?}"));
    }
    let names: Vec<&str> = header.iter().skip(1).collect();
    match (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
        Some(at) => Err(format!("line 1: {:?} is the name of two columns", names[at])),
        None => Ok(names),
    }
}

fn line_of(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn describe(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line}: {len} columns, but the header has {expected_len}")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_user() {
        let text = "user_id,plan,region\nu-1,pro,eu\n\"a,\"\"b\"\"\",\"two\nlines\",\nu-2,free,us\n";
        let table = parse(text).unwrap();
        let users: Value = serde_json::from_str(&table.users).unwrap();
        let expected = serde_json::json!({
            "u-1": {"plan": "pro", "region": "eu"},
            "a,\"b\"": {"plan": "two\nlines", "region": ""},
            "u-2": {"plan": "free", "region": "us"},
        });
        assert_eq!(users, expected);
        assert_eq!(["u-1", "a,\"b\"", "u-2"].map(|user| table.lines[user]), [2, 3, 5]);
    }

    #[test]
    fn names_do_not_include_carriage_returns_and_a_byte_order_mark() {
        assert_eq!(parse("\u{feff}user_id,plan\r\nu,p\r\n").unwrap().users, r#"{"u":{"plan":"p"}}"#);
        assert_eq!(parse("\u{feff}\"user_id\",plan\nu,p").unwrap().users, r#"{"u":{"plan":"p"}}"#);
        assert_eq!(parse("user_id\n").unwrap().users, "{}");
    }

    #[test]
    fn an_error_names_the_line() {
        for (text, error) in [
            ("", "line 1: the first column must be user_id, not \"\""),
            ("plan,user_id\n", "line 1: the first column must be user_id, not \"plan\""),
            ("user_id, plan\n", "line 1: the column name \" plan\" begins or ends with a blank; remove the blank"),
            ("user_id ,plan\n", "line 1: the column name \"user_id \" begins or ends with a blank; remove the blank"),
            ("user_id,plan\nu,\"p\nv,q\n", "line 2: a quote opens a field here, and no quote closes it"),
            ("user_id,a,b,a\n", "line 1: \"a\" is the name of two columns"),
            ("user_id,plan\nu,p\nv,p,q\n", "line 3: 3 columns, but the header has 2"),
            ("user_id,plan\nu,p\nv,p\nu,q\n", "line 4: user \"u\" is already on line 2"),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
    }
}
