//! Where the reader leaves lines and the sender takes them, a batch at a time.

use crate::client::send::batch::Batch;
use crate::client::send::lines::Stop;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a batch may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Lines.
    pub(super) events: usize,
    /// Bytes, line feeds included.
    pub(super) bytes: usize,
    /// How long a batch waits for more lines after its first one.
    pub(super) linger: Duration,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Taken {
    /// Some lines; never none.
    Batch(Batch),
    /// There are no more, for the reason that is told if it is not the end of the input.
    End(Result<(), Stop>),
}

/// One batch that grows until it is taken; whoever has a line that does not fit waits.
pub(super) struct Handover {
    bounds: Bounds,
    growing: Mutex<Growing>,
    changed: Condvar,
}

#[derive(Default)]
struct Growing {
    batch: Batch,
    /// When its first line came.
    since: Option<Instant>,
    /// It cannot grow any more: it is full, or a line waits that does not fit.
    is_full: bool,
    /// The number of the last line that came.
    last: u64,
    is_ended: bool,
    /// Until it is taken.
    end: Option<Result<(), Stop>>,
}

impl Handover {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, growing: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Adds a line, which fits into an empty batch; waits until it fits into the growing one. After the end it is dropped.
    pub(super) fn put(&self, number: u64, line: &[u8]) {
        let mut growing = self.lock();
        if !self.fits(&growing, line) {
            growing.is_full = true;
            self.changed.notify_all();
        }
        let has_room = self.changed.wait_while(growing, |growing| growing.is_full);
        let mut growing = has_room.unwrap_or_else(PoisonError::into_inner);
        if growing.is_ended {
            return;
        }
        growing.batch.push(number, line);
        growing.last = number;
        growing.since.get_or_insert_with(Instant::now);
        growing.is_full = growing.batch.len() == self.bounds.events;
        if growing.is_full || growing.batch.len() == 1 {
            self.changed.notify_all();
        }
    }

    /// Says that no more lines will come, and why. The first reason counts.
    pub(super) fn finish(&self, end: Result<(), Stop>) {
        self.end(|_| end);
    }

    /// Takes no more lines, because somebody wants it to end.
    pub(super) fn interrupt(&self) {
        self.end(|last| Err(Stop::Interrupted { line: last }));
    }

    fn end(&self, why: impl FnOnce(u64) -> Result<(), Stop>) {
        let mut growing = self.lock();
        if !growing.is_ended {
            (growing.is_ended, growing.end) = (true, Some(why(growing.last)));
            self.changed.notify_all();
        }
    }

    /// Waits for a batch that is full, that has waited long enough, or that is the last; or for the end.
    pub(super) fn take(&self) -> Taken {
        let mut growing = self.lock();
        loop {
            if growing.batch.is_empty()
                && let Some(end) = growing.end.take()
            {
                return Taken::End(end);
            }
            let waited = growing.since.map(|since| since.elapsed());
            let left = waited.map(|waited| self.bounds.linger.saturating_sub(waited));
            growing = match left {
                Some(left) if growing.is_full || growing.end.is_some() || left.is_zero() => {
                    let taken = std::mem::take(&mut growing.batch);
                    (growing.since, growing.is_full) = (None, false);
                    self.changed.notify_all();
                    return Taken::Batch(taken);
                }
                Some(left) => self.changed.wait_timeout(growing, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(growing).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn fits(&self, growing: &Growing, line: &[u8]) -> bool {
        growing.batch.is_empty() || growing.batch.bytes().len() + line.len() < self.bounds.bytes
    }

    fn lock(&self) -> MutexGuard<'_, Growing> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn batch(taken: Taken) -> Vec<u8> {
        match taken {
            Taken::Batch(batch) => batch.bytes().to_vec(),
            Taken::End(end) => panic!("{end:?}"),
        }
    }

    /// The batches that come of lines under these bounds.
    fn batches(bounds: Bounds, lines: &[&str]) -> Vec<Vec<u8>> {
        let handover = Handover::new(bounds);
        thread::scope(|scope| {
            scope.spawn(|| {
                (1..).zip(lines).for_each(|(number, line)| handover.put(number, line.as_bytes()));
                handover.finish(Ok(()));
            });
            let mut batches = vec![];
            loop {
                match handover.take() {
                    Taken::Batch(batch) => batches.push(batch.bytes().to_vec()),
                    Taken::End(end) => {
                        end.unwrap();
                        return batches;
                    }
                }
            }
        })
    }

    #[test]
    fn a_batch_has_as_many_events_and_bytes_as_it_may() {
        let bounds = Bounds { events: 3, bytes: 8, linger: Duration::MAX };
        assert_eq!(batches(bounds, &["a", "b", "c", "d"]), [&b"a\nb\nc\n"[..], b"d\n"]);
        assert_eq!(batches(bounds, &["aaa", "bbb", "c"]), [&b"aaa\nbbb\n"[..], b"c\n"]);
        assert_eq!(batches(bounds, &["aaa", "bbbb", "1234567", ""]), [&b"aaa\n"[..], b"bbbb\n", b"1234567\n", b"\n"]);
        assert!(batches(bounds, &[]).is_empty());
    }

    #[test]
    fn a_batch_that_is_not_full_is_taken_when_it_has_waited() {
        let handover = Handover::new(Bounds { events: 9, bytes: 99, linger: Duration::from_millis(1) });
        thread::scope(|scope| {
            // The input does not end: only the time can make the batch go.
            scope.spawn(|| handover.put(1, b"a"));
            assert_eq!(batch(handover.take()), b"a\n");
        });
    }

    #[test]
    fn a_full_batch_does_not_wait() {
        let handover = Handover::new(Bounds { events: 2, bytes: 99, linger: Duration::MAX });
        handover.put(1, b"a");
        handover.put(2, b"b");
        assert_eq!(batch(handover.take()), b"a\nb\n");
    }

    #[test]
    fn what_came_before_the_end_is_taken_before_it() {
        let handover = Handover::new(Bounds { events: 9, bytes: 99, linger: Duration::MAX });
        handover.put(1, b"a");
        handover.finish(Err(Stop::TooLong { line: 2, bytes_max: 9 }));
        assert_eq!(batch(handover.take()), b"a\n");
        assert!(matches!(handover.take(), Taken::End(Err(Stop::TooLong { line: 2, .. }))));
    }
}
