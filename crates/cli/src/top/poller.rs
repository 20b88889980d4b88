//! Polls the server.

use crate::client::{Client, RequestError};
use crate::limits;
use crate::top::live_metrics::LiveMetrics;
use crate::top::options::TopOptions;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use std::sync::mpsc::SyncSender;
use std::thread;
use weir_api::{SeriesResponse, StatusResponse};

/// The requests, and the client that sends them.
pub(super) struct Poller {
    client: Client,
    title: String,
    metrics_path: String,
    series_path: String,
}

impl Poller {
    pub(super) fn new(client: Client, options: &TopOptions) -> Self {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let filters = options.filters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let filters: Vec<_> = filters.collect();
        let mut metrics_query = filters.clone();
        metrics_query.extend(options.window_secs.map(|secs| format!("window={secs}")));
        let mut series_query = filters;
        series_query.push(format!("window={}&step=1", limits::TOP_SPARKLINE_SECS));
        let filters = options.filters.iter().map(|(name, value)| format!("  {name}={value}"));
        let title = format!("{}{}", client.url(), filters.collect::<String>());
        Self {
            title,
            metrics_path: with_query("/metrics", &metrics_query),
            series_path: with_query("/metrics/series", &series_query),
            client,
        }
    }

    /// The URL of the server, and the filters.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// The current metrics.
    ///
    /// # Errors
    /// [`RequestError`].
    pub(super) fn poll(&self) -> Result<LiveMetrics, RequestError> {
        let window = self.get(&self.metrics_path)?;
        let last_minute = match self.get::<SeriesResponse>(&self.series_path) {
            Ok(series) => series.points.iter().map(|point| point.events).collect(),
            // The retention of the server is shorter than a minute, or the server is too old to have series.
            Err(RequestError::Rejected(response)) if matches!(response.status, 400 | 404) => vec![],
            Err(error) => return Err(error),
        };
        // A server without this resource has no log. The next poll notices a server that is gone.
        let status = self.get::<StatusResponse>("/status").ok();
        let (journal, cluster) = status.map_or((None, None), |status| (status.journal, status.cluster));
        Ok(LiveMetrics { window, last_minute, journal, cluster })
    }

    /// Polls once per second, until the receiver is dropped.
    pub(super) fn poll_forever(&self, sender: &SyncSender<Result<LiveMetrics, RequestError>>) {
        while sender.send(self.poll()).is_ok() {
            thread::sleep(limits::TOP_PERIOD);
        }
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RequestError> {
        let response = self.client.get(path)?;
        serde_json::from_slice(&response).map_err(|error| self.client.invalid_response(&error))
    }
}

fn with_query(path: &str, parameters: &[String]) -> String {
    if parameters.is_empty() { path.to_owned() } else { format!("{path}?{}", parameters.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{BaseUrl, ClientConfig, Trust};
    use weir_api::Role;

    fn poller(window_secs: Option<u32>, filters: &[(&str, &str)]) -> Poller {
        let url: BaseUrl = "http://weir.example".parse().unwrap();
        let client = ClientConfig { url, role: Role::Read, token: None, trust: Trust::System };
        let filters = filters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options = TopOptions { client: client.clone(), window_secs, filters, once: true };
        Poller::new(Client::new(&client).unwrap(), &options)
    }

    #[test]
    fn both_requests_have_the_filters() {
        let plain = poller(None, &[]);
        assert_eq!((plain.metrics_path.as_str(), plain.title()), ("/metrics", "http://weir.example"));
        let poller = poller(Some(60), &[("type", "click"), ("plan", "a&b c")]);
        assert_eq!(poller.metrics_path, "/metrics?type=click&plan=a%26b%20c&window=60");
        assert_eq!(poller.series_path, "/metrics/series?type=click&plan=a%26b%20c&window=60&step=1");
        assert_eq!(poller.title(), "http://weir.example  type=click  plan=a&b c");
    }
}
