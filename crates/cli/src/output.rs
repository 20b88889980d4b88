//! What a command prints.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Prints to standard output. That nobody reads on is the reader's choice, as with `| head`.
///
/// # Errors
/// One line, when it cannot be written for another reason, such as a full disk.
pub(crate) fn print(text: impl Display) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    judge(write!(stdout, "{text}").and_then(|()| stdout.flush()))
}

fn judge(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("cannot write the output: {error}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_who_has_gone_is_no_failure() {
        assert_eq!(judge(Err(ErrorKind::BrokenPipe.into())), Ok(()));
        assert_eq!(judge(Err(ErrorKind::StorageFull.into())).unwrap_err(), "cannot write the output: no storage space");
    }
}
