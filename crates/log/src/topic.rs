//! What every log promises. A log holds one topic: the frames of batches, or the reference changes.

use std::sync::Arc;
use std::time::Duration;

/// The position of an entry in a log. The first entry has place 1, each later one the next number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64);

/// An entry and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The position of the entry.
    pub place: Place,
    /// The bytes that were appended.
    pub bytes: Arc<[u8]>,
    /// When the log took the entry, by the clock of the log, in milliseconds since the epoch. A log on this machine has
    /// no clock of its own.
    pub logged_at_ms: Option<i64>,
}

impl Entry {
    /// Whether other programs can append to the log of this entry, too.
    pub(crate) fn is_of_shared_log(&self) -> bool {
        self.logged_at_ms.is_some()
    }
}

/// Why an entry has no place, as far as its writer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPlaced {
    /// The log has no room for the entry. The entry is certainly not in the log.
    Full,
    /// The log did not answer, or it failed. The entry may be in the log.
    Unknown,
}

/// Called once for each append: with the place when the entry can no longer be lost, or with why it has none.
pub type Placed = Box<dyn FnOnce(Result<Place, NotPlaced>) + Send>;

/// The reader of a log cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// What is wrong.
    pub kind: LostKind,
    /// The cause, for people.
    pub why: String,
}

/// What is wrong when the reader of a log cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostKind {
    /// The log failed, or what it reads is not what was written.
    Log,
    /// This process has judged a frame otherwise than the log has recorded.
    JudgedDifferently,
}

impl Lost {
    /// The log failed, or what it reads is not what was written.
    #[must_use]
    pub fn log(why: impl Into<String>) -> Self {
        Self { kind: LostKind::Log, why: why.into() }
    }

    /// The frame at a place was judged differently here than by `others`.
    pub(crate) fn judged_differently(place: Place, others: &str) -> Self {
        let why = format!("the frame at place {} was judged differently here than {others}", place.0);
        Self { kind: LostKind::JudgedDifferently, why }
    }
}

/// Entries in one order that all readers agree on. No entry whose place is known is ever lost.
pub trait Log: Send {
    /// How many entries may wait for their places at once.
    fn depth(&self) -> usize;

    /// Appends an entry. `placed` is called once, on any thread, perhaps before this returns.
    fn append(&mut self, bytes: Arc<[u8]>, placed: Placed);

    /// Appends an entry without which the log cannot recover: a heartbeat, or recorded outcomes. A log that is full for
    /// other entries still has room for a few of these. A log without such a reserve treats all entries alike.
    fn append_necessary(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        self.append(bytes, placed);
    }

    /// The entries after `after`, in their order, for as long as the reader lives.
    fn follow(&mut self, after: Place) -> Box<dyn Follow>;

    /// Entries before `before` are not needed any more. The log may remove them, at once or later.
    fn trim(&mut self, before: Place);

    /// Whether other processes append to the log, too.
    fn is_shared(&self) -> bool {
        false
    }

    /// What the operator of a log of several nodes has allowed by now.
    fn allowed(&self) -> Allowed {
        Allowed { frame_version: 1, event_types: usize::MAX }
    }
}

/// What the nodes of a log may write. Nodes that know less could not read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The version of a frame.
    pub frame_version: u8,
    /// The number of event types, counted from the first one.
    pub event_types: usize,
}

/// A reader of a log.
pub trait Follow: Send {
    /// The next entry; none if there is none within `patience`.
    ///
    /// # Errors
    /// The reader cannot go on. It is of no further use.
    fn next(&mut self, patience: Duration) -> Result<Option<Entry>, Lost>;

    /// Whether all entries that were in the log when the reader began have been read. None if the reader does not know;
    /// then the end of the log is where no entry comes within the patience. A log of several nodes has no such end.
    fn has_caught_up(&self) -> Option<bool> {
        None
    }

    /// Reads an entry again that weir has not written, and returns if it is the same each time: then it is the same for
    /// every reader. This may take some seconds.
    ///
    /// # Errors
    /// The entry is not the same each time, or the log cannot be read again.
    fn confirm(&mut self, entry: &Entry) -> Result<(), Lost> {
        Err(Lost::log(format!("place {} was not written by weir", entry.place.0)))
    }

    /// Reads the entry at a place again, in the log as it is now. This may take some seconds.
    ///
    /// # Errors
    /// The log cannot be read again, or it has no entry there.
    fn read_again(&mut self, place: Place) -> Result<Arc<[u8]>, Lost> {
        Err(Lost::log(format!("place {} cannot be read again", place.0)))
    }

    /// The log is no longer what this reader has read, and this is how it was found out.
    fn log_went_back(&mut self, _why: &str) {}
}
