//! A chain: one number for all of a sequence up to a place. Two readers of different sequences have different numbers.

use crate::frame::{Frame, Judgement};
use crate::limits::CHAIN_PLACES_KEPT;
use crate::topic::Place;
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::hash::Hasher;
use weir::Refusal;

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
    /// A chain of what comes after `after`.
    pub(crate) fn new(after: Place) -> Self {
        let is_whole = after == Place(0);
        Self { newest: after, links: VecDeque::new(), values: is_whole.then_some(0).into_iter().collect() }
    }

    /// Adds the link of the next place.
    pub(crate) fn push(&mut self, link: u64) {
        self.newest.0 += 1;
        push_bounded(&mut self.links, link);
        if let Some(value) = self.value() {
            push_bounded(&mut self.values, next_value(value, link));
        }
    }

    /// The newest place.
    pub(crate) fn newest(&self) -> Place {
        self.newest
    }

    /// The value at the newest place; none if it is not known yet.
    pub(crate) fn value(&self) -> Option<u64> {
        self.values.back().copied()
    }

    /// The value at a place; none if the place is too old or too new, or the value is not known yet.
    pub(crate) fn value_at(&self, place: Place) -> Option<u64> {
        at(&self.values, self.newest.0.checked_sub(place.0)?)
    }

    /// The link of a place; none if the place is too old or too new.
    pub(crate) fn link_at(&self, place: Place) -> Option<u64> {
        at(&self.links, self.newest.0.checked_sub(place.0)?)
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
                self.values.push_back(next_value(self.values[self.values.len() - 1], *link));
            }
        }
        self.value_at(place).is_none_or(|known| known == value)
    }
}

/// The element that is `back` before the last one.
fn at(values: &VecDeque<u64>, back: u64) -> Option<u64> {
    let back = usize::try_from(back).ok()?.checked_add(1)?;
    values.len().checked_sub(back).map(|index| values[index])
}

fn push_bounded(values: &mut VecDeque<u64>, value: u64) {
    values.push_back(value);
    if values.len() > CHAIN_PLACES_KEPT {
        values.pop_front();
    }
}

/// The value at the place that has this link, after a place of this value.
pub(crate) fn next_value(value: u64, link: u64) -> u64 {
    hash([value, link, 0, 0])
}

/// The link of a frame in the chain of a log.
pub(crate) fn frame_link(frame: &Frame<'_>, bytes: usize) -> u64 {
    hash([frame.head.node, frame.head.number, u64::from(frame.crc), bytes as u64])
}

/// The link of a judgement in the chain of all judgements.
pub(crate) fn judgement_link(judgement: &Judgement) -> u64 {
    match judgement {
        Judgement::Void => hash([0; 4]),
        Judgement::Refused(refused) => {
            let refused =
                refused.iter().map(|(row, refusal)| u64::from(*row) << 1 | u64::from(*refusal == Refusal::Overloaded));
            refused.fold(hash([1, 0, 0, 0]), next_value)
        }
    }
}

/// SipHash-1-3. It finds accidents, not attacks, so the key is public.
fn hash(numbers: [u64; 4]) -> u64 {
    let mut hasher = SipHasher13::new();
    numbers.iter().for_each(|number| hasher.write_u64(*number));
    hasher.finish()
}
