//! From the settings of a cluster to a log that replays it.

use crate::limits;
use crate::log::durations::LogDurations;
use crate::log::event_log::EventLog;
use crate::log::secret_file;
use crate::log::store::Store;
use crate::process;
use crate::settings::{ClusterLogin, ClusterSettings};
use std::error::Error;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use weir::{Engine, EngineConfig, ManualClock, Secret};
use weir_log::Log;
use weir_log::fingerprint::fingerprint;
use weir_log::frame::FRAME_VERSION;
use weir_log::jetstream::{Cluster, ClusterError, Connection, Credentials, Settings, Syncs, syncs_always};

/// Connects to the cluster, makes an engine with the secret of the cluster, and starts the replay. While no server
/// answers, it tries again for [`limits::CLUSTER_OPEN_TIMEOUT`].
///
/// # Errors
/// One line that says what is wrong with the settings, or why the cluster cannot be opened. Nothing of it has changed.
pub(crate) async fn open_cluster(
    config: EngineConfig,
    settings: ClusterSettings,
) -> Result<(Arc<Engine>, EventLog), Box<dyn Error + Send + Sync>> {
    config.validate()?;
    if config.horizon_secs().is_none() {
        return Err("a cluster needs a dedup horizon that ends; with an unbounded one, its log would never end".into());
    }
    let monitors = settings.monitors.clone();
    let (url, node) = (settings.url.to_string(), settings.node.clone().unwrap_or_else(process::host_name));
    let settings = log_settings(&config, &settings)?;
    let secret = Secret::from_bytes(settings.secret);
    check_syncs(monitors).await?;
    let cluster = connect(&settings).await?;
    tracing::info!(node, "opened the cluster {url}");
    // The table of ids may take long to allocate.
    spawn_blocking(move || {
        // Queries see log time, and no clock of this machine.
        let engine = Arc::new(Engine::with_secret(config, ManualClock::new(0), &secret)?);
        let logs: [Box<dyn Log>; 2] = [Box::new(cluster.frames()), Box::new(cluster.reference())];
        let store = Store::Cluster { url, node, cluster: Box::new(cluster) };
        let log = EventLog::start(&engine, store, logs, Arc::new(LogDurations::default()))?;
        Ok((engine, log))
    })
    .await?
}

/// What an operator allows the nodes of a cluster to write, once all nodes can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterPermission {
    /// Events of all configured types, which begin with the present ones.
    EventTypes,
    /// The newest version of frames.
    Frames,
}

/// Allows the nodes of a cluster to write more. The settings are those of a node.
///
/// # Errors
/// One line that says what does not fit the cluster, or that the servers do not answer.
pub async fn allow_in_cluster(
    config: EngineConfig,
    settings: ClusterSettings,
    permission: ClusterPermission,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let settings = log_settings(&config, &ClusterSettings { may_create: false, ..settings })?;
    let cluster = Cluster::open(&settings).await?;
    match permission {
        ClusterPermission::EventTypes => cluster.allow_event_types(&config.event_types).await?,
        ClusterPermission::Frames => cluster.allow_frame_version(FRAME_VERSION).await?,
    }
    Ok(())
}

/// The settings of the log, with the secrets from their files.
fn log_settings(config: &EngineConfig, settings: &ClusterSettings) -> Result<Settings, String> {
    let ClusterSettings { url, may_create, may_have_one_replica, max_bytes, secret_file, login, ca_file, .. } =
        settings;
    let credentials = match login {
        ClusterLogin::None => Credentials::None,
        ClusterLogin::Password { user, file } => Credentials::UserPassword(user.clone(), secret_file::text(file)?),
        ClusterLogin::TokenFile(file) => Credentials::Token(secret_file::text(file)?),
        ClusterLogin::CredentialsFile(file) => Credentials::File(file.clone()),
    };
    Ok(Settings {
        connection: Connection { url: url.clone(), credentials, ca_file: ca_file.clone() },
        may_create: *may_create,
        may_have_one_replica: *may_have_one_replica,
        max_bytes: *max_bytes,
        fingerprint: fingerprint(config),
        secret: secret_file::secret(secret_file)?,
    })
}

/// Opens the streams. The servers may start later than the node.
async fn connect(settings: &Settings) -> Result<Cluster, ClusterError> {
    let deadline = Instant::now() + limits::CLUSTER_OPEN_TIMEOUT;
    let mut reported = None;
    loop {
        let error = match Cluster::open(settings).await {
            Ok(cluster) => return Ok(cluster),
            Err(error) if error.is_transient() && Instant::now() < deadline => error.to_string(),
            Err(error) => return Err(error),
        };
        if reported.as_ref() != Some(&error) {
            tracing::warn!("{error}; trying again for {} s", limits::CLUSTER_OPEN_TIMEOUT.as_secs());
        }
        reported = Some(error);
        sleep(limits::CLUSTER_OPEN_PERIOD).await;
    }
}

/// Checks that the servers sync each entry before they answer. A server that does not say so may be the one that is
/// down.
async fn check_syncs(monitors: Vec<String>) -> Result<(), Box<dyn Error + Send + Sync>> {
    match spawn_blocking(move || syncs_always(&monitors)).await? {
        Ok(Syncs::Always) => Ok(()),
        Ok(Syncs::Unknown) => {
            tracing::warn!("cannot see whether the NATS servers sync each entry: no monitoring port is given");
            Ok(())
        }
        Err(error) if error.is_transient() => {
            tracing::warn!("cannot see whether all NATS servers sync each entry: {error}");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
