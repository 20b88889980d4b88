//! The arguments of `weir send`.

use crate::args::client::ClientArgs;
use crate::args::values::{check_range, duration, size_bytes, source};
use crate::client::send::SendOptions;
use crate::limits;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use weir_api::Role;

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir send events.ndjson
  weir send --gzip --url https://weir.example archive.ndjson.gz
  weir send --refused refused.ndjson events.ndjson
  jq -c .event refused.ndjson | weir send -
  tail -F app.log | jq -c --unbuffered .event | weir send -

Each event gets one of three verdicts. It is accepted; or it is a duplicate, because its id was accepted before; or it \
is rejected, because it is invalid, too late or too early. The summary lists the first rejected events with their lines.

With --refused, each rejected event is a line of a file: \
{\"line\":7,\"code\":\"too_late\",\"message\":\"…\",\"event\":{…}}. The event is as it was sent, or a string if its \
line is not JSON. A file with content is not overwritten, because its events may not be fixed yet.

A batch that is too large for the server (413) is sent in halves. An event that is too large by itself is rejected.

Temporary failures are retried: a lost connection, a 503 (after the time in Retry-After), and an event that alone was \
overloaded. No event of a batch that is sent again is counted twice. If a response was lost, duplicates of its batch \
may come from the first attempt. They are counted apart, and never fail the run.

Environment:
  WEIR_URL           the URL of the server
  WEIR_INGEST_TOKEN  the token, if the server needs one

Signals:
SIGINT or SIGTERM stops the reading; the lines read so far are sent. A second signal ends the process at once.

Exit codes:
  0  every event was accepted or a duplicate
  1  an event was rejected, or not all events could be sent; the line on stderr says what to do
130, 143  a second SIGINT or SIGTERM ended the process at once";

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// A file of events, one JSON object per line: plain, gzip or zstd. "-" is standard input.
    #[arg(value_name = "FILE|-")]
    file: String,

    #[command(flatten)]
    client: ClientArgs,

    /// The maximum number of events in a request (1 to 100000).
    #[arg(long, value_name = "EVENTS", default_value_t = 1_000, allow_negative_numbers = true)]
    batch: usize,

    /// The maximum size of a request before compression (1KiB to 16MiB). A line that is larger is sent by itself, up to
    /// 16MiB.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size_bytes, allow_negative_numbers = true)]
    batch_bytes: usize,

    /// How long a line from a slow pipe waits for more lines (up to 1m).
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = linger, allow_negative_numbers = true)]
    linger: Duration,

    /// How long temporary failures of a batch are retried (up to 24h).
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = retry_for, allow_negative_numbers = true)]
    retry_for: Duration,

    /// Compress requests with gzip.
    #[arg(long)]
    gzip: bool,

    /// Write each rejected event to this file, as a line of JSON with the line number, the code, the message and the
    /// event. The file must be new or empty.
    #[arg(long, value_name = "FILE", value_parser = refused)]
    refused: Option<PathBuf>,

    /// Fail if an event is a duplicate.
    #[arg(long)]
    fail_on_duplicates: bool,
}

impl SendArgs {
    /// What to send, and how. `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// One line that names the invalid option or variable.
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<SendOptions, String> {
        check_range("batch", self.batch, &limits::SEND_BATCH_EVENTS)?;
        check_range("batch-bytes", self.batch_bytes, &limits::SEND_BATCH_BYTES)?;
        Ok(SendOptions {
            client: self.client.validate(Role::Ingest, variable)?,
            source: source(self.file),
            batch_events: self.batch,
            batch_bytes: self.batch_bytes,
            linger: self.linger,
            retry_for: self.retry_for,
            gzip: self.gzip,
            refused: self.refused,
            fail_on_duplicates: self.fail_on_duplicates,
        })
    }
}

fn refused(text: &str) -> Result<PathBuf, String> {
    match text {
        "-" => Err("must be a file, because standard output has the summary".to_owned()),
        path => Ok(path.into()),
    }
}

fn linger(text: &str) -> Result<Duration, String> {
    duration(text, &limits::SEND_LINGER)
}

fn retry_for(text: &str) -> Result<Duration, String> {
    duration(text, &limits::SEND_RETRY_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::environment::variable;
    use crate::args::testing::{assert_is_one_line, parse};
    use crate::client::Source;

    fn send(args: &[&str]) -> Result<SendOptions, String> {
        parse::<SendArgs>(args)?.validate(variable)
    }

    #[test]
    fn no_arguments_are_the_defaults() {
        let options = send(&["-"]).unwrap();
        assert_eq!((options.source, options.batch_events, options.batch_bytes), (Source::Stdin, 1_000, 1 << 20));
        assert_eq!((options.linger, options.retry_for), (Duration::from_millis(200), Duration::from_secs(60)));
        assert_eq!((options.gzip, options.fail_on_duplicates), (false, false));
        assert_eq!(options.client.url.to_string(), "http://127.0.0.1:3000");
    }

    #[test]
    fn each_option_is_used() {
        let args = "events.ndjson --url https://x/y --ca ca.pem --batch 7 --batch-bytes 2KiB --linger 0s --retry-for \
                    2h --gzip --fail-on-duplicates --refused out.ndjson";
        let options = send(&args.split_whitespace().collect::<Vec<_>>()).unwrap();
        assert_eq!(options.source, Source::File("events.ndjson".into()));
        assert_eq!((options.batch_events, options.batch_bytes), (7, 2_048));
        assert_eq!((options.linger, options.retry_for), (Duration::ZERO, Duration::from_secs(7_200)));
        assert_eq!((options.gzip, options.fail_on_duplicates), (true, true));
        assert_eq!(options.refused, Some("out.ndjson".into()));
        assert_eq!(options.client.trust, crate::client::Trust::File("ca.pem".into()));
    }

    #[test]
    fn an_error_is_one_line_that_names_the_option() {
        for (args, named) in [
            (&[][..], "FILE|-"),
            (&["-", "more"], "more"),
            (&["-", "--url", "ftp://x"], "--url"),
            (&["-", "--batch", "0"], "batch must be 1 to 100000, not 0"),
            (&["-", "--batch-bytes", "1"], "batch-bytes must be 1024 to 16777216, not 1"),
            (&["-", "--refused", "-"], "must be a file, because standard output has the summary"),
            (&["-", "--linger", "2m"], "must be 0s to 1m"),
            (&["-", "--retry-for", "forever"], "must be a duration such as"),
        ] {
            assert_is_one_line(&send(args).unwrap_err(), named);
        }
    }
}
