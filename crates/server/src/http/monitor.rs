//! The tasks that monitor the process while the HTTP API is served.

use crate::http::app::App;
use crate::http::health;
use crate::{limits, process};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use weir::Engine;

/// Monitors the clock, the queueing delay of the runtime, the resident memory and the log, until it is dropped. Returns
/// only if the log cannot be read.
pub(crate) async fn monitor(app: Arc<App>) -> io::Error {
    let probed = Arc::clone(&app);
    // Dropping the set aborts its task.
    let mut probe = JoinSet::new();
    probe.spawn(async move { probed.adaptive_limit.probe(&probed.ingest_pacer).await });
    tokio::select! {
        never = health::watch_clock(&app) => match never {},
        never = report_resident_memory(&app.engine) => match never {},
        line = app.intake.watch() => io::Error::other(line),
    }
}

/// Lets batches go on that wait for the others, until it is dropped. Without it, batches would wait forever.
pub(crate) async fn pace_batches(app: Arc<App>) -> Infallible {
    app.ingest_pacer.end_passes().await
}

/// Reports the resident memory to an engine that has a memory limit.
async fn report_resident_memory(engine: &Engine) -> Infallible {
    if engine.config().max_memory_bytes.is_none() {
        std::future::pending::<Infallible>().await;
    }
    loop {
        if let Some(bytes) = process::resident_bytes() {
            engine.report_rss(bytes);
        }
        sleep(limits::RSS_POLL_PERIOD).await;
    }
}
