//! The chain: one number for all of the log up to a place. Two readers of different logs have different numbers.

use crate::frame::Frame;
use crate::limits::CHAIN_PLACES_KEPT;
use crate::topic::Place;
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::hash::Hasher;

/// The chain values of the last places.
///
/// A reader of a log whose beginning was removed does not know the value there. It takes the first value that a frame
/// names as true, and computes all later ones from it.
pub(crate) struct Chain {
    /// The newest place.
    newest: Place,
    /// A number for each of the last places, the newest last.
    links: VecDeque<u64>,
    /// The chain values of the last of these places; fewer than links until a value is known.
    values: VecDeque<u64>,
}

impl Chain {
    /// A chain of the entries after `after`.
    pub(crate) fn new(after: Place) -> Self {
        let is_whole = after == Place(0);
        Self { newest: after, links: VecDeque::new(), values: is_whole.then_some(0).into_iter().collect() }
    }

    /// Adds the frame at the next place.
    pub(crate) fn push(&mut self, frame: &Frame<'_>, bytes: usize) {
        let link = hash([frame.head.node, frame.head.number, u64::from(frame.crc), bytes as u64]);
        self.newest.0 += 1;
        push_bounded(&mut self.links, link);
        if let Some(value) = self.value() {
            push_bounded(&mut self.values, hash([value, link, 0, 0]));
        }
    }

    /// The value at the newest place; none if it is not known yet.
    pub(crate) fn value(&self) -> Option<u64> {
        self.values.back().copied()
    }

    /// Whether `value` can be the value at `place`. A place that is too old is not checked.
    pub(crate) fn agrees(&mut self, place: Place, value: u64) -> bool {
        if place > self.newest {
            return false;
        }
        let back = (self.newest.0 - place.0) as usize;
        if self.values.is_empty() && back <= self.links.len() {
            self.values.push_back(value);
            for link in self.links.iter().skip(self.links.len() - back) {
                let value = self.values[self.values.len() - 1];
                self.values.push_back(hash([value, *link, 0, 0]));
            }
        }
        let known = self.values.len().checked_sub(back + 1).map(|index| self.values[index]);
        known.is_none_or(|known| known == value)
    }
}

fn push_bounded(values: &mut VecDeque<u64>, value: u64) {
    values.push_back(value);
    if values.len() > CHAIN_PLACES_KEPT {
        values.pop_front();
    }
}

/// SipHash-1-3. It finds accidents, not attacks, so the key is public.
fn hash(numbers: [u64; 4]) -> u64 {
    let mut hasher = SipHasher13::new();
    numbers.iter().for_each(|number| hasher.write_u64(*number));
    hasher.finish()
}
