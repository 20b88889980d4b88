//! Where the tokens come from: the environment, and files. Not from the command line, which every user of a machine can
//! read.

use crate::limits;
use crate::tokens::Tokens;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use weir_api::Role;

/// The tokens that were given, and the files that hold others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSources {
    given: Tokens,
    files: Vec<(Role, PathBuf)>,
}

impl TokenSources {
    /// Takes the tokens of a role from a variable's value: one, or several with commas between them. An empty value is
    /// an error, because who sets it hardly means to let everyone in.
    pub fn add_list(&mut self, role: Role, list: &str) -> Result<(), String> {
        if list.is_empty() {
            return Err("it is empty; leave it out, or give it a token".to_owned());
        }
        list.split(',').try_for_each(|token| self.given.add(role, token.trim_ascii()))
    }

    /// Takes more of a role's tokens from a file.
    pub fn add_file(&mut self, role: Role, path: PathBuf) {
        self.files.push((role, path));
    }

    /// Whether no token of a role was given.
    pub fn is_open(&self, role: Role) -> bool {
        self.given.is_open(role) && self.files.iter().all(|(of, _)| *of != role)
    }

    /// The first token in a file: the one that a client shows.
    pub fn first_of_file(path: &Path) -> Result<String, String> {
        let text = read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        tokens_in(&text).next().map(str::to_owned).ok_or_else(|| format!("{}: no token in it", path.display()))
    }

    /// All tokens: those that were given, and what the files hold now.
    ///
    /// # Errors
    /// One line, when a file cannot be read, holds no token, or something that is none.
    pub fn read(&self) -> Result<Tokens, String> {
        let mut tokens = self.given.clone();
        for (role, path) in &self.files {
            let told = |error: &str| format!("{}-token-file {}: {error}", role.name(), path.display());
            let text = read(path).map_err(|error| told(&error.to_string()))?;
            let mut lines = tokens_in(&text);
            let first = lines.next().ok_or_else(|| told("no token in it"))?;
            for token in std::iter::once(first).chain(lines) {
                tokens.add(*role, token).map_err(|error| told(&error))?;
            }
        }
        Ok(tokens)
    }
}

/// One a line, among empty lines and comments.
fn tokens_in(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_ascii).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A file's text, if it is not too long.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(limits::TOKEN_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limits::TOKEN_FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a file of tokens"));
    }
    Ok(text)
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
    fn a_variable_holds_one_token_or_several() {
        let mut sources = TokenSources::default();
        sources.add_list(Role::Read, "one").unwrap();
        sources.add_list(Role::Ingest, "old, new").unwrap();
        assert_eq!(sources.read(), Ok(expected(&[(Role::Read, "one"), (Role::Ingest, "old"), (Role::Ingest, "new")])));
        for list in ["", " ", "a,", ",a", "a b"] {
            assert!(sources.add_list(Role::Admin, list).is_err(), "{list:?}");
        }
    }

    #[test]
    fn a_file_holds_one_token_a_line_and_is_read_each_time() {
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
