//! `weir cluster status`: asks each node how far it is.

use crate::client::{Client, ClientConfig};
use crate::cluster::report::{ClusterReport, NodeReport};
use crate::limits;
use crate::output;
use std::error::Error;
use std::thread;
use weir_api::StatusResponse;

/// Which nodes to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatusOptions {
    /// A client for each node.
    pub nodes: Vec<ClientConfig>,
    /// Whether the output is JSON.
    pub json: bool,
}

/// Shows the state of each node.
///
/// # Errors
/// One line: a node did not answer, is not ready, or the nodes are not of one cluster. The report is printed before.
pub(crate) fn status(options: &StatusOptions) -> Result<(), Box<dyn Error>> {
    // At once, because a node that is gone takes long to give up on.
    let nodes = thread::scope(|scope| {
        let asked: Vec<_> = options.nodes.iter().map(|node| scope.spawn(|| ask(node))).collect();
        asked.into_iter().map(|asked| asked.join().expect("a request does not panic")).collect()
    });
    let report = ClusterReport::new(nodes);
    if options.json {
        output::print(format_args!("{}\n", serde_json::to_string(&report)?))?;
    } else {
        output::print(&report)?;
    }
    Ok(report.check()?)
}

fn ask(config: &ClientConfig) -> NodeReport {
    let answer = || {
        let client = Client::with_timeout(config, limits::CLIENT_HEALTH_TIMEOUT)?;
        let body = client.get("/status").map_err(|error| error.to_string())?;
        serde_json::from_slice::<StatusResponse>(&body).map_err(|error| client.invalid_response(&error).to_string())
    };
    NodeReport::new(config.url.to_string(), answer())
}
