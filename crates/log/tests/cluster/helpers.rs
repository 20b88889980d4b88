//! What most tests of the cluster need.

use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use weir_log::jetstream::{Cluster, ClusterError, Connection, Credentials, Settings};
use weir_log::limits::CLUSTER_BYTES;
use weir_log::{Entry, Follow, Log, NotPlaced, Place};

use crate::nats::Nats;

/// A runtime for a node, as a server has it.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Settings of a cluster on these servers. One server has one copy of each stream.
pub(crate) fn settings(url: &str, servers: usize) -> Settings {
    let connection = Connection { url: url.parse().unwrap(), credentials: Credentials::None, ca_file: None };
    Settings {
        connection,
        may_create: true,
        may_have_one_replica: servers == 1,
        max_bytes: *CLUSTER_BYTES.start(),
        fingerprint: [("retention_secs".to_owned(), "1800".to_owned())].into(),
        secret: [7; 32],
    }
}

/// Opens the cluster when its servers have elected their leaders.
pub(crate) fn open(runtime: &Runtime, nats: &Nats, servers: usize) -> Cluster {
    open_with(runtime, &settings(&nats.url(), servers))
}

pub(crate) fn open_with(runtime: &Runtime, settings: &Settings) -> Cluster {
    until("the cluster is open", || match runtime.block_on(Cluster::open(settings)) {
        Ok(cluster) => Some(cluster),
        Err(error) => {
            assert!(error.is_transient(), "{error}");
            None
        }
    })
}

/// A connection of an operator.
pub(crate) fn admin(runtime: &Runtime, nats: &Nats) -> async_nats::jetstream::Context {
    runtime.block_on(async { async_nats::jetstream::new(async_nats::connect(nats.addresses()).await.unwrap()) })
}

/// The index of the server that leads the stream.
pub(crate) fn leader(runtime: &Runtime, nats: &Nats) -> usize {
    let context = admin(runtime, nats);
    until("the stream has a leader", || {
        let stream = runtime.block_on(context.get_stream("WEIR")).ok()?;
        let leader = stream.cached_info().cluster.as_ref()?.leader.clone()?;
        Some(Nats::index_of(&leader))
    })
}

/// The one-line error of an open that is refused.
pub(crate) fn refusal(runtime: &Runtime, settings: &Settings) -> String {
    let error: ClusterError = runtime.block_on(Cluster::open(settings)).err().expect("it must be refused");
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.is_empty(), "one line: {text:?}");
    text
}

/// Tries again and again, and gives up after many attempts.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(value) = attempt() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("in vain: {what}");
}

/// Waits until something is true.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}

/// What becomes of an entry.
pub(crate) type Answer = mpsc::Receiver<Result<Place, NotPlaced>>;

/// Appends an entry; the answer comes later.
pub(crate) fn begin(log: &mut dyn Log, bytes: &[u8]) -> Answer {
    let (sender, receiver) = mpsc::channel();
    log.append(bytes.into(), Box::new(move |result| sender.send(result).unwrap_or(())));
    receiver
}

/// Appends an entry and waits for its place.
pub(crate) fn append(log: &mut dyn Log, bytes: &[u8]) -> Result<Place, NotPlaced> {
    begin(log, bytes).recv().unwrap()
}

/// Appends an entry until it has a place: a copy of it may have one already.
pub(crate) fn append_surely(log: &mut dyn Log, bytes: &[u8]) -> Place {
    until("the entry has a place", || append(log, bytes).ok())
}

/// The next `count` entries.
pub(crate) fn take(reader: &mut dyn Follow, count: usize) -> Vec<Entry> {
    (0..count).map(|_| next(reader)).collect()
}

/// The next entry, when it comes.
pub(crate) fn next(reader: &mut dyn Follow) -> Entry {
    until("there is an entry", || reader.next(Duration::from_millis(100)).unwrap())
}

/// Reads until the log is lost; returns why.
pub(crate) fn lost(reader: &mut dyn Follow) -> String {
    until("the log is lost", || reader.next(Duration::from_millis(100)).err()).why
}

/// The places and the contents of entries.
pub(crate) fn contents(entries: &[Entry]) -> Vec<(u64, &[u8])> {
    entries.iter().map(|entry| (entry.place.0, &entry.bytes[..])).collect()
}
