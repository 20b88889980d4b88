//! The sources of tokens: environment variables and files. The command line is not a source, because every user of a
//! machine can read it.

use crate::limits;
use crate::tokens::Tokens;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use weir_api::Role;

/// Tokens from the environment, and the files with further tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSources {
    from_environment: Tokens,
    files: Vec<(Role, PathBuf)>,
}

impl TokenSources {
    /// Adds the tokens of a role from the value of an environment variable: one token, or several separated by commas.
    ///
    /// # Errors
    /// One line that does not contain the token: see [`Tokens::add`]. An empty value is an error too. It would open the
    /// role to everyone, which is hardly the intention of a variable that is set.
    pub fn add_list(&mut self, role: Role, list: &str) -> Result<(), String> {
        if list.is_empty() {
            return Err("it is empty; unset it, or set it to a token".to_owned());
        }
        list.split(',').try_for_each(|token| self.from_environment.add(role, token.trim_ascii()))
    }

    /// Adds a file with tokens of a role. [`TokenSources::read`] reads it.
    pub fn add_file(&mut self, role: Role, path: PathBuf) {
        self.files.push((role, path));
    }

    /// Whether a role has neither a token nor a token file.
    pub fn is_open(&self, role: Role) -> bool {
        self.from_environment.is_open(role) && self.files.iter().all(|(of, _)| *of != role)
    }

    /// The first token in a file, which is the one that a client sends.
    ///
    /// # Errors
    /// One line that names the file, when it is unreadable or contains no token.
    pub fn first_of_file(path: &Path) -> Result<String, String> {
        let text = read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        tokens_in(&text).next().map(str::to_owned).ok_or_else(|| format!("{}: no token in it", path.display()))
    }

    /// All tokens: those from the environment, and the current content of the files.
    ///
    /// # Errors
    /// One line that names the file, when it is unreadable, contains no token, or contains an invalid one.
    pub fn read(&self) -> Result<Tokens, String> {
        let mut tokens = self.from_environment.clone();
        for (role, path) in &self.files {
            let named = |error: &str| format!("{}-token-file {}: {error}", role.name(), path.display());
            let text = read(path).map_err(|error| named(&error.to_string()))?;
            let mut lines = tokens_in(&text);
            let first = lines.next().ok_or_else(|| named("no token in it"))?;
            for token in std::iter::once(first).chain(lines) {
                tokens.add(*role, token).map_err(|error| named(&error))?;
            }
        }
        Ok(tokens)
    }
}

/// The tokens of a file, one per line. Empty lines and lines that start with `#` are skipped.
fn tokens_in(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_ascii).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The text of a file, if it is not too large. Some editors start a file with a byte order mark, which is no part of
/// the first token.
fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limits::TOKEN_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::TOKEN_FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the token file is too large"));
    }
    let text = str::from_utf8(&bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the token file is not UTF-8; save it as UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(all: &[(Role, &str)]) -> Tokens {
        let mut tokens = Tokens::default();
        all.iter().for_each(|(role, token)| tokens.add(*role, token).unwrap());
        tokens
    }

    #[test]
    fn a_variable_has_one_token_or_several() {
        let mut sources = TokenSources::default();
        sources.add_list(Role::Read, "one").unwrap();
        sources.add_list(Role::Ingest, "old, new").unwrap();
        assert_eq!(sources.read(), Ok(expected(&[(Role::Read, "one"), (Role::Ingest, "old"), (Role::Ingest, "new")])));
        for list in ["", " ", "a,", ",a", "a b"] {
            assert!(sources.add_list(Role::Admin, list).is_err(), "{list:?}");
        }
    }

    #[test]
    fn a_file_has_one_token_per_line_and_is_read_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        let mut sources = TokenSources::default();
        sources.add_list(Role::Admin, "given").unwrap();
        sources.add_file(Role::Admin, path.clone());
        let read = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            sources.read()
        };
        assert_eq!(read(b"a"), Ok(expected(&[(Role::Admin, "given"), (Role::Admin, "a")])));
        let two = expected(&[(Role::Admin, "given"), (Role::Admin, "a"), (Role::Admin, "b")]);
        assert_eq!(read(b"\xef\xbb\xbfa"), Ok(expected(&[(Role::Admin, "given"), (Role::Admin, "a")])));
        assert_eq!(TokenSources::first_of_file(&path).as_deref(), Ok("a"));
        assert_eq!(read(b"\xef\xbb\xbf# rotated\n\na\n"), Ok(expected(&[(Role::Admin, "given"), (Role::Admin, "a")])));
        assert!(read(b"\xff\xfea\0").unwrap_err().contains("save it as UTF-8"));
        assert!(read(b"a\n\xef\xbb\xbfb").is_err(), "a byte order mark only starts a file");
        assert_eq!(read(b"# rotated\r\n a \r\n\nb\n"), Ok(two));
        for text in [&b""[..], b"# none\n", b"a\nb c\n", b"\xff", &vec![b'\n'; 200_000]] {
            let error = read(text).unwrap_err();
            let named = format!("admin-token-file {}: ", path.display());
            assert!(error.starts_with(&named) && !error.contains('\n'), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(sources.read().is_err());
    }
}
