//! The command line: arguments as typed, then as one validated [`Command`].
//!
//! `command` is the table of all commands. Each command with options has a file of its own.

mod client;
mod cluster;
mod command;
mod demo;
mod environment;
mod error;
mod generate;
mod health;
mod journal;
mod load;
mod memory;
mod option_name;
mod reference;
mod send;
mod serve;
#[cfg(feature = "cluster")]
mod serve_cluster;
mod serve_journal;
mod serve_settings;
#[cfg(test)]
mod testing;
mod top;
mod values;

#[cfg(test)]
pub(crate) use command::definition;
pub(crate) use command::{Command, parse};
pub(crate) use error::ArgsError;
pub(crate) use generate::{completions, man_page, write_man_pages};
pub(crate) use load::LoadSettings;
pub(crate) use option_name::option_name;
