//! The arguments of `weir send`.

use crate::args::access::AccessArgs;
use crate::args::range::within;
use crate::args::{duration, size_bytes, source};
use crate::client::send::SendOptions;
use crate::limits;
use clap::Args;
use std::time::Duration;
use weir_api::Role;

/// What the help ends with.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir send events.ndjson
  weir send --gzip --url https://weir.example archive.ndjson.gz
  tail -F app.log | jq -c --unbuffered .event | weir send -

Every event ends in one of three ways. It is accepted, or a duplicate (its id was accepted before, so it is counted \
already), or refused for good (the summary lists the first with their lines). What may pass is tried again: a server \
without room (503, after as long as it asks to wait), a lost connection, an event that alone found no room. A batch that is \
sent again cannot be counted twice. Events that come back from it as duplicates may be its own from the first try: they \
are told apart, and never fail the run.

Environment:
  WEIR_URL           the server
  WEIR_INGEST_TOKEN  the token, where the server asks for one

Exit codes:
  0  every event was accepted or a duplicate
  1  an event was refused, or not all could be sent: the summary lists the first that were refused, and the last line on \
     stderr says what to do
130, 143  a second SIGINT or SIGTERM ended it at once; the first one sends what has been read by then";

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// A file of events, one JSON object a line; also compressed by gzip or zstd. "-" is standard input.
    #[arg(value_name = "FILE|-")]
    file: String,

    #[command(flatten)]
    access: AccessArgs,

    /// Events in a request (1 to 100000).
    #[arg(long, value_name = "EVENTS", default_value_t = 1_000, allow_negative_numbers = true)]
    batch: usize,

    /// Bytes of a request before compression, and the longest line (1KiB to 16MiB).
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size_bytes, allow_negative_numbers = true)]
    batch_bytes: usize,

    /// How long a line from a slow pipe waits for others at the most (up to 1m).
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = linger, allow_negative_numbers = true)]
    linger: Duration,

    /// How long a batch that does not get through is tried again (up to 24h).
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = retry_for, allow_negative_numbers = true)]
    retry_for: Duration,

    /// Compress requests.
    #[arg(long)]
    gzip: bool,

    /// Fail if an event was a duplicate.
    #[arg(long)]
    fail_on_duplicates: bool,
}

impl SendArgs {
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<SendOptions, String> {
        within("batch", self.batch, &limits::SEND_BATCH_EVENTS)?;
        within("batch-bytes", self.batch_bytes, &limits::SEND_BATCH_BYTES)?;
        Ok(SendOptions {
            client: self.access.validate(Role::Ingest, variable)?,
            source: source(self.file),
            batch_events: self.batch,
            batch_bytes: self.batch_bytes,
            linger: self.linger,
            retry_for: self.retry_for,
            gzip: self.gzip,
            fail_on_duplicates: self.fail_on_duplicates,
        })
    }
}

fn linger(text: &str) -> Result<Duration, String> {
    duration::within(text, &limits::SEND_LINGER)
}

fn retry_for(text: &str) -> Result<Duration, String> {
    duration::within(text, &limits::SEND_RETRY_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command;
    use crate::args::tests::{assert_is_one_line, parsed};
    use crate::client::Source;

    fn send(args: &[&str]) -> Result<SendOptions, String> {
        match parsed(&[&["send"], args].concat())? {
            Command::Send(options) => Ok(options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_options_are_the_defaults() {
        let options = send(&["-"]).unwrap();
        assert_eq!((options.source, options.batch_events, options.batch_bytes), (Source::Stdin, 1_000, 1 << 20));
        assert_eq!((options.linger, options.retry_for), (Duration::from_millis(200), Duration::from_secs(60)));
        assert_eq!((options.gzip, options.fail_on_duplicates), (false, false));
        assert_eq!(options.client.url.to_string(), "http://127.0.0.1:3000");
    }

    #[test]
    fn each_flag_is_taken() {
        let args = "events.ndjson --url https://x/y --ca ca.pem --batch 7 --batch-bytes 2KiB --linger 0s --retry-for 2h \
                    --gzip --fail-on-duplicates";
        let options = send(&args.split_whitespace().collect::<Vec<_>>()).unwrap();
        assert_eq!(options.source, Source::File("events.ndjson".into()));
        assert_eq!((options.batch_events, options.batch_bytes), (7, 2_048));
        assert_eq!((options.linger, options.retry_for), (Duration::ZERO, Duration::from_secs(7_200)));
        assert_eq!((options.gzip, options.fail_on_duplicates), (true, true));
        assert_eq!(options.client.trust, crate::client::Trust::File("ca.pem".into()));
    }

    #[test]
    fn a_bad_value_is_one_line_that_names_it() {
        for (args, named) in [
            (&[][..], "FILE|-"),
            (&["-", "more"], "more"),
            (&["-", "--url", "ftp://x"], "--url"),
            (&["-", "--batch", "0"], "batch must be 1 to 100000, not 0"),
            (&["-", "--batch-bytes", "1"], "batch-bytes must be 1024 to 16777216, not 1"),
            (&["-", "--linger", "2m"], "not within 0s to 1m"),
            (&["-", "--retry-for", "forever"], "not a duration such as"),
        ] {
            assert_is_one_line(&send(args).unwrap_err(), named);
        }
    }
}
