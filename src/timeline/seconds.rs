//! The folded seconds, in a ring that counts their memory.

use crate::timeline::live_second::LiveSecond;
use crate::timeline::second::{CounterLayout, Second};
use crate::timeline::users::Users;
use std::ops::RangeInclusive;

/// The seconds by their number. A second is taken out of the ring before a change and put back afterwards, so that its
/// memory stays counted.
pub(crate) struct Seconds {
    /// Second `s` is at `s` modulo the length. The length exceeds the number of seconds that can be held at once.
    slots: Box<[Option<Box<Second>>]>,
    /// Memory that the seconds occupy, without their slots.
    bytes: usize,
}

impl Seconds {
    /// No seconds. `slots` is a power of two.
    pub(crate) fn new(slots: usize) -> Self {
        debug_assert!(slots.is_power_of_two());
        Self { slots: (0..slots).map(|_| None).collect(), bytes: 0 }
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The most memory that the seconds occupy while they grow, without their slots; O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a second out of the ring, if it is there.
    pub(crate) fn take(&mut self, secs: i64) -> Option<Box<Second>> {
        let second = self.slots[self.slot(secs)].take()?;
        debug_assert_eq!(second.secs, secs, "the ring is longer than the live seconds");
        self.bytes -= second.bytes();
        Some(second)
    }

    /// Puts a second in that is not in the ring.
    pub(crate) fn put(&mut self, second: Box<Second>) {
        self.bytes += second.bytes();
        let slot = self.slot(second.secs);
        debug_assert!(self.slots[slot].is_none(), "the slot of second {} is free", second.secs);
        self.slots[slot] = Some(second);
    }

    /// Subtracts a user whose last second this was.
    #[inline]
    pub(crate) fn decrement_last_seen(&mut self, last_seen: LiveSecond, group: u32) {
        let slot = last_seen.slot(self.slots.len());
        debug_assert!(
            self.slots[slot].as_ref().is_some_and(|second| LiveSecond::new(second.secs) == last_seen),
            "{last_seen:?} is in the ring"
        );
        let Some(second) = &mut self.slots[slot] else { return };
        // This is called for every other event. The memory of an array does not depend on its content, so it need not
        // be counted again.
        if second.last_seen.is_dense() {
            second.last_seen.decrement(group);
        } else {
            self.bytes -= second.bytes();
            second.last_seen.decrement(group);
            self.bytes += second.bytes();
        }
    }

    /// The second, if it is in the ring, with its totals under the timeline's generation.
    pub(crate) fn with_current_totals(
        &mut self,
        secs: i64,
        users: &Users,
        layout: CounterLayout,
        generation: u64,
    ) -> Option<&Second> {
        let slot = self.slot(secs);
        let second = self.slots[slot].as_deref_mut().filter(|second| second.secs == secs)?;
        if second.is_outdated(generation) {
            self.bytes -= second.bytes();
            second.recount(users, layout, generation);
            self.bytes += second.bytes();
        }
        Some(second)
    }

    /// The second, if it is in the ring.
    pub(crate) fn get(&self, secs: i64) -> Option<&Second> {
        self.slots[self.slot(secs)].as_deref().filter(|second| second.secs == secs)
    }

    /// Changes any number of seconds, and then counts the memory of all of them.
    pub(crate) fn update_all(&mut self, update: impl FnOnce(&mut [Option<Box<Second>>])) {
        update(&mut self.slots);
        self.bytes = self.slots.iter().flatten().map(|second| second.bytes()).sum();
    }

    /// The seconds of a range that are in the ring and for which `predicate` is true, oldest first. It visits all
    /// slots, so a clock that jumps costs no more than one that ticks.
    pub(crate) fn list(&self, range: RangeInclusive<i64>, predicate: impl Fn(&Second) -> bool) -> Vec<i64> {
        let listed = self.slots.iter().flatten().filter(|second| range.contains(&second.secs) && predicate(second));
        let mut listed: Vec<i64> = listed.map(|second| second.secs).collect();
        listed.sort_unstable();
        listed
    }

    #[inline]
    fn slot(&self, secs: i64) -> usize {
        secs as usize & (self.slots.len() - 1)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Second> {
        self.slots.iter().flatten().map(Box::as_ref)
    }
}
