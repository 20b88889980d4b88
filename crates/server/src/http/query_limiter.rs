//! Concurrency limits for queries, fair between clients.

use crate::client::Client;
use crate::http::client_permits::ClientPermits;
use crate::http::concurrency_limiter::ConcurrencyLimiter;
use crate::http::problem::{Overload, Problem};
use crate::limits;

/// A [`ConcurrencyLimiter`] whose queue no client can fill: one client holds at most one of [`limits::PEER_PARTS`]
/// parts of it. Queries change nothing, so the query of a client that has gone leaves the queue.
#[derive(Debug)]
pub(crate) struct QueryLimiter {
    pub(super) limiter: ConcurrencyLimiter,
    clients: ClientPermits,
}

impl QueryLimiter {
    /// A limiter with `permits` permits, and a queue of `queued_per_permit` for each of them.
    pub(crate) fn new(permits: usize, queued_per_permit: usize) -> Self {
        let queue = permits * (1 + queued_per_permit);
        let clients = ClientPermits::new((queue / limits::PEER_PARTS).max(1));
        Self { limiter: ConcurrencyLimiter::new(permits, queued_per_permit), clients }
    }

    /// Runs `work` for a client once it has a permit; see [`ConcurrencyLimiter::run`].
    ///
    /// # Errors
    /// [`Problem::Overloaded`], as of [`ConcurrencyLimiter::run`]. Also when the client holds its part of the queue, or
    /// has closed its sending side while it waited.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        client: &Client,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let _permit = self.clients.try_acquire(client).ok_or(Problem::Overloaded(Overload::ClientQueueFull))?;
        self.limiter.run_unless(client.gone(), work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Poll;
    use tokio::net::{TcpListener, TcpStream};

    /// Two sockets, and their clients as the server sees them. The clients have different addresses.
    async fn connected() -> [(TcpStream, Client); 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect = async |network: [u8; 4]| {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (socket, _) = listener.accept().await.unwrap();
            (stream, Client::of(Arc::new(socket.into_split().1), network.into()))
        };
        [connect([10, 0, 0, 1]).await, connect([10, 0, 0, 2]).await]
    }

    #[tokio::test]
    async fn a_waiting_client_that_goes_gives_up_its_place() {
        let limiter = QueryLimiter::new(1, 3);
        let permit = limiter.limiter.permits.acquire().await.unwrap();
        let [(stream, client), _] = connected().await;
        let gone = async {
            tokio::task::yield_now().await;
            drop(stream);
        };
        let (outcome, ()) = tokio::join!(limiter.run(&client, || 7), gone);
        assert!(matches!(outcome, Err(Problem::Overloaded(Overload::QueueFull))));
        assert_eq!(limiter.limiter.queue.available_permits(), 4);
        drop(permit);
        assert_eq!(limiter.run(&client, || 7).await.unwrap(), 7, "work with a free permit runs all the same");
    }

    #[tokio::test]
    async fn one_client_holds_at_most_its_part_of_the_queue() {
        let limiter = QueryLimiter::new(1, 3);
        let _permit = limiter.limiter.permits.acquire().await.unwrap();
        let [(_one, one), (_other, other)] = connected().await;
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(limiter.run(&one, || 7))).collect();
        for work in &mut waiting {
            assert!(poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_pending())).await);
        }
        assert!(matches!(limiter.run(&one, || 7).await, Err(Problem::Overloaded(Overload::ClientQueueFull))));
        let mut theirs = Box::pin(limiter.run(&other, || 7));
        assert!(poll_fn(|cx| Poll::Ready(theirs.as_mut().poll(cx).is_pending())).await);
        waiting.pop();
        let mut again = Box::pin(limiter.run(&one, || 7));
        assert!(poll_fn(|cx| Poll::Ready(again.as_mut().poll(cx).is_pending())).await, "a place was given back");
    }
}
