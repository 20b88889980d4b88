//! What the handles of an open journal share: the database, what is in memory, and whether the journal still works.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::meta::Meta;
use super::space::{Need, Space};
use super::store::{Change, Span, Store, Topic};
use super::tail::Tail;
use crate::topic::{Entry, NotPlaced, Place};

/// Called with the time that each commit took, with its fsync. It must not append.
pub type OnCommit = Arc<dyn Fn(Duration) + Send + Sync>;

/// Whether a journal takes entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The journal takes entries.
    Open,
    /// The disk failed, so the journal takes no more entries. Only a restart can tell what the disk holds.
    Failed(String),
    /// The journal was stopped.
    Stopped,
}

/// The figures of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the journal takes entries.
    pub state: State,
    /// The frames of batches.
    pub frames: Span,
    /// The changes of the reference table.
    pub reference: Span,
    /// The bound of the live bytes of both topics.
    pub max_bytes: u64,
    /// The bytes that the file takes on the disk. None if the operating system does not say.
    pub file_bytes: Option<u64>,
    /// The free bytes of the disk before the last entry. None before the first entry.
    pub free_bytes: Option<u64>,
}

impl Status {
    /// The live bytes of both topics.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.frames.bytes + self.reference.bytes
    }
}

/// What the handles of an open journal share.
pub(super) struct Core {
    disk: Arc<dyn Disk>,
    /// None once the journal is stopped.
    store: RwLock<Option<Store>>,
    frames: Tail,
    reference: Tail,
    max_bytes: u64,
    on_commit: Option<OnCommit>,
    /// One commit at a time, for both topics.
    writer: Mutex<()>,
    // These are locked for a moment only, never during a commit.
    space: Mutex<Space>,
    state: Mutex<State>,
}

impl Core {
    /// # Errors
    /// If the disk fails.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        store: Store,
        max_bytes: u64,
        on_commit: Option<OnCommit>,
    ) -> Result<Self, redb::Error> {
        Ok(Self {
            disk,
            frames: Tail::new(store.span(Topic::Frames)?),
            reference: Tail::new(store.span(Topic::Reference)?),
            store: RwLock::new(Some(store)),
            max_bytes,
            on_commit,
            writer: Mutex::new(()),
            space: Mutex::new(Space::new(max_bytes)),
            state: Mutex::new(State::Open),
        })
    }

    pub(super) fn tail(&self, topic: Topic) -> &Tail {
        match topic {
            Topic::Frames => &self.frames,
            Topic::Reference => &self.reference,
        }
    }

    pub(super) fn state(&self) -> State {
        lock(&self.state).clone()
    }

    pub(super) fn status(&self) -> Status {
        Status {
            state: self.state(),
            frames: self.frames.span(),
            reference: self.reference.span(),
            max_bytes: self.max_bytes,
            file_bytes: self.disk.used_bytes().ok(),
            free_bytes: lock(&self.space).free_bytes(),
        }
    }

    /// Appends an entry. It is on the disk when this returns.
    ///
    /// # Errors
    /// If the journal has no room, or does not work any more.
    pub(super) fn append(&self, topic: Topic, bytes: &Arc<[u8]>, need: Need) -> Result<Place, NotPlaced> {
        let _one_at_a_time = lock(&self.writer);
        if self.state() != State::Open {
            return Err(NotPlaced::Unknown);
        }
        if !self.has_room(bytes.len(), need) {
            // Room comes by trimming only, and trimming comes with appends. The other topic may be idle.
            for topic in [Topic::Frames, Topic::Reference] {
                if self.tail(topic).trim_is_due() {
                    self.commit(topic, None)?;
                }
            }
            if !self.has_room(bytes.len(), need) {
                return Err(NotPlaced::Full);
            }
        }
        self.commit(topic, Some(bytes))
    }

    fn has_room(&self, len: usize, need: Need) -> bool {
        let live_bytes = self.frames.span().bytes + self.reference.span().bytes;
        lock(&self.space).has_room(live_bytes, len, need, || self.disk.free_bytes())
    }

    /// Trims a topic and appends an entry, in one commit. The last place.
    fn commit(&self, topic: Topic, entry: Option<&Arc<[u8]>>) -> Result<Place, NotPlaced> {
        let tail = self.tail(topic);
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let (State::Open, Some(store)) = (self.state(), store.as_ref()) else { return Err(NotPlaced::Unknown) };
        let begun = Instant::now();
        let change = Change { topic, trim_before: tail.trim_before(), entry: entry.map(|bytes| &**bytes) };
        let span = store.commit(&change).map_err(|error| {
            *lock(&self.state) = State::Failed(error.to_string());
            NotPlaced::Unknown
        })?;
        if let Some(on_commit) = &self.on_commit {
            on_commit(begun.elapsed());
        }
        tail.advance(span, entry.map(|bytes| Entry { place: span.last, bytes: Arc::clone(bytes), logged_at_ms: None }));
        Ok(span.last)
    }

    /// Reads entries from the disk.
    ///
    /// # Errors
    /// If the disk fails, or the journal was stopped.
    pub(super) fn read(&self, topic: Topic, from: Place) -> Result<Vec<Entry>, redb::Error> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        store.as_ref().ok_or(redb::Error::DatabaseClosed)?.read(topic, from)
    }

    /// Writes what `meta` says of the journal, and closes it. Does nothing if it is closed already. Not for a journal
    /// that failed.
    ///
    /// # Errors
    /// If the disk fails, or has failed before.
    pub(super) fn stop(&self, meta: &Meta) -> Result<(), redb::Error> {
        let Some(store) = self.take_store() else { return Ok(()) };
        store.set_stopped(meta.stopped, &meta.fingerprint)?;
        store.close()
    }

    /// Closes the journal without the mark of a clean stop.
    pub(super) fn close(&self) {
        drop(self.take_store());
    }

    /// Waits for the commit in progress, if there is one.
    fn take_store(&self) -> Option<Store> {
        let store = self.store.write().unwrap_or_else(PoisonError::into_inner).take();
        let mut state = lock(&self.state);
        if *state == State::Open {
            *state = State::Stopped;
        }
        store
    }
}

/// Each value behind a lock here is valid at any time, so a panic of another thread does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
