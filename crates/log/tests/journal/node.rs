//! An engine over a journal, as a server has it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use weir::{Change, Engine, EngineConfig, Format, ManualClock, Outcome, Preconditions, Secret, format_ms};
use weir_log::fingerprint::fingerprint;
use weir_log::journal::{Journal, Settings};
use weir_log::{Answer, ChangeSubmission, Logged, Progress, Submission};

use crate::helpers::settings;

/// A process with a journal.
pub(crate) struct Node {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<ManualClock>,
    logged: Option<Logged>,
    journal: Option<Journal>,
}

impl Node {
    /// Starts, and returns after the replay.
    pub(crate) fn start(dir: &Path, config: &EngineConfig, now_ms: i64) -> Self {
        let journal = Journal::open(dir, Settings { fingerprint: fingerprint(config), ..settings() }).unwrap();
        let clock = Arc::new(ManualClock::new(now_ms));
        let secret = Secret::from_bytes(journal.meta().secret);
        let engine = Arc::new(Engine::with_secret(config.clone(), Arc::clone(&clock), &secret).unwrap());
        let (frames, reference) = (Box::new(journal.frames()), Box::new(journal.reference()));
        let logged = Logged::start(&engine, frames, reference, Arc::clone(&clock), Arc::clone(&clock)).unwrap();
        while logged.progress() != Progress::Ready {
            assert!(!matches!(logged.progress(), Progress::Failed(_)), "{:?}", logged.progress());
            thread::yield_now();
        }
        Self { engine, clock, logged: Some(logged), journal: Some(journal) }
    }

    /// Posts events now: id, user, type, and how far their timestamps are behind the clock.
    pub(crate) fn post(&self, events: &[(&str, &str, &str, i64)]) -> Outcome {
        self.try_post(events).unwrap()
    }

    /// Posts events, as [`post`](Self::post) does, to a journal that may have no room.
    pub(crate) fn try_post(&self, events: &[(&str, &str, &str, i64)]) -> Answer {
        let now_ms = self.engine.now_ms();
        let line = |(id, user, kind, behind_ms): &(&str, &str, &str, i64)| {
            let ts = format_ms(now_ms - behind_ms);
            format!("{{\"event_id\":\"{id}\",\"user_id\":\"{user}\",\"type\":\"{kind}\",\"ts\":\"{ts}\"}}\n")
        };
        let body: String = events.iter().map(line).collect();
        let mut batch = self.engine.decode(body.into(), Format::Ndjson).unwrap();
        let (rows, reservation) = self.engine.prepare(&mut batch, now_ms).unwrap();
        let (answer, answers) = channel();
        let asker = Box::new(move |told| answer.send(told).unwrap());
        let submission = Submission { rows, reservation, received_at_ms: now_ms, asker };
        let _ticket = self.logged.as_ref().unwrap().submit(submission);
        answers.recv().unwrap()
    }

    /// Replaces the table now; returns its generation.
    pub(crate) fn put(&self, users: &str) -> u64 {
        let received_at_ms = self.engine.now_ms();
        let body = format!(r#"{{"user_metadata":{users},"ts":"{}"}}"#, format_ms(received_at_ms)).into_bytes();
        let (answer, answers) = channel();
        let asker = Box::new(move |told| answer.send(told).unwrap());
        let (change, preconditions) = (Change::Replace, Preconditions::default());
        let submission = ChangeSubmission { change, body, preconditions, received_at_ms, asker };
        self.logged.as_ref().unwrap().change_reference(submission);
        answers.recv().unwrap().unwrap().number()
    }

    /// Stops cleanly: the last outcomes are recorded.
    pub(crate) fn stop(mut self) {
        self.logged = None;
        self.journal.take().unwrap().stop().unwrap();
    }

    /// Ends as a killed process does: without the last outcomes and without the mark of a clean stop.
    pub(crate) fn kill(mut self) {
        self.journal = None;
        self.logged = None;
    }
}
