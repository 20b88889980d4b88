//! A topic of a journal as a log, and its readers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::space::Need;
use super::store::Topic;
use super::tail::Found;
use crate::topic::{Entry, Follow, Log, Lost, NotPlaced, Place, Placed};

/// A topic of a journal.
///
/// An append returns when the entry is on the disk, or when it has no place. After an error of the disk, that append
/// and all later ones get [`NotPlaced::Unknown`]. So the server answers that the log is not available.
/// [`Journal::state`](super::Journal::state) says that it will not come back.
pub struct TopicLog {
    core: Arc<Core>,
    topic: Topic,
}

impl TopicLog {
    pub(super) fn new(core: Arc<Core>, topic: Topic) -> Self {
        Self { core, topic }
    }

    fn append_as(&self, need: Need, bytes: &Arc<[u8]>, placed: Placed) {
        let result: Result<Place, NotPlaced> = self.core.append(self.topic, bytes, need);
        placed(result);
    }
}

impl Log for TopicLog {
    fn depth(&self) -> usize {
        1
    }

    fn append(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        self.append_as(Need::Ordinary, &bytes, placed);
    }

    fn append_necessary(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        self.append_as(Need::Necessary, &bytes, placed);
    }

    /// Begins with the first entry that is kept if entries after `after` were trimmed: its place says so. A reader that
    /// has begun and is overtaken by trimming is [`Lost`], and so is one that begins beyond the last entry.
    fn follow(&mut self, after: Place) -> Box<dyn Follow> {
        let first = self.core.tail(self.topic).span().first;
        let next = Place(after.0 + 1).max(first);
        Box::new(Follower { core: Arc::clone(&self.core), topic: self.topic, next, read: VecDeque::new() })
    }

    /// The entries are removed by later appends, at most
    /// [`JOURNAL_TRIMMED_PER_COMMIT_MAX`](crate::limits::JOURNAL_TRIMMED_PER_COMMIT_MAX) by each. The last entry stays.
    fn trim(&mut self, before: Place) {
        self.core.tail(self.topic).trim(before);
    }
}

/// A reader of a topic. It takes new entries from memory, and older ones from the disk. After an error of the disk it
/// still gets what is in memory, and then nothing more.
struct Follower {
    core: Arc<Core>,
    topic: Topic,
    next: Place,
    /// What was read from the disk and not yet taken.
    read: VecDeque<Entry>,
}

impl Follow for Follower {
    fn next(&mut self, patience: Duration) -> Result<Option<Entry>, Lost> {
        if self.read.is_empty() {
            match self.core.tail(self.topic).find(self.next, patience) {
                Found::InMemory(entry) => self.read.push_back(entry),
                Found::OnDisk => self.read = self.read_disk()?,
                Found::NotYet => return Ok(None),
                Found::Trimmed => return Err(self.lost("was trimmed before it was read")),
                Found::Beyond => return Err(self.lost("is beyond the end of the journal")),
            }
        }
        match self.read.pop_front() {
            Some(entry) if entry.place == self.next => {
                self.next = Place(self.next.0 + 1);
                Ok(Some(entry))
            }
            _ => Err(self.lost("is missing")),
        }
    }
}

impl Follower {
    fn read_disk(&self) -> Result<VecDeque<Entry>, Lost> {
        let read = self.core.read(self.topic, self.next);
        read.map(VecDeque::from).map_err(|error| self.lost(&format!("cannot be read: {error}")))
    }

    fn lost(&self, why: &str) -> Lost {
        Lost::log(format!("place {} of the journal {why}", self.next.0))
    }
}
