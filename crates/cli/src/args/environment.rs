//! Environment variables.

use std::ffi::{OsStr, OsString};

/// The value of an environment variable, if it is set.
///
/// # Errors
/// One line, if the value is not UTF-8.
pub(super) fn variable(name: &str) -> Result<Option<String>, String> {
    let text = |value: OsString| value.into_string().map_err(|_| format!("{name} is not UTF-8"));
    std::env::var_os(name).map(text).transpose()
}

/// Makes the options of a command ignore variables that are set to an empty text. A file of variables often has lines
/// such as `WEIR_LISTEN=${LISTEN:-}`, where an empty value means that the option is not set.
pub(super) fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(None::<&str>) } else { arg })
        .mut_subcommands(without_empty_variables)
}
