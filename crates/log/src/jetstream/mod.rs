//! The log on NATS JetStream: many machines, one order.
//!
//! ```text
//! frames    -> the stream NAME            (subject NAME.log)
//! reference -> the stream NAME_REFERENCE  (subject NAME.reference), large bodies in the object store NAME_BODIES
//! ```
//!
//! Each stream has at least three copies, on disks that are synced before the answer. A message is an entry, and its
//! sequence number is the entry's place. Of what JetStream offers, this uses no message ids, no batches, no key-value
//! store and no leases: an entry is one message, and one message is atomic.
//!
//! - [`ClusterUrl`], [`Connection`]: where the servers are, and how a node connects to them.
//! - `streams`: the configuration of the streams; `agreed`: what the operator changes in it later.
//! - [`syncs_always`]: whether the servers sync each entry before they answer.
//! - `publisher`: entries into a stream; `follower`: entries out of it; `purge`: what is not needed any more.
//! - `bodies`: entries that are too large for a message.
//! - `shared`: what these know of a stream; [`StreamLog`]: a stream as a [`Log`](crate::Log).

mod agreed;
mod bodies;
mod connection;
mod error;
mod follower;
mod handle;
mod monitor;
mod publisher;
mod purge;
mod shared;
mod streams;
mod url;

pub use connection::{Connection, Credentials};
pub use error::ClusterError;
pub use handle::StreamLog;
pub use monitor::{Syncs, syncs_always};
pub use shared::StreamStatus;
pub use url::ClusterUrl;

use crate::limits::{NATS_REQUEST_MS_MAX, UNPLACED_FRAMES_MAX};
use async_nats::connection::State;
use async_nats::jetstream::{self, Context};
use bodies::Bodies;
use publisher::Publisher;
use purge::{purge_all, sweep_bodies};
use shared::Shared;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use streams::Wanted;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// What a node needs to know of its cluster.
#[derive(Clone)]
pub struct Settings {
    /// How to connect.
    pub connection: Connection,
    /// Creates the streams that are missing. Without it, a missing stream is an error.
    pub may_create: bool,
    /// Whether streams without further copies are good enough, for development.
    pub may_have_one_replica: bool,
    /// The size limit of a new stream of frames, in bytes.
    pub max_bytes: u64,
    /// The settings that the entries depend on, by name.
    pub fingerprint: BTreeMap<String, String>,
    /// The secret of the hash keys. All nodes have the same one.
    pub secret: [u8; 32],
}

/// Without the secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("connection", &self.connection)
            .field("may_create", &self.may_create)
            .field("may_have_one_replica", &self.may_have_one_replica)
            .field("max_bytes", &self.max_bytes)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// The figures of a cluster, as this node knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the node is connected to a server.
    pub is_connected: bool,
    /// The stream of frames.
    pub frames: StreamStatus,
    /// The stream of reference changes.
    pub reference: StreamStatus,
}

/// An open cluster. Its tasks run on the runtime on which it was opened. It is kept for as long as its logs are used:
/// after a drop, nothing is trimmed any more.
pub struct Cluster {
    context: Context,
    frames: Topic,
    reference: Topic,
}

/// A stream and its tasks.
struct Topic {
    runtime: Handle,
    shared: Arc<Shared>,
    publisher: Publisher,
    depth: usize,
    heartbeats: bool,
    tasks: [AbortHandle; 2],
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Topic {
    fn start(shared: Shared, depth: usize, heartbeats: bool) -> Self {
        let (runtime, shared) = (Handle::current(), Arc::new(shared));
        let publisher = Publisher::start(&runtime, Arc::clone(&shared), depth);
        let purge = runtime.spawn(purge_all(Arc::clone(&shared))).abort_handle();
        let sweep = runtime.spawn(sweep_bodies(Arc::clone(&shared))).abort_handle();
        Self { runtime, shared, publisher, depth, heartbeats, tasks: [purge, sweep] }
    }

    fn log(&self) -> StreamLog {
        let Self { runtime, shared, publisher, depth, heartbeats, .. } = self;
        let (runtime, shared, publisher) = (runtime.clone(), Arc::clone(shared), publisher.clone());
        StreamLog { runtime, shared, publisher, depth: *depth, heartbeats: *heartbeats }
    }
}

impl Cluster {
    /// Connects, and opens or creates the streams. It runs on a tokio runtime that lives as long as the cluster, with
    /// more threads than the one that drives it.
    ///
    /// # Errors
    /// No server can be reached, a stream is missing or of another configuration, or the servers do not answer.
    pub async fn open(settings: &Settings) -> Result<Self, ClusterError> {
        let Settings { connection, may_create, may_have_one_replica, max_bytes, fingerprint, secret } = settings;
        let wanted = Wanted::new(connection.url.stream(), *may_have_one_replica, *max_bytes, fingerprint, secret)?;
        let client = connection.connect().await?;
        let mut context = jetstream::new(client);
        context.set_timeout(Duration::from_millis(NATS_REQUEST_MS_MAX));
        let frames = streams::open(&context, &wanted, wanted.frames(), *may_create).await?;
        let reference = streams::open(&context, &wanted, wanted.reference(), *may_create).await?;
        let bodies = Bodies::new(streams::open_bodies(&context, &wanted, *may_create).await?);
        let frames = Topic::start(Shared::new(context.clone(), &frames, None), UNPLACED_FRAMES_MAX, true);
        let reference = Topic::start(Shared::new(context.clone(), &reference, Some(bodies)), 1, false);
        Ok(Self { context, frames, reference })
    }

    /// The frames of batches.
    #[must_use]
    pub fn frames(&self) -> StreamLog {
        self.frames.log()
    }

    /// The changes of the reference table.
    #[must_use]
    pub fn reference(&self) -> StreamLog {
        self.reference.log()
    }

    /// Lets the nodes write frames of this version. An older weir that reads such a frame stops, so this is for an
    /// operator: [`version_read_by_all`](crate::Figures::version_read_by_all) says which version all nodes read. The
    /// nodes follow within about 20 seconds.
    ///
    /// # Errors
    /// This weir does not know the version, it is older than the present one, or the servers do not answer.
    pub async fn allow_frame_version(&self, version: u8) -> Result<(), ClusterError> {
        self.frames.shared.agree(|config| agreed::allow_frame_version(config, version)).await
    }

    /// Lets the nodes take these event types, which are the present ones and some more. A node that was started
    /// without them stops at the first event of such a type, so this is for an operator who has started all nodes anew
    /// with all types. Until then, events of these types are refused as overloaded. The nodes follow within about 20
    /// seconds.
    ///
    /// # Errors
    /// The types do not begin with the present ones, or the servers do not answer.
    pub async fn allow_event_types(&self, names: &[String]) -> Result<(), ClusterError> {
        self.reference.shared.agree(|config| agreed::allow_event_types(config, names)).await?;
        self.frames.shared.agree(|config| agreed::allow_event_types(config, names)).await
    }

    /// The figures of the cluster. This waits for nothing.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            is_connected: self.context.client().connection_state() == State::Connected,
            frames: self.frames.shared.status(),
            reference: self.reference.shared.status(),
        }
    }
}
