//! The single consumer of the window: the records that it has read, and the records that are new.

use crate::sync::reclaim::pin;
use crate::window::chunk::Record;
use crate::window::ring::Window;
use std::ops::RangeInclusive;

/// The read offsets of the single consumer. Only one thread at a time has it, because it is behind the timeline's lock.
pub(crate) struct WindowConsumer {
    /// For each slot, the sequence up to which it is folded.
    folded: Box<[u64]>,
    /// For each slot, the sequence up to which its records are unlinked. It is behind `folded` while a list stays that
    /// was folded.
    unlinked: Box<[u64]>,
    /// For each slot, a bit: set if the slot was marked and is not folded yet.
    pending: Box<[u64]>,
    /// What [`take_unlinked`](Self::take_unlinked) has not reported.
    newly_unlinked: Unlinked,
}

/// What a consumer has retired, or has found to be unlinked and retired by a writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unlinked {
    pub(crate) records: u64,
    /// Lists that the consumer has retired, with these records or without any.
    pub(crate) lists: u64,
}

/// The result of a drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    /// The number of records that are no longer unfolded: they were passed to the sink, or are out of the retention.
    pub(crate) records: u64,
    /// Whether the drain stopped at its limit and there may be more records.
    pub(crate) has_more: bool,
    /// The first second that is so far ahead of the live ones that a live second may have had its slot before. The
    /// records of that second that were not folded are gone.
    pub(crate) far_ahead_secs: Option<i64>,
}

impl WindowConsumer {
    pub(crate) fn new(window: &Window) -> Self {
        let slots = window.len();
        Self {
            folded: vec![0; slots].into(),
            unlinked: vec![0; slots].into(),
            pending: vec![0; slots.div_ceil(64)].into(),
            newly_unlinked: Unlinked::default(),
        }
    }

    /// The memory of the consumer of a window.
    pub(crate) fn bytes_for(slots: usize) -> usize {
        slots * 2 * size_of::<u64>() + slots.div_ceil(8)
    }

    /// Passes the records of the `live` seconds to `sink` and unlinks them: every record that was published before this
    /// call and not passed before. Later seconds stay pending until they are live. Earlier seconds are dropped. Stops
    /// after the slot in which `limit` records are reached.
    pub(crate) fn drain(
        &mut self,
        window: &Window,
        live: &RangeInclusive<i64>,
        limit: u64,
        mut sink: impl FnMut(i64, &[Record]),
    ) -> Drained {
        debug_assert_eq!(self.folded.len(), window.len(), "the consumer of another window");
        debug_assert!(live.start() <= live.end(), "no second is live: {live:?}");
        let mut drained = Drained::default();
        // All marks are taken first, so that a drain that stops at its limit leaves them for the next drain.
        window.dirty.take(|word, bits| self.pending[word] |= bits);
        for word in 0..self.pending.len() {
            let mut bits = self.pending[word];
            while bits != 0 {
                if drained.records >= limit {
                    drained.has_more = true;
                    return drained;
                }
                let index = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                self.fold(window, index, live, &mut drained, &mut sink);
            }
        }
        drained
    }

    /// Empties the slots of `seconds`, which are over. Returns the number of records that were dropped without a fold.
    pub(crate) fn clear(&mut self, window: &Window, seconds: RangeInclusive<i64>) -> u64 {
        debug_assert_eq!(self.folded.len(), window.len(), "the consumer of another window");
        let newest = *seconds.end();
        // As many seconds as the ring has slots: they visit every slot once.
        let oldest = (*seconds.start()).max(newest.saturating_sub(window.len() as i64 - 1));
        (oldest..=newest).map(|second| self.clear_slot(window, window.slot_index(second), newest)).sum()
    }

    /// What was unlinked since the last call. The caller flushes it, so that it is freed although this thread may
    /// retire nothing more.
    pub(crate) fn take_unlinked(&mut self) -> Unlinked {
        std::mem::take(&mut self.newly_unlinked)
    }

    /// Folds one slot.
    fn fold(
        &mut self,
        window: &Window,
        index: usize,
        live: &RangeInclusive<i64>,
        drained: &mut Drained,
        sink: &mut impl FnMut(i64, &[Record]),
    ) {
        let guard = pin();
        let Some(list) = window.slot(index).snapshot(&guard) else {
            debug_assert_eq!(self.unlinked[index], 0, "only this consumer empties slots");
            self.set_folded(index, 0);
            return;
        };
        let second = list.second();
        if second > *live.end() {
            if second.saturating_sub(window.len() as i64) >= *live.start() {
                drained.far_ahead_secs = Some(drained.far_ahead_secs.map_or(second, |first| first.min(second)));
            }
            return;
        }
        if second < *live.start() {
            drop(guard);
            drained.records += self.clear_slot(window, index, second);
            return;
        }
        let (from, to) = (self.folded[index], list.sequence());
        debug_assert!(from <= to, "the sequence of a list never decreases");
        list.since(from, |records| sink(second, records));
        self.set_folded(index, to);
        // If an append came in between, the list stays until the next fold of the slot. The offset separates its new
        // chunks from the folded ones.
        if window.slot(index).retire(&list) && to > self.unlinked[index] {
            self.note_unlinked(index, to);
        }
        drained.records += to - from;
    }

    /// Empties the slot if its second is not after `newest`. Returns the number of records that were never folded.
    fn clear_slot(&mut self, window: &Window, index: usize, newest: i64) -> u64 {
        let guard = pin();
        match window.slot(index).snapshot(&guard) {
            Some(list) if list.second() <= newest => {
                debug_assert!(self.folded[index] <= list.sequence(), "the sequence of a list never decreases");
                let unfolded = list.sequence() - self.folded[index];
                // If an append came in between, it has marked the slot again or will do so, and the fold returns here.
                if window.slot(index).clear(&list) {
                    self.note_unlinked(index, list.sequence());
                    self.unlinked[index] = 0;
                    self.set_folded(index, 0);
                } else {
                    self.folded[index] = list.sequence();
                }
                unfolded
            }
            _ => 0,
        }
    }

    /// A list is retired, and the records of the slot up to `sequence` are unlinked. Some of them may be of an older
    /// list, which a writer has retired.
    fn note_unlinked(&mut self, index: usize, sequence: u64) {
        debug_assert!(self.unlinked[index] <= sequence, "the sequence of a list never decreases");
        self.newly_unlinked.records += sequence - self.unlinked[index];
        self.newly_unlinked.lists += 1;
        self.unlinked[index] = sequence;
    }

    /// The slot is folded up to `sequence`, and its bit is no longer pending.
    fn set_folded(&mut self, index: usize, sequence: u64) {
        self.folded[index] = sequence;
        self.pending[index / 64] &= !(1 << (index % 64));
    }
}
