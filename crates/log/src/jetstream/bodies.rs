//! Entries that are too large for a message: their bytes are in an object store, and the message names the object.
//!
//! ```text
//! 0, entry                                     a small entry
//! 1, length (8 bytes), name (32 hex digits)    a large one
//! ```
//!
//! Each append has an object of its own, so the removal of an object never concerns a later entry. An object is removed
//! when no entry of the stream has named it for a while: its entry was trimmed, or it never came.

use super::error::one_line;
use crate::limits::{BODY_MS_MAX, CLUSTER_ENTRY_BYTES_MAX, INLINE_BYTES_MAX, UNNAMED_BODY_MS};
use crate::sync::{Mutex, MutexGuard, PoisonError};
use async_nats::jetstream::object_store::{GetErrorKind, ObjectStore};
use bytes::Bytes;
use futures_util::TryStreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

const SMALL: u8 = 0;
const LARGE: u8 = 1;
const NAME_BYTES: usize = 32;

/// The store of large entries of a stream.
pub(super) struct Bodies {
    store: ObjectStore,
    objects: Mutex<Objects>,
}

/// Why the bytes of an entry are not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotRead {
    /// The message is none of this log.
    Malformed,
    /// The object is not in the store, or it has other bytes.
    Missing(String),
    /// The servers do not answer.
    Unknown,
}

impl Bodies {
    pub(super) fn new(store: ObjectStore) -> Self {
        Self { store, objects: Mutex::default() }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message for an entry. The bytes of a large one are in the store when this returns.
    ///
    /// # Errors
    /// They are not, and then the entry must not be sent.
    pub(super) async fn wrap(&self, entry: &[u8]) -> Result<Bytes, String> {
        if entry.len() <= INLINE_BYTES_MAX {
            return Ok([&[SMALL], entry].concat().into());
        }
        if entry.len() > CLUSTER_ENTRY_BYTES_MAX {
            return Err("the entry is too large".to_owned());
        }
        let (high, low) = (getrandom::u64().map_err(one_line)?, getrandom::u64().map_err(one_line)?);
        let name = format!("{high:016x}{low:016x}");
        let mut rest = entry;
        let put = self.store.put(name.as_str(), &mut rest);
        let put = timeout(Duration::from_millis(BODY_MS_MAX), put).await;
        put.map_err(|_| "the servers do not answer".to_owned())?.map_err(one_line)?;
        Ok([&[LARGE], &(entry.len() as u64).to_le_bytes()[..], name.as_bytes()].concat().into())
    }

    /// The entry that a message at this place has or names.
    pub(super) async fn unwrap(&self, place: u64, message: &[u8]) -> Result<Arc<[u8]>, NotRead> {
        let Some((bytes, name)) = named(message)? else { return Ok(Arc::from(&message[1..])) };
        self.objects().named.insert(place, name.to_owned());
        let get = timeout(Duration::from_millis(BODY_MS_MAX), self.get(name, bytes));
        get.await.unwrap_or(Err(NotRead::Unknown))
    }

    async fn get(&self, name: &str, bytes: usize) -> Result<Arc<[u8]>, NotRead> {
        let object = self.store.get(name).await.map_err(|error| match error.kind() {
            GetErrorKind::NotFound => NotRead::Missing(format!("there is no object {name}")),
            _ => NotRead::Unknown,
        })?;
        let mut body = Vec::with_capacity(bytes);
        let read = object.take(bytes as u64 + 1).read_to_end(&mut body).await;
        match read {
            Ok(read) if read == bytes => Ok(body.into()),
            Err(error) if error.kind() != std::io::ErrorKind::InvalidData => Err(NotRead::Unknown),
            _ => Err(NotRead::Missing(format!("the object {name} has other bytes"))),
        }
    }

    /// The names of all objects in the store.
    pub(super) async fn list(&self) -> Result<BTreeSet<String>, String> {
        let patience = Duration::from_millis(BODY_MS_MAX);
        let list = async { self.store.list().await.map_err(one_line)?.try_collect::<Vec<_>>().await.map_err(one_line) };
        let list = timeout(patience, list).await.map_err(|_| "the servers do not answer".to_owned())??;
        Ok(list.into_iter().filter(|object| !object.deleted).map(|object| object.name).collect())
    }

    /// Removes the objects of `listed` that no entry from `first` on names, and has not named for a while. The caller
    /// has read all entries of the stream after the list was made.
    pub(super) async fn sweep(&self, listed: &BTreeSet<String>, first: u64, now: Instant) {
        let due = self.objects().due(listed, first, now);
        for name in due {
            let removal = timeout(Duration::from_millis(BODY_MS_MAX), self.store.delete(&name)).await;
            // What fails now is in the next list, too.
            if matches!(removal, Ok(Ok(()))) {
                self.objects().unnamed_since.remove(&name);
            }
        }
    }
}

/// The length and the name of the object that a message names; none if the message has the entry itself.
fn named(message: &[u8]) -> Result<Option<(usize, &str)>, NotRead> {
    match message.split_first().ok_or(NotRead::Malformed)? {
        (&SMALL, _) => Ok(None),
        (&LARGE, rest) => {
            let (bytes, name) = rest.split_first_chunk().ok_or(NotRead::Malformed)?;
            let bytes = usize::try_from(u64::from_le_bytes(*bytes)).map_err(|_| NotRead::Malformed)?;
            let name = str::from_utf8(name).map_err(|_| NotRead::Malformed)?;
            let is_name = name.len() == NAME_BYTES && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_name && bytes <= CLUSTER_ENTRY_BYTES_MAX { Ok(Some((bytes, name))) } else { Err(NotRead::Malformed) }
        }
        _ => Err(NotRead::Malformed),
    }
}

/// Which objects are named by entries, and since when others are not.
#[derive(Default)]
struct Objects {
    /// The object that the entry at a place names.
    named: BTreeMap<u64, String>,
    unnamed_since: BTreeMap<String, Instant>,
}

impl Objects {
    /// Forgets the entries before `first`. Of the listed objects, those that were not named for long enough.
    fn due(&mut self, listed: &BTreeSet<String>, first: u64, now: Instant) -> Vec<String> {
        self.named = self.named.split_off(&first);
        let named: BTreeSet<&String> = self.named.values().collect();
        self.unnamed_since.retain(|name, _| listed.contains(name) && !named.contains(name));
        for name in listed.iter().filter(|name| !named.contains(name)) {
            self.unnamed_since.entry(name.clone()).or_insert(now);
        }
        let patience = Duration::from_millis(UNNAMED_BODY_MS);
        let is_due = |since: &Instant| now.saturating_duration_since(*since) >= patience;
        self.unnamed_since.iter().filter(|(_, since)| is_due(since)).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_due_when_no_entry_has_named_it_for_a_while() {
        let mut objects = Objects::default();
        let listed: BTreeSet<String> = ["early", "late", "orphan"].map(str::to_owned).into();
        objects.named = [(3, "early".to_owned()), (9, "late".to_owned())].into();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(objects.due(&listed, 1, start), [""; 0]);
        assert_eq!(objects.due(&listed, 4, after(UNNAMED_BODY_MS - 1)), [""; 0]);
        assert_eq!(objects.due(&listed, 4, after(UNNAMED_BODY_MS)), ["orphan"]);
        assert_eq!(objects.due(&listed, 4, after(2 * UNNAMED_BODY_MS)), ["early", "orphan"]);
        // An entry that comes late after all saves its object.
        objects.named.insert(12, "orphan".to_owned());
        assert_eq!(objects.due(&listed, 4, after(3 * UNNAMED_BODY_MS)), ["early"]);
        assert_eq!(objects.due(&BTreeSet::new(), 4, after(3 * UNNAMED_BODY_MS)), [""; 0]);
        assert!(objects.unnamed_since.is_empty(), "what is removed is forgotten");
    }

    #[test]
    fn a_message_that_names_no_object_is_malformed() {
        let name = "0123456789abcdef0123456789abcdef";
        let large = |bytes: u64, name: &str| [&[LARGE], &bytes.to_le_bytes()[..], name.as_bytes()].concat();
        assert_eq!(named(&large(7, name)), Ok(Some((7, name))));
        assert_eq!(named(&[SMALL, 1, 2]), Ok(None));
        let too_large = CLUSTER_ENTRY_BYTES_MAX as u64 + 1;
        for message in
            [&[][..], &[2, 0], &[LARGE, 1], &large(7, &name[1..]), &large(7, "0123456789abcdef0123456789abcdeg")]
                .into_iter()
                .chain([&large(too_large, name)[..]])
        {
            assert_eq!(named(message), Err(NotRead::Malformed), "{message:?}");
        }
    }
}
