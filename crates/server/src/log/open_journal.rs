//! From the settings of a journal to a log that replays it.

use crate::limits;
use crate::log::durations::LogDurations;
use crate::log::event_log::EventLog;
use crate::log::steady_clock::SteadyClock;
use crate::log::store::Store;
use crate::settings::JournalSettings;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use weir::{Clock, Engine, EngineConfig, Secret};
use weir_log::fingerprint::fingerprint;
use weir_log::frame::{Frame, RowRules};
use weir_log::journal::{Journal, Settings};
use weir_log::{Log, Place};

/// The clock is so far behind the newest entry of the journal that a restart would refuse all events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockBehind {
    /// The directory of the journal.
    pub dir: PathBuf,
    /// How far the clock is behind, in seconds.
    pub behind_secs: i64,
}

impl fmt::Display for ClockBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dir, behind_secs } = self;
        let dir = dir.display();
        write!(f, "the clock is {behind_secs} s behind the newest entry of the journal in {dir}; set the clock")
    }
}

impl Error for ClockBehind {}

/// Opens the journal, makes an engine with the secret of the journal, and starts the replay.
///
/// # Errors
/// One line that says what is wrong with the settings, the journal or the clock. What the journal has stays in it.
pub(crate) fn open_journal(
    config: EngineConfig,
    settings: &JournalSettings,
) -> Result<(Arc<Engine>, EventLog), Box<dyn Error + Send + Sync>> {
    config.validate()?;
    if config.horizon_secs().is_none() {
        return Err("a journal needs a dedup horizon that ends; with an unbounded one, it would never end".into());
    }
    let JournalSettings { dir, max_bytes, must_exist, ignore_clock } = settings;
    let (clock, durations) = (Arc::new(SteadyClock::of_system()), Arc::new(LogDurations::default()));
    let observed = Arc::clone(&durations);
    let journal = Journal::open(
        dir,
        Settings {
            max_bytes: *max_bytes,
            must_exist: *must_exist,
            fingerprint: fingerprint(&config),
            now_ms: clock.now_ms(),
            on_commit: Some(Arc::new(move |elapsed| observed.commit.observe(elapsed))),
        },
    )?;
    let age_ms = newest_reading_ms(&journal, &config).map(|newest_ms| clock.now_ms().saturating_sub(newest_ms));
    if let Some(age_ms) = age_ms.filter(|age_ms| *age_ms < -limits::CLOCK_JUMP_MS_MAX && !ignore_clock) {
        journal.put_back()?;
        return Err(ClockBehind { dir: dir.clone(), behind_secs: -age_ms / 1_000 }.into());
    }
    report(dir, &journal, age_ms);
    let secret = Secret::from_bytes(journal.meta().secret);
    let engine = Arc::new(Engine::with_secret(config, Arc::clone(&clock), &secret)?);
    let logs: [Box<dyn Log>; 2] = [Box::new(journal.frames()), Box::new(journal.reference())];
    let log = EventLog::start(&engine, Store::Journal { dir: dir.clone(), journal, clock }, logs, durations)?;
    Ok((engine, log))
}

/// The clock reading of the newest frame. A frame that cannot be read ends the replay, which says why.
fn newest_reading_ms(journal: &Journal, config: &EngineConfig) -> Option<i64> {
    let Place(last) = journal.status().frames.last;
    let mut follow = journal.frames().follow(Place(last.checked_sub(1)?));
    let entry = follow.next(Duration::ZERO).ok()??;
    let frame = Frame::decode(&entry.bytes, RowRules::new(config)).ok()?;
    Some(frame.head.reading_ms.max(frame.head.log_ms))
}

/// Logs which journal is opened. A volume that is not mounted looks like a new journal.
fn report(dir: &Path, journal: &Journal, age_ms: Option<i64>) {
    let dir = dir.display();
    if journal.is_new() {
        tracing::warn!("created an empty journal in {dir}");
        return;
    }
    let (status, was_stopped) = (journal.status(), journal.meta().stopped);
    let (live_bytes, age_secs) = (status.live_bytes(), age_ms.map(|age_ms| age_ms / 1_000));
    tracing::info!(live_bytes, age_secs, was_stopped, "opened the journal in {dir}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::{held_log, wait_until_ready};
    use std::sync::mpsc::channel;
    use weir::{Format, Horizon, SystemClock, format_ms};
    use weir_log::Submission;

    fn settings(dir: &Path) -> JournalSettings {
        let max_bytes = limits::JOURNAL_BYTES_DEFAULT;
        JournalSettings { dir: dir.to_owned(), max_bytes, must_exist: false, ignore_clock: false }
    }

    /// A journal whose newest entry is an event of this time.
    async fn journal_with_an_event_at(dir: &Path, now_ms: i64) {
        let (engine, log, handles) = held_log(dir, now_ms);
        handles.reads.open();
        handles.appends.open();
        wait_until_ready(&log);
        let ts = format_ms(now_ms);
        let body = format!(r#"{{"event_id":"a","user_id":"u","type":"click","ts":"{ts}"}}"#);
        let mut batch = engine.decode(body.into_bytes(), Format::Json).unwrap();
        let (rows, reservation) = engine.prepare(&mut batch, now_ms).unwrap();
        let (asker, answer) = channel();
        let asker = Box::new(move |told| asker.send(told).unwrap());
        log.submit(Submission { rows, reservation, received_at_ms: now_ms, asker }).unwrap();
        assert_eq!(answer.recv().unwrap().unwrap().refused(), []);
        log.stop().await;
    }

    #[tokio::test]
    async fn a_clock_behind_the_journal_is_refused_unless_it_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let ahead_ms = SystemClock.now_ms() + 3_600_000;
        journal_with_an_event_at(dir.path(), ahead_ms).await;
        for _ in 0..2 {
            let mut config = EngineConfig::default();
            config.event_types.push("other".to_owned());
            let error = open_journal(config, &settings(dir.path())).err().unwrap();
            let behind = error.downcast_ref::<ClockBehind>().unwrap();
            assert!((1..=3_600).contains(&behind.behind_secs), "{behind}");
        }
        let settings = JournalSettings { ignore_clock: true, ..settings(dir.path()) };
        let (engine, log) = open_journal(EngineConfig::default(), &settings).unwrap();
        wait_until_ready(&log);
        assert!(engine.now_ms() >= ahead_ms, "the server uses the time of the journal");
        assert_eq!(engine.metrics(300).stats.events, 1);
    }

    #[tokio::test]
    async fn a_clock_that_is_a_little_behind_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        journal_with_an_event_at(dir.path(), SystemClock.now_ms() + limits::CLOCK_JUMP_MS_MAX).await;
        let (_, log) = open_journal(EngineConfig::default(), &settings(dir.path())).unwrap();
        wait_until_ready(&log);
    }

    #[test]
    fn an_unbounded_horizon_is_refused_before_a_journal_is_created() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = EngineConfig::default();
        config.dedup_horizon = Some(Horizon::Unbounded);
        let error = open_journal(config, &settings(&dir.path().join("journal"))).err().unwrap().to_string();
        assert!(error.contains("a journal needs a dedup horizon that ends"), "{error}");
        assert!(!dir.path().join("journal").exists());
    }
}
