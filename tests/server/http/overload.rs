//! Overload, and faults within the server.

use crate::common::{MIB, NOON_MS, Server, array, event, eventually, post_head, post_request, problem, wait_for};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;
use weir::Clock;
use weir_server::limits;

/// A clock that panics on demand when a request reads it.
struct Faulty {
    now_ms: AtomicI64,
    fails: AtomicBool,
}

impl Clock for Faulty {
    fn now_ms(&self) -> i64 {
        let is_request = thread::current().name().is_none_or(|name| !name.starts_with("weir-"));
        assert!(!(is_request && self.fails.load(Ordering::Relaxed)), "the fault of this test");
        self.now_ms.load(Ordering::Relaxed)
    }
}

#[test]
fn a_panic_in_a_handler_is_answered_and_loses_nothing() {
    let clock = Faulty { now_ms: AtomicI64::new(NOON_MS), fails: AtomicBool::new(false) };
    let server = Server::builder().clock(clock).start();
    assert_eq!(server.post(event("a")).verdicts(), ["success"]);
    for body in [event("b").to_string(), array((0..5_000).map(|i| event(format!("b{i}"))))] {
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
    assert_eq!(server.post(array((0..10).map(event))).tally(), [10, 0, 0]);
    assert_eq!([total(), total()], [10, 10], "the clock stands still");

    server.clock.advance(-HOUR_MS);
    assert_eq!(total(), 10, "the engine's time does not go back");
    assert_eq!(server.post(event("0")).verdicts(), ["duplicate_event"]);
    assert_eq!(server.post(event("back").offset_ms(-HOUR_MS)).verdicts(), ["too_late"]);
    assert_eq!(server.post(event("noon")).verdicts(), ["success"]);
    assert_eq!(server.get("/readyz").problem(), problem(503, "not_ready"));

    server.clock.set(NOON_MS + HOUR_MS);
    assert_eq!((total(), server.get("/readyz").status), (0, 200), "all events have left the window");
    assert_eq!(server.post(event("0")).verdicts(), ["too_late"], "no event can come back");
    let later = event("0").offset_ms(HOUR_MS);
    assert_eq!(server.post(&later).verdicts(), ["success"], "an id is free after the horizon");
    assert_eq!(server.post(&later).verdicts(), ["duplicate_event"]);

    server.clock.set(NOON_MS);
    server.clock.set(NOON_MS + HOUR_MS);
    assert_eq!(total(), 1);
}

#[test]
fn a_late_runtime_admits_few_batches_and_all_other_requests() {
    // With a maximum of zero the probe is always late.
    let server = Server::builder().http(|http| http.max_queue_delay = Duration::ZERO).start();
    // All batches are admitted until the probe has been late several times.
    let mut holders = Vec::new();
    eventually("a batch is refused", || {
        let mut holder = server.connect();
        let is_admitted = holder.begin_post(2);
        if is_admitted {
            holders.push(holder);
        }
        !is_admitted
    });
    let reply = server.post(event("a"));
    assert_eq!((reply.problem(), reply.header("retry-after")), (problem(503, "overloaded"), "1"));
    assert_eq!([server.get("/healthz").status, server.get("/metrics").status], [200, 200]);
    assert_eq!(server.total_events(), 0, "the refused batch was not ingested");
    while holders.len() >= limits::ADAPTIVE_LIMIT_MIN {
        let mut holder = holders.pop().unwrap();
        holder.send("[]");
        assert_eq!(holder.reply().tally(), [0, 0, 0], "an admitted batch is answered");
    }
    eventually("a batch is admitted", || server.post(event("a")).status == 200);
    assert_eq!(server.total_events(), 1);
}

#[test]
fn bodies_beyond_the_body_memory_are_refused_until_memory_is_free() {
    let server = Server::builder().http(|http| (http.max_body_bytes, http.max_bodies_bytes) = (MIB, 2 * MIB)).start();
    let head = post_head(&format!("content-length: {MIB}"));
    let body = array((0..2_000).map(event));
    // A batch that arrives before the holders' bytes may take their memory. So it waits, and longer with every attempt:
    // the server does not tell when it has read the bytes.
    let mut pause = Duration::from_millis(10);
    let (refused, holders) = wait_for("a batch is refused", || {
        let holders = [(); 2].map(|()| {
            let mut holder = server.connect();
            holder.send(&head);
            holder.send(" ".repeat(MIB - 1));
            holder
        });
        pause *= 2;
        sleep(pause);
        let reply = server.post(&body);
        (reply.status == 503).then_some((reply, holders))
    });
    assert_eq!((refused.problem(), refused.header("retry-after")), (problem(503, "overloaded"), "1"));
    assert_eq!([server.get("/healthz").status, server.get("/metrics").status], [200, 200]);
    drop(holders);
    eventually("a batch is accepted", || server.post(&body).status == 200);
    assert_eq!(server.total_events(), 2_000);
}

#[test]
fn unread_answers_take_memory_from_later_requests() {
    // The answer to this body of 200 KB has about 12 MB.
    let batch = array(vec!["7"; 100_000]);
    let server = Server::builder().http(|http| http.max_bodies_bytes = 16 * MIB).start();
    let mut holder = server.connect();
    holder.send(post_request(&batch));
    holder.wait();
    assert_eq!(server.post(&batch).problem(), problem(503, "overloaded"));
    assert_eq!(server.post(event("a")).verdicts(), ["success"], "a small batch has enough memory");
    assert_eq!(holder.reply().tally(), [0, 0, 100_000]);
    let accepted = wait_for("a large batch is accepted", || {
        let reply = server.post(&batch);
        (reply.status == 200).then_some(reply)
    });
    assert_eq!(accepted.tally(), [0, 0, 100_000]);
}
