//! A log that measures its appends, and the application of what it returns.

use crate::log::durations::LogDurations;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_log::{Allowed, Entry, Follow, Log, Lost, Place, Placed};

/// A log of frames with its durations.
pub(super) struct MeasuredLog {
    pub(super) log: Box<dyn Log>,
    pub(super) durations: Arc<LogDurations>,
}

impl MeasuredLog {
    /// Counts a frame, and measures the time to its place.
    fn measured(&self, bytes: &[u8], placed: Placed) -> Placed {
        let (durations, start) = (Arc::clone(&self.durations), Instant::now());
        durations.add_frame_bytes(bytes.len());
        Box::new(move |result| {
            durations.append.observe(start.elapsed());
            placed(result);
        })
    }
}

impl Log for MeasuredLog {
    fn depth(&self) -> usize {
        self.log.depth()
    }

    fn append(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        let placed = self.measured(&bytes, placed);
        self.log.append(bytes, placed);
    }

    fn append_necessary(&mut self, bytes: Arc<[u8]>, placed: Placed) {
        let placed = self.measured(&bytes, placed);
        self.log.append_necessary(bytes, placed);
    }

    fn follow(&mut self, after: Place) -> Box<dyn Follow> {
        let (follow, durations) = (self.log.follow(after), Arc::clone(&self.durations));
        Box::new(MeasuredFollow { follow, durations, returned_at: None })
    }

    fn trim(&mut self, before: Place) {
        self.log.trim(before);
    }

    fn is_shared(&self) -> bool {
        self.log.is_shared()
    }

    fn allowed(&self) -> Allowed {
        self.log.allowed()
    }
}

/// A reader of a log. Its caller applies an entry before it asks for the next one.
struct MeasuredFollow {
    follow: Box<dyn Follow>,
    durations: Arc<LogDurations>,
    returned_at: Option<Instant>,
}

impl Follow for MeasuredFollow {
    fn next(&mut self, patience: Duration) -> Result<Option<Entry>, Lost> {
        if let Some(start) = self.returned_at.take() {
            self.durations.apply.observe(start.elapsed());
        }
        let entry = self.follow.next(patience)?;
        self.returned_at = entry.as_ref().map(|_| Instant::now());
        Ok(entry)
    }

    fn has_caught_up(&self) -> Option<bool> {
        self.follow.has_caught_up()
    }

    fn confirm(&mut self, entry: &Entry) -> Result<(), Lost> {
        self.follow.confirm(entry)
    }

    fn read_again(&mut self, place: Place) -> Result<Arc<[u8]>, Lost> {
        self.follow.read_again(place)
    }

    fn log_went_back(&mut self, why: &str) {
        self.follow.log_went_back(why);
    }
}
