//! What the tests of arguments share.

use crate::args::error::ArgsError;
use clap::{Args, Command};

/// Parses the arguments of one command.
pub(super) fn parse<A: Args>(args: &[&str]) -> Result<A, String> {
    let command = A::augment_args(Command::new("weir"));
    let matches = command.try_get_matches_from(std::iter::once(&"weir").chain(args));
    matches.and_then(|matches| A::from_arg_matches(&matches)).map_err(|error| match error.into() {
        ArgsError::Invalid(line) => line,
        ArgsError::Help(text) => panic!("{text}"),
    })
}

/// Checks that an error is one line that names the invalid argument.
pub(super) fn assert_is_one_line(line: &str, named: &str) {
    assert!(line.contains(named) && !line.contains('\n') && !line.starts_with("error"), "{named}: {line}");
}
