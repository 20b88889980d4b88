//! The file of the rejected events.

use crate::client::send::batch::Batch;
use crate::client::send::verdicts::RejectedEvent;
use serde::Serialize;
use serde_json::value::RawValue;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use weir_api::VerdictCode;

/// A file with one line of JSON for each rejected event.
#[derive(Debug)]
pub(super) struct RefusedFile {
    path: PathBuf,
    writer: BufWriter<File>,
}

/// A line of the file.
#[derive(Serialize)]
struct RefusedLine<'a> {
    line: u64,
    code: &'a str,
    message: &'a str,
    event: &'a RawValue,
}

impl RefusedFile {
    /// Creates the file. An existing file must be empty, because its events may not be fixed yet. Devices and pipes
    /// count as empty.
    ///
    /// # Errors
    /// One line that names the file.
    pub(super) fn create(path: &Path) -> Result<Self, String> {
        let cannot_write = |error: io::Error| format!("cannot write {}: {error}", path.display());
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(cannot_write)?;
        let metadata = file.metadata().map_err(cannot_write)?;
        if metadata.is_file() && metadata.len() > 0 {
            return Err(format!(
                "{} is not empty, and may have the rejected events of another run; move it, or set --refused to \
                 another file",
                path.display()
            ));
        }
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file) })
    }

    /// Writes the rejected events of a batch. Nothing is left in memory, so the file is complete whenever the process
    /// ends.
    ///
    /// # Errors
    /// One line that names the file.
    pub(super) fn write(&mut self, batch: &Batch, rejected: &[RejectedEvent]) -> Result<(), String> {
        let written = rejected.iter().try_for_each(|event| write_line(&mut self.writer, batch, event));
        let written = written.and_then(|()| self.writer.flush());
        written.map_err(|error| format!("cannot write {}: {error}", self.path.display()))
    }
}

fn write_line(writer: &mut impl Write, batch: &Batch, rejected: &RejectedEvent) -> io::Result<()> {
    let RejectedEvent { index, line, code, message, .. } = rejected;
    let event = event_of(batch.line(*index).unwrap_or_default(), code)?;
    serde_json::to_writer(&mut *writer, &RefusedLine { line: *line, code, message, event: &event })?;
    writer.write_all(b"\n")
}

/// The event as it is if the line is JSON, else the line as a string.
fn event_of(line: &[u8], code: &str) -> serde_json::Result<Box<RawValue>> {
    // The server is stricter: it also rejects strings that are not valid Unicode.
    let is_malformed = code == VerdictCode::MalformedJson.as_str();
    match serde_json::from_slice(line) {
        Ok(event) if !is_malformed => Ok(event),
        _ => serde_json::value::to_raw_value(&String::from_utf8_lossy(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn rejected(index: usize, code: &str) -> RejectedEvent {
        let line = index as u64 + 10;
        RejectedEvent { index, line, event_id: None, code: code.into(), message: "it \"is\" so".into() }
    }

    #[test]
    fn each_event_is_written_as_it_is_or_as_a_string() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("refused.ndjson");
        let mut batch = Batch::default();
        let lines: [&[u8]; 5] = [br#" {"a": 1e400, "a": 2}"#, b"{oops \"\\", b"\xff", br#""\ud800""#, b"7\r"];
        (10..).zip(lines).for_each(|(number, line)| batch.push(number, line));
        let mut file = RefusedFile::create(&path).unwrap();
        file.write(&batch, &[rejected(0, "invalid_event"), rejected(1, "malformed_json")]).unwrap();
        file.write(&batch, &[rejected(2, "payload_too_large"), rejected(3, "malformed_json")]).unwrap();
        file.write(&batch, &[rejected(4, "invalid_event")]).unwrap();
        // The file is complete while the run goes on.
        let text = fs::read_to_string(&path).unwrap();
        let expected = [
            r#"{"line":10,"code":"invalid_event","message":"it \"is\" so","event":{"a": 1e400, "a": 2}}"#,
            r#"{"line":11,"code":"malformed_json","message":"it \"is\" so","event":"{oops \"\\"}"#,
            "{\"line\":12,\"code\":\"payload_too_large\",\"message\":\"it \\\"is\\\" so\",\"event\":\"\u{fffd}\"}",
            r#"{"line":13,"code":"malformed_json","message":"it \"is\" so","event":"\"\\ud800\""}"#,
            r#"{"line":14,"code":"invalid_event","message":"it \"is\" so","event":7}"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_file_with_content_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("refused.ndjson");
        fs::write(&path, "").unwrap();
        RefusedFile::create(&path).unwrap();
        fs::write(&path, "{}\n").unwrap();
        let error = RefusedFile::create(&path).unwrap_err();
        assert!(error.contains(" is not empty, and may have the rejected events of another run; move it"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
        assert!(RefusedFile::create(directory.path()).unwrap_err().starts_with("cannot write "));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_can_be_written_and_a_full_disk_is_an_error() {
        let mut batch = Batch::default();
        batch.push(10, b"{}");
        let write = |path: &str| {
            let mut file = RefusedFile::create(Path::new(path)).unwrap();
            file.write(&batch, &[rejected(0, "invalid_event")])
        };
        assert_eq!(write("/dev/null"), Ok(()));
        assert!(write("/dev/full").unwrap_err().starts_with("cannot write /dev/full: "));
    }
}
