//! A blocking queue of one batch between the reader thread and the sender thread.

use crate::client::send::batch::Batch;
use crate::client::send::input_error::InputError;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The limits of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimits {
    /// The maximum number of lines.
    pub(super) events: usize,
    /// The maximum number of bytes, line feeds included. A longer line is a batch of its own.
    pub(super) bytes: usize,
    /// The maximum number of bytes of a line, its line feed included.
    pub(super) line_bytes: usize,
    /// How long a batch waits for more lines after its first line.
    pub(super) linger: Duration,
}

/// The next item for the sender.
#[derive(Debug)]
pub(super) enum Next {
    /// A batch that is not empty.
    Batch(Batch),
    /// The end of the input, or why the reader stopped before it.
    End(Result<(), InputError>),
}

/// One pending batch. The reader adds lines to it, and blocks when the next line does not fit. The sender takes the
/// batch when it is full, after the linger time, or at the end of the input.
pub(super) struct BatchQueue {
    limits: BatchLimits,
    pending: Mutex<PendingBatch>,
    changed: Condvar,
}

#[derive(Default)]
struct PendingBatch {
    batch: Batch,
    /// When the first line was added.
    since: Option<Instant>,
    /// The batch has the maximum number of lines or bytes, or the reader blocks with a line that does not fit.
    is_full: bool,
    /// The number of the last line that was added.
    last_line: u64,
    is_closed: bool,
    /// The end of the input, until the sender takes it.
    end: Option<Result<(), InputError>>,
}

impl BatchQueue {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self { limits, pending: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn limits(&self) -> BatchLimits {
        self.limits
    }

    /// Adds a line. Blocks until the line fits into the pending batch. After the
    /// queue was closed, lines are dropped.
    pub(super) fn push(&self, number: u64, line: &[u8]) {
        let mut pending = self.lock();
        if !self.fits(&pending, line) {
            pending.is_full = true;
            self.changed.notify_all();
        }
        let fits = self.changed.wait_while(pending, |pending| pending.is_full);
        let mut pending = fits.unwrap_or_else(PoisonError::into_inner);
        if pending.is_closed {
            return;
        }
        pending.batch.push(number, line);
        pending.last_line = number;
        pending.since.get_or_insert_with(Instant::now);
        let is_long = pending.batch.bytes().len() >= self.limits.bytes;
        pending.is_full = is_long || pending.batch.len() == self.limits.events;
        if pending.is_full || pending.batch.len() == 1 {
            self.changed.notify_all();
        }
    }

    /// Closes the queue at the end of the input, or with the error that ends the reading. Only the first reason is
    /// kept.
    pub(super) fn close(&self, end: Result<(), InputError>) {
        self.close_with(|_| end);
    }

    /// Closes the queue because a signal came.
    pub(super) fn interrupt(&self) {
        self.close_with(|last_line| Err(InputError::Interrupted { line: last_line }));
    }

    fn close_with(&self, end: impl FnOnce(u64) -> Result<(), InputError>) {
        let mut pending = self.lock();
        if !pending.is_closed {
            (pending.is_closed, pending.end) = (true, Some(end(pending.last_line)));
            self.changed.notify_all();
        }
    }

    /// Blocks until the pending batch is full, its linger time has passed, or the queue is closed.
    pub(super) fn next(&self) -> Next {
        let mut pending = self.lock();
        loop {
            if pending.batch.is_empty()
                && let Some(end) = pending.end.take()
            {
                return Next::End(end);
            }
            let waited = pending.since.map(|since| since.elapsed());
            let left = waited.map(|waited| self.limits.linger.saturating_sub(waited));
            pending = match left {
                Some(left) if pending.is_full || pending.end.is_some() || left.is_zero() => {
                    let batch = std::mem::take(&mut pending.batch);
                    (pending.since, pending.is_full) = (None, false);
                    self.changed.notify_all();
                    return Next::Batch(batch);
                }
                Some(left) => self.changed.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(pending).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn fits(&self, pending: &PendingBatch, line: &[u8]) -> bool {
        pending.batch.is_empty() || pending.batch.bytes().len() + line.len() < self.limits.bytes
    }

    fn lock(&self) -> MutexGuard<'_, PendingBatch> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn bytes(next: Next) -> Vec<u8> {
        match next {
            Next::Batch(batch) => batch.bytes().to_vec(),
            Next::End(end) => panic!("{end:?}"),
        }
    }

    /// The batches of these lines.
    fn batches(limits: BatchLimits, lines: &[&str]) -> Vec<Vec<u8>> {
        let queue = BatchQueue::new(limits);
        thread::scope(|scope| {
            scope.spawn(|| {
                (1..).zip(lines).for_each(|(number, line)| queue.push(number, line.as_bytes()));
                queue.close(Ok(()));
            });
            let mut batches = vec![];
            loop {
                match queue.next() {
                    Next::Batch(batch) => batches.push(batch.bytes().to_vec()),
                    Next::End(end) => {
                        end.unwrap();
                        return batches;
                    }
                }
            }
        })
    }

    #[test]
    fn a_batch_is_as_large_as_its_limits_allow() {
        let limits = BatchLimits { events: 3, bytes: 8, line_bytes: 99, linger: Duration::MAX };
        assert_eq!(batches(limits, &["a", "b", "c", "d"]), [&b"a\nb\nc\n"[..], b"d\n"]);
        assert_eq!(batches(limits, &["aaa", "bbb", "c"]), [&b"aaa\nbbb\n"[..], b"c\n"]);
        assert_eq!(batches(limits, &["a", "123456789", "b"]), [&b"a\n"[..], b"123456789\n", b"b\n"]);
        assert_eq!(batches(limits, &["aaa", "bbbb", "1234567", ""]), [&b"aaa\n"[..], b"bbbb\n", b"1234567\n", b"\n"]);
        assert!(batches(limits, &[]).is_empty());
    }

    #[test]
    fn a_batch_that_is_not_full_is_taken_after_the_linger_time() {
        let queue =
            BatchQueue::new(BatchLimits { events: 9, bytes: 99, line_bytes: 99, linger: Duration::from_millis(1) });
        thread::scope(|scope| {
            // The input does not end, so only the linger time can end the wait.
            scope.spawn(|| queue.push(1, b"a"));
            assert_eq!(bytes(queue.next()), b"a\n");
        });
    }

    #[test]
    fn a_full_batch_is_taken_at_once() {
        let queue = BatchQueue::new(BatchLimits { events: 2, bytes: 99, line_bytes: 99, linger: Duration::MAX });
        queue.push(1, b"a");
        queue.push(2, b"b");
        assert_eq!(bytes(queue.next()), b"a\nb\n");
    }

    #[test]
    fn the_last_batch_is_taken_before_the_end() {
        let queue = BatchQueue::new(BatchLimits { events: 9, bytes: 99, line_bytes: 99, linger: Duration::MAX });
        queue.push(1, b"a");
        queue.close(Err(InputError::LineTooLong { line: 2, bytes_max: 9 }));
        assert_eq!(bytes(queue.next()), b"a\n");
        assert!(matches!(queue.next(), Next::End(Err(InputError::LineTooLong { line: 2, .. }))));
    }
}
