//! The table of commands.

use crate::args::cluster::{self, ClusterArgs};
use crate::args::demo::{self, DemoArgs};
use crate::args::environment::{variable, without_empty_variables};
use crate::args::error::ArgsError;
use crate::args::health::{self, HealthArgs};
use crate::args::journal::{self, JournalArgs};
use crate::args::load::{self, LoadArgs, LoadSettings};
use crate::args::reference::{self, ReferenceArgs};
use crate::args::send::{self, SendArgs};
use crate::args::serve::{self, ServeArgs};
use crate::args::top::{self, TopArgs};
use crate::client::health::HealthOptions;
use crate::client::reference::{PutOptions, ShowOptions};
use crate::client::send::SendOptions;
#[cfg(feature = "cluster")]
use crate::cluster::AllowOptions;
use crate::cluster::StatusOptions;
use crate::demo::DemoSettings;
use crate::journal::{InspectOptions, MigrateOptions};
use crate::serve::ServeSettings;
use crate::top::TopOptions;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
#[cfg(feature = "cluster")]
use weir_server::ClusterPermission;

/// A command, with its validated settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Run the server.
    Serve(ServeSettings),
    /// Send generated events to a server.
    Load(LoadSettings),
    /// Send events to a server.
    Send(SendOptions),
    /// Replace the reference table of a server.
    ReferencePut(PutOptions),
    /// Show the reference table of a server.
    ReferenceShow(ShowOptions),
    /// Show the live metrics of a server.
    Top(TopOptions),
    /// Check the health of a server.
    Health(HealthOptions),
    /// Run a server with generated traffic.
    Demo(DemoSettings),
    /// Show what a journal contains.
    JournalInspect(InspectOptions),
    /// Check a journal.
    JournalVerify(InspectOptions),
    /// Carry a journal over to other settings.
    JournalMigrate(MigrateOptions),
    /// Show how far each node of a cluster is.
    ClusterStatus(StatusOptions),
    /// Allow the nodes of a cluster to write more.
    #[cfg(feature = "cluster")]
    ClusterAllow(AllowOptions),
    /// Print the completions of a shell.
    Completions(Shell),
    /// Write the manual pages to a directory, or print the page of `weir`.
    Man(Option<PathBuf>),
}

/// Counts events and answers exact questions about the last minutes, over HTTP.
#[derive(Debug, Parser)]
#[command(name = "weir", version, args_conflicts_with_subcommands = true, after_help = serve::AFTER_HELP)]
pub(super) struct Cli {
    #[command(subcommand)]
    command: Option<CommandArgs>,
    #[command(flatten)]
    serve: ServeArgs,
}

const COMPLETIONS_AFTER_HELP: &str = "\
Examples:
  weir completions bash > ~/.local/share/bash-completion/completions/weir
  weir completions zsh > \"${fpath[1]}/_weir\"
  weir completions fish > ~/.config/fish/completions/weir.fish

Exit codes:
  0  the completions were printed
  1  the output could not be written";

const MAN_AFTER_HELP: &str = "\
Examples:
  weir man | man -l -
  weir man --out ~/.local/share/man/man1

Exit codes:
  0  the pages were written
  1  the output could not be written";

#[derive(Debug, Subcommand)]
enum CommandArgs {
    /// Run the server; weir without a command does the same.
    #[command(after_help = serve::AFTER_HELP)]
    Serve(ServeArgs),
    /// Send a file or a pipe of events to a server, in batches, until each event has a verdict.
    #[command(after_help = send::AFTER_HELP)]
    Send(SendArgs),
    /// Replace or show the reference table of users.
    #[command(subcommand, arg_required_else_help = false, after_help = reference::AFTER_HELP)]
    Reference(ReferenceArgs),
    /// Show live metrics in the terminal.
    #[command(after_help = top::AFTER_HELP)]
    Top(TopArgs),
    /// Check that a server responds, or accepts events, for health checks of containers.
    #[command(after_help = health::AFTER_HELP)]
    Health(HealthArgs),
    /// Run a server with generated traffic.
    #[command(after_help = demo::AFTER_HELP)]
    Demo(DemoArgs),
    /// Send generated events to a server, measure the responses, and check the server's counts.
    #[command(after_help = load::AFTER_HELP)]
    Load(LoadArgs),
    /// Show, check or migrate the journal of a server that is stopped.
    #[command(subcommand, arg_required_else_help = false, after_help = journal::AFTER_HELP)]
    Journal(JournalArgs),
    /// Show how far each node of a cluster is, and allow its nodes to write more.
    #[command(subcommand, arg_required_else_help = false, after_help = cluster::AFTER_HELP)]
    Cluster(ClusterArgs),
    /// Print the completions of a shell.
    #[command(after_help = COMPLETIONS_AFTER_HELP)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page of weir, or write the pages of all commands.
    #[command(after_help = MAN_AFTER_HELP)]
    Man {
        /// Write a page for each command to this directory.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// The definition of the command line: its commands, options, variables and defaults.
#[cfg(test)]
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

/// The command of the arguments and the environment.
///
/// # Errors
/// [`ArgsError`].
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ArgsError> {
    let mut command = without_empty_variables(Cli::command());
    let matches = command.try_get_matches_from_mut(args);
    let cli = matches
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command)))?;
    let command = match cli.command.unwrap_or(CommandArgs::Serve(cli.serve)) {
        CommandArgs::Serve(args) => args.validate(variable).map(Command::Serve),
        CommandArgs::Load(args) => args.validate(variable).map(Command::Load),
        CommandArgs::Send(args) => args.validate(variable).map(Command::Send),
        CommandArgs::Reference(ReferenceArgs::Put(args)) => args.validate(variable).map(Command::ReferencePut),
        CommandArgs::Reference(ReferenceArgs::Show(args)) => args.validate(variable).map(Command::ReferenceShow),
        CommandArgs::Top(args) => args.validate(variable).map(Command::Top),
        CommandArgs::Health(args) => Ok(Command::Health(args.validate())),
        CommandArgs::Demo(args) => args.validate(variable).map(Command::Demo),
        CommandArgs::Journal(JournalArgs::Inspect(args)) => Ok(Command::JournalInspect(args.validate())),
        CommandArgs::Journal(JournalArgs::Verify(args)) => Ok(Command::JournalVerify(args.validate())),
        CommandArgs::Journal(JournalArgs::Migrate(args)) => Ok(Command::JournalMigrate(args.validate())),
        CommandArgs::Cluster(ClusterArgs::Status(args)) => args.validate(variable).map(Command::ClusterStatus),
        #[cfg(feature = "cluster")]
        CommandArgs::Cluster(ClusterArgs::AllowEventTypes(args)) => allow(args, ClusterPermission::EventTypes),
        #[cfg(feature = "cluster")]
        CommandArgs::Cluster(ClusterArgs::AllowFrames(args)) => allow(args, ClusterPermission::Frames),
        CommandArgs::Completions { shell } => Ok(Command::Completions(shell)),
        CommandArgs::Man { out } => Ok(Command::Man(out)),
    };
    command.map_err(ArgsError::Invalid)
}

#[cfg(feature = "cluster")]
fn allow(args: ServeArgs, permission: ClusterPermission) -> Result<Command, String> {
    Ok(Command::ClusterAllow(AllowOptions { settings: args.validate(variable)?, permission }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::testing::assert_is_one_line;
    use weir::{EngineConfig, Horizon};

    fn parsed(args: &[&str]) -> Result<Command, String> {
        let args = std::iter::once("weir").chain(args.iter().copied()).map(OsString::from);
        parse(args).map_err(|error| match error {
            ArgsError::Invalid(line) => line,
            ArgsError::Help(text) => panic!("{text}"),
        })
    }

    fn serve_settings(args: &[&str]) -> ServeSettings {
        match parsed(args).unwrap() {
            Command::Serve(settings) => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn clap_accepts_the_definition() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn each_command_has_its_settings() {
        type IsCommand = fn(&Command) -> bool;
        let commands: [(&[&str], IsCommand); 14] = [
            (&["serve"], |command| matches!(command, Command::Serve(_))),
            (&["load"], |command| matches!(command, Command::Load(_))),
            (&["send", "-"], |command| matches!(command, Command::Send(_))),
            (&["reference", "put", "-"], |command| matches!(command, Command::ReferencePut(_))),
            (&["reference", "show", "u-1"], |command| matches!(command, Command::ReferenceShow(_))),
            (&["top"], |command| matches!(command, Command::Top(_))),
            (&["health", "--ready"], |command| matches!(command, Command::Health(HealthOptions { ready: true, .. }))),
            (&["demo"], |command| matches!(command, Command::Demo(_))),
            (&["journal", "inspect", "d"], |command| matches!(command, Command::JournalInspect(_))),
            (&["journal", "verify", "d", "--json"], |command| matches!(command, Command::JournalVerify(_))),
            (&["journal", "migrate", "d", "--retention", "9"], |command| matches!(command, Command::JournalMigrate(_))),
            (&["cluster", "status"], |command| matches!(command, Command::ClusterStatus(_))),
            (&["completions", "zsh"], |command| *command == Command::Completions(Shell::Zsh)),
            (&["man", "--out", "x"], |command| *command == Command::Man(Some("x".into()))),
        ];
        for (args, is_command) in commands {
            let command = parsed(args).unwrap();
            assert!(is_command(&command), "{args:?}: {command:?}");
        }
    }

    #[test]
    fn serve_is_the_default_command() {
        let args =
            ["--retention", "60", "--attributes", "tier,plan", "--dedup-horizon", "unbounded", "--listen", "[::1]:0"];
        let without_name = serve_settings(&args);
        let with_name: Vec<_> = std::iter::once("serve").chain(args).collect();
        assert_eq!(serve_settings(&with_name), without_name);
        assert_eq!(without_name.server.engine.retention_secs, 60);
        assert_eq!(without_name.server.engine.attributes, ["tier", "plan"]);
        assert_eq!(without_name.server.engine.dedup_horizon, Some(Horizon::Unbounded));
        assert_eq!(without_name.listen, "[::1]:0");
    }

    #[test]
    fn the_help_shows_lists_as_they_are_typed() {
        let Err(ArgsError::Help(help)) = parse(["weir", "--help"].map(OsString::from)) else { panic!("no help") };
        let (help, config) = (help.to_string(), EngineConfig::default());
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for names in [config.attributes, config.event_types] {
            assert!(words.contains(&format!("separated by commas [default: {}]", names.join(","))), "{help}");
        }
    }

    #[test]
    fn an_error_is_one_line_that_names_the_argument() {
        for (args, named) in [
            (&["fly"][..], "fly"),
            (&["--retention", "60", "serve"], "serve"),
            (&["--retention", "0"], "retention must be 1 to 86400, not 0"),
            (&["reference", "drop"], "drop"),
            (&["reference"], "requires a subcommand"),
            (&["send"], "FILE|-"),
        ] {
            assert_is_one_line(&parsed(args).unwrap_err(), named);
        }
    }
}
