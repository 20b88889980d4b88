//! Logs how far the replay is, and what happens to the log later.

use crate::limits;
use crate::log::event_log::EventLog;
use crate::log::state::LogState;
use tokio::time::{Instant, interval};

/// Watches a log for as long as the server runs. Returns one line if the log cannot be replayed, or if a node of a
/// cluster has lost it: then the engine does not have what the log has, and must not answer.
pub(crate) async fn watch(log: &EventLog) -> String {
    let start = Instant::now();
    let (mut polls, mut reported_at) = (interval(limits::LOG_POLL_PERIOD), start);
    let (mut before, mut is_replayed) = (None, false);
    loop {
        polls.tick().await;
        let state = log.state();
        if !is_replayed && log.is_ready() {
            is_replayed = true;
            report_replay(log, start);
        }
        match &state {
            LogState::Replaying { replayed, total } if reported_at.elapsed() >= limits::REPLAY_REPORT_PERIOD => {
                reported_at = Instant::now();
                tracing::info!("replaying {}: {replayed} of {total} frames", log.name());
            }
            LogState::Ready => match &before {
                Some(LogState::ClockJumped(_) | LogState::ClockOff(_)) => tracing::info!("the clock is right again"),
                Some(LogState::Unavailable(_)) => tracing::info!("the log is available again"),
                _ => {}
            },
            LogState::Failed(_, why) if !is_replayed => {
                return format!("cannot replay {}: {why}; {}", log.name(), log.remedy());
            }
            LogState::Failed(fault, _) if fault.ends_process() => return state.detail(),
            LogState::Failed(..) | LogState::ClockJumped(_) | LogState::ClockOff(_) | LogState::Unavailable(_)
                if !is_same(before.as_ref(), &state) =>
            {
                tracing::error!("{}", state.detail());
            }
            _ => {}
        }
        before = Some(state);
    }
}

fn report_replay(log: &EventLog, start: Instant) {
    let Some(snapshot) = log.snapshot() else { return };
    let (place, judged_frames) = (snapshot.figures.applied.0, snapshot.figures.judged_in_replay);
    let elapsed_ms = start.elapsed().as_millis() as u64;
    tracing::info!(place, judged_frames, elapsed_ms, "the log is replayed");
}

/// Whether two states are the same but for the size of a jump.
fn is_same(before: Option<&LogState>, state: &LogState) -> bool {
    before.is_some_and(|before| std::mem::discriminant(before) == std::mem::discriminant(state))
}

#[cfg(test)]
mod tests {
    use crate::http::{App, HttpConfig};
    use crate::log::testing::held_log;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_server_whose_log_cannot_be_replayed_ends_with_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let (engine, log, handles) = held_log(dir.path(), 1_760_000_000_123);
        let app = Arc::new(App::with_log(engine, HttpConfig::default(), Some(log)));
        handles.is_broken.store(true, Ordering::Relaxed);
        handles.reads.open();
        handles.appends.open();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = crate::serve_app(app, listener, std::future::pending()).await.unwrap_err().to_string();
        let expected = format!("cannot replay the journal in {}: the disk is gone; ", dir.path().display());
        assert!(line.starts_with(&expected) && !line.contains('\n'), "{line}");
    }
}
