//! The settings of an engine.

use crate::limits;

/// How long an accepted id is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Horizon {
    /// For this many seconds after its acceptance.
    Secs(u64),
    /// As long as the process runs.
    Unbounded,
}

/// Where accepted ids are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DedupBackend {
    /// Tables in which a claim looks at one cache line; about 40 bytes for each id of a horizon. An id may be
    /// remembered for up to two horizons and two minutes.
    #[default]
    Lines,
    /// Concurrent hash maps of the crate scc; 52 to 108 bytes for each id. An id is remembered for exactly the horizon.
    Scc,
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
    /// The longest window of a query, in seconds.
    pub retention_secs: u32,
    /// How far the timestamp of an event may differ from the clock in both directions, in seconds, inclusive.
    pub max_skew_secs: u32,
    /// How long an accepted id is remembered; none for the minimum, retention + 2 x skew.
    pub dedup_horizon: Option<Horizon>,
    /// Where accepted ids are remembered.
    pub dedup: DedupBackend,
    /// The ids of a horizon that a table of a fixed size holds, with about 40 bytes for each id; none for tables that
    /// grow and shrink with the ids. An event whose id does not fit is refused as overloaded. Only with
    /// [`DedupBackend::Lines`].
    pub dedup_capacity: Option<usize>,
    /// The names of the users' attributes, in the order of the answers.
    pub attributes: Vec<String>,
    /// The allowed event types.
    pub event_types: Vec<String>,
    /// The most events of a batch.
    pub max_batch_events: usize,
    /// The most events that may be accepted and not folded yet, at least one full batch. Batches beyond it are refused.
    pub max_backlog_events: usize,
    /// The most memory that the engine may hold, in bytes; none for no limit. Its usage is rather overestimated than
    /// underestimated. Beyond the limit, batches and changes of the reference table are refused until ids and seconds
    /// have expired.
    ///
    /// Request bodies, answers and the allocator's slack are only included if the resident memory of the process is
    /// [reported](crate::Engine::report_rss).
    pub max_memory_bytes: Option<usize>,
    /// Partitions of the users, a power of two. Each has a window and a timeline of its own, and they are folded in
    /// parallel. No answer depends on their number.
    pub partitions: usize,
    /// The threads of [`Maintenance`](crate::Maintenance) that fold. More threads than partitions are of no use.
    pub fold_threads: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            retention_secs: 1_800,
            max_skew_secs: 120,
            dedup_horizon: None,
            dedup: DedupBackend::default(),
            dedup_capacity: None,
            attributes: names(&["plan", "region"]),
            event_types: names(&["click", "view", "purchase"]),
            max_batch_events: limits::BATCH_EVENTS_DEFAULT,
            max_backlog_events: limits::BACKLOG_EVENTS_DEFAULT,
            max_memory_bytes: None,
            partitions: cores.next_power_of_two().min(limits::PARTITIONS_DEFAULT_MAX),
            fold_threads: cores.div_ceil(2).min(limits::PARTITIONS_DEFAULT_MAX),
        }
    }
}

impl EngineConfig {
    /// The dedup horizon in force, in seconds; none if it is unbounded.
    #[must_use]
    pub fn horizon_secs(&self) -> Option<u64> {
        match self.dedup_horizon {
            None => Some(self.min_horizon_secs()),
            Some(Horizon::Secs(secs)) => Some(secs),
            Some(Horizon::Unbounded) => None,
        }
    }

    /// An event and its retry are both accepted within the skew of their common `ts`, so at most 2 x skew apart. With
    /// the retention added, no id is forgotten while its event can still be counted.
    pub(crate) fn min_horizon_secs(&self) -> u64 {
        u64::from(self.retention_secs) + 2 * u64::from(self.max_skew_secs)
    }

    /// Slots of the ring. They exceed the number of live seconds, so an event ahead of the clock never evicts a second
    /// that a query of the full retention still needs.
    pub(crate) fn ring_slots(&self) -> usize {
        let live = self.retention_secs.max(self.max_skew_secs + 1) + self.max_skew_secs + limits::STALL_SLACK_SECS;
        (live as usize).next_power_of_two()
    }

    /// The number of unfolded records above which a writer folds a slice before it continues. It is also limited to a
    /// small part of the memory, because unfolded records are charged with their worst case.
    pub(crate) fn writer_fold_events(&self) -> usize {
        let of_memory = self.max_memory_bytes.map_or(usize::MAX, |bytes| bytes / limits::UNFOLDED_EVENT_BYTES_MAX);
        self.max_backlog_events.min(of_memory) / limits::WRITER_FOLD_PART
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
    fn the_horizon_is_the_minimum_unless_set() {
        let horizon_secs = |dedup_horizon| EngineConfig { dedup_horizon, ..EngineConfig::default() }.horizon_secs();
        assert_eq!(
            [None, Some(Horizon::Secs(2_041)), Some(Horizon::Unbounded)].map(horizon_secs),
            [Some(2_040), Some(2_041), None]
        );
    }

    #[test]
    fn the_ring_holds_all_live_seconds_and_the_slack() {
        let slots = |(retention_secs, max_skew_secs)| {
            EngineConfig { retention_secs, max_skew_secs, ..EngineConfig::default() }.ring_slots()
        };
        assert_eq!(
            [(1_800, 120), (68, 0), (69, 0), (4, 0), (5, 0), (1, 120), (86_400, 86_400)].map(slots),
            [2_048, 128, 256, 64, 128, 512, 262_144]
        );
    }

    #[test]
    fn writers_fold_earlier_when_memory_is_limited() {
        let fold_events =
            |max_memory_bytes| EngineConfig { max_memory_bytes, ..EngineConfig::default() }.writer_fold_events();
        assert_eq!([None, Some(1 << 40), Some(1 << 30)].map(fold_events), [1 << 20, 1 << 20, 184_365]);
    }
}
