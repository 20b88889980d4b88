//! The arguments of `weir journal`.

use crate::args::serve::{Dedup, horizon};
use crate::journal::{ChangedSettings, InspectOptions, MigrateOptions};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use weir::{DedupBackend, Horizon};

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir journal inspect /var/lib/weir/journal
  weir journal verify /var/lib/weir/journal
  weir journal migrate /var/lib/weir/journal --retention 3600 --dry-run

These commands work on the directory of `weir serve --journal`. No server may have it open.

Exit codes:
  0  the command succeeded
  1  the directory has no journal, is in use, or the journal is damaged; the line on stderr says why";

const INSPECT_AFTER_HELP: &str = "\
Examples:
  weir journal inspect /var/lib/weir/journal
  weir journal inspect /var/lib/weir/journal --json

The whole journal is read, also after its server was killed. Nothing in the directory changes.

Exit codes:
  0  the journal was shown
  1  the directory has no journal, is in use, or the journal is damaged; the line on stderr says why";

const VERIFY_AFTER_HELP: &str = "\
Examples:
  weir journal verify /var/lib/weir/journal
  weir journal verify /backup/journal --json

Every page is compared with its checksum, every entry is decoded, and entries must follow each other without a gap. \
The journal may be one whose server was killed. Nothing in the directory changes.

Exit codes:
  0  the journal has no fault
  1  the journal is damaged, in use or missing; the line on stderr names the place of the first fault";

const MIGRATE_AFTER_HELP: &str = "\
Examples:
  weir journal migrate /var/lib/weir/journal --retention 3600 --dry-run
  weir journal migrate /var/lib/weir/journal --attributes plan,region,tier

Stop the server with SIGTERM first. An option that is not set keeps the value of the journal. Then start weir serve \
with the new settings. What is kept and lost is printed before anything changes:

- Accepted events stay accepted, in their seconds, and refused events stay refused.
- Events of a type that is not configured any more are lost. So are events whose timestamp is further from their \
arrival than the new max-skew.
- With other attributes, the users of the reference table are dropped. Its generation and its timestamp are kept.

The new journal is written beside the old one, which it replaces when it is complete on the disk. A new event type at \
the end of the list needs no migration.

Exit codes:
  0  the journal was migrated, or with --dry-run would be
  1  the journal cannot be migrated, and is as it was; the line on stderr says why";

/// The subcommands of `weir journal`.
#[derive(Debug, Subcommand)]
pub(super) enum JournalArgs {
    /// Show what a journal contains.
    #[command(after_help = INSPECT_AFTER_HELP)]
    Inspect(InspectArgs),
    /// Read all of a journal, and check that nothing in it is damaged or missing.
    #[command(after_help = VERIFY_AFTER_HELP)]
    Verify(InspectArgs),
    /// Carry a journal over to other settings, after a clean stop.
    #[command(after_help = MIGRATE_AFTER_HELP)]
    Migrate(MigrateArgs),
}

/// The arguments of `weir journal inspect` and `weir journal verify`, as typed.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The directory of the journal.
    dir: PathBuf,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The arguments of `weir journal migrate`, as typed.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// The directory of the journal.
    dir: PathBuf,

    /// Print what would be kept and lost, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// The new retention, in seconds.
    #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
    retention: Option<u32>,

    /// The new max-skew, in seconds.
    #[arg(long, value_name = "SECS", allow_negative_numbers = true)]
    max_skew: Option<u32>,

    /// The new dedup horizon, in seconds [default: that of the journal; the minimum, if the journal has the minimum].
    #[arg(long, value_name = "SECS", value_parser = horizon, allow_negative_numbers = true)]
    dedup_horizon: Option<Horizon>,

    /// The new dedup backend.
    #[arg(long, value_name = "BACKEND", value_enum)]
    dedup: Option<Dedup>,

    /// The new dedup capacity, in ids, or "none" for tables that grow and shrink with the ids.
    #[arg(long, value_name = "IDS|none", value_parser = capacity, allow_negative_numbers = true)]
    dedup_capacity: Option<Capacity>,

    /// The new attributes of users, separated by commas.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    attributes: Option<Vec<String>>,

    /// The new types of events, separated by commas.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    event_types: Option<Vec<String>>,
}

/// The ids that a table of a fixed size holds; none for tables that grow. A type of its own, because clap reads an
/// option of an option in another way.
#[derive(Clone, Copy, Debug)]
struct Capacity(Option<usize>);

impl InspectArgs {
    pub(super) fn validate(self) -> InspectOptions {
        InspectOptions { dir: self.dir, json: self.json }
    }
}

impl MigrateArgs {
    /// The new settings. Only the journal says whether they are valid together.
    pub(super) fn validate(self) -> MigrateOptions {
        let backend = |dedup| match dedup {
            Dedup::Lines => DedupBackend::Lines,
            Dedup::Scc => DedupBackend::Scc,
        };
        let changes = ChangedSettings {
            retention_secs: self.retention,
            max_skew_secs: self.max_skew,
            dedup_horizon: self.dedup_horizon,
            dedup: self.dedup.map(backend),
            dedup_capacity: self.dedup_capacity.map(|Capacity(ids)| ids),
            attributes: self.attributes,
            event_types: self.event_types,
        };
        MigrateOptions { dir: self.dir, is_dry_run: self.dry_run, changes }
    }
}

fn capacity(text: &str) -> Result<Capacity, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Capacity(None));
    }
    let ids = text.parse().map_err(|_| "must be a whole number of ids, or \"none\"".to_owned())?;
    Ok(Capacity(Some(ids)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::testing::{assert_is_one_line, parse};

    fn changes(args: &[&str]) -> Result<ChangedSettings, String> {
        let args: Vec<_> = ["dir"].iter().chain(args).copied().collect();
        Ok(parse::<MigrateArgs>(&args)?.validate().changes)
    }

    #[test]
    fn an_option_that_is_not_set_changes_nothing() {
        assert_eq!(changes(&[]).unwrap(), ChangedSettings::default());
        let set = changes(&["--dedup-capacity", "none", "--attributes", "a,b", "--dedup-horizon", "9"]).unwrap();
        let expected = ChangedSettings {
            dedup_capacity: Some(None),
            attributes: Some(vec!["a".to_owned(), "b".to_owned()]),
            dedup_horizon: Some(Horizon::Secs(9)),
            ..ChangedSettings::default()
        };
        assert_eq!(set, expected);
        assert_eq!(changes(&["--dedup-capacity", "7"]).unwrap().dedup_capacity, Some(Some(7)));
    }

    #[test]
    fn an_error_is_one_line_that_names_the_option() {
        for args in [["--dedup-capacity", "some"], ["--retention", "x"], ["--dedup", "btree"]] {
            assert_is_one_line(&changes(&args).unwrap_err(), args[0]);
        }
    }
}
