//! The queue of ready tasks of the runtime.

use tokio::task::JoinSet;

/// Waits until the worker has run all tasks that are ready now. A worker runs the task that was woken last first
/// (tokio's LIFO slot). So two tasks are spawned: the second takes the slot, and the first goes to the end of the
/// queue.
pub(super) async fn pass_through_run_queue() {
    let mut tasks = JoinSet::new();
    tasks.spawn(std::future::ready(()));
    tasks.spawn(std::future::ready(()));
    while tasks.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn all_ready_tasks_run_first() {
        let probe = async {
            let seen = Arc::new(Mutex::new(0));
            for _ in 0..3 {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move { *seen.lock().unwrap() += 1 });
            }
            pass_through_run_queue().await;
            *seen.lock().unwrap()
        };
        assert_eq!(tokio::spawn(probe).await.unwrap(), 3);
    }
}
