//! The frames of a log from the place on where a reader starts: first those whose judgement is recorded, then the tail.
//!
//! A frame waits until its judgement has been read in a later frame. What is recorded is never judged again: the
//! beginning of the log is gone, so another judgement could come out differently. Only the last frames, which no frame
//! has recorded, are judged. By then the engine knows every id of the horizon.

use crate::frame::{Judgement, RowRules};
use crate::limits::REPLAY_HELD_BYTES_MAX;
use crate::topic::{Entry, Lost, Place};
use crate::walk::decode;
use std::collections::{BTreeMap, VecDeque};

/// Frames that are read and not applied.
#[derive(Default)]
pub(crate) struct Replay {
    held: VecDeque<Entry>,
    held_bytes: usize,
    recorded: BTreeMap<Place, Judgement>,
}

impl Replay {
    /// Reads the next frame, and the judgements in it.
    ///
    /// # Errors
    /// The entry is no frame. Or a frame has no judgement in all those after it that memory has room for.
    pub(crate) fn read(&mut self, entry: Entry, rules: RowRules) -> Result<(), Lost> {
        let oldest = self.held.front().map_or(entry.place, |entry| entry.place);
        let frame = decode(&entry, rules)?;
        for (place, judgement) in frame.judgements().filter(|(place, _)| *place >= oldest) {
            // The first record of a place holds.
            self.recorded.entry(place).or_insert_with(|| judgement.clone());
        }
        self.held_bytes += entry.bytes.len();
        self.held.push_back(entry);
        if self.held_bytes > REPLAY_HELD_BYTES_MAX && !self.recorded.contains_key(&oldest) {
            return Err(Lost::log(format!("the log has not recorded what became of the frame at place {}", oldest.0)));
        }
        Ok(())
    }

    /// The next frame to apply, and its judgement. At the end of the log also one without a judgement.
    pub(crate) fn next(&mut self, is_end: bool) -> Option<(Entry, Option<Judgement>)> {
        let recorded = self.recorded.remove(&self.held.front()?.place);
        if recorded.is_none() && !is_end {
            return None;
        }
        let entry = self.held.pop_front()?;
        self.held_bytes -= entry.bytes.len();
        Some((entry, recorded))
    }
}
