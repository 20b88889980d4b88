//! What an engine is made of: one validated struct.

use crate::limits;
use crate::memory;
use std::fmt;

/// How long an accepted id is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// This many seconds from its acceptance.
    Secs(u64),
    /// For as long as the process lives.
    Unbounded,
}

/// An engine's settings. `EngineConfig::default()` is valid; [`Engine::new`](crate::Engine::new) checks any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// The longest window that can be asked for, in seconds.
    pub retention_secs: u32,
    /// How far an event's timestamp may lie from the clock, in seconds, both ways and inclusive.
    pub max_skew_secs: u32,
    /// How long an accepted id is remembered; none for the least allowed, retention + 2 x skew.
    pub dedup_horizon: Option<Horizon>,
    /// Ids that are remembered for each horizon in tables made beforehand, some 32 bytes an id; none for a table that grows
    /// and shrinks with them. What does not fit is refused as overloaded, and an id may be remembered for two horizons.
    pub dedup_capacity: Option<usize>,
    /// Names of the users' attributes, in the order of the answers.
    pub attributes: Vec<String>,
    /// The allowed event types.
    pub event_types: Vec<String>,
    /// Events in one batch.
    pub max_batch_events: usize,
    /// Events that may be accepted and not folded yet, a batch's worth at least; beyond, batches are refused.
    pub max_backlog_events: usize,
    /// Bytes that the engine may hold, counted high rather than low; none for no limit. Beyond, batches and changes of the
    /// reference table are refused until ids and seconds have expired. Request bodies and answers are not among them, nor
    /// is what the allocator keeps for itself, unless the engine is [told](crate::Engine::observe_process) what the process
    /// takes.
    pub max_memory_bytes: Option<usize>,
    /// Shards of the window, a power of two; they only spread contention.
    pub shards: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            retention_secs: 1_800,
            max_skew_secs: 120,
            dedup_horizon: None,
            dedup_capacity: None,
            attributes: names(&["plan", "region"]),
            event_types: names(&["click", "view", "purchase"]),
            max_batch_events: limits::BATCH_EVENTS_DEFAULT,
            max_backlog_events: limits::BACKLOG_EVENTS_DEFAULT,
            max_memory_bytes: None,
            shards: cores.next_power_of_two().min(*limits::SHARDS.end()),
        }
    }
}

/// A setting that cannot be; displays as one line that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(what: String) -> Self {
        Self(what)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Words that mean something in a query or an answer, and so cannot name an attribute.
const RESERVED: [&str; 8] = ["type", "user_id", "window", "step", "group_by", "events", "unique_users", "unknown"];

impl EngineConfig {
    /// Whether an engine can be built so.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("retention", self.retention_secs, &limits::RETENTION_SECS)?;
        within("max-skew", self.max_skew_secs, &limits::SKEW_SECS)?;
        within("max-batch-events", self.max_batch_events, &limits::BATCH_EVENTS)?;
        within("max-backlog-events", self.max_backlog_events, &(self.max_batch_events..=usize::MAX / 2))?;
        within("shards", self.shards, &limits::SHARDS)?;
        if !self.shards.is_power_of_two() {
            return Err(ConfigError(format!("shards must be a power of two, not {}", self.shards)));
        }
        if let Some(capacity) = self.dedup_capacity {
            within("dedup-capacity", capacity, &limits::DEDUP_CAPACITY)?;
        }
        let least = self.least_horizon_secs();
        if let Some(Horizon::Secs(secs)) = self.dedup_horizon
            && secs < least
        {
            return Err(ConfigError(format!(
                "dedup-horizon must be at least retention + 2 x max-skew = {least} seconds, or unbounded, not {secs}"
            )));
        }
        names("attributes", &self.attributes, limits::ATTRIBUTES, is_identifier)?;
        if let Some(name) = self.attributes.iter().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(ConfigError(format!("attributes: {name:?} is reserved")));
        }
        names("event-types", &self.event_types, limits::EVENT_TYPES, |name| {
            name.trim() == name && !name.contains(char::is_control)
        })?;
        self.max_memory_bytes.map_or(Ok(()), |max_bytes| {
            let least_bytes = memory::least_bytes(self);
            if max_bytes >= least_bytes {
                return Ok(());
            }
            Err(ConfigError(format!(
                "max-memory must be at least {least_bytes} bytes with these settings, not {max_bytes}"
            )))
        })
    }

    /// The horizon in force, in seconds; none for unbounded.
    #[must_use]
    pub fn horizon_secs(&self) -> Option<u64> {
        match self.dedup_horizon {
            None => Some(self.least_horizon_secs()),
            Some(Horizon::Secs(secs)) => Some(secs),
            Some(Horizon::Unbounded) => None,
        }
    }

    /// A retry is accepted within the skew of its `ts`, as the original was: they lie 2 x skew apart at the most. The
    /// retention on top means that no id is forgotten while its event can still be counted.
    fn least_horizon_secs(&self) -> u64 {
        u64::from(self.retention_secs) + 2 * u64::from(self.max_skew_secs)
    }

    /// Ring slots: more than the seconds that can be live at once, so that an event ahead of the clock never evicts a
    /// second that a query of the full retention still needs.
    pub(crate) fn ring_slots(&self) -> usize {
        let live = self.retention_secs.max(self.max_skew_secs + 1) + self.max_skew_secs + limits::STALL_SLACK_SECS;
        (live as usize).next_power_of_two()
    }

    /// The unfolded records above which a writer folds a slice before it goes on. Since they count at their worst, they
    /// are kept to a small part of the memory, too.
    pub(crate) fn backlog_relief_events(&self) -> usize {
        let of_memory = self.max_memory_bytes.map_or(usize::MAX, |bytes| bytes / limits::UNFOLDED_EVENT_BYTES_MAX);
        self.max_backlog_events.min(of_memory) / limits::BACKLOG_RELIEF_PART
    }

    /// The max-skew in milliseconds.
    #[must_use]
    pub fn max_skew_ms(&self) -> i64 {
        i64::from(self.max_skew_secs) * 1_000
    }
}

/// Whether a setting is in its range.
pub(crate) fn within<T: Copy + PartialOrd + fmt::Display>(
    name: &str,
    value: T,
    range: &std::ops::RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ConfigError(format!("{name} must be {} to {}, not {value}", range.start(), range.end())))
}

fn names(
    what: &str,
    names: &[String],
    count: std::ops::RangeInclusive<usize>,
    well_formed: impl Fn(&str) -> bool,
) -> Result<(), ConfigError> {
    if !count.contains(&names.len()) {
        return Err(ConfigError(format!(
            "{what} takes {} to {} names, not {}",
            count.start(),
            count.end(),
            names.len()
        )));
    }
    for (i, name) in names.iter().enumerate() {
        if !limits::NAME_BYTES.contains(&name.len()) || !well_formed(name) {
            return Err(ConfigError(format!("{what}: {name:?} is not a valid name")));
        }
        if names[..i].contains(name) {
            return Err(ConfigError(format!("{what}: {name:?} is given twice")));
        }
    }
    Ok(())
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(change: impl Fn(&mut EngineConfig)) -> String {
        let mut config = EngineConfig::default();
        change(&mut config);
        config.validate().expect_err("is refused").to_string()
    }

    #[test]
    fn the_default_is_valid() {
        EngineConfig::default().validate().unwrap();
        assert_eq!(EngineConfig::default().horizon_secs(), Some(2_040));
        assert_eq!(EngineConfig::default().ring_slots(), 2_048);
    }

    #[test]
    fn the_ring_holds_all_that_may_be_written_and_the_slack() {
        let slots = |(retention_secs, max_skew_secs)| {
            EngineConfig { retention_secs, max_skew_secs, ..EngineConfig::default() }.ring_slots()
        };
        assert_eq!(
            [(68, 0), (69, 0), (4, 0), (5, 0), (1, 120), (86_400, 86_400)].map(slots),
            [128, 256, 64, 128, 512, 262_144]
        );
    }

    #[test]
    fn each_setting_is_checked_and_named() {
        let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(error(|c| c.retention_secs = 0), "retention must be 1 to 86400, not 0");
        assert!(error(|c| c.max_skew_secs = 90_000).starts_with("max-skew"));
        assert!(error(|c| c.max_batch_events = 0).starts_with("max-batch-events"));
        assert!(error(|c| c.max_backlog_events = 99_999).starts_with("max-backlog-events must be 100000 to"));
        assert_eq!(error(|c| c.shards = 3), "shards must be a power of two, not 3");
        assert!(error(|c| c.shards = 0).starts_with("shards"));
        assert!(error(|c| c.dedup_horizon = Some(Horizon::Secs(2_039))).contains("at least"));
        assert!(error(|c| c.attributes = vec![]).starts_with("attributes takes 1 to 8"));
        assert!(error(|c| c.attributes = strings(&["a", "b", "c", "d", "e", "f", "g", "h", "i"])).contains("not 9"));
        assert!(error(|c| c.attributes = strings(&["plan", "plan"])).contains("twice"));
        for name in ["1a", "", "a-b", "a b", "é"] {
            assert!(error(|c| c.attributes = strings(&[name])).contains("valid name"), "{name}");
        }
        for name in RESERVED {
            assert!(error(|c| c.attributes = strings(&[name])).contains("reserved"), "{name}");
        }
        for name in ["", " view", "view ", "a\nb"] {
            assert!(error(|c| c.event_types = strings(&["click", name])).starts_with("event-types"), "{name:?}");
        }
    }

    #[test]
    fn writers_relieve_a_backlog_that_takes_much_of_the_memory() {
        let relief_events =
            |max_memory_bytes| EngineConfig { max_memory_bytes, ..EngineConfig::default() }.backlog_relief_events();
        assert_eq!([None, Some(1 << 40), Some(1 << 30)].map(relief_events), [1 << 20, 1 << 20, 1 << 18]);
    }

    #[test]
    fn a_longer_horizon_and_none_at_all_are_allowed() {
        let config = EngineConfig { dedup_horizon: Some(Horizon::Secs(2_040)), ..EngineConfig::default() };
        config.validate().unwrap();
        let config = EngineConfig { dedup_horizon: Some(Horizon::Unbounded), ..EngineConfig::default() };
        config.validate().unwrap();
        assert_eq!(config.horizon_secs(), None);
    }
}
