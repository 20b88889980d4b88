//! `weir journal migrate`: carries a journal over to other settings.

use crate::args::option_name;
use crate::output;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use weir::{DedupBackend, EngineConfig, Horizon, format_ms};
use weir_log::journal::{Migration, StoppedJournal};

/// Which journal to migrate, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MigrateOptions {
    /// The directory of the journal.
    pub dir: PathBuf,
    /// Whether nothing is changed.
    pub is_dry_run: bool,
    /// The new settings.
    pub changes: ChangedSettings,
}

/// The settings that change; none keeps the setting of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangedSettings {
    pub retention_secs: Option<u32>,
    pub max_skew_secs: Option<u32>,
    pub dedup_horizon: Option<Horizon>,
    pub dedup: Option<DedupBackend>,
    /// None inside means tables that grow.
    pub dedup_capacity: Option<Option<usize>>,
    pub attributes: Option<Vec<String>>,
    pub event_types: Option<Vec<String>>,
}

impl ChangedSettings {
    /// The settings of a journal after the change. A horizon that was the minimum becomes the new minimum, as it would
    /// for `weir serve` without that option. A capacity is dropped with the backend that has it.
    fn applied_to(&self, old: &EngineConfig) -> Result<EngineConfig, String> {
        let mut new = old.clone();
        let mut minimum = old.clone();
        minimum.dedup_horizon = None;
        new.dedup_horizon =
            self.dedup_horizon.or(if old.horizon_secs() == minimum.horizon_secs() { None } else { old.dedup_horizon });
        new.retention_secs = self.retention_secs.unwrap_or(old.retention_secs);
        new.max_skew_secs = self.max_skew_secs.unwrap_or(old.max_skew_secs);
        new.dedup = self.dedup.unwrap_or(old.dedup);
        let kept = old.dedup_capacity.filter(|_| new.dedup == old.dedup);
        new.dedup_capacity = self.dedup_capacity.unwrap_or(kept);
        new.attributes = self.attributes.clone().unwrap_or_else(|| old.attributes.clone());
        new.event_types = self.event_types.clone().unwrap_or_else(|| old.event_types.clone());
        new.validate().map_err(|error| error.display_as(&option_name(error.field())))?;
        Ok(new)
    }
}

/// Prints what is kept and lost, and migrates unless it is a dry run.
///
/// # Errors
/// One line: there is no journal, it is in use, it was not stopped cleanly, it is damaged, or the settings are invalid.
pub(crate) fn migrate(options: &MigrateOptions) -> Result<(), Box<dyn Error>> {
    let MigrateOptions { dir, is_dry_run, changes } = options;
    let journal = if *is_dry_run { StoppedJournal::open_read_only(dir)? } else { StoppedJournal::lock(dir)? };
    let new = changes.applied_to(journal.config())?;
    let plan = journal.plan(&new)?;
    if plan.differences.is_empty() {
        return Ok(output::print("nothing to change: the journal has these settings\n")?);
    }
    let grows = |value: fn(&EngineConfig) -> Option<u64>| value(&new) > value(journal.config());
    let is_longer = grows(|config| Some(u64::from(config.retention_secs))) || grows(EngineConfig::horizon_secs);
    output::print(Plan { migration: &plan, is_longer })?;
    if *is_dry_run {
        return Ok(output::print("dry run: nothing was changed\n")?);
    }
    journal.migrate(&new)?;
    Ok(output::print("migrated: start weir serve with the new settings\n")?)
}

/// What a migration keeps and loses, as text.
struct Plan<'a> {
    migration: &'a Migration,
    /// Whether the retention or the dedup horizon gets longer.
    is_longer: bool,
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Migration { differences, kept_events, lost_types, lost_to_skew, log_ms, table, drops_users, .. } =
            self.migration;
        for difference in differences {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
            let (old, new) = (value(&difference.journal), value(&difference.configured));
            writeln!(f, "setting     {}: {old} becomes {new}", difference.name)?;
        }
        writeln!(f, "events      {kept_events} kept, {} lost", self.migration.lost_events())?;
        for (name, events) in lost_types {
            writeln!(f, "lost        {events} events of type {name}, which is not configured any more")?;
        }
        if *lost_to_skew > 0 {
            writeln!(f, "lost        {lost_to_skew} events whose ts is beyond the new max-skew")?;
        }
        match table {
            Some(table) if *drops_users => writeln!(
                f,
                "lost        {} users of the reference table; generation {} of {} stays; upload a newer table",
                table.users,
                table.generation,
                format_ms(table.ts_ms)
            )?,
            Some(table) => writeln!(f, "table       generation {} kept, with {} users", table.generation, table.users)?,
            None => writeln!(f, "table       none")?,
        }
        if let Some((first_ms, _)) = log_ms.filter(|_| self.is_longer) {
            writeln!(f, "note        the journal has no events and no ids from before {}", format_ms(first_ms))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_follows_the_minimum_and_a_longer_one_stays() {
        let mut old = EngineConfig::default();
        old.dedup_horizon = Some(Horizon::Secs(2_040));
        let shorter = ChangedSettings { retention_secs: Some(60), ..ChangedSettings::default() };
        assert_eq!(shorter.applied_to(&old).unwrap().horizon_secs(), Some(300));
        old.dedup_horizon = Some(Horizon::Secs(9_000));
        assert_eq!(shorter.applied_to(&old).unwrap().horizon_secs(), Some(9_000));
        let longer = ChangedSettings { retention_secs: Some(86_400), ..ChangedSettings::default() };
        let line = longer.applied_to(&old).unwrap_err();
        assert!(line.starts_with("dedup-horizon must be at least retention + 2 x skew = 86640 seconds"), "{line}");
    }

    #[test]
    fn a_capacity_stays_with_its_backend() {
        let mut old = EngineConfig::default();
        old.dedup_capacity = Some(5_000);
        let capacity = |changes: ChangedSettings| changes.applied_to(&old).unwrap().dedup_capacity;
        assert_eq!(capacity(ChangedSettings::default()), Some(5_000));
        let scc = ChangedSettings { dedup: Some(DedupBackend::Scc), ..ChangedSettings::default() };
        assert_eq!(capacity(scc), None);
        let growing = ChangedSettings { dedup_capacity: Some(None), ..ChangedSettings::default() };
        assert_eq!(capacity(growing), None);
    }
}
