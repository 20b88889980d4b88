//! Work that must not hold up the runtime's workers.

use crate::http::problem::{Overload, Problem};
use crate::limits;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Lets so many pieces of work onto the blocking pool at once; some others wait their turn, first come, first served, and
/// those beyond are refused at once: a queue that only grows helps nobody.
#[derive(Debug)]
pub(crate) struct Gate {
    turns: Arc<Semaphore>,
    /// For those who have a turn and those who wait for one.
    places: Semaphore,
}

impl Gate {
    pub(crate) fn new(at_once: usize, waiting_per_turn: usize) -> Self {
        let places = Semaphore::new(at_once * (1 + waiting_per_turn));
        Self { turns: Arc::new(Semaphore::new(at_once)), places }
    }

    /// Runs `work` when it is its turn. Work whose caller is dropped by then is never started; work that has started
    /// completes. (A client that closes its connection is not known to be gone before it is answered: who has only
    /// finished sending looks the same.)
    ///
    /// # Errors
    /// [`Problem::Overloaded`] when too many wait already, or the turn does not come in time.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let _place = self.places.try_acquire().map_err(|_| Problem::Overloaded(Overload::QueueFull))?;
        let turn = timeout(limits::TURN_TIMEOUT, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| Problem::Overloaded(Overload::QueueFull))?.expect("nobody closes the semaphore");
        let done = spawn_blocking(move || {
            let result = work();
            drop(turn);
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
        let gate = Arc::new(Gate::new(1, 1));
        let (open, opened) = mpsc::channel::<()>();
        let holder = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.run(move || opened.recv()).await }
        });
        while gate.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let (started, starts) = mpsc::channel();
        let mut waiting = Box::pin(gate.run(move || started.send(()).unwrap()));
        assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await);
        assert!(
            matches!(gate.run(|| 7).await, Err(Problem::Overloaded(Overload::QueueFull))),
            "one has the turn and one waits"
        );
        drop(waiting);
        open.send(()).unwrap();
        holder.await.unwrap().unwrap().unwrap();
        assert_eq!(gate.run(|| 7).await.unwrap(), 7);
        assert!(starts.try_recv().is_err());
    }

    #[tokio::test]
    async fn work_keeps_its_turn_to_its_end() {
        let gate = Gate::new(1, 0);
        let turns = Arc::clone(&gate.turns);
        let free = gate.run(move || turns.available_permits()).await.unwrap();
        assert_eq!([free, gate.turns.available_permits()], [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_does_not_come_is_waited_for_so_long_only() {
        let gate = Gate::new(1, 1);
        let _turn = gate.turns.acquire().await.unwrap();
        let start = tokio::time::Instant::now();
        assert!(matches!(gate.run(|| 7).await, Err(Problem::Overloaded(Overload::QueueFull))));
        assert_eq!(start.elapsed().as_secs(), limits::TURN_TIMEOUT.as_secs());
        assert_eq!(gate.places.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_panic_passes_through_and_gives_the_turn_back() {
        let gate = Arc::new(Gate::new(1, 0));
        let panicking = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.run(|| panic!("as the test wants it")).await }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        assert_eq!(gate.run(|| 7).await.unwrap(), 7);
    }
}
