//! Work that must not hold up the runtime's workers.

use crate::http::problem::{Overload, Problem};
use crate::limits;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Lets so many pieces of work onto the blocking pool at once; some others wait their permit, first come, first served, and
/// those beyond are refused at once: a queue that only grows helps nobody.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimiter {
    permits: Arc<Semaphore>,
    /// For those who have a permit and those who wait for one.
    queue: Semaphore,
}

impl ConcurrencyLimiter {
    pub(crate) fn new(at_once: usize, waiting_per_turn: usize) -> Self {
        let queue = Semaphore::new(at_once * (1 + waiting_per_turn));
        Self { permits: Arc::new(Semaphore::new(at_once)), queue }
    }

    /// Runs `work` when it is its permit. Work whose caller is dropped by then is never started; work that has started
    /// completes. (A client that closes its connection is not known to be gone before it is answered: who has only
    /// finished sending looks the same.)
    ///
    /// # Errors
    /// [`Problem::Overloaded`] when too many wait already, or the permit does not come in time.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let _queued = self.queue.try_acquire().map_err(|_| Problem::Overloaded(Overload::QueueFull))?;
        let permit = timeout(limits::QUEUE_TIMEOUT, Arc::clone(&self.permits).acquire_owned()).await;
        let permit =
            permit.map_err(|_| Problem::Overloaded(Overload::QueueFull))?.expect("nobody closes the semaphore");
        let done = spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await.map_err(|failed| match failed.try_into_panic() {
            // As if it had panicked here, so that a panic has one place where it becomes an answer.
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
    async fn work_waits_for_its_turn_and_is_not_started_for_a_caller_that_has_gone() {
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
            "one has the permit and one waits"
        );
        drop(waiting);
        open.send(()).unwrap();
        holder.await.unwrap().unwrap().unwrap();
        assert_eq!(limiter.run(|| 7).await.unwrap(), 7);
        assert!(starts.try_recv().is_err());
    }

    #[tokio::test]
    async fn work_keeps_its_turn_to_its_end() {
        let limiter = ConcurrencyLimiter::new(1, 0);
        let permits = Arc::clone(&limiter.permits);
        let free = limiter.run(move || permits.available_permits()).await.unwrap();
        assert_eq!([free, limiter.permits.available_permits()], [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_does_not_come_is_waited_for_so_long_only() {
        let limiter = ConcurrencyLimiter::new(1, 1);
        let _turn = limiter.permits.acquire().await.unwrap();
        let start = tokio::time::Instant::now();
        assert!(matches!(limiter.run(|| 7).await, Err(Problem::Overloaded(Overload::QueueFull))));
        assert_eq!(start.elapsed().as_secs(), limits::QUEUE_TIMEOUT.as_secs());
        assert_eq!(limiter.queue.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_panic_passes_through_and_gives_the_turn_back() {
        let limiter = Arc::new(ConcurrencyLimiter::new(1, 0));
        let panicking = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.run(|| panic!("as the test wants it")).await }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        assert_eq!(limiter.run(|| 7).await.unwrap(), 7);
    }
}
