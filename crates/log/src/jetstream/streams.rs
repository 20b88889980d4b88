//! The streams of a cluster: their configuration, and whether the servers have them like that.

use super::agreed::{self, EVENT_TYPES, FRAMES_OF, SETTING};
use super::error::ClusterError;
use crate::frame::FRAME_VERSION;
use crate::limits::{
    BODY_STORE_BYTES_MAX, CLUSTER_BYTES, CLUSTER_FORMAT, FRAME_BYTES_MAX, INLINE_BYTES_MAX, MESSAGE_OVERHEAD_BYTES,
    REFERENCE_STREAM_BYTES_MAX, REPLICAS_MIN,
};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::object_store::{self, ObjectStore};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::hash::Hasher;
use std::time::Duration;

const FORMAT: &str = "weir.format";
const SECRET: &str = "weir.secret_hash";
/// The least window of JetStream's own deduplication, which is not used.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(100);

/// What the streams of a cluster depend on.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// Whether a stream without further copies is good enough.
    pub(super) may_have_one_replica: bool,
    /// The size limit of a new stream of frames.
    pub(super) max_bytes: u64,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Wanted {
    pub(super) fn new(
        name: &str,
        may_have_one_replica: bool,
        max_bytes: u64,
        fingerprint: &BTreeMap<String, String>,
        secret: &[u8; 32],
    ) -> Result<Self, ClusterError> {
        if !CLUSTER_BYTES.contains(&max_bytes) {
            let (min, max) = CLUSTER_BYTES.into_inner();
            let text = format!("the size limit of the stream is {max_bytes} bytes; give {min} to {max} bytes");
            return Err(ClusterError::Setting(text));
        }
        let settings = fingerprint.iter().map(|(name, value)| (format!("{SETTING}{name}"), value.clone()));
        let own = [
            (FORMAT.to_owned(), CLUSTER_FORMAT.to_string()),
            (SECRET.to_owned(), secret_hash(secret)),
            // A new cluster has no older nodes.
            (FRAMES_OF.to_owned(), FRAME_VERSION.to_string()),
        ];
        let metadata = settings.chain(own).collect();
        Ok(Self { name: name.to_owned(), may_have_one_replica, max_bytes, metadata })
    }

    pub(super) fn frames(&self) -> Config {
        let bytes_max = FRAME_BYTES_MAX + MESSAGE_OVERHEAD_BYTES;
        self.config(self.name.clone(), format!("{}.log", self.name), self.max_bytes, bytes_max)
    }

    pub(super) fn reference(&self) -> Config {
        let (name, subject) = (format!("{}_REFERENCE", self.name), format!("{}.reference", self.name));
        self.config(name, subject, REFERENCE_STREAM_BYTES_MAX, INLINE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES)
    }

    fn config(&self, name: String, subject: String, max_bytes: u64, max_message_bytes: usize) -> Config {
        Config {
            name,
            subjects: vec![subject],
            max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX),
            max_messages: -1,
            max_messages_per_subject: -1,
            max_consumers: -1,
            max_message_size: i32::try_from(max_message_bytes).unwrap_or(i32::MAX),
            discard: DiscardPolicy::New,
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            num_replicas: self.replicas(),
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            deny_delete: true,
            metadata: self.metadata.clone().into_iter().collect(),
            ..Config::default()
        }
    }

    fn replicas(&self) -> usize {
        if self.may_have_one_replica { 1 } else { REPLICAS_MIN }
    }

    fn bodies(&self) -> object_store::Config {
        object_store::Config {
            bucket: format!("{}_BODIES", self.name),
            max_bytes: i64::try_from(BODY_STORE_BYTES_MAX).unwrap_or(i64::MAX),
            storage: StorageType::File,
            num_replicas: self.replicas(),
            ..object_store::Config::default()
        }
    }
}

/// A number that follows from the secret, and from which the secret does not follow.
fn secret_hash(secret: &[u8; 32]) -> String {
    let (key, rest) = secret.split_first_chunk::<16>().expect("a secret has 32 bytes");
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(b"the hash of the secret of a cluster");
    hasher.write(rest);
    format!("{:032x}", hasher.finish128().as_u128())
}

/// Finds the stream, or creates it if it `may_create`, and checks its configuration.
pub(super) async fn open(
    context: &Context,
    wanted: &Wanted,
    config: Config,
    may_create: bool,
) -> Result<Info, ClusterError> {
    let name = config.name.clone();
    let mut found = find(context, &name).await?;
    if found.is_none() && may_create {
        // Another node may have created it in the meantime, with this configuration or with another one.
        let created = context.create_stream(&config).await.err();
        found = find(context, &name).await?;
        if found.is_none() {
            return Err(ClusterError::request(format!("create the stream {name}"), not_created(created)));
        }
    }
    let info = found.ok_or(ClusterError::Missing { stream: name })?;
    check(&info.config, &config, wanted)?;
    Ok(info)
}

/// Why a stream is not there after its creation. Another server may not know it yet.
fn not_created(error: Option<impl Display>) -> String {
    error.map_or_else(|| "the servers do not all know it yet".to_owned(), |error| error.to_string())
}

async fn find(context: &Context, name: &str) -> Result<Option<Info>, ClusterError> {
    match context.get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(ClusterError::request(format!("find the stream {name}"), error)),
        },
    }
}

/// Finds the store of bodies, or creates it.
pub(super) async fn open_bodies(
    context: &Context,
    wanted: &Wanted,
    may_create: bool,
) -> Result<ObjectStore, ClusterError> {
    let config = wanted.bodies();
    let (bucket, stream) = (config.bucket.clone(), format!("OBJ_{}", config.bucket));
    let mut found = find(context, &stream).await?;
    if found.is_none() && may_create {
        let created = context.create_object_store(config).await.err();
        found = find(context, &stream).await?;
        if found.is_none() {
            return Err(ClusterError::request(format!("create the object store {bucket}"), not_created(created)));
        }
    }
    let info = found.ok_or(ClusterError::Missing { stream: stream.clone() })?;
    let mut differences = vec![];
    compare_replicas(&mut differences, &info.config, wanted);
    compare(&mut differences, "storage", &info.config.storage, &StorageType::File);
    compare(&mut differences, "max_age", &info.config.max_age, &Duration::ZERO);
    if !differences.is_empty() {
        return Err(ClusterError::Different { stream, differences });
    }
    let store = context.get_object_store(&bucket).await;
    store.map_err(|error| ClusterError::request(format!("open the object store {bucket}"), error))
}

/// Checks all that a log on the stream relies on. The size limit and the placement are the operator's.
fn check(found: &Config, config: &Config, wanted: &Wanted) -> Result<(), ClusterError> {
    let stream = || config.name.clone();
    let format = found.metadata.get(FORMAT).and_then(|format| format.parse().ok());
    if let Some(found) = format.filter(|format| *format > CLUSTER_FORMAT) {
        return Err(ClusterError::NewerFormat { stream: stream(), found, known: CLUSTER_FORMAT });
    }
    let found_version = agreed::frame_version(found);
    if found_version > FRAME_VERSION {
        return Err(ClusterError::NewerFrames { stream: stream(), found: found_version, known: FRAME_VERSION });
    }
    let mut differences = vec![];
    let list = &mut differences;
    compare(list, "subjects", &found.subjects, &config.subjects);
    compare(list, "storage", &found.storage, &config.storage);
    compare(list, "retention", &found.retention, &config.retention);
    compare(list, "discard", &found.discard, &config.discard);
    compare(list, "max_age", &found.max_age, &config.max_age);
    compare(list, "max_msgs", &found.max_messages, &config.max_messages);
    compare(list, "max_msgs_per_subject", &found.max_messages_per_subject, &config.max_messages_per_subject);
    compare(list, "max_msg_size", &found.max_message_size, &config.max_message_size);
    compare(list, "deny_delete", &found.deny_delete, &config.deny_delete);
    compare(list, "deny_purge", &found.deny_purge, &config.deny_purge);
    compare(list, "allow_direct", &found.allow_direct, &config.allow_direct);
    compare(list, "allow_rollup_hdrs", &found.allow_rollup, &config.allow_rollup);
    compare(list, "no_ack", &found.no_ack, &config.no_ack);
    compare(list, "sealed", &found.sealed, &config.sealed);
    compare(list, "mirror", &found.mirror.is_some(), &false);
    compare(list, "sources", &found.sources.as_ref().is_some_and(|sources| !sources.is_empty()), &false);
    compare(list, "subject_transform", &found.subject_transform, &config.subject_transform);
    compare_replicas(list, found, wanted);
    compare_metadata(list, found, wanted);
    if differences.is_empty() { Ok(()) } else { Err(ClusterError::Different { stream: stream(), differences }) }
}

fn compare<T: PartialEq + Debug>(differences: &mut Vec<String>, name: &str, found: &T, wanted: &T) {
    if found != wanted {
        differences.push(format!("{name} is {found:?} in the stream and must be {wanted:?}"));
    }
}

fn compare_replicas(differences: &mut Vec<String>, found: &Config, wanted: &Wanted) {
    if found.num_replicas < wanted.replicas() {
        let (found, wanted) = (found.num_replicas, wanted.replicas());
        differences.push(format!("replicas is {found} in the stream and must be at least {wanted}"));
    }
}

fn compare_metadata(differences: &mut Vec<String>, found: &Config, wanted: &Wanted) {
    let own = found.metadata.keys().filter(|name| name.starts_with("weir."));
    let names: std::collections::BTreeSet<&String> = own.chain(wanted.metadata.keys()).collect();
    for name in names {
        let values = (found.metadata.get(name), wanted.metadata.get(name));
        let is_agreed_later = name == FRAMES_OF || (name == EVENT_TYPES && agreed::is_prefix(values.0, values.1));
        if values.0 == values.1 || is_agreed_later {
            continue;
        }
        if name == SECRET {
            differences.push("the secret is another one".to_owned());
            continue;
        }
        let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| "not set".to_owned());
        let name = name.strip_prefix(SETTING).unwrap_or(name);
        differences.push(format!("{name} is {} in the stream and {} now", text(values.0), text(values.1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        let fingerprint = [("retention_secs".to_owned(), "1800".to_owned())].into();
        Wanted::new("WEIR", false, *CLUSTER_BYTES.start(), &fingerprint, &[7; 32]).unwrap()
    }

    fn differences(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut found = wanted().frames();
        change(&mut found);
        match check(&found, &wanted().frames(), &wanted()) {
            Ok(()) => vec![],
            Err(ClusterError::Different { differences, .. }) => differences,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_the_operator_decides_is_no_difference() {
        let all = differences(|found| {
            (found.num_replicas, found.max_bytes) = (5, 1 << 40);
            found.description = Some("the log".to_owned());
            found.metadata.insert("_nats.ver".to_owned(), "2.15.1".to_owned());
        });
        assert_eq!(all, Vec::<String>::new());
    }

    #[test]
    fn each_setting_that_could_lose_entries_is_a_difference() {
        type Change = fn(&mut Config);
        let changes: [(&str, Change); 12] = [
            ("replicas", |found| found.num_replicas = 2),
            ("storage", |found| found.storage = StorageType::Memory),
            ("discard", |found| found.discard = DiscardPolicy::Old),
            ("retention", |found| found.retention = RetentionPolicy::WorkQueue),
            ("max_age", |found| found.max_age = Duration::from_secs(1)),
            ("max_msgs", |found| found.max_messages = 1),
            ("max_msgs_per_subject", |found| found.max_messages_per_subject = 1),
            ("deny_delete", |found| found.deny_delete = false),
            ("allow_rollup_hdrs", |found| found.allow_rollup = true),
            ("sealed", |found| found.sealed = true),
            ("retention_secs", |found| _ = found.metadata.insert("weir.setting.retention_secs".into(), "5".into())),
            ("secret", |found| _ = found.metadata.remove(SECRET)),
        ];
        for (name, change) in changes {
            let found = differences(change);
            assert!(found.len() == 1 && found[0].contains(name), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_newer_format_is_an_error_of_its_own() {
        let mut found = wanted().frames();
        found.metadata.insert(FORMAT.to_owned(), "2".to_owned());
        let error = check(&found, &wanted().frames(), &wanted()).unwrap_err();
        assert_eq!(error, ClusterError::NewerFormat { stream: "WEIR".to_owned(), found: 2, known: 1 });
    }

    #[test]
    fn the_metadata_have_no_secret() {
        let other = Wanted::new("WEIR", false, 1 << 30, &BTreeMap::new(), &[8; 32]).unwrap();
        assert_ne!(other.metadata[SECRET], wanted().metadata[SECRET]);
        let text = format!("{:?}", wanted().frames());
        assert!(!text.contains("0707") && !text.contains("7, 7"), "{text}");
    }

    #[test]
    fn a_size_limit_out_of_range_is_refused() {
        let wanted = Wanted::new("WEIR", false, 5, &BTreeMap::new(), &[7; 32]);
        assert!(wanted.err().unwrap().to_string().contains("give 67108864 to"));
    }
}
