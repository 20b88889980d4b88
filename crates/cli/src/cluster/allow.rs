//! `weir cluster allow-event-types` and `weir cluster allow-frames`: what the nodes write once all of them can read it.

use crate::limits;
use crate::output;
use crate::serve::{ServeSettings, name_the_options};
use std::error::Error;
use weir_server::{ClusterPermission, LogSettings, allow_in_cluster};

/// What to allow, and in which cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowOptions {
    /// The settings of a node.
    pub settings: ServeSettings,
    /// What to allow.
    pub permission: ClusterPermission,
}

/// Allows it.
///
/// # Errors
/// One line: the settings name no cluster or do not fit it, or the servers do not answer.
pub(crate) fn allow(options: AllowOptions) -> Result<(), Box<dyn Error>> {
    let AllowOptions { settings, permission } = options;
    let Some(LogSettings::Cluster(cluster)) = settings.server.log else {
        return Err("no cluster is named; give the options of its nodes, with --cluster".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(settings.workers).enable_all().build()?;
    let allowed = runtime.block_on(allow_in_cluster(settings.server.engine, cluster, permission));
    runtime.shutdown_timeout(limits::SHUTDOWN_TIMEOUT);
    allowed.map_err(name_the_options)?;
    Ok(output::print("allowed: the nodes follow within 20 seconds\n")?)
}
