//! Nodes of a cluster: each one has an engine, as a server has it.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use tokio::runtime::Runtime;
use weir::{Change, Engine, EngineConfig, Format, ManualClock, Preconditions, Secret, SystemClock, format_ms};
use weir_log::fingerprint::fingerprint;
use weir_log::jetstream::{Cluster, Settings, Status};
use weir_log::{Answer, ChangeAnswer, ChangeSubmission, Logged, NotLogged, Progress, Submission, Uptime};

use crate::helpers::{open_with, until};

const SECRET: [u8; 32] = [7; 32];

/// A node of a cluster.
pub(crate) struct Node {
    pub(crate) engine: Arc<Engine>,
    pub(crate) logged: Logged,
    cluster: Cluster,
}

impl Node {
    /// Starts, and returns after the replay.
    pub(crate) fn start(runtime: &Runtime, settings: &Settings) -> Self {
        let config = EngineConfig::default();
        let settings = Settings { fingerprint: fingerprint(&config), secret: SECRET, ..settings.clone() };
        let cluster = open_with(runtime, &settings);
        let secret = Secret::from_bytes(SECRET);
        // Queries see log time, and no clock of this machine.
        let engine = Arc::new(Engine::with_secret(config, ManualClock::new(0), &secret).unwrap());
        let (frames, reference) = (Box::new(cluster.frames()), Box::new(cluster.reference()));
        let logged = Logged::start(&engine, frames, reference, SystemClock, Uptime::start()).unwrap();
        let node = Self { engine, logged, cluster };
        until("the node is ready", || {
            assert!(!matches!(node.logged.progress(), Progress::Failed(_)), "{:?}", node.logged.progress());
            (node.logged.progress() == Progress::Ready).then_some(())
        });
        node
    }

    /// The figures of the cluster.
    pub(crate) fn status(&self) -> Status {
        self.cluster.status()
    }

    /// Posts an event now for each id; the user is `user`.
    pub(crate) fn post(&self, user: &str, ids: &[u64]) -> Answer {
        use weir::Clock;
        let now_ms = SystemClock.now_ms();
        let ts = format_ms(now_ms);
        let line = |id: &u64| format!(r#"{{"event_id":"e{id}","user_id":"{user}","type":"click","ts":"{ts}"}}"#) + "\n";
        let body: String = ids.iter().map(line).collect();
        let mut batch = self.engine.decode(body.into(), Format::Ndjson).unwrap();
        let Ok((rows, reservation)) = self.engine.prepare(&mut batch, now_ms) else {
            return Err(NotLogged::Overloaded);
        };
        let (answer, answers) = channel();
        let asker = Box::new(move |told| answer.send(told).unwrap_or(()));
        let _ticket = self.logged.submit(Submission { rows, reservation, received_at_ms: now_ms, asker });
        answers.recv().unwrap()
    }

    /// Waits until this node has applied all that is in the log now.
    pub(crate) fn barrier(&self) -> Result<(), NotLogged> {
        let (answer, answers) = channel();
        self.logged.barrier(Box::new(move |released| answer.send(released).unwrap_or(())));
        answers.recv().unwrap()
    }

    /// The events that a query sees, and the unique users, behind a barrier.
    pub(crate) fn totals(&self) -> (u64, u64) {
        until("a barrier is released", || self.barrier().ok());
        let stats = self.engine.metrics(1_800).stats;
        (stats.events, stats.unique_users)
    }

    /// Replaces or patches the table, with a timestamp.
    pub(crate) fn change(&self, change: Change, users: &str, ts_ms: i64) -> ChangeAnswer {
        use weir::Clock;
        let body = format!(r#"{{"user_metadata":{users},"ts":"{}"}}"#, format_ms(ts_ms)).into_bytes();
        let (answer, answers) = channel();
        let asker = Box::new(move |told| answer.send(told).unwrap_or(()));
        let (preconditions, received_at_ms) = (Preconditions::default(), SystemClock.now_ms());
        self.logged.change_reference(ChangeSubmission { change, body, preconditions, received_at_ms, asker });
        answers.recv_timeout(Duration::from_secs(600)).unwrap()
    }
}
