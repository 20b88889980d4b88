//! Completions and manual pages, made from the definition of the command line.

use crate::args::command::Cli;
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;
use std::path::Path;

/// The completion script of a shell.
#[must_use]
pub(crate) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "weir", &mut script);
    String::from_utf8(script).expect("names and help are UTF-8")
}

/// The manual page of `weir` itself, in roff.
///
/// # Errors
/// Never in practice: the page is written to memory.
pub(crate) fn man_page() -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(Cli::command()).render(&mut page)?;
    Ok(String::from_utf8(page).expect("names and help are UTF-8"))
}

/// Writes the manual pages of `weir` and of each command to a directory. Creates the directory if it does not exist.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write_man_pages(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command(), directory)
}
