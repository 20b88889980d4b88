//! What an engine is made of: one validated struct.

use crate::limits;

/// How long an accepted id is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// This many seconds from its acceptance.
    Secs(u64),
    /// For as long as the process lives.
    Unbounded,
}

/// An engine's settings. The default is valid; [`Engine::new`](crate::Engine::new) checks any other.
///
/// ```
/// let mut config = weir::EngineConfig::default();
/// config.retention_secs = 60;
/// config.attributes = vec!["plan".to_owned()];
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl EngineConfig {
    /// The horizon in force, in seconds; none for unbounded.
    #[must_use]
    pub fn horizon_secs(&self) -> Option<u64> {
        match self.dedup_horizon {
            None => Some(self.min_horizon_secs()),
            Some(Horizon::Secs(secs)) => Some(secs),
            Some(Horizon::Unbounded) => None,
        }
    }

    /// A retry is accepted within the skew of its `ts`, as the original was: they lie 2 x skew apart at the most. The
    /// retention on top means that no id is forgotten while its event can still be counted.
    pub(crate) fn min_horizon_secs(&self) -> u64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_is_the_least_allowed_unless_set() {
        let horizon_secs = |dedup_horizon| EngineConfig { dedup_horizon, ..EngineConfig::default() }.horizon_secs();
        assert_eq!(
            [None, Some(Horizon::Secs(2_041)), Some(Horizon::Unbounded)].map(horizon_secs),
            [Some(2_040), Some(2_041), None]
        );
    }

    #[test]
    fn the_ring_holds_all_that_may_be_written_and_the_slack() {
        let slots = |(retention_secs, max_skew_secs)| {
            EngineConfig { retention_secs, max_skew_secs, ..EngineConfig::default() }.ring_slots()
        };
        assert_eq!(
            [(1_800, 120), (68, 0), (69, 0), (4, 0), (5, 0), (1, 120), (86_400, 86_400)].map(slots),
            [2_048, 128, 256, 64, 128, 512, 262_144]
        );
    }

    #[test]
    fn writers_relieve_a_backlog_that_takes_much_of_the_memory() {
        let relief_events =
            |max_memory_bytes| EngineConfig { max_memory_bytes, ..EngineConfig::default() }.backlog_relief_events();
        assert_eq!([None, Some(1 << 40), Some(1 << 30)].map(relief_events), [1 << 20, 1 << 20, 1 << 18]);
    }
}
