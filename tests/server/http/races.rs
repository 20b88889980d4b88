//! Promises under concurrent clients.

use crate::common::{DEADLINE, NOON_MS, Reply, Server, array, event, problem, table, user};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;
use weir::EngineConfig;
use weir::format_ms;
use weir::{Clock, SystemClock};

const WRITERS: usize = 8;
const ROUNDS: i64 = 15;

/// Runs one client for each element at the same time, and returns the results in order.
fn race<T: Send, R: Send>(clients: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    let start = Barrier::new(clients.len());
    let go = |client| {
        start.wait();
        run(client)
    };
    thread::scope(|scope| {
        let running: Vec<_> = clients.into_iter().map(|client| scope.spawn(|| go(client))).collect();
        running.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// Runs `read` on `readers` threads while `work` lasts, and returns the result of the work and those of the readers.
fn with_readers<T, R: Send>(
    readers: usize,
    read: impl Fn(&AtomicBool) -> R + Sync,
    work: impl FnOnce() -> T,
) -> (T, Vec<R>) {
    /// Ends the readers, even after a panic.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let end = End(&is_over);
        let reading: Vec<_> = (0..readers).map(|_| scope.spawn(|| read(&is_over))).collect();
        let worked = work();
        drop(end);
        (worked, reading.into_iter().map(|reader| reader.join().unwrap()).collect())
    })
}

/// The ids of the accepted events of an answer.
fn accepted(reply: &Reply) -> Vec<String> {
    let answer = reply.json();
    let results = answer["results"].as_array().unwrap().iter();
    results.filter(|result| result["status"] == "success").map(|result| result["event_id"].to_string()).collect()
}

#[test]
fn no_accepted_event_is_lost_or_counted_twice() {
    const BATCHES: usize = 25;
    const EVENTS: usize = 100;
    let server = Server::builder().clock(SystemClock).start();
    let users = [user("u-0", "pro", "eu"), user("u-1", "free", "us")];
    assert_eq!(server.put_users(&[], table(users, format_ms(SystemClock.now_ms()))).status, 200);
    let acknowledged = AtomicU64::new(0);

    // In each batch, every second event has an id of this writer alone. All writers post the other events.
    let post = |writer: usize| {
        let mut won = Vec::new();
        for batch in 0..BATCHES {
            let now = format_ms(SystemClock.now_ms());
            let events = (0..EVENTS).map(|i| {
                let owner = if i % 2 == 0 { writer } else { WRITERS };
                event(format!("{owner}-{batch}-{i}")).user(format!("u-{}", i % 20)).kind("view").ts(&now)
            });
            let reply = server.post(array(events));
            let [accepted_now, _, rejected] = reply.tally();
            assert_eq!(rejected, 0, "{reply:?}");
            acknowledged.fetch_add(accepted_now as u64, Ordering::SeqCst);
            won.extend(accepted(&reply));
        }
        won
    };
    let read = |is_over: &AtomicBool| {
        let mut latest = 0;
        while !is_over.load(Ordering::SeqCst) {
            let at_least = acknowledged.load(Ordering::SeqCst).max(latest);
            latest = server.total_events();
            assert!(latest >= at_least, "{latest} of {at_least}");
        }
        latest
    };
    let (won, latest) = with_readers(4, read, || race((0..WRITERS).collect(), post));

    let mut won: Vec<_> = won.into_iter().flatten().collect();
    let accepted = won.len();
    won.sort_unstable();
    won.dedup();
    assert_eq!(won.len(), accepted, "an id of several writers was accepted at most once");
    assert_eq!(accepted, (WRITERS + 1) * BATCHES * EVENTS / 2, "an id of several writers was accepted at least once");
    assert!(latest.iter().all(|latest| *latest <= accepted as u64), "{latest:?}");
    let metrics = server.metrics(1_800);
    assert_eq!((&metrics["total_events"], &metrics["unique_users"]), (&accepted.into(), &20.into()));
    let known: u64 = metrics["by_plan"].as_object().unwrap().values().map(|events| events.as_u64().unwrap()).sum();
    assert_eq!(known + metrics["unknown"].as_u64().unwrap(), accepted as u64);
}

#[test]
fn of_two_posts_of_one_event_one_is_accepted() {
    let server = Server::start();
    for round in 0..100 {
        let body = event(format!("e-{round}"));
        let mut verdicts: Vec<_> =
            race(vec![&body; 2], |body| server.post(body)).iter().flat_map(Reply::verdicts).collect();
        verdicts.sort_unstable();
        assert_eq!(verdicts, ["duplicate_event", "success"]);
    }
    assert_eq!(server.total_events(), 100);
}

/// Users that a [`named`] table contains.
const KNOWN: [&str; 3] = ["u-1", "u-2", "u-3"];

/// The number of users with events that no table contains. Each table is prepared for all of them. This takes so long
/// that other writers come between its check and its publication.
const UNKNOWN: usize = 50_000;

/// A reference table with a name, which is the plan and the region of all its users.
fn named(name: &str, ts_ms: i64) -> String {
    table(KNOWN.map(|id| user(id, name, name)), format_ms(ts_ms))
}

/// A writer of a [`named`] table.
struct Writer {
    name: String,
    ts_ms: i64,
    if_match: Option<String>,
}

impl Writer {
    /// Puts the table, and checks that later queries use it.
    fn put(&self, server: &Server) -> Reply {
        let headers: Vec<_> = self.if_match.iter().map(|tag| ("if-match", tag.as_str())).collect();
        let reply = server.put_users(&headers, named(&self.name, self.ts_ms));
        if let Some(generation) = made(&reply) {
            let seen = server.metrics(60)["generation"].as_u64().unwrap();
            assert!(seen >= generation, "a query after the answer used generation {seen}, not {generation}");
        }
        reply
    }
}

/// The generation of a table that was not refused.
fn made(reply: &Reply) -> Option<u64> {
    (reply.status == 200).then(|| reply.json()["generation"].as_u64().unwrap())
}

/// Checks that the groups of an answer are from one table, and returns its generation and its name.
fn generation_and_name(metrics: &Value) -> (u64, String) {
    assert_eq!(metrics["total_events"], KNOWN.len() + UNKNOWN, "{metrics}");
    assert_eq!(metrics["by_plan"], metrics["by_region"], "{metrics}");
    let by_plan = metrics["by_plan"].as_object().unwrap();
    let name = by_plan.keys().next().cloned().unwrap_or_default();
    assert!(by_plan.is_empty() || by_plan.len() == 1 && by_plan[&name] == KNOWN.len(), "{metrics}");
    (metrics["generation"].as_u64().unwrap(), name)
}

/// Lets writers race, round by round, while readers check the answers that they get. Returns the number of tables.
///
/// `writers` returns the writers of a round from its number and the current generation; `check` gets their answers.
fn race_writers(writers: impl Fn(i64, u64) -> Vec<Writer>, check: impl Fn(&[Writer], &[Reply], u64)) -> usize {
    let server = Server::start();
    let users = KNOWN.map(str::to_owned).into_iter().chain((0..UNKNOWN).map(|i| format!("unknown-{i}")));
    let events = users.map(|id| event(&id).user(&id).kind("view"));
    assert_eq!(server.post(array(events)).tally(), [KNOWN.len() + UNKNOWN, 0, 0]);
    let read = |is_over: &AtomicBool| {
        let (mut seen, mut as_of) = (vec![(0, String::new())], String::new());
        while !is_over.load(Ordering::SeqCst) {
            let metrics = server.metrics(60);
            let answer = generation_and_name(&metrics);
            assert!(answer.0 >= seen.last().unwrap().0 && metrics["as_of"].as_str().unwrap() >= &*as_of, "{metrics}");
            metrics["as_of"].as_str().unwrap().clone_into(&mut as_of);
            seen.push(answer);
        }
        seen
    };
    let work = || {
        let mut names = BTreeMap::from([(0, String::new())]);
        for round in 0..ROUNDS {
            let current = names.len() as u64 - 1;
            let writers = writers(round, current);
            let replies = race(writers.iter().collect(), |writer| writer.put(&server));
            check(&writers, &replies, current);
            for (writer, reply) in writers.iter().zip(&replies) {
                if let Some(generation) = made(reply) {
                    assert_eq!(names.insert(generation, writer.name.clone()), None, "one table for each generation");
                }
            }
            assert!(names.keys().copied().eq(0..names.len() as u64), "generations go up by one: {names:?}");
            server.clock.advance(7);
        }
        names
    };
    let (names, seen) = with_readers(2, read, work);
    for (generation, name) in seen.into_iter().flatten() {
        assert_eq!(name, names[&generation], "an answer shows the table of its generation");
    }
    names.len() - 1
}

fn writers(round: i64, ts_ms: impl Fn(i64) -> i64, if_match: Option<&str>) -> Vec<Writer> {
    let if_match = if_match.map(ToString::to_string);
    let writer = |i| Writer { name: format!("t-{round}-{i}"), ts_ms: ts_ms(i), if_match: if_match.clone() };
    (0..WRITERS as i64).map(writer).collect()
}

/// Checks that one writer replaced the table, and that the answers to the others name its generation.
fn assert_one_won(replies: &[Reply], current: u64, refusal: (u16, &str)) {
    assert_eq!(replies.iter().filter_map(made).collect::<Vec<_>>(), [current + 1]);
    for refused in replies.iter().filter(|reply| made(reply).is_none()) {
        assert_eq!(refused.problem(), problem(refusal.0, refusal.1));
        assert_eq!(refused.json()["current_generation"], current + 1);
    }
}

#[test]
fn of_writers_with_one_precondition_one_wins() {
    let tables = race_writers(
        |round, current| writers(round, |i| NOON_MS + round * 100 + i, Some(&format!("\"{current}\""))),
        |_, replies, current| assert_one_won(replies, current, (412, "generation_mismatch")),
    );
    assert_eq!(tables, ROUNDS as usize);
}

#[test]
fn of_writers_with_one_ts_one_wins() {
    let tables = race_writers(
        |round, _| writers(round, |_| NOON_MS + round, None),
        |_, replies, current| assert_one_won(replies, current, (409, "stale_reference")),
    );
    assert_eq!(tables, ROUNDS as usize);
}

#[test]
fn writers_with_different_ts_replace_the_table_in_the_order_of_ts() {
    let check = |writers: &[Writer], replies: &[Reply], _| {
        let mut winners = Vec::new();
        for (writer, reply) in writers.iter().zip(replies) {
            if let Some(generation) = made(reply) {
                winners.push((generation, writer.ts_ms));
                continue;
            }
            assert_eq!(reply.problem(), problem(409, "stale_reference"));
            assert!(reply.json()["current_ts"].as_str().unwrap() > &*format_ms(writer.ts_ms), "{reply:?}");
        }
        winners.sort_unstable();
        assert!(winners.is_sorted_by_key(|(_, ts_ms)| *ts_ms), "no table replaces a newer one: {winners:?}");
        assert_eq!(winners.last().unwrap().1, writers.last().unwrap().ts_ms, "the newest table is not refused");
    };
    let tables = race_writers(|round, _| writers(round, |i| NOON_MS + round * 100 + i, None), check);
    assert!(tables >= ROUNDS as usize);
}

/// A clock that stands at noon, and can block the next request that reads it.
#[derive(Default)]
struct Holding(Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>);

impl Holding {
    /// Blocks the next request. The receiver gets a message then; a message of the sender, or its drop, ends the block.
    fn hold_next(&self) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
        let ((held, is_held), (release, released)) = (mpsc::channel(), mpsc::channel());
        *self.0.lock().unwrap() = Some((held, released));
        (is_held, release)
    }
}

impl Clock for Holding {
    fn now_ms(&self) -> i64 {
        let is_housekeeping = thread::current().name().is_some_and(|name| name.starts_with("weir-"));
        let hold = if is_housekeeping { None } else { self.0.lock().unwrap().take() };
        if let Some((held, released)) = hold {
            held.send(()).unwrap();
            let _ = released.recv();
        }
        NOON_MS
    }
}

#[test]
fn a_blocked_query_blocks_no_runtime_worker() {
    let bounds = |engine: &mut EngineConfig| (engine.max_batch_events, engine.max_backlog_events) = (10, 10);
    let server = Server::builder().clock(Holding::default()).workers(1).engine(bounds).start();
    let batch = |name: &str| array((0..10).map(|i| event(format!("{name}-{i}"))));
    thread::scope(|scope| {
        let (is_held, release) = server.clock.hold_next();
        let query = scope.spawn(|| server.metrics(1));
        is_held.recv_timeout(DEADLINE).unwrap();

        assert_eq!(server.get("/healthz").text(), r#"{"ok":true}"#);
        assert_eq!(server.get("/reference/users").status, 200);
        // A batch fills the backlog. So the next one folds, while the query holds the cut.
        for name in ["a", "b", "c"] {
            assert_eq!(server.post(batch(name)).tally(), [10, 0, 0]);
        }

        release.send(()).unwrap();
        assert_eq!(query.join().unwrap()["total_events"], 30);
    });
    assert_eq!(server.total_events(), 30);
}
