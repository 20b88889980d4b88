//! The threads, over a simulated log without faults.

use super::model::Model;
use super::sim_log::{Bounded, Faults, SimLog};
use crate::answers::{Answer, NotLogged};
use crate::frame::{Frame, FrameBuilder, Head, RowRules};
use crate::limits::PATCHES_PER_BASE_MAX;
use crate::order::Submission;
use crate::reference::{ChangeAnswer, ChangeSubmission, NotChanged};
use crate::topic::{Entry, Follow, Log, Lost, NotPlaced, Place, Placed};
use crate::{Logged, Progress, Uptime};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;
use weir::{
    Change, Clock, Engine, EngineConfig, Format, Maintenance, Outcome, Preconditions, ReferenceError, Secret,
    SystemClock, format_ms,
};

fn engine() -> Arc<Engine> {
    let secret = Secret::from_bytes([7; 32]);
    Arc::new(Engine::with_secret(EngineConfig::default(), SystemClock, &secret).unwrap())
}

fn log() -> SimLog {
    SimLog::new(1, 4, Faults::default())
}

fn start(engine: &Arc<Engine>, frames: &SimLog, reference: &SimLog) -> Logged {
    let logged =
        Logged::start(engine, Box::new(frames.clone()), Box::new(reference.clone()), SystemClock, Uptime::start())
            .unwrap();
    while logged.progress() != Progress::Ready {
        assert!(!matches!(logged.progress(), Progress::Failed(_)));
        thread::yield_now();
    }
    logged
}

fn post(engine: &Engine, logged: &Logged, ids: std::ops::Range<u32>) -> Answer {
    let now_ms = engine.now_ms();
    let ts = format_ms(now_ms);
    let line = |id| format!("{{\"event_id\":\"e{id}\",\"user_id\":\"u{id}\",\"type\":\"click\",\"ts\":\"{ts}\"}}\n");
    let body: String = ids.map(line).collect();
    let mut batch = engine.decode(body.into(), Format::Ndjson).unwrap();
    let (rows, reservation) = engine.prepare(&mut batch, now_ms).unwrap();
    let (answer, answers) = channel();
    let asker = Box::new(move |told| answer.send(told).unwrap());
    let _ticket = logged.submit(Submission { rows, reservation, received_at_ms: now_ms, asker });
    answers.recv().unwrap()
}

fn put(engine: &Engine, logged: &Logged, change: Change, users: &str, ts_ms: i64) -> ChangeAnswer {
    let body = format!(r#"{{"user_metadata":{users},"ts":"{}"}}"#, format_ms(ts_ms)).into_bytes();
    let (answer, answers) = channel();
    let asker = Box::new(move |told| answer.send(told).unwrap());
    let (preconditions, received_at_ms) = (Preconditions::default(), engine.now_ms());
    logged.change_reference(ChangeSubmission { change, body, preconditions, received_at_ms, asker });
    answers.recv().unwrap()
}

#[test]
fn a_restart_has_what_was_told_and_the_last_outcomes_are_recorded() {
    let (frames, reference) = (log(), log());
    let first = engine();
    let logged = start(&first, &frames, &reference);
    let maintenance = Maintenance::start(&first).unwrap();
    let accepted: usize = thread::scope(|scope| {
        let post = |thread: u32| {
            let (first, logged) = (&first, &logged);
            scope.spawn(move || {
                let accepted = |step| {
                    let outcome = post(first, logged, thread * 20 + step..thread * 20 + step + 60).unwrap();
                    outcome.rows() - outcome.refused().len()
                };
                (0..30).map(accepted).sum::<usize>()
            })
        };
        let threads: Vec<_> = (0..4).map(post).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let users = r#"{"u1":{"plan":"pro","region":"eu"}}"#;
    let now_ms = first.now_ms();
    assert_eq!(put(&first, &logged, Change::Replace, users, now_ms).unwrap().number(), 1);
    drop((maintenance, logged));
    let expected = first.metrics(300).stats;
    assert_eq!((accepted, expected.events), (149, 149));
    let model = Model::of(&frames.entries(), first.config());
    assert_eq!(model.accepted_events(), 149);
    assert_eq!(model.unrecorded_rows(), 0, "a replay would judge nothing");

    let second = engine();
    let logged = start(&second, &frames, &reference);
    let stats = second.metrics(300).stats;
    assert_eq!((stats.events, stats.unique_users, &stats.by_attribute), (149, 149, &expected.by_attribute));
    assert_eq!(logged.figures().judged_in_replay, 0);
    let outcome = post(&second, &logged, 148..150).unwrap();
    assert_eq!((outcome.rows(), outcome.refused().len()), (2, 1));
}

#[test]
fn a_replay_counts_the_frames_that_it_judges() {
    let (frames, first) = (log(), engine());
    let logged = start(&first, &frames, &log());
    assert_eq!(post(&first, &logged, 0..3), Ok(Outcome::accepted(3)));
    drop(logged);
    // The process ended before the frame that records the outcomes was in the log.
    let mut torn = log();
    torn.append(Arc::clone(&frames.entries()[0]), Box::new(|_| ()));
    let second = engine();
    let logged = start(&second, &torn, &log());
    assert_eq!(logged.figures().judged_in_replay, 1);
    assert_eq!(second.metrics(300).stats.events, 3);
}

#[test]
fn changes_are_judged_in_the_log_and_survive_with_their_numbers() {
    let (frames, reference) = (log(), log());
    let mut engines = vec![];
    for round in 0..3_i64 {
        let engine = engine();
        let logged = start(&engine, &frames, &reference);
        let now_ms = engine.now_ms();
        let number = engine.reference().number();
        assert_eq!(number, 2 * round as u64, "the number goes on");
        let user = format!(r#"{{"u{round}":{{"plan":"p{round}","region":"eu"}}}}"#);
        if round == 0 {
            assert_eq!(put(&engine, &logged, Change::Replace, &user, now_ms - 60_000).unwrap().number(), 1);
        } else {
            let ts_ms = now_ms - 60_000 + round * 10_000;
            assert_eq!(put(&engine, &logged, Change::Merge, &user, ts_ms).unwrap().number(), number + 1);
        }
        let stale = put(&engine, &logged, Change::Replace, &user, 0).unwrap_err();
        assert!(matches!(stale, NotChanged::Refused(ReferenceError::Stale { .. })), "{stale:?}");
        let ts_ms = now_ms - 55_000 + round * 10_000;
        let again = || put(&engine, &logged, Change::Merge, &user, ts_ms).unwrap().number();
        assert_eq!([again(), again()], [number + 2; 2], "a retry is answered with the same generation");
        drop(logged);
        engines.push(engine);
    }
    let copies: Vec<_> = engines.iter().map(|engine| engine.copy_reference().unwrap()).collect();
    assert_eq!(copies.iter().map(|copy| (copy.number, copy.users.len())).collect::<Vec<_>>(), [(2, 1), (4, 2), (6, 3)]);
    let restored = engine();
    drop(start(&restored, &frames, &reference));
    let (copy, last) = (restored.copy_reference().unwrap(), &copies[2]);
    assert_eq!((copy.number, copy.ts_ms, copy.received_at_ms), (last.number, last.ts_ms, last.received_at_ms));
    assert_eq!(restored.user("u1"), Some(vec!["p1".to_owned(), "eu".to_owned()]));
}

/// The thread of the reference log is never idle.
#[test]
fn a_base_is_due_also_while_changes_go_on() {
    let (reference, engine) = (log(), engine());
    let logged = start(&engine, &log(), &reference);
    let now_ms = engine.now_ms() - 60_000;
    for patch in 0..PATCHES_PER_BASE_MAX as i64 + 10 {
        let users = format!(r#"{{"u{}":{{"plan":"pro","region":"eu"}}}}"#, patch % 50);
        assert!(put(&engine, &logged, Change::Merge, &users, now_ms + patch).is_ok());
    }
    assert_eq!(reference.trimmed(), PATCHES_PER_BASE_MAX as u64);
}

/// A log that does not answer before it is freed.
#[derive(Clone, Default)]
struct Stuck(Arc<(Mutex<bool>, Condvar)>);

impl Log for Stuck {
    fn depth(&self) -> usize {
        1
    }

    fn append(&mut self, _: Arc<[u8]>, placed: Placed) {
        let (is_free, changed) = &*self.0;
        drop(changed.wait_while(is_free.lock().unwrap(), |is_free| !*is_free).unwrap());
        placed(Err(NotPlaced::Unknown));
    }

    fn follow(&mut self, _: Place) -> Box<dyn Follow> {
        Box::new(self.clone())
    }

    fn trim(&mut self, _: Place) {}
}

impl Follow for Stuck {
    fn next(&mut self, patience: Duration) -> Result<Option<Entry>, Lost> {
        thread::sleep(patience.min(Duration::from_millis(1)));
        Ok(None)
    }
}

#[test]
fn a_stop_answers_also_if_the_log_does_not() {
    let (stuck, engine) = (Stuck::default(), engine());
    let logged =
        Logged::start(&engine, Box::new(stuck.clone()), Box::new(log()), SystemClock, Uptime::start()).unwrap();
    while logged.progress() != Progress::Ready {
        thread::yield_now();
    }
    let answer = thread::scope(|scope| {
        let posted = scope.spawn(|| {
            let now_ms = engine.now_ms();
            let ts = format_ms(now_ms);
            let body = format!("{{\"event_id\":\"e\",\"user_id\":\"u\",\"type\":\"click\",\"ts\":\"{ts}\"}}");
            let mut batch = engine.decode(body.into_bytes(), Format::Json).unwrap();
            let (rows, reservation) = engine.prepare(&mut batch, now_ms).unwrap();
            let (answer, answers) = channel();
            let asker = Box::new(move |told| answer.send(told).unwrap());
            let _ticket = logged.submit(Submission { rows, reservation, received_at_ms: now_ms, asker });
            drop(logged);
            answers.recv().unwrap()
        });
        posted.join().unwrap()
    });
    // The thread may have been too slow to take the batch before the stop.
    assert!(matches!(answer, Err(NotLogged::Unavailable | NotLogged::Overloaded)), "{answer:?}");
    assert_eq!(engine.sizes().backlog, 0, "no capacity is left reserved");
    *stuck.0.0.lock().unwrap() = true;
    stuck.0.1.notify_all();
}

#[test]
fn a_full_log_refuses_rows_and_records_outcomes() {
    let (frames, engine) = (Bounded::new(log(), usize::MAX), engine());
    let logged =
        Logged::start(&engine, Box::new(frames.clone()), Box::new(log()), SystemClock, Uptime::start()).unwrap();
    while logged.progress() != Progress::Ready {
        thread::yield_now();
    }
    assert_eq!(post(&engine, &logged, 0..3), Ok(Outcome::accepted(3)));
    frames.set_max_bytes(0);
    assert_eq!(post(&engine, &logged, 3..4), Err(NotLogged::Overloaded));
    drop(logged);
    let model = Model::of(&frames.log.entries(), engine.config());
    assert_eq!((model.accepted_events(), model.unrecorded_rows()), (3, 0));
}

/// A log whose reader ends.
struct Broken;

impl Follow for Broken {
    fn next(&mut self, _: Duration) -> Result<Option<Entry>, Lost> {
        Err(Lost::log("the disk is gone"))
    }
}

#[derive(Clone)]
struct BrokenLog;

impl Log for BrokenLog {
    fn depth(&self) -> usize {
        1
    }

    fn append(&mut self, _: Arc<[u8]>, placed: Placed) {
        placed(Err(NotPlaced::Full));
    }

    fn follow(&mut self, _: Place) -> Box<dyn Follow> {
        Box::new(Broken)
    }

    fn trim(&mut self, _: Place) {}
}

#[test]
fn a_log_that_cannot_be_read_takes_nothing_and_says_why() {
    for (frames, reference) in
        [(Box::new(BrokenLog) as Box<dyn Log>, Box::new(log()) as Box<dyn Log>), (Box::new(log()), Box::new(BrokenLog))]
    {
        let engine = engine();
        let logged = Logged::start(&engine, frames, reference, SystemClock, Uptime::start()).unwrap();
        while !matches!(logged.progress(), Progress::Failed(_)) {
            thread::yield_now();
        }
        assert_eq!(logged.progress(), Progress::Failed(Lost::log("the disk is gone")));
        assert_eq!(post(&engine, &logged, 0..1), Err(NotLogged::Overloaded));
        let change = put(&engine, &logged, Change::Replace, "{}", engine.now_ms());
        assert_eq!(change.unwrap_err(), NotChanged::NotLogged(NotLogged::Overloaded));
        assert_eq!(post(&engine, &logged, 0..0), Ok(Outcome::default()));
    }
}

/// A head of a real frame names what its author has applied.
#[test]
fn frames_name_the_table_and_the_reference_log() {
    let (frames, reference, engine) = (log(), log(), engine());
    let logged = start(&engine, &frames, &reference);
    let now_ms = engine.now_ms();
    let users = r#"{"u1":{"plan":"pro","region":"eu"}}"#;
    put(&engine, &logged, Change::Replace, users, now_ms).unwrap();
    // The second change comes after the first one was noted.
    put(&engine, &logged, Change::Merge, users, now_ms + 1).unwrap();
    post(&engine, &logged, 0..1).unwrap();
    drop(logged);
    let entries = frames.entries();
    let frame = Frame::decode(&entries[0], RowRules::new(engine.config())).unwrap();
    assert!(frame.head.table >= 1 && frame.head.reference_done >= Place(1), "{:?}", frame.head);
}

/// A log of several nodes, into which another node writes all the time.
#[derive(Clone)]
struct Busy(u64);

impl Log for Busy {
    fn depth(&self) -> usize {
        1
    }

    fn append(&mut self, _: Arc<[u8]>, placed: Placed) {
        placed(Err(NotPlaced::Unknown));
    }

    fn follow(&mut self, _: Place) -> Box<dyn Follow> {
        Box::new(self.clone())
    }

    fn trim(&mut self, _: Place) {}

    fn is_shared(&self) -> bool {
        true
    }
}

impl Follow for Busy {
    fn next(&mut self, _: Duration) -> Result<Option<Entry>, Lost> {
        thread::sleep(Duration::from_millis(1));
        self.0 += 1;
        let reading_ms = SystemClock.now_ms();
        let head = Head { node: 5, number: self.0, reading_ms, log_ms: i64::MIN, ..Head::default() };
        let bytes = FrameBuilder::new(&head, Place(0)).finish();
        Ok(Some(Entry { place: Place(self.0), bytes, logged_at_ms: Some(reading_ms) }))
    }

    fn has_caught_up(&self) -> Option<bool> {
        Some(self.0 >= 3)
    }
}

#[test]
fn a_node_that_joins_a_busy_log_becomes_ready() {
    let engine = engine();
    let logged = Logged::start(&engine, Box::new(Busy(0)), Box::new(log()), SystemClock, Uptime::start()).unwrap();
    while logged.progress() != Progress::Ready {
        assert!(!matches!(logged.progress(), Progress::Failed(_)) && logged.figures().applied < Place(2_000));
        thread::yield_now();
    }
    assert!(logged.figures().applied >= Place(3));
}
