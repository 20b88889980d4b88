//! Carries a journal over to other settings, after a clean stop. Nothing is judged again: what was accepted is kept, as
//! far as the new settings can hold it, and what was refused stays refused.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use weir::{EngineConfig, ReferenceCopy};

use super::directory::Directory;
use super::disk::{Disk, FileDisk};
use super::error::JournalError;
use super::judged::for_each_frame;
use super::meta::Meta;
use super::overlay::Overlay;
use super::read_only::ReadOnlyJournal;
use super::rewrite::{Migration, Rewriter};
use super::store::{Store, Topic};
use super::survey::{Table, table};
use crate::fingerprint::fingerprint;
use crate::limits::JOURNAL_MIGRATED_PER_COMMIT_BYTES;
use crate::reference;
use crate::topic::Place;

/// A journal after a clean stop. No process can open it for as long as the value lives.
pub struct StoppedJournal {
    journal: ReadOnlyJournal,
    config: EngineConfig,
}

impl StoppedJournal {
    /// Locks the journal in a directory for a migration.
    ///
    /// # Errors
    /// If there is no journal, a process has it open, it was not stopped cleanly, or it is damaged.
    pub fn lock(dir: &Path) -> Result<Self, JournalError> {
        Self::new(ReadOnlyJournal::open_in(Directory::lock(dir, true)?)?)
    }

    /// Opens the journal in a directory to [plan](Self::plan) a migration. Changes nothing on the disk.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn open_read_only(dir: &Path) -> Result<Self, JournalError> {
        Self::new(ReadOnlyJournal::open(dir)?)
    }

    fn new(journal: ReadOnlyJournal) -> Result<Self, JournalError> {
        if !journal.meta().stopped {
            return Err(not_judged(&journal));
        }
        Ok(Self { config: journal.config()?, journal })
    }

    /// The settings of the journal.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// What a migration to these settings will change, keep and lose.
    ///
    /// # Errors
    /// If the journal is damaged, or cannot be carried over to these settings.
    pub fn plan(&self, to: &EngineConfig) -> Result<Migration, JournalError> {
        Ok(self.rewrite(to, |_| Ok(()))?.0)
    }

    /// Migrates the journal to these settings. The new file is written beside the old one and replaces it when it is
    /// complete. Until then the old one stays as it is.
    ///
    /// # Errors
    /// As [`plan`](Self::plan). Or the disk fails; then the journal is as it was.
    pub fn migrate(self, to: &EngineConfig) -> Result<Migration, JournalError> {
        let meta = Meta { fingerprint: fingerprint(to), stopped: true, ..self.journal.meta().clone() };
        self.journal.directory().create_file(|file| {
            let mut writer = Writer::create(self.journal.directory().path(), file, &meta)?;
            let (migration, table) = self.rewrite(to, |bytes| writer.append(bytes))?;
            writer.finish(table.map(|table| self.table_for(to, table)))?;
            Ok(migration)
        })
    }

    /// Writes all frames for the new settings. Returns the old table, too.
    fn rewrite(
        &self,
        to: &EngineConfig,
        mut write: impl FnMut(Arc<[u8]>) -> Result<(), JournalError>,
    ) -> Result<(Migration, Option<ReferenceCopy>), JournalError> {
        let Some(horizon_secs) = to.horizon_secs() else {
            return Err(self.refusal("a journal needs a bounded dedup-horizon; set it to a number of seconds"));
        };
        to.validate().map_err(|error| JournalError::Setting(error.to_string()))?;
        let node = getrandom::u64().map_err(|error| self.refusal(&error.to_string()))?;
        let mut rewriter = Rewriter::new(&self.config, to, node);
        let mut log_ms = None;
        for_each_frame(&self.journal, &self.config, |judged| {
            if !judged.is_void {
                if judged.judgement.is_none() && !judged.frame.parts.is_empty() {
                    return Err(not_judged(&self.journal));
                }
                log_ms = Some((log_ms.map_or(judged.log_ms, |(first_ms, _)| first_ms), judged.log_ms));
                rewriter.rewrite(judged).into_iter().try_for_each(&mut write)?;
            }
            Ok(())
        })?;
        rewriter.last_frame().map_or(Ok(()), &mut write)?;
        let ids = rewriter.ids_within(horizon_secs);
        if let Some(capacity) = to.dedup_capacity.filter(|capacity| ids > *capacity as u64) {
            return Err(self.refusal(&format!(
                "it has {ids} ids of one dedup-horizon, and {capacity} fit; set a larger dedup-capacity"
            )));
        }
        let copy = table(&self.journal, &self.config)?;
        let migration = Migration {
            differences: self.journal.meta().changes(&fingerprint(to)),
            kept_events: rewriter.kept_events,
            lost_types: rewriter.lost_types,
            lost_to_skew: rewriter.lost_to_skew,
            log_ms,
            drops_users: copy.is_some() && to.attributes != self.config.attributes,
            table: copy.as_ref().map(Table::of),
        };
        Ok((migration, copy))
    }

    /// The table under the new settings. With other attributes its users have no meaning; its number and its timestamp
    /// stay, so that no client sees a generation again.
    fn table_for(&self, to: &EngineConfig, copy: ReferenceCopy) -> ReferenceCopy {
        if to.attributes == self.config.attributes {
            return copy;
        }
        ReferenceCopy { groups: vec![], users: vec![], ..copy }
    }

    fn refusal(&self, why: &str) -> JournalError {
        JournalError::NotMigrated { dir: self.journal.directory().path().to_owned(), why: why.to_owned() }
    }
}

fn not_judged(journal: &ReadOnlyJournal) -> JournalError {
    let why = "it was not stopped cleanly, so its last events are not judged; start weir serve with its own settings, \
               stop it with SIGTERM, and try again";
    JournalError::NotMigrated { dir: journal.directory().path().to_owned(), why: why.to_owned() }
}

/// Writes a new journal, some entries in each commit.
struct Writer<'a> {
    dir: &'a Path,
    store: Store,
    frames: Vec<Arc<[u8]>>,
    bytes: usize,
}

impl<'a> Writer<'a> {
    fn create(dir: &'a Path, file: File, meta: &Meta) -> Result<Self, JournalError> {
        let disk: Arc<dyn Disk> = Arc::new(FileDisk(file));
        let created = Store::create(Overlay::released(Arc::clone(&disk)), meta);
        let store = created.and_then(|()| Store::open(Overlay::released(disk)));
        let store = store.map_err(|error| JournalError::of_database(dir, error))?;
        Ok(Self { dir, store, frames: vec![], bytes: 0 })
    }

    fn append(&mut self, frame: Arc<[u8]>) -> Result<(), JournalError> {
        self.bytes += frame.len();
        self.frames.push(frame);
        if self.bytes >= JOURNAL_MIGRATED_PER_COMMIT_BYTES { self.commit(Topic::Frames) } else { Ok(()) }
    }

    fn commit(&mut self, topic: Topic) -> Result<(), JournalError> {
        self.bytes = 0;
        let written = self.store.append_all(topic, &std::mem::take(&mut self.frames));
        written.map_err(|error| JournalError::of_database(self.dir, error))
    }

    /// Writes the rest and the table. All of the journal is on the disk when this returns.
    fn finish(mut self, table: Option<ReferenceCopy>) -> Result<(), JournalError> {
        self.commit(Topic::Frames)?;
        self.frames.extend(table.map(|copy| reference::entry_of(Place(0), copy)));
        self.commit(Topic::Reference)?;
        self.store.close().map_err(|error| JournalError::of_database(self.dir, error))
    }
}
