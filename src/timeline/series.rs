//! The stats of a window, step by step.

use crate::timeline::excerpt::WindowExcerpt;
use crate::timeline::metrics::Stats;
use crate::timeline::query::Filter;

/// The stats of a window, step by step.
///
/// It keeps the seconds of the window, the groups of the users and the generation as they were. That memory is not part
/// of [`MemoryUse`](crate::MemoryUse) once they have changed or expired, so drop it soon.
pub struct Series {
    pub(crate) excerpt: WindowExcerpt,
    pub(crate) filter: Filter,
    pub(crate) step_secs: u32,
    pub(crate) end_secs: Option<i64>,
    pub(crate) event_types: Vec<String>,
}

/// The stats of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The start of the step, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// The events of the step.
    pub stats: Stats,
}

impl Series {
    /// The window, in seconds.
    #[must_use]
    pub fn window_secs(&self) -> u32 {
        self.excerpt.window_secs
    }

    /// The end of the query, in seconds since the Unix epoch; none if the window ends with the second of
    /// [`as_of_ms`](Self::as_of_ms).
    #[must_use]
    pub fn end_secs(&self) -> Option<i64> {
        self.end_secs
    }

    /// The step, in seconds.
    #[must_use]
    pub fn step_secs(&self) -> u32 {
        self.step_secs
    }

    /// The counters of all points: points x groups x types. The cost of the points grows with them.
    #[must_use]
    pub fn counters(&self) -> usize {
        let points = self.window_secs().div_ceil(self.step_secs) as usize;
        points.saturating_mul(self.excerpt.layout.len())
    }

    /// The number of the reference generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.excerpt.generation.number()
    }

    /// The engine's time of the answer, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn as_of_ms(&self) -> i64 {
        self.excerpt.now_ms
    }

    /// The points, oldest first. If the window is not a multiple of the step, the newest point is shorter.
    ///
    /// Each point is computed when the iterator reaches it: O(its entries + groups x types), or O(its seconds) without
    /// events.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        let Self { excerpt, filter, step_secs, event_types, .. } = self;
        let generation = &*excerpt.generation;
        let passes = (0..excerpt.layout.groups as u32).map(|group| filter.passes(generation, group));
        let passes: Option<Vec<bool>> = (!filter.attributes.is_empty()).then(|| passes.collect());
        let mut scan = excerpt.scan(*step_secs, filter.kinds(event_types));
        let no_events = Stats::none(generation);
        std::iter::from_fn(move || {
            let (start_secs, aggregates) = scan.next()?;
            let stats = aggregates.map_or_else(
                || no_events.clone(),
                |aggregates| {
                    if let Some(passes) = &passes {
                        aggregates.retain_groups(event_types.len(), |group| passes[group as usize]);
                    }
                    aggregates.stats(generation, event_types)
                },
            );
            Some(Point { start_ms: start_secs * 1_000, stats })
        })
    }
}
