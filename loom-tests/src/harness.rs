//! Runs a model in every interleaving.

use crate::sync::reclaim;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Checks `model` exhaustively, or with at most `preemptions` preemptions an execution. No bound on time or executions:
/// loom ends green when one is exceeded.
///
/// # Panics
/// When an execution fails, frees too early, twice or never; and when only one was explored, for then there was no race
/// in the model.
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
