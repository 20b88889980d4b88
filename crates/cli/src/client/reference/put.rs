//! Puts a table of users from a file.

use crate::client::reference::csv;
use crate::client::reference::table::Table;
use crate::client::{Access, Client, Source};
use crate::output;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _};
use ureq::http::Method;
use weir::format_ms;
use weir::{Clock as _, SystemClock};
use weir_api::ReferenceUpdated;

/// What a file of users looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableFormat {
    /// The body of `PUT /reference/users`, or the map of users in it.
    Json,
    /// A header whose first column is `user_id`, and a line a user.
    Csv,
}

/// A table to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PutOptions {
    /// The server.
    pub access: Access,
    /// Where the table is.
    pub source: Source,
    /// What it looks like.
    pub format: TableFormat,
    /// Its time; the file's where there is none, and else the present.
    pub ts: Option<String>,
    /// The generation that it is to replace.
    pub if_match: Option<u64>,
}

/// Puts a table, and prints the generation that it has become.
///
/// # Errors
/// One line, when the file cannot be read or understood, or the server does not take it.
pub(crate) fn put(options: &PutOptions) -> Result<(), Box<dyn Error>> {
    let client = Client::new(&options.access)?;
    let text = read(&options.source).map_err(|error| format!("cannot read {}: {error}", options.source))?;
    let table = match options.format {
        TableFormat::Json => Table::from_json(&text),
        TableFormat::Csv => csv::table(&text),
    };
    let table = table.map_err(|fault| format!("{}: {fault}", options.source))?;
    let body = table.body(options.ts.as_deref(), || format_ms(SystemClock.now_ms()));
    let if_match = options.if_match.map(|generation| format!("\"{generation}\""));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(if_match.as_deref().map(|tag| ("if-match", tag)));
    let exchange = || client.exchange(Method::PUT, "/reference/users", &headers, body.as_bytes());
    let answer = match exchange() {
        // The same table of the same time leaves what is there as it is. Under a precondition, which the lost try may have
        // undone, the second one would tell nothing.
        Err(failure) if failure.may_be_taken() && if_match.is_none() => exchange(),
        answer => answer,
    };
    let answer = answer.map_err(|failure| match table.line_of(&failure) {
        Some(line) => format!("{}, line {line}: {failure}", options.source),
        None if failure.may_be_taken() => {
            format!("{failure}; the table may be in force all the same: `weir reference show` tells")
        }
        None => failure.to_string(),
    })?;
    let ReferenceUpdated { generation, users, .. } =
        serde_json::from_slice(&answer).map_err(|error| client.unsound(&error))?;
    Ok(output::print(format_args!("generation {generation}, {users} users\n"))?)
}

/// The source's text, if it is not longer than any server takes.
fn read(source: &Source) -> io::Result<String> {
    let mut text = String::new();
    let bytes_max = *weir_server::limits::BODY_BYTES.end() as u64;
    let read = match source {
        Source::Stdin => io::stdin().take(bytes_max + 1).read_to_string(&mut text),
        Source::File(path) => File::open(path)?.take(bytes_max + 1).read_to_string(&mut text),
    }?;
    if read as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a reference table"));
    }
    Ok(text)
}
