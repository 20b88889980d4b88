//! The folded seconds, in a ring that knows what they take.

use crate::timeline::second::{Second, Shape};
use crate::timeline::users::Users;
use std::ops::RangeInclusive;

/// Seconds by their number. Whoever changes one takes it out and puts it back, so that what it takes stays counted.
pub(crate) struct Seconds {
    /// Second `s` at `s` modulo the length, which exceeds the number of seconds that can be held at once.
    slots: Box<[Option<Second>]>,
    /// What the seconds take beside their slots.
    bytes: usize,
}

impl Seconds {
    /// No seconds; `slots` is a power of two.
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| None).collect(), bytes: 0 }
    }

    /// What the seconds take beside their slots, while they grow at the worst; O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a second out.
    pub(crate) fn take(&mut self, at: i64) -> Option<Second> {
        let second = self.slots[self.slot(at)].take()?;
        debug_assert_eq!(second.second, at, "the ring is longer than the live seconds");
        self.bytes -= second.bytes();
        Some(second)
    }

    /// Puts a second in that is not there.
    pub(crate) fn put(&mut self, second: Second) {
        self.bytes += second.bytes();
        let slot = self.slot(second.second);
        self.slots[slot] = Some(second);
    }

    /// One user less whose last second this is.
    #[inline]
    pub(crate) fn unsee(&mut self, at: i64, group: u32) {
        let slot = self.slot(at);
        let Some(second) = &mut self.slots[slot] else { return };
        // An array takes the same room whatever is in it, and this is called for every other event.
        if second.last_seen.is_dense() {
            second.last_seen.decrement(group);
        } else {
            self.bytes -= second.bytes();
            second.last_seen.decrement(group);
            self.bytes += second.bytes();
        }
    }

    /// The second, if it is there, with its totals under the timeline's generation.
    pub(crate) fn enriched(&mut self, at: i64, users: &Users, shape: Shape, generation: u64) -> Option<&Second> {
        let slot = self.slot(at);
        let second = self.slots[slot].as_mut().filter(|second| second.second == at)?;
        if second.is_behind(generation) {
            self.bytes -= second.bytes();
            second.recount(users, shape, generation);
            self.bytes += second.bytes();
        }
        Some(second)
    }

    /// The second, if it is there.
    pub(crate) fn get(&self, at: i64) -> Option<&Second> {
        self.slots[self.slot(at)].as_ref().filter(|second| second.second == at)
    }

    /// Changes any number of seconds, and counts all of them anew.
    pub(crate) fn change_all(&mut self, change: impl FnOnce(&mut [Option<Second>])) {
        change(&mut self.slots);
        self.bytes = self.slots.iter().flatten().map(Second::bytes).sum();
    }

    /// The seconds of a range that are there and that `which` says, oldest first. Looks at all slots, so that a clock
    /// that jumps costs no more than one that ticks.
    pub(crate) fn present(&self, range: RangeInclusive<i64>, which: impl Fn(&Second) -> bool) -> Vec<i64> {
        let present = self.slots.iter().flatten().filter(|second| range.contains(&second.second) && which(second));
        let mut present: Vec<i64> = present.map(|second| second.second).collect();
        present.sort_unstable();
        present
    }

    #[inline]
    fn slot(&self, at: i64) -> usize {
        at as usize & (self.slots.len() - 1)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Second> {
        self.slots.iter().flatten()
    }
}
