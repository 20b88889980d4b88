//! The newest entries of a topic, in memory: readers take them from here, and wait here for the next one.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::store::Span;
use crate::limits::JOURNAL_TAIL_BYTES;
use crate::topic::{Entry, Place};

/// The newest entries of a topic, and the places of all.
#[derive(Debug)]
pub(super) struct Tail {
    inner: Mutex<Inner>,
    appended: Condvar,
}

#[derive(Debug)]
struct Inner {
    span: Span,
    trim_before: Place,
    entries: VecDeque<Entry>,
    entry_bytes: usize,
}

/// Where a reader finds the entry of a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Here.
    InMemory(Entry),
    /// On the disk.
    OnDisk,
    /// Nowhere: the entry was trimmed.
    Trimmed,
    /// Nowhere: there are fewer entries than the reader has read.
    Beyond,
    /// Nowhere yet.
    NotYet,
}

impl Tail {
    pub(super) fn new(span: Span) -> Self {
        let inner = Inner { span, trim_before: Place(0), entries: VecDeque::new(), entry_bytes: 0 };
        Self { inner: Mutex::new(inner), appended: Condvar::new() }
    }

    /// Every change is one assignment or leaves the entries contiguous, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places of the topic's entries.
    pub(super) fn span(&self) -> Span {
        self.lock().span
    }

    /// Entries before `before` are not needed any more. A lower place than before changes nothing.
    pub(super) fn trim(&self, before: Place) {
        let mut inner = self.lock();
        inner.trim_before = inner.trim_before.max(before);
    }

    /// Up to where entries may be removed.
    pub(super) fn trim_before(&self) -> Place {
        self.lock().trim_before
    }

    /// Whether the disk holds entries that are not needed any more. The last entry stays in any case.
    pub(super) fn trim_is_due(&self) -> bool {
        let inner = self.lock();
        inner.span.first < inner.trim_before.min(inner.span.last)
    }

    /// The disk holds the entries of `span` now, and `entry` is the last of them if it is new.
    pub(super) fn advance(&self, span: Span, entry: Option<Entry>) {
        let mut inner = self.lock();
        inner.span = span;
        if let Some(entry) = entry {
            inner.entry_bytes += entry.bytes.len();
            inner.entries.push_back(entry);
        }
        while inner.entry_bytes > JOURNAL_TAIL_BYTES
            || inner.entries.front().is_some_and(|entry| entry.place < span.first)
        {
            let removed = inner.entries.pop_front();
            inner.entry_bytes -= removed.map_or(0, |entry| entry.bytes.len());
        }
        self.appended.notify_all();
    }

    /// Finds the entry of a place. Waits for it up to `patience` if it is the next one.
    pub(super) fn find(&self, place: Place, patience: Duration) -> Found {
        let inner = self.lock();
        let waited = self.appended.wait_timeout_while(inner, patience, |inner| inner.find(place) == Found::NotYet);
        waited.unwrap_or_else(PoisonError::into_inner).0.find(place)
    }
}

impl Inner {
    fn find(&self, place: Place) -> Found {
        if place.0 > self.span.last.0 + 1 {
            return Found::Beyond;
        }
        if place.0 == self.span.last.0 + 1 {
            return Found::NotYet;
        }
        if place < self.span.first {
            return Found::Trimmed;
        }
        let in_memory = self.entries.front().and_then(|first| place.0.checked_sub(first.place.0));
        match in_memory.and_then(|index| self.entries.get(index as usize)) {
            Some(entry) => Found::InMemory(entry.clone()),
            None => Found::OnDisk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_entries_stay_in_memory() {
        let tail = Tail::new(Span::default());
        let len = JOURNAL_TAIL_BYTES / 4;
        let entry =
            |place: u64| Entry { place: Place(place), bytes: vec![place as u8; len].into(), logged_at_ms: None };
        for place in 1..=6 {
            let span = Span { first: Place(1), last: Place(place), bytes: place * len as u64 };
            tail.advance(span, Some(entry(place)));
        }
        let found = |place| tail.find(Place(place), Duration::ZERO);
        assert_eq!((found(1), found(2)), (Found::OnDisk, Found::OnDisk));
        assert!((3..=6).all(|place| found(place) == Found::InMemory(entry(place))));
        assert_eq!((found(7), found(8)), (Found::NotYet, Found::Beyond));

        tail.advance(Span { first: Place(5), last: Place(6), bytes: 0 }, None);
        assert_eq!((found(4), found(5)), (Found::Trimmed, Found::InMemory(entry(5))));
    }
}
