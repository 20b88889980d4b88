//! What runs beside the interface while it is served.

use crate::http::app::App;
use crate::http::health;
use crate::{limits, process};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use weir::Engine;

/// Watches the clock and the runtime while the interface is served.
pub(crate) async fn monitor(app: Arc<App>) -> Infallible {
    let probed = Arc::clone(&app);
    // Ends with this.
    let mut probe = JoinSet::new();
    probe.spawn(async move { probed.adaptive_limit.probe().await });
    tokio::select! {
        never = health::watch_clock(Arc::clone(&app.engine)) => never,
        never = watch_process(&app.engine) => never,
    }
}

/// Tells an engine with a limit on its memory what the process takes.
async fn watch_process(engine: &Engine) -> Infallible {
    if engine.config().max_memory_bytes.is_none() {
        std::future::pending::<Infallible>().await;
    }
    loop {
        if let Some(bytes) = process::resident_bytes() {
            engine.observe_process(bytes);
        }
        sleep(limits::RSS_POLL_PERIOD).await;
    }
}
