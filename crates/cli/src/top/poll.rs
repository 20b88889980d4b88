//! Asking the server, again and again.

use crate::client::{Client, Failure};
use crate::limits;
use crate::top::Options;
use crate::top::figures::Figures;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::mpsc::SyncSender;
use std::thread;
use weir_api::SeriesResponse;

/// The questions, and whom they are put to.
pub(super) struct Poll {
    client: Client,
    title: String,
    metrics_path: String,
    series_path: String,
}

/// What a live picture shows.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The last answer.
    pub(super) figures: Option<Figures>,
    /// What is in the way of a newer one.
    pub(super) note: Option<String>,
}

impl Poll {
    pub(super) fn new(client: Client, options: &Options) -> Self {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let filters = options.filters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let filters: Vec<_> = filters.collect();
        let mut of_metrics = filters.clone();
        of_metrics.extend(options.window_secs.map(|secs| format!("window={secs}")));
        let mut of_series = filters;
        of_series.push(format!("window={}&step=1", limits::TOP_SPARKLINE_SECS));
        let chosen = options.filters.iter().map(|(name, value)| format!("  {name}={value}"));
        let title = format!("{}{}", client.url(), chosen.collect::<String>());
        Self {
            title,
            metrics_path: with_query("/metrics", &of_metrics),
            series_path: with_query("/metrics/series", &of_series),
            client,
        }
    }

    /// The server, and which events are chosen.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// The present figures.
    ///
    /// # Errors
    /// [`Failure`].
    pub(super) fn ask(&self) -> Result<Figures, Failure> {
        let metrics = self.client.get(&self.metrics_path)?;
        let metrics = serde_json::from_slice(&metrics).map_err(|error| self.client.unsound(&error))?;
        let minute = match self.client.get(&self.series_path) {
            Ok(series) => {
                let series: SeriesResponse =
                    serde_json::from_slice(&series).map_err(|error| self.client.unsound(&error))?;
                series.points.iter().map(|point| point.events).collect()
            }
            // A server whose retention is shorter than the line, or which has no series.
            Err(Failure::Refused(refusal)) if matches!(refusal.status, 400 | 404) => vec![],
            Err(failure) => return Err(failure),
        };
        Ok(Figures { metrics, minute })
    }

    /// Asks each second until nobody listens any more.
    pub(super) fn ask_on(&self, tell: &SyncSender<Result<Figures, Failure>>) {
        while tell.send(self.ask()).is_ok() {
            thread::sleep(limits::TOP_PERIOD);
        }
    }
}

impl State {
    /// Takes the next answer.
    ///
    /// # Errors
    /// A failure that will not pass.
    pub(super) fn take(&mut self, told: Result<Figures, Failure>) -> Result<(), Failure> {
        match told {
            Ok(figures) => *self = Self { figures: Some(figures), note: None },
            Err(failure) if failure.is_passing() => self.note = Some(format!("trying again: {failure}")),
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}

fn with_query(path: &str, parameters: &[String]) -> String {
    if parameters.is_empty() { path.to_owned() } else { format!("{path}?{}", parameters.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Access, BaseUrl, Trust};
    use crate::top::figures::tests::metrics;
    use weir_api::Role;

    fn poll(window_secs: Option<u32>, filters: &[(&str, &str)]) -> Poll {
        let url: BaseUrl = "http://weir.example".parse().unwrap();
        let access = Access { url, role: Role::Read, token: None, trust: Trust::System };
        let filters = filters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options = Options { access: access.clone(), window_secs, filters, once: true };
        Poll::new(Client::new(&access).unwrap(), &options)
    }

    #[test]
    fn filters_are_put_into_both_questions() {
        let plain = poll(None, &[]);
        assert_eq!((plain.metrics_path.as_str(), plain.title()), ("/metrics", "http://weir.example"));
        let poll = poll(Some(60), &[("type", "click"), ("plan", "a&b c")]);
        assert_eq!(poll.metrics_path, "/metrics?type=click&plan=a%26b%20c&window=60");
        assert_eq!(poll.series_path, "/metrics/series?type=click&plan=a%26b%20c&window=60&step=1");
        assert_eq!(poll.title(), "http://weir.example  type=click  plan=a&b c");
    }

    #[test]
    fn a_server_that_is_gone_leaves_its_last_figures_and_a_note() {
        let mut state = State::default();
        let gone = || Failure::Lost { url: "http://x".into(), reason: "gone".into() };
        state.take(Ok(Figures { metrics: metrics(), minute: vec![] })).unwrap();
        state.take(Err(gone())).unwrap();
        assert!(state.figures.is_some());
        assert_eq!(state.note.as_deref(), Some("trying again: no answer from http://x: gone"));
        state.take(Ok(Figures { metrics: metrics(), minute: vec![] })).unwrap();
        assert!(state.note.is_none());
        let final_one = Failure::Unsound { url: "http://x".into(), reason: "no JSON".into() };
        assert!(state.take(Err(final_one)).is_err());
    }
}
