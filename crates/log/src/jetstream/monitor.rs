//! Whether the servers of a cluster sync each entry to the disk before they answer. Only their monitoring port says so.

use super::error::{ClusterError, one_line};
use crate::limits::{MONITOR_BYTES_MAX, MONITORS_MAX, NATS_REQUEST_MS_MAX};
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;

/// What is known of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// Each server that was asked syncs each entry. Without that, a power cut loses entries that have a place.
    Always,
    /// No server was asked, so the operator has to know.
    Unknown,
}

/// Asks the monitoring ports of the servers. Each URL is `http://HOST:PORT`. This blocks the thread for some seconds if
/// a server does not answer.
///
/// # Errors
/// A server does not sync always, or it does not answer.
pub fn syncs_always(urls: &[String]) -> Result<Syncs, ClusterError> {
    if urls.len() > MONITORS_MAX {
        return Err(ClusterError::Setting(format!(
            "there are more than {MONITORS_MAX} monitoring addresses; give fewer"
        )));
    }
    urls.iter().try_for_each(|url| check(url))?;
    Ok(if urls.is_empty() { Syncs::Unknown } else { Syncs::Always })
}

fn check(url: &str) -> Result<(), ClusterError> {
    let settings = ask(url).map_err(|why| ClusterError::request(format!("ask the monitoring port {url}"), why))?;
    // A server without JetStream has none of this.
    let config = settings.get("config").ok_or_else(|| {
        ClusterError::Setting(format!("the NATS server at {url} has no JetStream; name the servers of the cluster"))
    })?;
    if config.get("sync_always").and_then(Value::as_bool) == Some(true) {
        return Ok(());
    }
    Err(ClusterError::Setting(format!(
        "the NATS server at {url} does not sync each entry before it answers; set sync_interval: always in its \
         section jetstream"
    )))
}

fn ask(url: &str) -> Result<Value, String> {
    let patience = Duration::from_millis(NATS_REQUEST_MS_MAX);
    let agent: Agent = Agent::config_builder().timeout_global(Some(patience)).build().into();
    let url = format!("{}/jsz?config=1", url.trim_end_matches('/'));
    let mut response = agent.get(&url).call().map_err(one_line)?;
    let body = response.body_mut().with_config().limit(MONITOR_BYTES_MAX).read_to_vec().map_err(one_line)?;
    serde_json::from_slice(&body).map_err(one_line)
}
