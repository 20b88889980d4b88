//! Concurrency limits for work that must not block the workers of the runtime.

use crate::http::problem::{Overload, Problem};
use crate::limits;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Runs work on the blocking pool, at most as many pieces concurrently as it has permits. Further work waits in a
/// bounded FIFO queue. Work beyond the queue is rejected at once: a queue without a bound only adds delay.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimiter {
    pub(super) permits: Arc<Semaphore>,
    /// Bounds the running and the waiting work together.
    pub(super) queue: Semaphore,
}

impl ConcurrencyLimiter {
    /// A limiter with `permits` permits, and a queue of `queued_per_permit` for each of them.
    pub(crate) fn new(permits: usize, queued_per_permit: usize) -> Self {
        let queue = Semaphore::new(permits * (1 + queued_per_permit));
        Self { permits: Arc::new(Semaphore::new(permits)), queue }
    }

    /// Runs `work` once it has a permit. If the caller is dropped before that, the work never starts; started work
    /// completes.
    ///
    /// # Errors
    /// [`Problem::Overloaded`] when the queue is full, or no permit is free within [`limits::QUEUE_TIMEOUT`].
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        self.run_unless(pending(), work).await
    }

    /// [`run`](Self::run), unless `given_up` completes before there is a permit.
    ///
    /// # Errors
    /// [`Problem::Overloaded`], as of [`run`](Self::run), or when it is given up.
    pub(crate) async fn run_unless<T: Send + 'static>(
        &self,
        given_up: impl Future<Output = ()>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let _queued = self.queue.try_acquire().map_err(|_| Problem::Overloaded(Overload::QueueFull))?;
        let permit = tokio::select! {
            biased;
            permit = timeout(limits::QUEUE_TIMEOUT, Arc::clone(&self.permits).acquire_owned()) => permit.ok(),
            () = given_up => None,
        };
        let permit = permit.ok_or(Problem::Overloaded(Overload::QueueFull))?.expect("the semaphore is never closed");
        let done = spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await.map_err(|failed| match failed.try_into_panic() {
            // The panic continues here, so that one layer turns every panic into a response.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Problem::Overloaded(Overload::QueueFull),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::task::Poll;

    #[tokio::test]
    async fn work_waits_for_a_permit_and_never_starts_for_a_dropped_caller() {
        let limiter = Arc::new(ConcurrencyLimiter::new(1, 1));
        let (open, opened) = mpsc::channel::<()>();
        let holder = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.run(move || opened.recv()).await }
        });
        while limiter.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let (started, starts) = mpsc::channel();
        let mut waiting = Box::pin(limiter.run(move || started.send(()).unwrap()));
        assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await);
        assert!(
            matches!(limiter.run(|| 7).await, Err(Problem::Overloaded(Overload::QueueFull))),
            "one has the permit, and one is in the queue"
        );
        drop(waiting);
        open.send(()).unwrap();
        holder.await.unwrap().unwrap().unwrap();
        assert_eq!(limiter.run(|| 7).await.unwrap(), 7);
        assert!(starts.try_recv().is_err());
    }

    #[tokio::test]
    async fn work_holds_its_permit_to_its_end() {
        let limiter = ConcurrencyLimiter::new(1, 0);
        let permits = Arc::clone(&limiter.permits);
        let free = limiter.run(move || permits.available_permits()).await.unwrap();
        assert_eq!([free, limiter.permits.available_permits()], [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_is_awaited_for_a_bounded_time() {
        let limiter = ConcurrencyLimiter::new(1, 1);
        let _permit = limiter.permits.acquire().await.unwrap();
        let start = tokio::time::Instant::now();
        assert!(matches!(limiter.run(|| 7).await, Err(Problem::Overloaded(Overload::QueueFull))));
        assert_eq!(start.elapsed().as_secs(), limits::QUEUE_TIMEOUT.as_secs());
        assert_eq!(limiter.queue.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_panic_propagates_and_releases_the_permit() {
        let limiter = Arc::new(ConcurrencyLimiter::new(1, 0));
        let panicking = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.run(|| panic!("intended by the test")).await }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        assert_eq!(limiter.run(|| 7).await.unwrap(), 7);
    }
}
