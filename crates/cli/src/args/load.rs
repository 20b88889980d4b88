//! The arguments of `weir load`.

use crate::args::client::ClientArgs;
use crate::args::values::{check_range, duration};
use crate::limits;
use crate::load::{LoadOptions, Rate, Target, Workload};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use weir::Format;
use weir_api::Role;

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir load --rate max --duration 10s
  weir load --url https://weir.example --ca ca.pem --duration 1m
  weir load --rate 100000 --batch 1000 --users 100000 --zipf 1.1 --duplicates 0.05 --late 0.01 --report out

Environment:
  WEIR_URL           the URL of the server
  WEIR_INGEST_TOKEN  the token, if the server needs one

Signals:
SIGINT or SIGTERM ends the run early. Requests that were sent are awaited, and the report is of the time before the \
signal. A second signal ends the process at once, without a report.

Exit codes:
  0  the server's counts match the events that were sent
  1  the counts do not match, a request failed, nothing could be sent, or a signal ended the run
130, 143  a second SIGINT or SIGTERM ended the process at once";

/// The validated settings of a run of the load generator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoadSettings {
    /// What to send, where and how fast.
    pub options: LoadOptions,
    /// The directory for the files of the report, if they are wanted.
    pub report: Option<PathBuf>,
}

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    #[command(flatten)]
    client: ClientArgs,

    /// Events per second, sent on a schedule that does not wait for responses; or "max": each connection sends its next
    /// request when it has a response.
    #[arg(long, value_name = "EVENTS_PER_SEC|max", default_value = "10000", allow_negative_numbers = true)]
    rate: Rate,

    /// Events in each request (1 to 100000).
    #[arg(long, value_name = "EVENTS", default_value_t = 100, allow_negative_numbers = true)]
    batch: usize,

    /// Connections, each with at most one request in flight (1 to 10000).
    #[arg(long, value_name = "N", default_value_t = 16, allow_negative_numbers = true)]
    connections: usize,

    /// The length of the run, such as 500ms, 30s or 2m (up to 24h).
    #[arg(long, default_value = "30s", value_parser = sending_time, allow_negative_numbers = true)]
    duration: Duration,

    /// The number of users. Their ids are u and eight hexadecimal digits, from u00000000.
    #[arg(long, value_name = "N", default_value_t = 10_000, allow_negative_numbers = true)]
    users: u32,

    /// Draw users from a Zipf distribution with this exponent (0 to 10) instead of a uniform one.
    #[arg(long, value_name = "EXPONENT", allow_negative_numbers = true)]
    zipf: Option<f64>,

    /// The share of events with an id that was accepted before (0 to 1).
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, allow_negative_numbers = true)]
    duplicates: f64,

    /// The share of events that are too old to be accepted (0 to 1).
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, allow_negative_numbers = true)]
    late: f64,

    /// The format of the request bodies.
    #[arg(long, value_enum, default_value_t = BodyFormat::Json)]
    format: BodyFormat,

    /// Ask for the short response, which lists rejected events only.
    #[arg(long)]
    minimal: bool,

    /// The seed of the random choices [default: random]. Event ids are new in every run.
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<u64>,

    /// Write latency.hgrm, report.json and report.html to this directory.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BodyFormat {
    /// A JSON array.
    Json,
    /// One event per line.
    Ndjson,
}

impl LoadArgs {
    /// The settings of the run. `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// One line that names the invalid option or variable.
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<LoadSettings, String> {
        self.check_ranges()?;
        let options = LoadOptions {
            workload: self.workload()?,
            target: Target::new(self.client.validate(Role::Ingest, variable)?),
            rate: self.rate,
            batch_events: self.batch,
            connections: self.connections,
            duration: self.duration,
        };
        Ok(LoadSettings { options, report: self.report })
    }

    fn check_ranges(&self) -> Result<(), String> {
        check_range("batch", self.batch, &limits::LOAD_BATCH_EVENTS)?;
        check_range("connections", self.connections, &limits::LOAD_CONNECTIONS)?;
        check_range("users", self.users, &limits::LOAD_USERS)?;
        if self.batch * self.connections > limits::LOAD_EVENTS_HELD_MAX {
            return Err(format!("batch x connections must be at most {}", limits::LOAD_EVENTS_HELD_MAX));
        }
        if self.zipf.is_some_and(|exponent| !limits::LOAD_ZIPF_EXPONENT.contains(&exponent)) {
            return Err("zipf must be 0 to 10".to_owned());
        }
        check_range("duplicates", self.duplicates, &(0.0..=1.0))?;
        check_range("late", self.late, &(0.0..=1.0))?;
        if self.duplicates + self.late > 1.0 {
            return Err("the sum of duplicates and late must not be more than 1".to_owned());
        }
        Ok(())
    }

    fn workload(&self) -> Result<Workload, String> {
        let seed = match self.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| error.to_string())?,
        };
        Ok(Workload {
            users: self.users,
            zipf_exponent: self.zipf,
            duplicates: self.duplicates,
            late: self.late,
            format: match self.format {
                BodyFormat::Json => Format::Json,
                BodyFormat::Ndjson => Format::Ndjson,
            },
            minimal: self.minimal,
            seed,
        })
    }
}

fn sending_time(text: &str) -> Result<Duration, String> {
    duration(text, &limits::LOAD_DURATION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::environment::variable;
    use crate::args::testing::{assert_is_one_line, parse};
    use crate::client::{ClientConfig, Trust};

    fn load(args: &[&str]) -> Result<LoadSettings, String> {
        parse::<LoadArgs>(args)?.validate(variable)
    }

    #[test]
    fn no_arguments_are_the_defaults() {
        let LoadSettings { options, report } = load(&[]).unwrap();
        assert_eq!(options.target.to_string(), "http://127.0.0.1:3000/events");
        assert_eq!((options.rate, options.batch_events, options.connections), (Rate::EventsPerSec(10_000), 100, 16));
        assert_eq!((options.duration, report), (Duration::from_secs(30), None));
        assert_eq!((options.workload.users, options.workload.zipf_exponent), (10_000, None));
    }

    #[test]
    fn each_option_is_used() {
        let args = "--url https://[::1]:81 --ca ca.pem --rate max --batch 7 --connections 3 --duration 2m --users 9 \
                    --zipf 1.2 --duplicates 0.25 --late 0.5 --format ndjson --minimal --seed 5 --report out/run";
        let settings = load(&args.split_whitespace().collect::<Vec<_>>()).unwrap();
        let workload = Workload {
            users: 9,
            zipf_exponent: Some(1.2),
            duplicates: 0.25,
            late: 0.5,
            format: Format::Ndjson,
            minimal: true,
            seed: 5,
        };
        let options = LoadOptions {
            target: Target::new(ClientConfig {
                url: "https://[::1]:81".parse().unwrap(),
                role: Role::Ingest,
                token: None,
                trust: Trust::File("ca.pem".into()),
            }),
            rate: Rate::Max,
            batch_events: 7,
            connections: 3,
            duration: Duration::from_secs(120),
            workload,
        };
        assert_eq!(settings, LoadSettings { options, report: Some("out/run".into()) });
    }

    #[test]
    fn the_seed_differs_from_run_to_run_unless_it_is_given() {
        let seed = |args: &[&str]| load(args).unwrap().options.workload.seed;
        assert_ne!(seed(&[]), seed(&[]));
        assert_eq!(seed(&["--seed", "18446744073709551615"]), u64::MAX);
    }

    #[test]
    fn an_error_is_one_line_that_names_the_option() {
        for (args, named) in [
            (&["--url", "ftp://x"][..], "--url"),
            (&["--rate", "0"], "must be 1 to 1000000000, or \"max\""),
            (&["--rate", "-5"], "--rate"),
            (&["--batch", "0"], "batch must be 1 to 100000, not 0"),
            (&["--batch", "100001"], "batch must be"),
            (&["--connections", "0"], "connections must be 1 to 10000, not 0"),
            (&["--connections", "10000", "--batch", "1001"], "batch x connections"),
            (&["--duration", "0s"], "must be 1ms to 24h"),
            (&["--duration=-1s"], "must be 1ms to 24h"),
            (&["--duration", "25h"], "must be 1ms to 24h"),
            (&["--duration", "30"], "must be a duration such as"),
            (&["--duration", "soon"], "must be a duration such as"),
            (&["--users", "0"], "users must be 1 to 1000000000, not 0"),
            (&["--zipf", "-1"], "zipf must be 0 to 10"),
            (&["--zipf", "NaN"], "zipf must be 0 to 10"),
            (&["--duplicates", "1.5"], "duplicates must be 0 to 1, not 1.5"),
            (&["--late", "-0.1"], "late must be 0 to 1"),
            (&["--late", "nan"], "late must be 0 to 1"),
            (&["--late", "0.6", "--duplicates", "0.6"], "must not be more than 1"),
            (&["--format", "xml"], "--format"),
            (&["--seed", "-1"], "--seed"),
            (&["--listen", "x"], "--listen"),
        ] {
            assert_is_one_line(&load(args).unwrap_err(), named);
        }
    }
}
