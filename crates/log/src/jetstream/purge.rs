//! Removes entries that are not needed any more. Every node does so, because each one may be the only one.

use super::shared::Shared;
use crate::limits::{BODY_SWEEP_MS, NATS_REQUEST_MS_MAX, PURGE_EVERY_MS};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Purges the stream up to what is needed, again and again, and asks how full it is.
pub(super) async fn purge_all(shared: Arc<Shared>) {
    let mut needed_from = shared.needed_from.subscribe();
    let pause = Duration::from_millis(PURGE_EVERY_MS);
    loop {
        // Without a change, the figures of the stream are refreshed.
        let _ = timeout(pause, needed_from.changed()).await;
        let before = *needed_from.borrow_and_update();
        // What fails now is tried again the next time.
        let _ = purge(&shared, before).await;
        sleep(pause).await;
    }
}

/// Removes large bodies that no entry names, again and again.
pub(super) async fn sweep_bodies(shared: Arc<Shared>) {
    loop {
        sleep(Duration::from_millis(BODY_SWEEP_MS)).await;
        // What fails now is tried again the next time.
        let _ = sweep(&shared).await;
    }
}

async fn sweep(shared: &Shared) -> Result<(), String> {
    let Some(bodies) = &shared.bodies else { return Ok(()) };
    let listed = bodies.list().await?;
    let state = shared.info().await?.state;
    // An entry that is in the stream and was not read may name an object that is in the list.
    if *shared.read.borrow() >= state.last_sequence && shared.went_back().is_none() {
        bodies.sweep(&listed, state.first_sequence, Instant::now()).await;
    }
    Ok(())
}

async fn purge(shared: &Shared, before: u64) -> Result<(), String> {
    let info = shared.info().await?;
    if info.state.first_sequence >= before || shared.went_back().is_some() {
        return Ok(());
    }
    let patience = Duration::from_millis(NATS_REQUEST_MS_MAX);
    let stream = shared.context.get_stream_no_info(&shared.name).await.map_err(|error| error.to_string())?;
    // The entries before this place, not the entry at it.
    let purge = stream.purge().sequence(before);
    timeout(patience, purge).await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    shared.info().await.map(drop)
}
