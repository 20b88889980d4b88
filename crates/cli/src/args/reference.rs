//! The arguments of `weir reference`.

use crate::args::client::ClientArgs;
use crate::args::values::source;
use crate::client::Source;
use crate::client::reference::{PutOptions, ShowOptions, TableFormat};
use clap::{Args, Subcommand};
use std::path::Path;
use weir::parse_ms;
use weir_api::Role;

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir reference put users.csv
  weir reference show u-123

Exit codes:
  0  the table was replaced, or shown
  1  the table was not replaced, or not shown; the line on stderr says why";

const PUT_AFTER_HELP: &str = "\
Examples:
  weir reference put users.csv
  weir reference put --if-match 7 users.json
  psql -c '\\copy (select id as user_id, plan, region from users) to stdout csv header' | \
    weir reference put --format csv -

A JSON file is the whole body of PUT /reference/users, {\"user_metadata\":{…},\"ts\":\"…\"}, or just the map of users \
to attributes. An object with a member user_metadata is a whole body. A CSV file has a header. Its first column is \
user_id, and the other columns are attributes. A field that has a comma, a line end or a quote is in quotes, and its \
quotes are doubled (RFC 4180). A file that breaks these rules is not uploaded. The server accepts a \
table only if its ts is not older than the ts of the current table.

Environment:
  WEIR_URL          the URL of the server
  WEIR_ADMIN_TOKEN  the token, if the server needs one

Exit codes:
  0  the table was replaced; its generation is printed
  1  the table was not replaced; the line on stderr says why, and where in the file. If no response came, the table \
     may have been replaced, and the line says so";

const SHOW_AFTER_HELP: &str = "\
Examples:
  weir reference show
  weir reference show u-123 --json

Environment:
  WEIR_URL         the URL of the server
  WEIR_READ_TOKEN  the token, if the server needs one

Exit codes:
  0  the table or the user was shown
  1  the request failed, or the table does not have the user";

/// The endings of the names of compressed files.
const COMPRESSED_EXTENSIONS: &[&str] = &["gz", "zst"];

/// The subcommands of `weir reference`.
#[derive(Debug, Subcommand)]
pub(super) enum ReferenceArgs {
    /// Replace the whole table with the table in a file, in JSON or CSV.
    #[command(after_help = PUT_AFTER_HELP)]
    Put(PutArgs),
    /// Show the generation, timestamp and size of the table, or the attributes of one user.
    #[command(after_help = SHOW_AFTER_HELP)]
    Show(ShowArgs),
}

/// The arguments of `weir reference put`, as typed.
#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// The file: plain, gzip or zstd. "-" is standard input.
    #[arg(value_name = "FILE|-")]
    file: String,

    #[command(flatten)]
    client: ClientArgs,

    /// The format of the file [default: csv if the file name ends with .csv, .csv.gz or .csv.zst, else json].
    #[arg(long, value_enum)]
    format: Option<TableFormat>,

    /// The timestamp of the table, an RFC 3339 date-time [default: the ts in the file, else the current time].
    #[arg(long, value_name = "TIME", value_parser = time)]
    ts: Option<String>,

    /// Replace the table only if the current table has this generation; 0 means that there is no table yet.
    #[arg(long, value_name = "GENERATION")]
    if_match: Option<u64>,
}

/// The arguments of `weir reference show`, as typed.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The id of the user to show.
    user_id: Option<String>,

    #[command(flatten)]
    client: ClientArgs,

    /// Print the response of the server as it is.
    #[arg(long)]
    json: bool,
}

impl PutArgs {
    /// The table to upload. `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// One line that names the invalid option or variable.
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<PutOptions, String> {
        let source = source(self.file);
        let format = self.format.unwrap_or_else(|| format_of(&source));
        let client = self.client.validate(Role::Admin, variable)?;
        Ok(PutOptions { client, source, format, ts: self.ts, if_match: self.if_match })
    }
}

impl ShowArgs {
    /// What to show. `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// One line that names the invalid option or variable.
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<ShowOptions, String> {
        Ok(ShowOptions { client: self.client.validate(Role::Read, variable)?, user_id: self.user_id, json: self.json })
    }
}

/// The format of a file by its name, without the ending of a compressed file.
fn format_of(source: &Source) -> TableFormat {
    let Source::File(path) = source else { return TableFormat::Json };
    let has_extension = |path: &Path, names: &[&str]| {
        path.extension().is_some_and(|extension| names.iter().any(|name| extension.eq_ignore_ascii_case(name)))
    };
    let path = match has_extension(path, COMPRESSED_EXTENSIONS) {
        true => &path.with_extension(""),
        false => path,
    };
    if has_extension(path, &["csv"]) { TableFormat::Csv } else { TableFormat::Json }
}

fn time(text: &str) -> Result<String, String> {
    let is_time = parse_ms(text.as_bytes()).is_some();
    let message = || "must be an RFC 3339 date-time such as 2025-10-08T12:00:00Z".to_owned();
    is_time.then(|| text.to_owned()).ok_or_else(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::environment::variable;
    use crate::args::testing::{assert_is_one_line, parse};

    fn put(args: &[&str]) -> Result<PutOptions, String> {
        parse::<PutArgs>(args)?.validate(variable)
    }

    #[test]
    fn the_format_is_an_option_or_follows_from_the_file_name() {
        for (args, format) in [
            (&["-"][..], TableFormat::Json),
            (&["users.json"], TableFormat::Json),
            (&["users"], TableFormat::Json),
            (&["users.CSV"], TableFormat::Csv),
            (&["users.csv.gz"], TableFormat::Csv),
            (&["users.csv.ZST"], TableFormat::Csv),
            (&["users.json.zst"], TableFormat::Json),
            (&["csv.gz"], TableFormat::Json),
            (&["users.gz.csv"], TableFormat::Csv),
            (&["-", "--format", "csv"], TableFormat::Csv),
            (&["users.csv", "--format", "json"], TableFormat::Json),
        ] {
            assert_eq!(put(args).unwrap().format, format, "{args:?}");
        }
    }

    #[test]
    fn each_option_is_used() {
        let options = put(&["x", "--ts", "2025-10-08T12:00:00Z", "--if-match", "7"]).unwrap();
        assert_eq!((options.ts.as_deref(), options.if_match), (Some("2025-10-08T12:00:00Z"), Some(7)));
        let options = parse::<ShowArgs>(&["u 1", "--json"]).unwrap().validate(variable).unwrap();
        assert_eq!((options.user_id.as_deref(), options.json), (Some("u 1"), true));
    }

    #[test]
    fn an_error_is_one_line_that_names_the_option() {
        for (args, named) in [
            (&[][..], "FILE|-"),
            (&["x", "--ts", "yesterday"], "must be an RFC 3339 date-time"),
            (&["x", "--if-match", "a"], "--if-match"),
            (&["x", "--format", "xml"], "[possible values: json, csv]"),
        ] {
            assert_is_one_line(&put(args).unwrap_err(), named);
        }
    }
}
