//! The pace of the batches that the workers of the runtime ingest themselves.
//!
//! A worker runs its ready tasks one after the other. If many batches are ready, a health check or a query would wait
//! behind all of them. So a batch waits for a pass before its body is read, in order of arrival. A pass is one run
//! through the queue of ready tasks, and it has a budget in bytes of bodies. So other requests wait for the batches of
//! a pass or two. The bodies of waiting batches stay in their sockets. They are read and decoded right after each
//! other, while they are in the cache.

use crate::http::run_queue::pass_through_run_queue;
use crate::limits;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::{Mutex, Notify, Semaphore, SemaphorePermit};

/// The bytes of bodies that may be ingested in the current pass, and the batches that wait for one of the next passes.
/// The counters order no other memory, so every access is Relaxed.
#[derive(Debug)]
pub(super) struct IngestPacer {
    /// The bytes that are left of this pass. Its queue is in order of arrival.
    free_bytes: Semaphore,
    /// The bytes that were taken from this pass.
    used_bytes: AtomicUsize,
    /// The number of passes that have ended.
    passes: AtomicU64,
    /// The number of batches that wait.
    waiting: AtomicUsize,
    /// Wakes the task that ends passes.
    needs_pass: Notify,
    /// The task that ends passes holds it. Each listener of an app has such a task, and one works at a time.
    ending: Mutex<()>,
    pass_bytes: usize,
}

/// The pass in which a batch may be ingested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass(u64);

/// A batch that waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A pass that ends when this is dropped. So it ends also if its task is aborted: the task has taken the wake-up, and
/// no other task would get it.
struct EndingPass<'a>(&'a IngestPacer);

impl Drop for EndingPass<'_> {
    fn drop(&mut self) {
        self.0.end_pass();
        if self.0.waiting.load(Ordering::Relaxed) > 0 {
            self.0.needs_pass.notify_one();
        }
    }
}

impl IngestPacer {
    /// A pacer for this number of runtime workers. Each can ingest one batch of the largest size in a pass.
    pub(super) fn new(workers: usize) -> Self {
        let pass_bytes = limits::INLINE_USUAL_BODY_BYTES * workers;
        Self {
            free_bytes: Semaphore::new(pass_bytes),
            used_bytes: AtomicUsize::new(0),
            passes: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            needs_pass: Notify::new(),
            ending: Mutex::new(()),
            pass_bytes,
        }
    }

    /// Waits until a pass has room for a body of `bytes`, in order of arrival.
    pub(super) async fn acquire(&self, bytes: usize) -> Pass {
        let bytes = bytes.min(limits::INLINE_USUAL_BODY_BYTES);
        let permits = bytes as u32;
        let permit = match self.free_bytes.try_acquire_many(permits) {
            Ok(permit) => permit,
            Err(_) => self.wait(permits).await,
        };
        permit.forget();
        // The semaphore has given the bytes before they are counted here. So no more bytes are given back than were
        // taken.
        let used_bytes = self.used_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // Early, so that an idle server ends the pass before a batch has to wait for it.
        if used_bytes > self.pass_bytes / 2 {
            self.needs_pass.notify_one();
        }
        Pass(self.passes.load(Ordering::Relaxed))
    }

    async fn wait(&self, permits: u32) -> SemaphorePermit<'_> {
        let _waiting = Waiting::new(&self.waiting);
        // After the count: the task that this wakes ends passes until no batch waits.
        self.needs_pass.notify_one();
        self.free_bytes.acquire_many(permits).await.expect("the semaphore is never closed")
    }

    /// Whether a batch may still be ingested in its pass. A body that arrives slowly is too late for it.
    pub(super) fn is_current(&self, pass: Pass) -> bool {
        // A batch that waited is woken at the end of a pass, and runs in the next one.
        self.passes.load(Ordering::Relaxed) - pass.0 <= 1
    }

    /// Ends passes, until it is dropped. It must run in a spawned task, because the main task does not run on a worker.
    /// If it runs several times, one after the other ends passes.
    pub(super) async fn end_passes(&self) -> Infallible {
        let _ending = self.ending.lock().await;
        loop {
            self.needs_pass.notified().await;
            let _pass = EndingPass(self);
            pass_through_run_queue().await;
        }
    }

    #[cfg(test)]
    pub(super) fn pass_bytes(&self) -> usize {
        self.pass_bytes
    }

    fn end_pass(&self) {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.free_bytes.add_permits(self.used_bytes.swap(0, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::Poll;
    use tokio::task::JoinSet;
    use tokio::task::yield_now;

    const LARGEST: usize = limits::INLINE_USUAL_BODY_BYTES;

    /// Lets all ready tasks run.
    async fn settle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn batches_of_one_pass_are_bounded_and_the_others_wait_in_order() {
        let pacer = Arc::new(IngestPacer::new(1));
        let order = Arc::new(Mutex::new(vec![]));
        let mut tasks = JoinSet::new();
        for (name, bytes) in [LARGEST / 2, LARGEST / 2, LARGEST, 1, 1].into_iter().enumerate() {
            let (pacer, order) = (Arc::clone(&pacer), Arc::clone(&order));
            tasks.spawn(async move {
                let pass = pacer.acquire(bytes).await;
                order.lock().unwrap().push((name, pass.0));
            });
        }
        settle().await;
        assert_eq!(*order.lock().unwrap(), [(0, 0), (1, 0)], "no batch overtakes the one that waits");
        pacer.end_pass();
        settle().await;
        assert_eq!(order.lock().unwrap()[2..], [(2, 1)]);
        pacer.end_pass();
        settle().await;
        assert_eq!(order.lock().unwrap()[3..], [(3, 2), (4, 2)]);
    }

    #[tokio::test]
    async fn passes_end_until_no_batch_waits() {
        let pacer = Arc::new(IngestPacer::new(1));
        let (ending, waiting) = (Arc::clone(&pacer), Arc::clone(&pacer));
        let ending = tokio::spawn(async move { ending.end_passes().await });
        // A batch of another worker has its bytes, and has not counted them yet.
        let uncounted = pacer.free_bytes.try_acquire_many(LARGEST as u32 / 4).unwrap();
        let waiting = tokio::spawn(async move { waiting.acquire(LARGEST).await });
        settle().await;
        assert!(!waiting.is_finished());
        uncounted.forget();
        pacer.used_bytes.fetch_add(LARGEST / 4, Ordering::Relaxed);
        waiting.await.unwrap();
        settle().await;
        assert_eq!(pacer.free_bytes.available_permits(), LARGEST, "every byte is given back once");
        ending.abort();
    }

    /// Polls a future once, and returns whether it is ready.
    async fn is_ready<F: Future>(future: &mut Pin<Box<F>>) -> bool {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn a_wake_up_is_not_lost_with_the_task_that_took_it() {
        let pacer = IngestPacer::new(1);
        let (mut first, mut second) = (Box::pin(pacer.end_passes()), Box::pin(pacer.end_passes()));
        assert!(!is_ready(&mut first).await && !is_ready(&mut second).await);
        pacer.acquire(LARGEST / 2).await;
        let mut waiting = Box::pin(pacer.acquire(LARGEST));
        assert!(!is_ready(&mut waiting).await);
        // The first task takes the wake-up, and is dropped before it has passed through the queue.
        assert!(!is_ready(&mut first).await);
        assert_eq!(pacer.passes.load(Ordering::Relaxed), 0);
        drop(first);
        for _ in 0..10 {
            assert!(!is_ready(&mut second).await);
            yield_now().await;
        }
        assert!(is_ready(&mut waiting).await);
    }

    #[tokio::test]
    async fn one_task_at_a_time_ends_passes() {
        let pacer = Arc::new(IngestPacer::new(1));
        let (first, second) = (Arc::clone(&pacer), Arc::clone(&pacer));
        let first = tokio::spawn(async move { first.end_passes().await });
        let second = tokio::spawn(async move { second.end_passes().await });
        settle().await;
        assert!(pacer.ending.try_lock().is_err());
        first.abort();
        settle().await;
        assert!(pacer.ending.try_lock().is_err(), "the second task goes on");
        second.abort();
    }

    #[tokio::test]
    async fn a_batch_that_gives_up_takes_nothing() {
        let pacer = IngestPacer::new(1);
        pacer.acquire(LARGEST).await;
        let mut waiting = Box::pin(pacer.acquire(LARGEST));
        assert!(!is_ready(&mut waiting).await);
        drop(waiting);
        assert_eq!(pacer.waiting.load(Ordering::Relaxed), 0);
        pacer.end_pass();
        assert_eq!(pacer.free_bytes.available_permits(), LARGEST);
    }

    #[tokio::test]
    async fn a_batch_may_be_ingested_in_its_pass_and_the_next_one() {
        let pacer = IngestPacer::new(1);
        let pass = pacer.acquire(1).await;
        for is_current in [true, true, false] {
            assert_eq!(pacer.is_current(pass), is_current);
            pacer.end_pass();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn ready_tasks_run_between_the_batches_of_two_passes() {
        let pacer = Arc::new(IngestPacer::new(1));
        let log = Arc::new(Mutex::new(vec![]));
        let (ending, logged) = (Arc::clone(&pacer), Arc::clone(&log));
        let done = tokio::spawn(async move {
            let passes = Arc::clone(&ending);
            tokio::spawn(async move { passes.end_passes().await });
            let mut tasks = JoinSet::new();
            for _ in 0..8 {
                let (pacer, log) = (Arc::clone(&ending), Arc::clone(&logged));
                tasks.spawn(async move {
                    pacer.acquire(LARGEST).await;
                    log.lock().unwrap().push("batch");
                });
            }
            let log = Arc::clone(&logged);
            tasks.spawn(async move { log.lock().unwrap().push("query") });
            // The task that was spawned last would run first.
            tasks.spawn(std::future::ready(()));
            while tasks.join_next().await.is_some() {}
        });
        done.await.unwrap();
        let before = log.lock().unwrap().iter().take_while(|entry| **entry == "batch").count();
        assert!(before <= 1, "{before} batches were ingested before the query");
    }
}
