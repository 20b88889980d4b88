//! The arguments of `weir serve` for the journal.

use crate::args::values::{check_range, size_bytes};
use clap::Args;
use clap::builder::BoolishValueParser;
use std::path::PathBuf;
use weir::EngineConfig;
use weir_server::{JournalSettings, limits};

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct JournalArgs {
    /// Keep a journal in this directory. Then accepted events and the reference table survive a restart, a crash and a
    /// power cut. The directory is created if it is missing [default: all data is in memory only].
    #[arg(long, env = "WEIR_JOURNAL", value_name = "DIR")]
    journal: Option<PathBuf>,

    /// The size limit of the entries in the journal: bytes, or with a suffix KiB, MiB or GiB (64MiB to 16384GiB). New
    /// events get a 503 at 90 % of it until older events have expired.
    #[arg(long, env = "WEIR_JOURNAL_MAX", value_name = "SIZE", default_value = "16GiB", value_parser = size_bytes)]
    #[arg(allow_negative_numbers = true, requires = "journal")]
    journal_max: usize,

    /// Do not start if the directory holds no journal. A volume that is not mounted looks like an empty directory.
    #[arg(long, env = "WEIR_JOURNAL_MUST_EXIST", requires = "journal", value_parser = BoolishValueParser::new())]
    journal_must_exist: bool,

    /// Start although the clock is more than 60 s behind the newest entry of the journal. Until the clock has caught
    /// up, the server uses the time of that entry, and events with the present time may be too late.
    #[arg(long, env = "WEIR_JOURNAL_CLOCK_OVERRIDE", requires = "journal", value_parser = BoolishValueParser::new())]
    journal_clock_override: bool,
}

impl JournalArgs {
    /// The settings of the journal, if there is one, beside an engine with these settings.
    ///
    /// # Errors
    /// One line that names the invalid option.
    pub(super) fn settings(&self, engine: &EngineConfig) -> Result<Option<JournalSettings>, String> {
        let Some(dir) = self.journal.clone() else { return Ok(None) };
        if engine.horizon_secs().is_none() {
            let line = "--dedup-horizon unbounded cannot be used with --journal: the journal would grow for ever; set \
                        a horizon in seconds";
            return Err(line.to_owned());
        }
        let max_bytes = self.journal_max as u64;
        check_range("journal-max", max_bytes, &limits::JOURNAL_BYTES)?;
        let (must_exist, ignore_clock) = (self.journal_must_exist, self.journal_clock_override);
        Ok(Some(JournalSettings { dir, max_bytes, must_exist, ignore_clock }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::environment::variable;
    use crate::args::serve::ServeArgs;
    use crate::args::testing::parse;
    use weir_server::LogSettings;

    fn journal(args: &[&str]) -> Option<JournalSettings> {
        match parse::<ServeArgs>(args).unwrap().validate(variable).unwrap().server.log {
            None => None,
            Some(LogSettings::Journal(settings)) => Some(settings),
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_journal_has_the_settings_that_are_given() {
        assert_eq!(journal(&[]), None);
        let default = JournalSettings {
            dir: "d".into(),
            max_bytes: limits::JOURNAL_BYTES_DEFAULT,
            must_exist: false,
            ignore_clock: false,
        };
        assert_eq!(journal(&["--journal", "d"]), Some(default));
        let args = ["--journal", "d", "--journal-max", "64MiB", "--journal-must-exist", "--journal-clock-override"];
        let given = JournalSettings { dir: "d".into(), max_bytes: 64 << 20, must_exist: true, ignore_clock: true };
        assert_eq!(journal(&args), Some(given));
    }
}
