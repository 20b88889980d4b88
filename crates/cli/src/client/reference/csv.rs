//! A table of users from CSV (RFC 4180).

use crate::client::reference::table::Table;
use csv::{ErrorKind, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The table in a text whose header is `user_id` and the names of attributes.
pub(super) fn table(text: &str) -> Result<Table<'static>, String> {
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| told(&error))?.clone();
    if header.get(0) != Some("user_id") {
        let first = header.get(0).unwrap_or_default();
        return Err(format!("line 1: the first column must be user_id, not {first:?}"));
    }
    let names: Vec<&str> = header.iter().skip(1).collect();
    if let Some(name) = (1..names.len()).find_map(|at| names[..at].contains(&names[at]).then_some(names[at])) {
        return Err(format!("line 1: {name:?} is the name of two columns"));
    }
    let (mut users, mut lines) = (Map::new(), HashMap::new());
    for record in reader.records() {
        let record = record.map_err(|error| told(&error))?;
        let (id, line) = (record[0].to_owned(), line(&record));
        match lines.entry(id.clone()) {
            Entry::Occupied(first) => {
                return Err(format!("line {line}: the user {id:?} stands in line {} already", first.get()));
            }
            Entry::Vacant(entry) => entry.insert(line),
        };
        let attributes = names.iter().zip(record.iter().skip(1));
        let attributes = attributes.map(|(name, value)| ((*name).to_owned(), Value::from(value)));
        users.insert(id, Value::Object(attributes.collect()));
    }
    Ok(Table { users: Value::Object(users).to_string().into(), ts: None, lines })
}

fn line(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn told(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line}: {len} columns, where the header has {expected_len}")
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
        let table = table(text).unwrap();
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
    fn other_line_ends_and_a_byte_order_mark_are_no_part_of_names() {
        assert_eq!(table("\u{feff}user_id,plan\r\nu,p\r\n").unwrap().users, r#"{"u":{"plan":"p"}}"#);
        assert_eq!(table("user_id\n").unwrap().users, "{}");
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        for (text, says) in [
            ("", "line 1: the first column must be user_id, not \"\""),
            ("plan,user_id\n", "line 1: the first column must be user_id, not \"plan\""),
            ("user_id,a,b,a\n", "line 1: \"a\" is the name of two columns"),
            ("user_id,plan\nu,p\nv,p,q\n", "line 3: 3 columns, where the header has 2"),
            ("user_id,plan\nu,p\nv,p\nu,q\n", "line 4: the user \"u\" stands in line 2 already"),
        ] {
            assert_eq!(table(text).unwrap_err(), says, "{text}");
        }
    }
}
