//! Errors of the command line.

use clap::error::ErrorKind;

/// Why there is no command to run.
#[derive(Debug)]
pub(crate) enum ArgsError {
    /// The arguments ask for the help or the version. This is its text.
    Help(Box<clap::Error>),
    /// The arguments are invalid, for the reason in this one line.
    Invalid(String),
}

impl From<clap::Error> for ArgsError {
    fn from(error: clap::Error) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Self::Help(Box::new(error)),
            _ => Self::Invalid(one_line(&error.to_string())),
        }
    }
}

/// The message without the usage, which clap adds below an empty line.
fn one_line(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
