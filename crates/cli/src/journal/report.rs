//! What a journal contains, as text and as JSON.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use weir::format_ms;
use weir_log::journal::{ReadOnlyJournal, Survey, Table, Topic};

/// What a journal contains.
#[derive(Debug, Serialize)]
pub(super) struct JournalReport {
    format: u32,
    created: String,
    /// Whether the last server stopped cleanly. After a kill, the next start judges the rows that are not judged.
    stopped_cleanly: bool,
    settings: BTreeMap<String, String>,
    frames: Entries,
    void_frames: u64,
    rows: u64,
    accepted_rows: u64,
    refused_rows: u64,
    unjudged_rows: u64,
    log_time: Option<[String; 2]>,
    reference: Entries,
    table: Option<TableReport>,
    live_bytes: u64,
    file_bytes: u64,
}

/// The entries of a topic.
#[derive(Debug, Serialize)]
struct Entries {
    entries: u64,
    /// None if there is no entry.
    places: Option<[u64; 2]>,
}

/// The reference table.
#[derive(Debug, Serialize)]
struct TableReport {
    generation: u64,
    ts: String,
    users: usize,
}

impl JournalReport {
    pub(super) fn new(journal: &ReadOnlyJournal, survey: &Survey) -> Self {
        let entries = |topic| {
            let span = journal.span(topic);
            let entries = span.last.0 + 1 - span.first.0;
            Entries { entries, places: (entries > 0).then_some([span.first.0, span.last.0]) }
        };
        let meta = journal.meta();
        Self {
            format: meta.format,
            created: format_ms(meta.created_ms),
            stopped_cleanly: meta.stopped,
            settings: meta.fingerprint.clone(),
            frames: entries(Topic::Frames),
            void_frames: survey.void_frames,
            rows: survey.rows,
            accepted_rows: survey.accepted_rows,
            refused_rows: survey.refused_rows,
            unjudged_rows: survey.unrecorded_rows,
            log_time: survey.log_ms.map(|(first_ms, last_ms)| [first_ms, last_ms].map(format_ms)),
            reference: entries(Topic::Reference),
            table: survey.table.as_ref().map(TableReport::new),
            live_bytes: [Topic::Frames, Topic::Reference].map(|topic| journal.span(topic).bytes).iter().sum(),
            file_bytes: journal.file_bytes(),
        }
    }

    /// The entries of both topics.
    pub(super) fn entries(&self) -> u64 {
        self.frames.entries + self.reference.entries
    }

    /// The rows of all frames that count.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }
}

impl TableReport {
    fn new(table: &Table) -> Self {
        Self { generation: table.generation, ts: format_ms(table.ts_ms), users: table.users }
    }
}

impl fmt::Display for JournalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        writeln!(f, "format      {}", self.format)?;
        writeln!(f, "created     {}", self.created)?;
        writeln!(f, "stopped     {}", if self.stopped_cleanly { "cleanly" } else { "not cleanly" })?;
        writeln!(f, "settings    {}", settings.join(" "))?;
        writeln!(f, "frames      {}, {} void", self.frames, self.void_frames)?;
        match &self.log_time {
            Some([first, last]) => writeln!(f, "log time    {first} to {last}")?,
            None => writeln!(f, "log time    none")?,
        }
        let Self { rows, accepted_rows, refused_rows, unjudged_rows, .. } = self;
        writeln!(
            f,
            "rows        {rows}: {accepted_rows} accepted, {refused_rows} refused, {unjudged_rows} not judged"
        )?;
        writeln!(f, "reference   {}", self.reference)?;
        match &self.table {
            Some(TableReport { generation, ts, users }) => {
                writeln!(f, "table       generation {generation} of {ts}, {users} users")?;
            }
            None => writeln!(f, "table       none")?,
        }
        writeln!(f, "bytes       {} live, {} in the file", self.live_bytes, self.file_bytes)
    }
}

impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.places {
            Some([first, last]) => write!(f, "{} at the places {first} to {last}", self.entries),
            None => f.write_str("0"),
        }
    }
}
