//! What is made of the command line's definition: completions and manual pages.

use crate::args::Cli;
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;
use std::path::Path;

/// What the help of `weir completions` ends with.
pub(super) const COMPLETIONS_AFTER_HELP: &str = "\
Examples:
  weir completions bash > ~/.local/share/bash-completion/completions/weir
  weir completions zsh > \"${fpath[1]}/_weir\"
  weir completions fish > ~/.config/fish/completions/weir.fish

Exit codes:
  0  they were printed
  1  they cannot be written";

/// What the help of `weir man` ends with.
pub(super) const MAN_AFTER_HELP: &str = "\
Examples:
  weir man | man -l -
  weir man --out ~/.local/share/man/man1

Exit codes:
  0  the pages were written
  1  they cannot be written";

/// The script that makes a shell complete `weir`'s commands and options.
#[must_use]
pub(crate) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "weir", &mut script);
    String::from_utf8(script).expect("names and help are text")
}

/// The manual page of `weir` itself, in roff.
///
/// # Errors
/// Never in fact: it is written to memory.
pub(crate) fn man_page() -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(Cli::command()).render(&mut page)?;
    Ok(String::from_utf8(page).expect("names and help are text"))
}

/// Writes the manual pages of `weir` and of each command to a directory, which is made if it is not there.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn write_man_pages(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command(), directory)
}
