//! Files with a secret: the secret of a cluster, a password or a token.

use crate::limits;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The text of a file without the white space around it. It is one line.
///
/// # Errors
/// One line that says which file is unusable, and why.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let unusable = |why: String| format!("cannot use the file {}: {why}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(limits::SECRET_FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    file.map_err(|error| unusable(format!("{error}; check the path and its permissions")))?;
    let text = str::from_utf8(&bytes).map_or("", str::trim);
    if text.is_empty() || text.contains('\n') || bytes.len() as u64 > limits::SECRET_FILE_BYTES_MAX {
        return Err(unusable("it must have one line of text".to_owned()));
    }
    Ok(text.to_owned())
}

/// The secret of a cluster.
///
/// # Errors
/// One line that says which file is unusable, and how to make a good one.
pub(super) fn secret(path: &Path) -> Result<[u8; 32], String> {
    let text = text(path)?;
    let mut secret = [0; 32];
    let digits = text.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = digits.len() == 2 * secret.len() && digits.iter().all(u8::is_ascii_hexdigit);
    if is_hex {
        secret.iter_mut().zip(digits.chunks_exact(2)).for_each(|(to, pair)| *to = byte(pair).unwrap_or_default());
        return Ok(secret);
    }
    let path = path.display();
    Err(format!("the file {path} must have 64 hexadecimal digits; make it once for all nodes: openssl rand -hex 32"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(content: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        (dir, path)
    }

    #[test]
    fn a_secret_is_64_hexadecimal_digits_and_a_line_end_does_not_matter() {
        let digits = "00ff".repeat(16);
        for content in [digits.clone(), format!("{digits}\n"), format!(" {}\r\n", digits.to_uppercase())] {
            let (_dir, path) = file(content);
            assert_eq!(secret(&path).unwrap()[..4], [0, 255, 0, 255]);
        }
        for content in [&digits[1..], &digits.replace('f', "g"), &format!("{digits}0"), &"é".repeat(32)] {
            let (_dir, path) = file(content);
            let line = secret(&path).unwrap_err();
            assert!(line.contains("64 hexadecimal digits") && line.contains("openssl rand -hex 32"), "{line}");
        }
    }

    #[test]
    fn an_unusable_file_is_named() {
        let large = vec![b'x'; limits::SECRET_FILE_BYTES_MAX as usize + 1];
        for content in [&b""[..], b" \n", b"two\nlines", b"\xff", &large] {
            let (_dir, path) = file(content);
            let line = text(&path).unwrap_err();
            assert!(line.contains("must have one line of text") && line.contains("secret"), "{line}");
        }
        assert!(text(Path::new("/nowhere/secret")).unwrap_err().contains("/nowhere/secret"));
        let (_dir, path) = file("pass word\n");
        assert_eq!(text(&path).unwrap(), "pass word");
    }
}
