//! Runs a model in every interleaving.

use crate::sync::reclaim;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Checks `model` exhaustively, or with at most `preemptions` preemptions in each execution. There is no bound on the
/// time or the number of executions, because loom reports success when such a bound is exceeded.
///
/// # Panics
/// If an execution fails, or frees memory too early, twice or never. Also if only one execution was explored: then the
/// model has no race.
pub(crate) fn check(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_duration = None;
    builder.max_permutations = None;
    builder.max_branches = 10_000;
    let counted = executions.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        reclaim::begin();
        model();
        reclaim::finish();
    });
    let executions = executions.load(Ordering::Relaxed);
    assert!(executions > 1, "{name} explored a single execution: there is no race in it");
    println!("{name}: {executions} executions");
}
