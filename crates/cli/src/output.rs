//! The output of a command.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Prints to standard output. A closed pipe is no error, as with `| head`.
///
/// # Errors
/// One line, if the output cannot be written for another reason, such as a full disk.
pub(crate) fn print(text: impl Display) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    ignore_broken_pipe(write!(stdout, "{text}").and_then(|()| stdout.flush()))
}

fn ignore_broken_pipe(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("cannot write the output: {error}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broken_pipe_is_no_error() {
        let full_disk = Err(ErrorKind::StorageFull.into());
        assert_eq!(ignore_broken_pipe(Err(ErrorKind::BrokenPipe.into())), Ok(()));
        assert_eq!(ignore_broken_pipe(full_disk).unwrap_err(), "cannot write the output: no storage space");
    }
}
