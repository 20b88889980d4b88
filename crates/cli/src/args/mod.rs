//! The command line: arguments as typed, then as one validated [`Command`].

mod access;
mod demo;
mod duration;
mod generate;
mod load;
mod memory;
mod range;
mod reference;
mod send;
mod top;

pub(crate) use generate::{completions, man_page, write_man_pages};
pub(crate) use load::LoadSettings;

use crate::client;
use crate::client::Source;
use crate::client::reference::{PutOptions, ShowOptions};
use crate::demo::DemoSettings;
use crate::serve::ServeSettings;
use crate::telemetry::LogFormat;
use crate::top as top_command;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;
use demo::DemoArgs;
use load::LoadArgs;
use memory::Shares;
use range::within;
use reference::ReferenceArgs;
use send::SendArgs;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use top::TopArgs;
use weir::{EngineConfig, Horizon};
use weir_api::Role;
use weir_server::{HttpConfig, Settings, Timeouts, TlsFiles, TokenSources, limits};

/// What the command is to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Serve.
    Serve(ServeSettings),
    /// Send load to a server.
    Load(LoadSettings),
    /// Send events to a server.
    Send(client::send::SendOptions),
    /// Replace a server's reference table.
    ReferencePut(PutOptions),
    /// Show a server's reference table.
    ReferenceShow(ShowOptions),
    /// Show a server's figures.
    Top(top_command::TopOptions),
    /// Serve, and send traffic of its own.
    Demo(DemoSettings),
    /// Print a shell's completions.
    Completions(Shell),
    /// Write the manual pages to a directory, or print the first.
    Man(Option<PathBuf>),
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum ExitStatus {
    /// The help or the version was asked for; here it is.
    Shown(Box<clap::Error>),
    /// The arguments cannot be taken, for the reason in this one line.
    Refused(String),
}

/// Counts events as they come and answers exact questions about the last minutes, over HTTP.
#[derive(Debug, Parser)]
#[command(name = "weir", version, args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<CommandArgs>,
    #[command(flatten)]
    serve: ServeArgs,
}

const AFTER_HELP: &str = "\
Examples:
  weir
  weir serve --listen 0.0.0.0:3443 --tls-cert cert.pem --tls-key key.pem --max-memory 4GiB
  WEIR_INGEST_TOKEN=$(openssl rand -base64 32) weir --retention 3600

Environment:
Each option of serve can be set by the environment variable named with it; the command line wins. WEIR_LOG sets the log \
level: error, warn, info (the default), debug or trace. WEIR_INGEST_TOKEN, WEIR_ADMIN_TOKEN and WEIR_READ_TOKEN hold the \
tokens of a role, several with commas between them; they are no options, because every user of a machine can read those. \
SIGTERM or SIGINT answers what is in flight and exits with 0; a second one exits at once. SIGHUP reads the files of tokens \
and of the certificate again.

Exit codes:
  0  it was ended by SIGTERM or SIGINT, and what was in flight was answered
  1  there is nothing to serve with, or nowhere to; the line on stderr says why
130, 143  a second SIGINT or SIGTERM ended it at once";

#[derive(Debug, Subcommand)]
enum CommandArgs {
    /// Serve over HTTP; this is also what weir does without a command.
    #[command(after_help = AFTER_HELP)]
    Serve(ServeArgs),
    /// Send a file or a pipe of events to a server, in batches, until each has a verdict.
    #[command(after_help = send::AFTER_HELP)]
    Send(SendArgs),
    /// Replace or show the table of users.
    #[command(subcommand, arg_required_else_help = false, after_help = reference::AFTER_HELP)]
    Reference(ReferenceArgs),
    /// Show the live figures in the terminal.
    #[command(after_help = top::AFTER_HELP)]
    Top(TopArgs),
    /// Serve, with made-up traffic, so that there is something to look at.
    #[command(after_help = demo::AFTER_HELP)]
    Demo(DemoArgs),
    /// Send made-up events to a server, measure its answers, and check that it counts what was sent.
    #[command(after_help = load::AFTER_HELP)]
    Load(LoadArgs),
    /// Print the completions of a shell.
    #[command(after_help = generate::COMPLETIONS_AFTER_HELP)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands.
    #[command(after_help = generate::MAN_AFTER_HELP)]
    Man {
        /// Write a page for each command to this directory.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// The arguments as typed.
#[derive(Debug, Args)]
struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:3000, or 127.0.0.1:$PORT where PORT is set].
    #[arg(long, env = "WEIR_LISTEN", value_name = "ADDR:PORT")]
    listen: Option<String>,

    /// The longest window that can be asked for, in seconds (1 to 86400).
    #[arg(long, env = "WEIR_RETENTION", value_name = "SECS", default_value_t = EngineConfig::default().retention_secs)]
    #[arg(allow_negative_numbers = true)]
    retention: u32,

    /// How far an event's ts may lie from the server's clock, both ways, in seconds (0 to 86400).
    #[arg(long, env = "WEIR_MAX_SKEW", value_name = "SECS", default_value_t = EngineConfig::default().max_skew_secs)]
    #[arg(allow_negative_numbers = true)]
    max_skew: u32,

    /// How long an accepted event_id is remembered, in seconds or "unbounded" [default: retention + 2 x max-skew,
    /// which is also the least].
    #[arg(long, env = "WEIR_DEDUP_HORIZON", value_name = "SECS|unbounded", value_parser = horizon)]
    #[arg(allow_negative_numbers = true)]
    dedup_horizon: Option<Horizon>,

    /// Remember event_ids in tables made beforehand, for this many ids a horizon: some 32 bytes of memory an id, faster, and
    /// an event beyond it is refused as overloaded [default: a table that grows and shrinks with the ids].
    #[arg(long, env = "WEIR_DEDUP_CAPACITY", value_name = "IDS")]
    #[arg(allow_negative_numbers = true)]
    dedup_capacity: Option<usize>,

    /// The attributes of users that events are broken down by, in the order of the answers: 1 to 8 names with commas between
    /// [default: plan,region].
    #[arg(long, env = "WEIR_ATTRIBUTES", value_name = "NAME,…", value_delimiter = ',')]
    #[arg(default_values_t = EngineConfig::default().attributes, hide_default_value = true)]
    attributes: Vec<String>,

    /// The types that an event may have: 1 to 64 names with commas between [default: click,view,purchase].
    #[arg(long, env = "WEIR_EVENT_TYPES", value_name = "NAME,…", value_delimiter = ',')]
    #[arg(default_values_t = EngineConfig::default().event_types, hide_default_value = true)]
    event_types: Vec<String>,

    /// The largest body, as sent and after decompression: bytes, or with a suffix KiB, MiB or GiB (up to 1GiB).
    #[arg(long, env = "WEIR_MAX_BODY_BYTES", value_name = "SIZE", default_value = "16MiB", value_parser = size_bytes)]
    #[arg(allow_negative_numbers = true)]
    max_body_bytes: usize,

    /// The most events in one request (1 to 10000000).
    #[arg(long, env = "WEIR_MAX_BATCH_EVENTS", value_name = "N")]
    #[arg(default_value_t = EngineConfig::default().max_batch_events, allow_negative_numbers = true)]
    max_batch_events: usize,

    /// The memory that the process may take: bytes, or with a suffix KiB, MiB or GiB. Events that do not fit are refused with
    /// 503 until others have expired [default: no limit].
    #[arg(long, env = "WEIR_MAX_MEMORY", value_name = "SIZE", value_parser = size_bytes, allow_negative_numbers = true)]
    max_memory: Option<usize>,

    /// Connections at once; those beyond are answered with 503 (1 to 1000000).
    #[arg(long, env = "WEIR_MAX_CONNECTIONS", value_name = "N", default_value_t = limits::CONNECTIONS_DEFAULT)]
    #[arg(allow_negative_numbers = true)]
    max_connections: usize,

    /// Live streams of figures at once; those beyond are answered with 503 (0 to 100000).
    #[arg(long, env = "WEIR_MAX_STREAMS", value_name = "N", default_value_t = limits::STREAMS_DEFAULT)]
    #[arg(allow_negative_numbers = true)]
    max_streams: usize,

    /// How long a connection may rest between two requests, in seconds (1 to 86400).
    #[arg(long, env = "WEIR_IDLE_TIMEOUT", value_name = "SECS", default_value_t = limits::IDLE_TIMEOUT.as_secs())]
    #[arg(allow_negative_numbers = true)]
    idle_timeout: u64,

    /// A file of tokens that may post events, one a line. With none, here or in WEIR_INGEST_TOKEN, everyone may.
    #[arg(long, env = "WEIR_INGEST_TOKEN_FILE", value_name = "FILE")]
    ingest_token_file: Option<PathBuf>,

    /// A file of tokens that may change the reference table.
    #[arg(long, env = "WEIR_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,

    /// A file of tokens that may read figures and the reference table.
    #[arg(long, env = "WEIR_READ_TOKEN_FILE", value_name = "FILE")]
    read_token_file: Option<PathBuf>,

    /// Speak TLS, with this PEM file of a certificate chain.
    #[arg(long, env = "WEIR_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The PEM file of the certificate's private key.
    #[arg(long, env = "WEIR_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Threads that serve connections [default: one per core].
    #[arg(long, env = "WEIR_WORKERS", value_name = "N", allow_negative_numbers = true)]
    workers: Option<usize>,

    /// Shards of the window, a power of two up to 256; they only spread contention [default: one per core].
    #[arg(long, env = "WEIR_SHARDS", value_name = "N", allow_negative_numbers = true)]
    shards: Option<usize>,

    /// How log lines on stderr look.
    #[arg(long, env = "WEIR_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// The definition of the command line: its commands, arguments, variables and defaults.
#[cfg(test)]
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

/// The command that the arguments and the environment ask for.
///
/// # Errors
/// When there is nothing to run: help was asked for, or something is wrong with the arguments.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ExitStatus> {
    let mut command = without_empty_variables(Cli::command());
    let matches = command.try_get_matches_from_mut(args);
    let cli = matches
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command)));
    let cli = cli.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitStatus::Shown(Box::new(error)),
        _ => ExitStatus::Refused(one_line(&error.to_string())),
    })?;
    let command = match cli.command.unwrap_or(CommandArgs::Serve(cli.serve)) {
        CommandArgs::Serve(args) => args.validate(variable).map(Command::Serve),
        CommandArgs::Load(args) => args.validate(variable).map(Command::Load),
        CommandArgs::Send(args) => args.validate(variable).map(Command::Send),
        CommandArgs::Reference(ReferenceArgs::Put(args)) => args.validate(variable).map(Command::ReferencePut),
        CommandArgs::Reference(ReferenceArgs::Show(args)) => args.validate(variable).map(Command::ReferenceShow),
        CommandArgs::Top(args) => args.validate(variable).map(Command::Top),
        CommandArgs::Demo(args) => args.validate(variable).map(Command::Demo),
        CommandArgs::Completions { shell } => Ok(Command::Completions(shell)),
        CommandArgs::Man { out } => Ok(Command::Man(out)),
    };
    command.map_err(ExitStatus::Refused)
}

/// A variable that is there and empty sets nothing, as `${NAME:-}` in the files of others means it.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(None::<&str>) } else { arg })
        .mut_subcommands(without_empty_variables)
}

/// What a command that reads a file reads: the file, or standard input for `-`.
fn source(file: String) -> Source {
    if file == "-" { Source::Stdin } else { Source::File(file.into()) }
}

/// A variable of the environment, if it is set.
fn variable(name: &str) -> Result<Option<String>, String> {
    let text = |value: OsString| value.into_string().map_err(|_| format!("{name} is not UTF-8"));
    std::env::var_os(name).map(text).transpose()
}

impl ServeArgs {
    fn validate(self, variable: impl Fn(&str) -> Result<Option<String>, String>) -> Result<ServeSettings, String> {
        let mut engine = EngineConfig::default();
        let shares = self.max_memory.map(|bytes| Shares::of(bytes, self.max_body_bytes));
        engine.retention_secs = self.retention;
        engine.max_skew_secs = self.max_skew;
        engine.dedup_horizon = self.dedup_horizon;
        engine.dedup_capacity = self.dedup_capacity;
        engine.attributes = self.attributes;
        engine.event_types = self.event_types;
        engine.max_batch_events = self.max_batch_events;
        engine.max_backlog_events = engine.max_backlog_events.max(self.max_batch_events.saturating_mul(2));
        engine.max_memory_bytes = shares.map(|shares| shares.engine_bytes);
        engine.shards = self.shards.unwrap_or(engine.shards);
        engine.validate().map_err(|error| {
            let line = error.display_as(&option_of(error.field()));
            match self.max_memory {
                Some(bytes) => format!("{line} (of {bytes} bytes, the rest is for bodies and the process itself)"),
                None => line,
            }
        })?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = self.workers.unwrap_or(cores.min(*limits::WORKERS.end()));
        within("workers", workers, &limits::WORKERS)?;
        within("max-body-bytes", self.max_body_bytes, &limits::BODY_BYTES)?;
        within("max-connections", self.max_connections, &limits::CONNECTIONS)?;
        within("max-streams", self.max_streams, &limits::STREAMS)?;
        within("idle-timeout", self.idle_timeout, &limits::IDLE_TIMEOUT_SECS)?;
        let without_limit = limits::BODIES_BYTES_DEFAULT.max(self.max_body_bytes.saturating_mul(2));
        let mut tokens = TokenSources::default();
        let files = [self.ingest_token_file, self.admin_token_file, self.read_token_file];
        for (role, file) in Role::ALL.into_iter().zip(files) {
            let name = role.token_variable();
            if let Some(list) = variable(name)? {
                tokens.add_list(role, &list).map_err(|error| format!("{name}: {error}"))?;
            }
            file.into_iter().for_each(|file| tokens.add_file(role, file));
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err("--tls-cert and --tls-key go together".to_owned());
        }
        let http = HttpConfig {
            max_body_bytes: self.max_body_bytes,
            max_bodies_bytes: shares.map_or(without_limit, |shares| shares.bodies_bytes),
            max_connections: self.max_connections,
            max_streams: self.max_streams,
            timeouts: Timeouts { idle: Duration::from_secs(self.idle_timeout), ..Timeouts::default() },
            ..HttpConfig::default()
        };
        let tls = self.tls_cert.zip(self.tls_key).map(|(certificates, key)| TlsFiles { certificates, key });
        Ok(ServeSettings {
            listen: listen_address(self.listen, variable("PORT")?.as_deref())?,
            server: Settings { engine, http, tls, tokens },
            workers,
            log_format: self.log_format,
        })
    }
}

/// The option that sets a field of the engine's settings: the same words, without the unit.
pub(crate) fn option_of(field: &str) -> String {
    let name = field.strip_suffix("_secs").or_else(|| field.strip_suffix("_bytes")).unwrap_or(field);
    name.replace('_', "-")
}

fn listen_address(listen: Option<String>, port: Option<&str>) -> Result<String, String> {
    match (listen, port) {
        (Some(listen), _) => Ok(listen),
        (None, None | Some("")) => Ok("127.0.0.1:3000".to_owned()),
        (None, Some(port)) => {
            let port: u16 = port.parse().map_err(|_| format!("PORT must be 0 to 65535, not {port:?}"))?;
            Ok(format!("127.0.0.1:{port}"))
        }
    }
}

fn horizon(text: &str) -> Result<Horizon, String> {
    if text.eq_ignore_ascii_case("unbounded") {
        return Ok(Horizon::Unbounded);
    }
    text.parse().map(Horizon::Secs).map_err(|_| "neither a whole number of seconds nor \"unbounded\"".to_owned())
}

fn size_bytes(text: &str) -> Result<usize, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    let unit_bytes = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" => Some(1),
        "kib" => Some(1 << 10),
        "mib" => Some(1 << 20),
        "gib" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit_bytes.and_then(|unit_bytes: usize| digits.parse::<usize>().ok()?.checked_mul(unit_bytes));
    bytes.ok_or_else(|| "not a number of bytes, KiB, MiB or GiB".to_owned())
}

/// What is wrong, without the usage that clap adds below an empty line.
fn one_line(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A refusal of arguments is one line that names what is wrong.
    pub(super) fn assert_is_one_line(line: &str, named: &str) {
        assert!(line.contains(named) && !line.contains('\n') && !line.starts_with("error"), "{named}: {line}");
    }

    #[test]
    fn the_help_tells_lists_as_they_are_written() {
        let Err(ExitStatus::Shown(help)) = parse(["weir", "--help"].map(OsString::from)) else { panic!("no help") };
        let (help, config) = (help.to_string(), EngineConfig::default());
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for names in [config.attributes, config.event_types] {
            assert!(words.contains(&format!("with commas between [default: {}]", names.join(","))), "{help}");
        }
    }

    /// The command that these arguments ask for, or why there is none.
    pub(super) fn parsed(args: &[&str]) -> Result<Command, String> {
        let args = std::iter::once("weir").chain(args.iter().copied()).map(OsString::from);
        match parse(args) {
            Ok(command) => Ok(command),
            Err(ExitStatus::Refused(line)) => Err(line),
            Err(ExitStatus::Shown(text)) => panic!("{text}"),
        }
    }

    fn settings(args: &[&str]) -> Result<ServeSettings, String> {
        match parsed(args)? {
            Command::Serve(settings) => Ok(settings),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn clap_finds_no_fault_with_the_definition() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn no_arguments_are_the_defaults() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listen, "127.0.0.1:3000");
        assert_eq!(settings.server.engine, EngineConfig::default());
        assert_eq!(settings.server.http, HttpConfig::default());
    }

    #[test]
    fn serve_may_be_named_or_not() {
        let args =
            ["--retention", "60", "--attributes", "tier,plan", "--dedup-horizon", "unbounded", "--listen", "[::1]:0"];
        let unnamed = settings(&args).unwrap();
        let named: Vec<_> = std::iter::once("serve").chain(args).collect();
        assert_eq!(settings(&named).unwrap(), unnamed);
        assert_eq!(unnamed.server.engine.retention_secs, 60);
        assert_eq!(unnamed.server.engine.attributes, ["tier", "plan"]);
        assert_eq!(unnamed.server.engine.dedup_horizon, Some(Horizon::Unbounded));
        assert_eq!(unnamed.listen, "[::1]:0");
    }

    #[test]
    fn sizes_take_binary_suffixes() {
        for (text, bytes) in [("7", 7), ("2KiB", 2_048), ("3 mib", 3 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1MB", "1.5MiB", "-1", "99999999999999999999", "18014398509481984KiB"] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_port_of_the_environment_is_the_last_resort() {
        assert_eq!(listen_address(None, Some("80")).unwrap(), "127.0.0.1:80");
        assert_eq!(listen_address(None, Some("")).unwrap(), "127.0.0.1:3000");
        assert_eq!(listen_address(Some("x:1".into()), Some("80")).unwrap(), "x:1");
        assert_eq!(listen_address(None, Some("http")).unwrap_err(), "PORT must be 0 to 65535, not \"http\"");
    }

    #[test]
    fn a_bad_value_is_one_line_that_names_it() {
        for (args, named) in [
            (&["--retention", "0"][..], "retention must be 1 to 86400, not 0"),
            (&["--retention", "-1"], "--retention"),
            (&["--retention", "abc"], "--retention"),
            (&["--retention"], "--retention"),
            (&["--dedup-horizon", "5"], "dedup-horizon must be at least"),
            (&["--dedup-horizon", "soon"], "--dedup-horizon"),
            (&["--attributes", "type"], "reserved"),
            (&["--event-types", ""], "event-types"),
            (&["--max-body-bytes", "0"], "max-body-bytes must be 1 to 1073741824, not 0"),
            (&["--max-body-bytes", "2GiB"], "max-body-bytes"),
            (&["--workers", "0"], "workers must be 1 to 512, not 0"),
            (&["--shards", "3"], "power of two"),
            (&["--log-format", "xml"], "'--log-format <FORMAT>' [possible values: text, json]"),
            (&["--no-such-flag"], "--no-such-flag"),
            (&["--max-connections", "0"], "max-connections must be 1 to 1000000, not 0"),
            (&["--max-streams", "100001"], "max-streams must be 0 to 100000, not 100001"),
            (&["--idle-timeout", "0"], "idle-timeout must be 1 to 86400, not 0"),
            (&["--tls-cert", "cert.pem"], "--tls-key"),
            (&["--tls-key", "key.pem"], "--tls-cert"),
            (&["fly"], "fly"),
            (&["--retention", "60", "serve"], "serve"),
        ] {
            assert_is_one_line(&settings(args).unwrap_err(), named);
        }
    }
}
