//! Concurrency limits for work that must not block the workers of the runtime.

use crate::client::Client;
use crate::http::client_shares::ClientShares;
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
    permits: Arc<Semaphore>,
    /// Bounds the running and the waiting work together.
    queue: Semaphore,
    /// Bounds the part of the queue that one client holds.
    shares: ClientShares,
}

impl ConcurrencyLimiter {
    /// A limiter with `permits` permits, and a queue of `queued_per_permit` for each of them.
    pub(crate) fn new(permits: usize, queued_per_permit: usize) -> Self {
        let places = permits * (1 + queued_per_permit);
        let shares = ClientShares::new((places / limits::CLIENT_PARTS).max(1));
        Self { permits: Arc::new(Semaphore::new(permits)), queue: Semaphore::new(places), shares }
    }

    /// Runs `work` for a client, as [`run`](Self::run) does. One client holds at most one of [`limits::CLIENT_PARTS`]
    /// parts of the queue. A client that closes its sending side while it waits gives up its place.
    ///
    /// # Errors
    /// [`Problem::Overloaded`], as of [`run`](Self::run), or when the client holds its part of the queue or is gone.
    pub(crate) async fn run_for<T: Send + 'static>(
        &self,
        client: &Client,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let _share = self.shares.try_acquire(client).ok_or(Problem::Overloaded(Overload::QueueFull))?;
        self.run_unless(client.gone(), work).await
    }

    /// Runs `work` once it has a permit. If the caller is dropped before that, the work never starts; started work
    /// completes.
    ///
    /// # Errors
    /// [`Problem::Overloaded`] when the queue is full, or no permit is free within [`limits::QUEUE_TIMEOUT`].
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        self.run_unless(pending(), work).await
    }

    /// Runs `work` once it has a permit, unless `given_up` completes before.
    async fn run_unless<T: Send + 'static>(
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
    use tokio::net::{TcpListener, TcpStream};

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

    /// Two sockets, and their clients as the server sees them. The clients have different addresses.
    async fn connected() -> [(TcpStream, Client); 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect = async |network: [u8; 4]| {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (socket, _) = listener.accept().await.unwrap();
            (stream, Client::of(Arc::new(socket), network.into()))
        };
        [connect([10, 0, 0, 1]).await, connect([10, 0, 0, 2]).await]
    }

    #[tokio::test]
    async fn a_waiting_client_that_goes_gives_up_its_place() {
        let limiter = ConcurrencyLimiter::new(1, 3);
        let permit = limiter.permits.acquire().await.unwrap();
        let [(stream, client), _] = connected().await;
        let gone = async {
            tokio::task::yield_now().await;
            drop(stream);
        };
        let (outcome, ()) = tokio::join!(limiter.run_for(&client, || 7), gone);
        assert!(matches!(outcome, Err(Problem::Overloaded(Overload::QueueFull))));
        assert_eq!(limiter.queue.available_permits(), 4);
        drop(permit);
        assert_eq!(limiter.run_for(&client, || 7).await.unwrap(), 7, "work with a free permit runs all the same");
    }

    #[tokio::test]
    async fn one_client_holds_at_most_its_part_of_the_queue() {
        let limiter = ConcurrencyLimiter::new(1, 3);
        let _permit = limiter.permits.acquire().await.unwrap();
        let [(_one, one), (_other, other)] = connected().await;
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(limiter.run_for(&one, || 7))).collect();
        for work in &mut waiting {
            assert!(poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_pending())).await);
        }
        assert!(matches!(limiter.run_for(&one, || 7).await, Err(Problem::Overloaded(Overload::QueueFull))));
        let mut theirs = Box::pin(limiter.run_for(&other, || 7));
        assert!(poll_fn(|cx| Poll::Ready(theirs.as_mut().poll(cx).is_pending())).await);
        waiting.pop();
        let mut again = Box::pin(limiter.run_for(&one, || 7));
        assert!(poll_fn(|cx| Poll::Ready(again.as_mut().poll(cx).is_pending())).await, "a place was given back");
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
