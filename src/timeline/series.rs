//! Answers that take a look at every run of a window: distinct users of some types, or of seconds that do not end now.
//!
//! The runs are shared out of the timeline under its lock, which takes a reference a second and a copy of the users'
//! groups, and looked at without it. A fold that meets a second that is still shared copies its runs first.

use crate::reference::Generation;
use crate::timeline::metrics::{Figures, Sums, WindowSums};
use crate::timeline::query::{Filter, KindSet};
use crate::timeline::runs::Runs;
use crate::timeline::second::Shape;
use std::sync::Arc;

/// Seconds of the timeline as they were at one moment.
pub(crate) struct Excerpt {
    pub(crate) now_ms: i64,
    pub(crate) generation: Arc<Generation>,
    pub(crate) shape: Shape,
    /// The first of the seconds.
    pub(crate) start_secs: i64,
    /// Without a gap, up to the one of `now_ms`.
    pub(crate) seconds: Vec<Option<Arc<Runs>>>,
    /// The group of every user index.
    pub(crate) groups: Vec<u32>,
}

impl Excerpt {
    /// The sums of all its seconds; O(runs + groups x kinds).
    pub(crate) fn sum(self, kinds: KindSet) -> WindowSums {
        let mut scan = self.scan(self.seconds.len(), kinds);
        scan.next();
        let sums = scan.sums;
        WindowSums { now_ms: self.now_ms, generation: self.generation, sums }
    }

    /// Starts to sum up `step_secs` seconds after the other.
    pub(crate) fn scan(&self, step_secs: usize, kinds: KindSet) -> Scan<'_> {
        Scan {
            excerpt: self,
            step_secs,
            kinds,
            steps: 0,
            last_steps: vec![0; self.groups.len()],
            is_clear: true,
            sums: Sums::zero(self.shape),
        }
    }
}

/// A walk over an excerpt, step by step.
pub(crate) struct Scan<'a> {
    excerpt: &'a Excerpt,
    step_secs: usize,
    kinds: KindSet,
    /// Steps done.
    steps: u32,
    /// For each user, the number of the last step that they were counted in; they start at 1.
    last_steps: Vec<u32>,
    /// Nothing is in the sums.
    is_clear: bool,
    sums: Sums,
}

impl Scan<'_> {
    /// The second that the next step starts with, and its sums unless they are all zero; O(runs + groups x kinds), or
    /// O(1) for each second of a step without events.
    pub(crate) fn next(&mut self) -> Option<(i64, Option<&mut Sums>)> {
        let Excerpt { shape, start_secs, seconds, groups, .. } = self.excerpt;
        let from = self.steps as usize * self.step_secs;
        let seconds = seconds.get(from..).filter(|seconds| !seconds.is_empty())?;
        let seconds = &seconds[..self.step_secs.min(seconds.len())];
        self.steps += 1;
        if !std::mem::replace(&mut self.is_clear, true) {
            self.sums.clear();
        }
        for run in seconds.iter().flatten().flat_map(|runs| runs.iter()).filter(|run| self.kinds.contains(run.kind())) {
            let group = groups[run.user() as usize];
            self.is_clear = false;
            self.sums.events[shape.cell(group, run.kind()) as usize] += run.count();
            let last_step = &mut self.last_steps[run.user() as usize];
            if *last_step != self.steps {
                *last_step = self.steps;
                self.sums.uniques[group as usize] += 1;
            }
        }
        Some((start_secs + from as i64, (!self.is_clear).then_some(&mut self.sums)))
    }
}

/// The figures of a window, step by step.
pub struct Series {
    pub(crate) excerpt: Excerpt,
    pub(crate) filter: Filter,
    pub(crate) step_secs: u32,
    pub(crate) event_types: Vec<String>,
}

/// The figures of some seconds of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// When the first of them starts, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// What happened in them.
    pub figures: Figures,
}

impl Series {
    /// The window, in seconds.
    #[must_use]
    pub fn window_secs(&self) -> u32 {
        self.excerpt.seconds.len() as u32
    }

    /// Seconds of a point.
    #[must_use]
    pub fn step_secs(&self) -> u32 {
        self.step_secs
    }

    /// What the points cost beside their runs: points x groups x types.
    #[must_use]
    pub fn counters(&self) -> usize {
        let points = self.window_secs().div_ceil(self.step_secs) as usize;
        points.saturating_mul(self.excerpt.shape.cells())
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

    /// The steps, oldest first, each computed when it is asked for: O(its runs + groups x types), or O(its seconds) without
    /// events. Where the steps do not
    /// come out even, the newest is the shorter one.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        let Self { excerpt, filter, step_secs, event_types } = self;
        let generation = &*excerpt.generation;
        let passes = (0..excerpt.shape.groups as u32).map(|group| filter.passes(generation, group));
        let passes: Option<Vec<bool>> = (!filter.attributes.is_empty()).then(|| passes.collect());
        let mut scan = excerpt.scan(*step_secs as usize, filter.kinds(event_types));
        let none = Figures::none(generation);
        std::iter::from_fn(move || {
            let (start_secs, sums) = scan.next()?;
            let figures = sums.map_or_else(
                || none.clone(),
                |sums| {
                    if let Some(passes) = &passes {
                        sums.retain_groups(event_types.len(), |group| passes[group as usize]);
                    }
                    sums.figures(generation, event_types)
                },
            );
            Some(Point { start_ms: start_secs * 1_000, figures })
        })
    }
}
