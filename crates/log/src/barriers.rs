//! Questions that wait until this process has applied all that was in the log when they were asked.
//!
//! A 200 of any node means that its frame has a place. A barrier is a later frame of this node: when that frame is
//! applied here, so is every earlier one. All that ask before the frame is made share it.

use crate::answers::{Answers, BarrierAsker, NotLogged};
use crate::limits::{BARRIER_EVERY_MS, BARRIER_MS_MAX, WAITING_BARRIERS_MAX};
use std::collections::BTreeMap;

struct Barrier {
    asker: BarrierAsker,
    since_ms: i64,
    /// Whether its frame was void once.
    is_second: bool,
}

/// The barriers of this process.
#[derive(Default)]
pub(crate) struct Barriers {
    /// Those that the next frame releases.
    waiting: Vec<Barrier>,
    /// Those that a frame on its way releases, by the number of the frame.
    in_frames: BTreeMap<u64, Vec<Barrier>>,
    /// Those that wait until a generation is in force here, and its number.
    before_table: Vec<(u64, Barrier)>,
    /// The generation in force here.
    table: u64,
    len: usize,
    /// When the last frame with barriers was made.
    last_ms: Option<i64>,
}

impl Barriers {
    /// Takes a barrier, or refuses it.
    pub(crate) fn ask(&mut self, asker: BarrierAsker, now_ms: i64, answers: &mut Answers) {
        if self.len >= WAITING_BARRIERS_MAX {
            return answers.push_barrier(asker, Err(NotLogged::Overloaded));
        }
        self.len += 1;
        self.waiting.push(Barrier { asker, since_ms: now_ms, is_second: false });
    }

    /// How long the waiting barriers wait for a frame of their own; none if there are none.
    pub(crate) fn due_in_ms(&self, now_ms: i64) -> Option<i64> {
        let since_last_ms = self.last_ms.map_or(BARRIER_EVERY_MS, |last_ms| now_ms.saturating_sub(last_ms));
        // A clock that was set back does not delay them.
        let is_early = (0..BARRIER_EVERY_MS).contains(&since_last_ms);
        (!self.waiting.is_empty()).then(|| if is_early { BARRIER_EVERY_MS - since_last_ms } else { 0 })
    }

    /// The frame of this number is made now, and releases all that wait.
    pub(crate) fn join(&mut self, number: u64, now_ms: i64) {
        if !self.waiting.is_empty() {
            self.in_frames.insert(number, std::mem::take(&mut self.waiting));
            self.last_ms = Some(now_ms);
        }
    }

    /// The first landing of a frame was applied, up to which the log has put the generation `table` in force. If the
    /// frame was void, its barriers wait once for another one.
    pub(crate) fn applied(&mut self, number: u64, is_void: bool, table: u64, answers: &mut Answers) {
        for mut barrier in self.in_frames.remove(&number).unwrap_or_default() {
            if is_void && !barrier.is_second {
                barrier.is_second = true;
                self.waiting.push(barrier);
            } else if !is_void && table > self.table {
                self.before_table.push((table, barrier));
            } else {
                self.finish(barrier, if is_void { Err(NotLogged::Unavailable) } else { Ok(()) }, answers);
            }
        }
    }

    /// The generation of this number is in force here.
    pub(crate) fn set_table(&mut self, table: u64, answers: &mut Answers) {
        self.table = table;
        let released: Vec<_> = self.before_table.extract_if(.., |(needed, _)| *needed <= table).collect();
        released.into_iter().for_each(|(_, barrier)| self.finish(barrier, Ok(()), answers));
    }

    /// A frame has no place, as far as this process knows. Its barriers wait for another one.
    pub(crate) fn unplaced(&mut self, number: u64) {
        self.waiting.extend(self.in_frames.remove(&number).unwrap_or_default());
    }

    /// Refuses the barriers that have waited too long.
    pub(crate) fn refuse_late(&mut self, now_ms: i64, answers: &mut Answers) {
        let is_late = |barrier: &mut Barrier| now_ms.saturating_sub(barrier.since_ms) > BARRIER_MS_MAX;
        self.refuse(is_late, answers);
    }

    /// Refuses all barriers.
    pub(crate) fn give_up_all(&mut self, answers: &mut Answers) {
        self.refuse(|_| true, answers);
    }

    fn refuse(&mut self, is_refused: impl Fn(&mut Barrier) -> bool, answers: &mut Answers) {
        let waiting = std::iter::once(&mut self.waiting);
        let lists = waiting.chain(self.in_frames.values_mut());
        let refused = lists.flat_map(|list| list.extract_if(.., &is_refused));
        let before_table = self.before_table.extract_if(.., |(_, barrier)| is_refused(barrier));
        let refused: Vec<Barrier> = refused.chain(before_table.map(|(_, barrier)| barrier)).collect();
        refused.into_iter().for_each(|barrier| self.finish(barrier, Err(NotLogged::Unavailable), answers));
    }

    fn finish(&mut self, barrier: Barrier, answer: Result<(), NotLogged>, answers: &mut Answers) {
        self.len -= 1;
        answers.push_barrier(barrier.asker, answer);
    }

    /// The number of barriers without an answer.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}
