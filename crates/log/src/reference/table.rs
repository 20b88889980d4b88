//! The table that the entries of a reference log make, for tools.

use super::entry::Base;
use super::reader::ReferenceReader;
use crate::landings::Landings;
use crate::topic::{Entry, Follow, Log, Lost, NotPlaced, Place, Placed};
use std::sync::Arc;
use std::time::Duration;
use weir::{DedupBackend, Engine, EngineConfig, ManualClock, ReferenceCopy, Secret};

/// The table after the last of `entries`, which come from an engine with these settings; none before the first table.
///
/// # Errors
/// Entries are missing, or an entry is none of this log.
pub(crate) fn table<E: From<Lost>>(
    config: &EngineConfig,
    secret: &Secret,
    entries: impl Iterator<Item = Result<Entry, E>>,
) -> Result<Option<ReferenceCopy>, E> {
    // The engine takes no events, so it gets the least memory.
    let mut config = config.clone();
    (config.retention_secs, config.partitions) = (1, 1);
    (config.dedup, config.dedup_capacity, config.dedup_horizon) = (DedupBackend::Scc, None, None);
    let engine =
        Engine::with_secret(config, ManualClock::new(0), secret).map_err(|error| Lost::log(error.to_string()))?;
    let engine = Arc::new(engine);
    let mut reader = ReferenceReader::new(0, Arc::clone(&engine), Box::new(ReadElsewhere));
    for entry in entries {
        reader.take(entry?)?;
    }
    reader.end_of_log()?;
    Ok(engine.copy_reference())
}

/// The entry of a table that all changes up to `as_of` have made. With place 0 it is the first entry of a log.
pub(crate) fn entry_of(as_of: Place, copy: ReferenceCopy) -> Arc<[u8]> {
    Base { as_of, copy, landings: Landings::default() }.encode()
}

/// A log whose entries the caller reads. It takes no entries.
struct ReadElsewhere;

impl Log for ReadElsewhere {
    fn depth(&self) -> usize {
        1
    }

    fn append(&mut self, _: Arc<[u8]>, placed: Placed) {
        placed(Err(NotPlaced::Full));
    }

    fn follow(&mut self, _: Place) -> Box<dyn Follow> {
        Box::new(Self)
    }

    fn trim(&mut self, _: Place) {}
}

impl Follow for ReadElsewhere {
    fn next(&mut self, _: Duration) -> Result<Option<Entry>, Lost> {
        Ok(None)
    }
}
