//! The reader's side of the window: what it has seen, and what is new.

use crate::sync::reclaim::pin;
use crate::window::chunk::Record;
use crate::window::ring::Ring;
use crate::window::shards::Window;
use std::ops::RangeInclusive;

/// Where the one reader stands (one at a time: it lives behind the timeline's lock).
pub(crate) struct Folder {
    shards: Box<[Cursors]>,
}

/// What a turn took out of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Consumed {
    /// Records that are no longer unfolded: handed to the sink, or outlived.
    pub(crate) records: u64,
    /// Whether the turn stopped at its limit with more to do.
    pub(crate) more: bool,
}

/// One shard's position.
struct Cursors {
    /// For each slot: the depth up to which it is folded.
    folded: Box<[u64]>,
    /// For each slot, a bit: marked, and not folded yet.
    pending: Box<[u64]>,
}

impl Folder {
    /// What the folder of a window of so many shards and slots takes.
    pub(crate) fn bytes_for(shards: usize, slots: usize) -> usize {
        shards * (slots * size_of::<u64>() + slots.div_ceil(8))
    }

    pub(crate) fn new(window: &Window) -> Self {
        let cursors =
            || Cursors { folded: vec![0; window.slots()].into(), pending: vec![0; window.slots().div_ceil(64)].into() };
        Self { shards: window.shards().map(|_| cursors()).collect() }
    }

    /// Hands every record of the `live` seconds that was published before this call, and not handed over yet, to `sink`,
    /// and unlinks what it has handed over. Later seconds stay pending until `live` reaches them; earlier ones are
    /// dropped. Stops after the slot in which `limit` records are reached.
    pub(crate) fn catch_up(
        &mut self,
        window: &Window,
        live: &RangeInclusive<i64>,
        limit: u64,
        mut sink: impl FnMut(i64, &[Record]),
    ) -> Consumed {
        let mut consumed = Consumed::default();
        // All marks first: a limit that ends this turn early must not keep a later turn from knowing of them.
        for (ring, cursors) in window.shards.iter().zip(&mut self.shards) {
            ring.dirty.take(|word, bits| cursors.pending[word] |= bits);
        }
        for (ring, cursors) in window.shards.iter().zip(&mut self.shards) {
            for word in 0..cursors.pending.len() {
                let mut bits = cursors.pending[word];
                while bits != 0 {
                    if consumed.records >= limit {
                        consumed.more = true;
                        return consumed;
                    }
                    let index = word * 64 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    consumed.records += cursors.fold(ring, index, live, &mut sink);
                }
            }
        }
        consumed
    }

    /// Empties the slots of `seconds`, which are over, and returns how many records were dropped unfolded.
    pub(crate) fn clear(&mut self, window: &Window, seconds: RangeInclusive<i64>) -> u64 {
        let newest = *seconds.end();
        // A ring's length of seconds visits every slot.
        let oldest = (*seconds.start()).max(newest.saturating_sub(window.slots() as i64 - 1));
        let mut dropped = 0;
        for (ring, cursors) in window.shards.iter().zip(&mut self.shards) {
            for second in oldest..=newest {
                dropped += cursors.clear(ring, ring.index(second), newest);
            }
        }
        dropped
    }
}

impl Cursors {
    /// Folds one slot and returns the records that it held above the cursor.
    fn fold(
        &mut self,
        ring: &Ring,
        index: usize,
        live: &RangeInclusive<i64>,
        sink: &mut impl FnMut(i64, &[Record]),
    ) -> u64 {
        let guard = pin();
        let Some(list) = ring.slot(index).snapshot(&guard) else {
            self.set_folded(index, 0);
            return 0;
        };
        let second = list.second();
        if second > *live.end() {
            return 0;
        }
        if second < *live.start() {
            drop(guard);
            return self.clear(ring, index, second);
        }
        let (from, to) = (self.folded[index], list.depth());
        list.since(from, |records| sink(second, records));
        self.set_folded(index, to);
        // When an append came in between, the list stays until its next fold; the cursor says what is new in it.
        ring.slot(index).retire(&list);
        to - from
    }

    /// Empties the slot if its second is not after `newest`, and returns the records that were never folded.
    fn clear(&mut self, ring: &Ring, index: usize, newest: i64) -> u64 {
        let guard = pin();
        match ring.slot(index).snapshot(&guard) {
            Some(list) if list.second() <= newest => {
                let unfolded = list.depth() - self.folded[index];
                // An append in between has marked the slot again, or will: its fold comes back here.
                if ring.slot(index).clear(&list) {
                    self.set_folded(index, 0);
                } else {
                    self.folded[index] = list.depth();
                }
                unfolded
            }
            _ => 0,
        }
    }

    fn set_folded(&mut self, index: usize, depth: u64) {
        self.folded[index] = depth;
        self.pending[index / 64] &= !(1 << (index % 64));
    }
}
