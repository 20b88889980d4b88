//! The files of a report.

use crate::load::report::finished_run::Report;
use crate::load::report::{hgrm, html, json};
use std::fs;
use std::io;
use std::path::Path;

impl Report {
    /// Writes `latency.hgrm`, `report.json` and `report.html` to a directory. Creates the directory if it does not
    /// exist.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("latency.hgrm"), hgrm::text(&self.records.latency))?;
        fs::write(directory.join("report.json"), json::text(self))?;
        fs::write(directory.join("report.html"), html::page(self))
    }
}
