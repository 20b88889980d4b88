//! The arguments of `weir reference`.

use crate::args::access::AccessArgs;
use crate::args::source;
use crate::client::Source;
use crate::client::reference::{PutOptions, ShowOptions, TableFormat};
use clap::{Args, Subcommand, ValueEnum};
use weir::parse_ms;
use weir_api::Role;

/// What the help ends with.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir reference put users.csv
  weir reference show u-123

Exit codes:
  0  the table was replaced, or shown
  1  it was not; the line on stderr says why";

const PUT_AFTER_HELP: &str = "\
Examples:
  weir reference put users.csv
  weir reference put --if-match 7 users.json
  psql -c '\\copy (select id as user_id, plan, region from users) to stdout csv header' | weir reference put --format csv -

JSON is the whole body of PUT /reference/users, {\"user_metadata\":{…},\"ts\":\"…\"}, or just the map of users to attributes; an \
object with a member user_metadata is the former. CSV has a header whose first column is user_id; the others are \
attributes. The server takes a table only if its ts is not older than that of the one it has.

Environment:
  WEIR_URL          the server
  WEIR_ADMIN_TOKEN  the token, where the server asks for one

Exit codes:
  0  the table is in force; its generation is printed
  1  it is not, and the table is as it was; the line on stderr says why and where. Only where no answer came it may be in \
     force all the same, and the line says so";

const SHOW_AFTER_HELP: &str = "\
Examples:
  weir reference show
  weir reference show u-123 --json

Environment:
  WEIR_URL         the server
  WEIR_READ_TOKEN  the token, where the server asks for one

Exit codes:
  0  it was shown
  1  the server cannot be asked, or does not know the user";

/// What to do with the table.
#[derive(Debug, Subcommand)]
pub(super) enum ReferenceArgs {
    /// Replace the whole table by that of a file, in JSON or CSV.
    #[command(after_help = PUT_AFTER_HELP)]
    Put(PutArgs),
    /// Show the table's generation, time and size, or one user's attributes.
    #[command(after_help = SHOW_AFTER_HELP)]
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// The file; "-" is standard input.
    #[arg(value_name = "FILE|-")]
    file: String,

    #[command(flatten)]
    access: AccessArgs,

    /// What the file looks like [default: csv where its name ends with .csv, else json].
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// The table's time, an RFC 3339 date-time [default: that in the file, else the present].
    #[arg(long, value_name = "TIME", value_parser = time)]
    ts: Option<String>,

    /// Replace this generation only; 0 is the table before the first.
    #[arg(long, value_name = "GENERATION")]
    if_match: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The user to show.
    user_id: Option<String>,

    #[command(flatten)]
    access: AccessArgs,

    /// Print the server's answer as it is.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// The body of the request, or the map of users in it.
    Json,
    /// A header, and a line a user.
    Csv,
}

impl PutArgs {
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<PutOptions, String> {
        let source = source(self.file);
        let is_csv = |source: &Source| match source {
            Source::Stdin => false,
            Source::File(path) => path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")),
        };
        let format = match self.format {
            Some(Format::Csv) => TableFormat::Csv,
            None if is_csv(&source) => TableFormat::Csv,
            Some(Format::Json) | None => TableFormat::Json,
        };
        let client = self.access.validate(Role::Admin, variable)?;
        Ok(PutOptions { client, source, format, ts: self.ts, if_match: self.if_match })
    }
}

impl ShowArgs {
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<ShowOptions, String> {
        Ok(ShowOptions { client: self.access.validate(Role::Read, variable)?, user_id: self.user_id, json: self.json })
    }
}

fn time(text: &str) -> Result<String, String> {
    let is_time = parse_ms(text.as_bytes()).is_some();
    is_time.then(|| text.to_owned()).ok_or_else(|| "not an RFC 3339 date-time like 2025-10-08T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command;
    use crate::args::tests::{assert_is_one_line, parsed};

    fn put(args: &[&str]) -> Result<PutOptions, String> {
        match parsed(&[&["reference", "put"], args].concat())? {
            Command::ReferencePut(options) => Ok(options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_format_is_named_or_told_by_the_name() {
        for (args, format) in [
            (&["-"][..], TableFormat::Json),
            (&["users.json"], TableFormat::Json),
            (&["users"], TableFormat::Json),
            (&["users.CSV"], TableFormat::Csv),
            (&["-", "--format", "csv"], TableFormat::Csv),
            (&["users.csv", "--format", "json"], TableFormat::Json),
        ] {
            assert_eq!(put(args).unwrap().format, format, "{args:?}");
        }
    }

    #[test]
    fn each_flag_is_taken() {
        let options = put(&["x", "--ts", "2025-10-08T12:00:00Z", "--if-match", "7"]).unwrap();
        assert_eq!((options.ts.as_deref(), options.if_match), (Some("2025-10-08T12:00:00Z"), Some(7)));
        match parsed(&["reference", "show", "u 1", "--json"]).unwrap() {
            Command::ReferenceShow(options) => {
                assert_eq!((options.user_id.as_deref(), options.json), (Some("u 1"), true));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bad_value_is_one_line_that_names_it() {
        for (args, named) in [
            (&["put"][..], "FILE|-"),
            (&["put", "x", "--ts", "yesterday"], "not an RFC 3339 date-time"),
            (&["put", "x", "--if-match", "a"], "--if-match"),
            (&["put", "x", "--format", "xml"], "[possible values: json, csv]"),
            (&["drop"], "drop"),
            (&[], "requires a subcommand"),
        ] {
            assert_is_one_line(&parsed(&[&["reference"], args].concat()).unwrap_err(), named);
        }
    }
}
