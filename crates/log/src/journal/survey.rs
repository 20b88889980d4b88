//! What a journal contains. The whole of it is read and checked.

use weir::{EngineConfig, ReferenceCopy, Secret};

use super::error::JournalError;
use super::judged::{Judged, for_each_frame};
use super::read_only::ReadOnlyJournal;
use super::store::Topic;
use crate::frame::Judgement;
use crate::reference;
use crate::topic::Lost;

/// What a journal contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// The frames of batches.
    pub frames: u64,
    /// The frames of which nothing counts.
    pub void_frames: u64,
    /// The rows of frames that count.
    pub rows: u64,
    /// The rows that were accepted, as far as it is recorded.
    pub accepted_rows: u64,
    /// The rows that were refused, as far as it is recorded.
    pub refused_rows: u64,
    /// The rows whose outcome is not recorded, because the process was killed. The next start judges them.
    pub unrecorded_rows: u64,
    /// Log time after the first frame and after the last one, in milliseconds since the epoch; none without a frame.
    pub log_ms: Option<(i64, i64)>,
    /// The entries of the reference log: changes, refused ones included, and copies of the table.
    pub reference_entries: u64,
    /// The reference table; none before the first one.
    pub table: Option<Table>,
}

/// The reference table of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// The number of the generation.
    pub generation: u64,
    /// The timestamp of the table, in milliseconds since the epoch.
    pub ts_ms: i64,
    /// The number of users.
    pub users: usize,
}

impl Table {
    pub(super) fn of(copy: &ReferenceCopy) -> Self {
        Self { generation: copy.number, ts_ms: copy.ts_ms, users: copy.users.len() }
    }
}

/// Reads all of a journal of an engine with these settings, checks it, and counts.
///
/// # Errors
/// The first fault: an entry is missing, is none of this journal, or contradicts what was before it. Or the disk fails.
pub fn survey(journal: &ReadOnlyJournal, config: &EngineConfig) -> Result<Survey, JournalError> {
    let mut survey = Survey::default();
    for_each_frame(journal, config, |judged| {
        survey.count(judged);
        Ok(())
    })?;
    let span = journal.span(Topic::Reference);
    survey.reference_entries = span.last.0 + 1 - span.first.0;
    survey.table = table(journal, config)?.map(|copy| Table::of(&copy));
    Ok(survey)
}

/// A copy of the reference table; none before the first one.
///
/// # Errors
/// As [`survey`].
pub(super) fn table(journal: &ReadOnlyJournal, config: &EngineConfig) -> Result<Option<ReferenceCopy>, JournalError> {
    enum Fault {
        Read(JournalError),
        Lost(Lost),
    }
    impl From<Lost> for Fault {
        fn from(lost: Lost) -> Self {
            Self::Lost(lost)
        }
    }
    let entries = journal.entries(Topic::Reference).map(|entry| entry.map_err(Fault::Read));
    let table = reference::table(config, &Secret::from_bytes(journal.meta().secret), entries);
    table.map_err(|fault| match fault {
        Fault::Read(error) => error,
        Fault::Lost(lost) => journal.damaged(lost.why),
    })
}

impl Survey {
    fn count(&mut self, judged: &Judged<'_>) {
        self.frames += 1;
        if judged.is_void {
            self.void_frames += 1;
            return;
        }
        let rows: u64 = judged.frame.parts.iter().map(|part| part.len() as u64).sum();
        self.rows += rows;
        match &judged.judgement {
            Some(Judgement::Refused(refused)) => {
                self.accepted_rows += rows - refused.len() as u64;
                self.refused_rows += refused.len() as u64;
            }
            _ => self.unrecorded_rows += rows,
        }
        let first_ms = self.log_ms.map_or(judged.log_ms, |(first_ms, _)| first_ms);
        self.log_ms = Some((first_ms, judged.log_ms));
    }
}
