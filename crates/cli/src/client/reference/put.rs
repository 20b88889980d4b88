//! Uploads a reference table from a file.

use crate::client::reference::csv;
use crate::client::reference::upload::TableUpload;
use crate::client::{Client, ClientConfig, Source, input};
use crate::output;
use clap::ValueEnum;
use std::error::Error;
use std::io::{self, Read as _};
use ureq::http::Method;
use ureq::http::header::{CONTENT_TYPE, IF_MATCH};
use weir::format_ms;
use weir::{Clock as _, SystemClock};
use weir_api::{ReferenceUpdated, headers};

/// The format of a file of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// The body of PUT /reference/users, or the map of users in it.
    Json,
    /// A header whose first column is user_id, and one line per user.
    Csv,
}

/// What to upload, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PutOptions {
    /// The server.
    pub client: ClientConfig,
    /// The file.
    pub source: Source,
    /// The format of the file.
    pub format: TableFormat,
    /// The timestamp of the table. The default is the timestamp in the file, or else the current time.
    pub ts: Option<String>,
    /// The generation that the table replaces.
    pub if_match: Option<u64>,
}

/// Uploads a table, and prints its generation.
///
/// # Errors
/// One line: the file cannot be read or parsed, or the server did not accept the table.
pub(crate) fn put(options: &PutOptions) -> Result<(), Box<dyn Error>> {
    let client = Client::new(&options.client)?;
    let text = read(&options.source).map_err(|error| format!("cannot read {}: {error}", options.source))?;
    let table = match options.format {
        TableFormat::Json => TableUpload::from_json(&text),
        TableFormat::Csv => csv::parse(&text),
    };
    let table = table.map_err(|error| format!("{}: {error}", options.source))?;
    let ReferenceUpdated { generation, users, .. } = upload(&client, &table, options)?;
    Ok(output::print(format_args!("generation {generation}, {users} users\n"))?)
}

fn upload(client: &Client, table: &TableUpload<'_>, options: &PutOptions) -> Result<ReferenceUpdated, Box<dyn Error>> {
    let body = table.body(options.ts.as_deref(), || format_ms(SystemClock.now_ms()));
    let if_match = options.if_match.map(|generation| format!("\"{generation}\""));
    let mut headers = vec![(CONTENT_TYPE, headers::JSON)];
    headers.extend(if_match.as_deref().map(|tag| (IF_MATCH, tag)));
    let exchange = || client.exchange(Method::PUT, "/reference/users", &headers, body.as_bytes());
    let response = match exchange() {
        // A second request is safe: the same table with the same timestamp changes nothing. With a precondition it
        // would prove nothing, because the first request may have changed the generation.
        Err(error) if error.may_be_processed() && if_match.is_none() => exchange(),
        response => response,
    };
    let response = response.map_err(|error| match table.line_of(&error) {
        Some(line) => format!("{}, line {line}: {error}", options.source),
        None if error.may_be_processed() => {
            format!("{error}; the table may have been replaced: check with `weir reference show`")
        }
        None => error.to_string(),
    })?;
    Ok(serde_json::from_slice(&response).map_err(|error| client.invalid_response(&error))?)
}

/// The decompressed text of the source. It must not be longer than the largest body that a server can accept.
fn read(source: &Source) -> io::Result<String> {
    let bytes_max = *weir_server::limits::BODY_BYTES.end() as u64;
    let (bytes, _) = input::open(source)?;
    let mut text = Vec::new();
    let read = input::decompressed(bytes)?.take(bytes_max + 1).read_to_end(&mut text)?;
    if read as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a reference table"));
    }
    String::from_utf8(text).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8; save the file as UTF-8"))
    })
}
