//! `weir journal inspect` and `weir journal verify`. Both read all of the journal, and change nothing.

use crate::journal::report::JournalReport;
use crate::output;
use serde::Serialize;
use std::error::Error;
use std::path::{Path, PathBuf};
use weir_log::journal::{Journal, JournalError, survey};

/// Which journal to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InspectOptions {
    /// The directory of the journal.
    pub dir: PathBuf,
    /// Whether the output is JSON.
    pub json: bool,
}

/// The result of `weir journal verify` as JSON.
#[derive(Serialize)]
struct Verified<'a> {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(flatten)]
    report: Option<&'a JournalReport>,
}

/// Shows what a journal contains.
///
/// # Errors
/// One line: there is no journal, it is in use, or it is damaged.
pub(crate) fn inspect(options: &InspectOptions) -> Result<(), Box<dyn Error>> {
    let report = read(&options.dir)?;
    if options.json { print_json(&report) } else { Ok(output::print(&report)?) }
}

/// Checks that nothing in a journal is damaged or missing.
///
/// # Errors
/// As [`inspect`]. The line names the place of the first fault.
pub(crate) fn verify(options: &InspectOptions) -> Result<(), Box<dyn Error>> {
    let read = read(&options.dir);
    if options.json {
        let fault = read.as_ref().err().map(JournalError::to_string);
        print_json(&Verified { ok: fault.is_none(), fault, report: read.as_ref().ok() })?;
    }
    let report = read?;
    if !options.json {
        output::print(format_args!("no fault in {} entries with {} rows\n", report.entries(), report.rows()))?;
    }
    Ok(())
}

/// Reads and checks all of a journal.
fn read(dir: &Path) -> Result<JournalReport, JournalError> {
    let journal = Journal::open_read_only(dir)?;
    let survey = survey(&journal, &journal.config()?)?;
    Ok(JournalReport::new(&journal, &survey))
}

fn print_json(value: &impl Serialize) -> Result<(), Box<dyn Error>> {
    Ok(output::print(format_args!("{}\n", serde_json::to_string(value)?))?)
}
