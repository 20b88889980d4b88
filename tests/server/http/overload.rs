//! What a server does that gets more than it can take, or whose parts fail.

use crate::common::{MIB, NOON_MS, Server, array, event, event_at, problem};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;
use weir::Clock;
use weir_server::limits;

/// A clock that panics when a request reads it, on demand.
struct Faulty {
    now_ms: AtomicI64,
    fails: AtomicBool,
}

impl Clock for Faulty {
    fn now_ms(&self) -> i64 {
        let is_request = thread::current().name().is_none_or(|name| !name.starts_with("weir-"));
        assert!(!(is_request && self.fails.load(Ordering::Relaxed)), "a fault as the test wants it");
        self.now_ms.load(Ordering::Relaxed)
    }
}

#[test]
fn a_panic_in_a_handler_is_an_answer_and_nothing_is_lost() {
    let clock = Faulty { now_ms: AtomicI64::new(NOON_MS), fails: AtomicBool::new(false) };
    let server = Server::on(clock, 2, |_, _| {});
    assert_eq!(server.post(event("a")).verdicts(), ["success"]);
    for body in [event("b"), array((0..5_000).map(|i| event(&format!("b{i}"))))] {
        server.clock.fails.store(true, Ordering::Relaxed);
        for _ in 0..10 {
            assert_eq!(server.post(&body).problem(), problem(500, "internal_error"));
        }
        assert_eq!(server.get("/healthz").status, 200);
        server.clock.fails.store(false, Ordering::Relaxed);
        assert!(server.post(&body).verdicts().iter().all(|verdict| verdict == "success"));
    }
    assert_eq!(server.total_events(), 5_002);
}

#[test]
fn a_clock_that_jumps_or_stands_still_corrupts_nothing() {
    const HOUR_MS: i64 = 3_600_000;
    let server = Server::start();
    let total = || server.total_events();
    assert_eq!(server.post(array((0..10).map(|i| event(&i.to_string())))).tally(), [10, 0, 0]);
    assert_eq!([total(), total()], [10, 10], "it stands still");

    server.clock.advance(-HOUR_MS);
    assert_eq!(total(), 10, "the engine's time does not go back");
    assert_eq!(server.post(event("0")).verdicts(), ["duplicate_event"]);
    assert_eq!(server.post(event_at("back", NOON_MS - HOUR_MS)).verdicts(), ["too_late"]);
    assert_eq!(server.post(event("noon")).verdicts(), ["success"]);
    assert_eq!(server.get("/readyz").problem(), problem(503, "not_ready"));

    server.clock.set(NOON_MS + HOUR_MS);
    assert_eq!((total(), server.get("/readyz").status), (0, 200), "all have left the window");
    assert_eq!(server.post(event("0")).verdicts(), ["too_late"], "and none can come back");
    let later = event_at("0", NOON_MS + HOUR_MS);
    assert_eq!(server.post(&later).verdicts(), ["success"], "an id is free after the horizon");
    assert_eq!(server.post(&later).verdicts(), ["duplicate_event"]);

    server.clock.set(NOON_MS);
    server.clock.set(NOON_MS + HOUR_MS);
    assert_eq!(total(), 1);
}

#[test]
fn a_late_runtime_lets_few_batches_in_and_everything_else() {
    // With no bound at all, the probe is always late.
    let server = Server::with(|_, http| http.max_queue_delay = Duration::ZERO);
    let hold = || {
        let mut holder = server.connect();
        holder.send("POST /events HTTP/1.1\r\nhost: weir\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
        let is_in = holder.line() == "HTTP/1.1 100 Continue" && holder.line().is_empty();
        is_in.then_some(holder)
    };
    // Until the probe has been late some times, all are let in.
    let mut holders: Vec<_> = std::iter::from_fn(hold).collect();
    let reply = server.post(event("a"));
    assert_eq!((reply.problem(), reply.header("retry-after")), (problem(503, "overloaded"), "1"));
    assert_eq!([server.get("/healthz").status, server.get("/metrics").status], [200, 200]);
    assert_eq!(server.total_events(), 0, "what was refused was not taken");
    while holders.len() >= limits::ADAPTIVE_LIMIT_MIN {
        let mut holder = holders.pop().unwrap();
        holder.send("[]");
        assert_eq!(holder.reply().tally(), [0, 0, 0], "what was let in is answered");
    }
    while server.post(event("a")).status == 503 {}
    assert_eq!(server.total_events(), 1);
}

#[test]
fn bodies_beyond_the_memory_for_them_are_refused_and_taken_later() {
    let server = Server::with(|_, http| {
        http.max_body_bytes = MIB;
        http.max_bodies_bytes = 2 * MIB;
    });
    let head = format!("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: {MIB}\r\n\r\n");
    let body = array((0..2_000).map(|i| event(&i.to_string())));
    // A batch that comes before the holders' bytes may take their room: so it waits, longer each time.
    let refused_after = |wait: Duration| {
        let holders: Vec<_> = (0..2)
            .map(|_| {
                let mut holder = server.connect();
                holder.send(&head);
                holder.send(" ".repeat(MIB - 1));
                holder
            })
            .collect();
        thread::sleep(wait);
        let reply = server.post(&body);
        (reply.status == 503).then_some((reply, holders))
    };
    let (refused, holders) = (0..12).find_map(|i| refused_after(Duration::from_millis(20 << i))).unwrap();
    assert_eq!((refused.problem(), refused.header("retry-after")), (problem(503, "overloaded"), "1"));
    assert_eq!([server.get("/healthz").status, server.get("/metrics").status], [200, 200]);
    drop(holders);
    while server.post(&body).status == 503 {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(server.total_events(), 2_000);
}

#[test]
fn answers_that_nobody_reads_take_room_from_what_comes_next() {
    // An answer of about 12 MB to a body of 200 KB.
    let request = format!("[{}]", vec!["7"; 100_000].join(","));
    let head = format!("POST /events HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n", request.len());
    let server = Server::with(|_, http| http.max_bodies_bytes = 16 * MIB);
    let mut holder = server.connect();
    holder.send(format!("{head}{request}"));
    holder.wait();
    let refused = server.post(&request);
    assert_eq!(refused.status, 503);
    assert_eq!(refused.problem(), problem(503, "overloaded"));
    assert_eq!(server.post(event("a")).verdicts(), ["success"], "there is room for a small one");
    assert_eq!(holder.reply().tally(), [0, 0, 100_000]);
    let mut reply = server.post(&request);
    while reply.status == 503 {
        reply = server.post(&request);
    }
    assert_eq!(reply.tally(), [0, 0, 100_000]);
}
