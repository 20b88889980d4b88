//! Whether this node has judged like the others, in a log of several nodes.
//!
//! The record of a frame is the word of one node. If it differs from the judgement of this node, one of both is wrong.
//! A second node decides: if it agrees with the log, this node is wrong, and it stops. Otherwise the record is an
//! alarm.

use crate::chain::{Chain, judgement_link, next_value};
use crate::frame::Judgement;
use crate::limits::{CHAIN_PLACES_KEPT, DISPUTES_MAX};
use crate::topic::{Lost, Place};
use std::collections::BTreeMap;

/// The judgements of this node, and the places where the log has recorded another one.
pub(crate) struct Agreement {
    judged: Chain,
    disputes: BTreeMap<Place, Dispute>,
}

struct Dispute {
    /// The link of what is recorded.
    recorded: u64,
    /// The node that has recorded it.
    recorder: u64,
}

impl Agreement {
    pub(crate) fn new() -> Self {
        Self { judged: Chain::new(Place(0)), disputes: BTreeMap::new() }
    }

    /// Notes the judgement of a frame, which comes after all that were noted before.
    pub(crate) fn judged(&mut self, place: Place, judgement: &Judgement) {
        if place.0 > self.judged.newest().0 + 1 {
            // The beginning of the log was removed.
            self.judged = Chain::new(Place(place.0 - 1));
        }
        self.judged.push(judgement_link(judgement));
    }

    /// A hash of all judgements of this node; 0 if it is not known.
    pub(crate) fn hash(&self) -> u64 {
        self.judged.value().unwrap_or(0)
    }

    /// A frame of `recorder` has recorded another judgement than this node has made.
    pub(crate) fn differs(&mut self, place: Place, recorded: &Judgement, recorder: u64) {
        let oldest = self.judged.newest().0.saturating_sub(CHAIN_PLACES_KEPT as u64);
        self.disputes.retain(|place, _| place.0 > oldest);
        if self.disputes.len() < DISPUTES_MAX {
            self.disputes.insert(place, Dispute { recorded: judgement_link(recorded), recorder });
        }
    }

    /// A frame has recorded a place again.
    ///
    /// # Errors
    /// A second node says what the log says, and this node has judged otherwise.
    pub(crate) fn recorded_again(&self, place: Place, judgement: &Judgement, recorder: u64) -> Result<(), Lost> {
        match self.disputes.get(&place) {
            Some(dispute) if dispute.recorder != recorder && dispute.recorded == judgement_link(judgement) => {
                Err(outvoted(place))
            }
            _ => Ok(()),
        }
    }

    /// Another node has this hash of its judgements up to a place. Returns whether this node has the same one.
    ///
    /// # Errors
    /// A second node says what the log says, and this node has judged otherwise.
    pub(crate) fn heard(&mut self, node: u64, applied: Place, hash: u64) -> Result<bool, Lost> {
        if hash == 0 || applied == Place(0) || self.judged.agrees(applied, hash) {
            return Ok(true);
        }
        match self.disputes.iter().next() {
            Some((place, _)) if *place <= applied && self.is_second(node) && self.of_the_log(applied) == Some(hash) => {
                Err(outvoted(*place))
            }
            _ => Ok(false),
        }
    }

    /// Whether another node has recorded what this node disputes.
    fn is_second(&self, node: u64) -> bool {
        self.disputes.values().all(|dispute| dispute.recorder != node)
    }

    /// The hash of a node that has judged as the log has recorded.
    fn of_the_log(&self, applied: Place) -> Option<u64> {
        let (first, _) = self.disputes.iter().next()?;
        let start = self.judged.value_at(Place(first.0 - 1))?;
        (first.0..=applied.0).map(Place).try_fold(start, |value, place| {
            let disputed = self.disputes.get(&place).map(|dispute| dispute.recorded);
            Some(next_value(value, disputed.or_else(|| self.judged.link_at(place))?))
        })
    }
}

fn outvoted(place: Place) -> Lost {
    Lost::judged_differently(place, "by two other nodes; start this node again")
}
