//! The state of the live view.

use crate::client::RequestError;
use crate::top::frame::{self, StyledLine};
use crate::top::live_metrics::LiveMetrics;

/// The last metrics, and the error since then.
#[derive(Debug)]
pub(super) struct LiveState {
    title: String,
    metrics: Option<LiveMetrics>,
    /// The temporary error of the last poll.
    note: Option<String>,
}

impl LiveState {
    /// The state before the first poll.
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), metrics: None, note: None }
    }

    /// Updates the state after a poll.
    ///
    /// # Errors
    /// The error of the poll, if it is not temporary.
    pub(super) fn update(&mut self, polled: Result<LiveMetrics, RequestError>) -> Result<(), RequestError> {
        match polled {
            Ok(metrics) => (self.metrics, self.note) = (Some(metrics), None),
            Err(error) if error.is_temporary() => self.note = Some(format!("retrying: {error}")),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The frame of the state.
    pub(super) fn frame(&self, columns: usize, rows: usize) -> Vec<StyledLine> {
        let note = self.note.as_deref();
        match &self.metrics {
            Some(metrics) => frame::draw(&self.title, metrics, note, columns, rows),
            None => frame::draw_head(&self.title, note, columns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::live_metrics::tests::metrics;

    #[test]
    fn a_temporary_error_leaves_the_last_metrics_and_a_note() {
        let mut state = LiveState::new("t");
        let no_response = || RequestError::NoResponse { url: "http://x".into(), reason: "gone".into() };
        state.update(Ok(LiveMetrics { window: metrics(), last_minute: vec![], journal: None, cluster: None })).unwrap();
        state.update(Err(no_response())).unwrap();
        assert!(state.metrics.is_some());
        assert_eq!(state.note.as_deref(), Some("retrying: no response from http://x: gone"));
        state.update(Ok(LiveMetrics { window: metrics(), last_minute: vec![], journal: None, cluster: None })).unwrap();
        assert!(state.note.is_none());
        let invalid = RequestError::InvalidResponse { url: "http://x".into(), reason: "no JSON".into() };
        assert!(state.update(Err(invalid)).is_err());
    }
}
