//! Servers that fail: nothing that has a place is lost, and readers get every entry once, in its order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use futures_util::TryStreamExt;
use rustix::process::Signal;
use tokio::runtime::Runtime;
use weir_log::jetstream::Cluster;
use weir_log::{Log, NotPlaced, Place};

use crate::helpers::{
    admin, append, append_surely, begin, leader, lost, next, open, runtime, settings, take, until, wait_until,
};
use crate::nats::Nats;

/// A node with a reader, on three servers that have taken an entry.
fn three_servers() -> Option<(Nats, Runtime, Cluster)> {
    let (nats, runtime) = (Nats::start(3, "")?, runtime());
    let cluster = open(&runtime, &nats, 3);
    append_surely(&mut cluster.frames(), b"first");
    Some((nats, runtime, cluster))
}

/// Appends entries all the time while `fault` happens, and some after it. Every entry with a place must come to a
/// reader that was there before, and to a new one, at that place.
fn nothing_is_lost(cluster: &Cluster, fault: impl FnOnce()) {
    let (mut log, is_over) = (cluster.frames(), AtomicBool::new(false));
    let mut reader = log.follow(Place(0));
    next(&mut *reader);
    let placed: Vec<(Place, u32)> = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut placed, mut after) = (vec![], 0);
            for n in 0_u32.. {
                let place = append_surely(&mut log, &n.to_le_bytes());
                placed.push((place, n));
                after += u32::from(is_over.load(Ordering::Relaxed));
                if after > 20 {
                    break;
                }
            }
            placed
        });
        fault();
        is_over.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let last = placed.last().unwrap().0;
    let mut late = log.follow(Place(1));
    for reader in [&mut reader, &mut late] {
        let entries: Vec<_> = (2..=last.0).map(|_| next(&mut **reader)).collect();
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(entry.place.0, index as u64 + 2);
        }
        for (place, n) in &placed {
            assert_eq!(*entries[place.0 as usize - 2].bytes, n.to_le_bytes(), "place {}", place.0);
        }
    }
    assert_eq!(cluster.status().frames.went_back, None);
}

#[test]
fn a_killed_leader_loses_nothing() {
    let Some((mut nats, runtime, cluster)) = three_servers() else { return };
    let leader = leader(&runtime, &nats);
    nothing_is_lost(&cluster, || nats.kill(leader));
    nats.launch(leader);
}

#[test]
fn a_killed_follower_loses_nothing_and_neither_does_its_return() {
    let Some((mut nats, runtime, cluster)) = three_servers() else { return };
    let follower = (leader(&runtime, &nats) + 1) % 3;
    nothing_is_lost(&cluster, || {
        nats.kill(follower);
        append_surely(&mut cluster.frames(), &[0; 4]);
        nats.launch(follower);
    });
}

#[test]
fn a_leader_that_stops_to_answer_loses_nothing() {
    let Some((nats, runtime, cluster)) = three_servers() else { return };
    let leader = leader(&runtime, &nats);
    nothing_is_lost(&cluster, || {
        nats.signal(leader, Signal::STOP);
        // An entry gets a place only after another server has become the leader.
        append_surely(&mut cluster.frames(), &[0; 4]);
        nats.signal(leader, Signal::CONT);
    });
}

#[test]
fn without_a_quorum_nothing_gets_a_place_and_with_it_all_goes_on() {
    let Some((mut nats, runtime, cluster)) = three_servers() else { return };
    let leader = leader(&runtime, &nats);
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    let mut log = cluster.frames();
    let mut reader = log.follow(Place(1));
    others.iter().for_each(|index| nats.kill(*index));
    let answer = begin(&mut log, b"in the dark").recv().unwrap();
    assert_ne!(answer.ok(), Some(Place(2)), "one of three servers is no quorum");
    others.iter().for_each(|index| nats.launch(*index));
    let place = append_surely(&mut log, b"in the light");
    let entries = take(&mut *reader, place.0 as usize - 1);
    // The entry without an answer may be in the log, once or more often, and so may a copy of the last one.
    let dark = entries.iter().filter(|entry| *entry.bytes == *b"in the dark").count();
    assert!(entries.iter().all(|entry| entry.bytes.starts_with(b"in the")), "{dark} of {}", entries.len());
    assert_eq!(*entries.last().unwrap().bytes, *b"in the light");
}

#[test]
fn what_was_not_sent_is_certainly_not_in_the_log() {
    let Some(mut nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = cluster.frames();
    assert_eq!(append(&mut log, b"one"), Ok(Place(1)));
    nats.kill(0);
    wait_until("the connection is lost", || !cluster.status().is_connected);
    assert_eq!(append(&mut log, b"never sent"), Err(NotPlaced::Full));
    nats.launch(0);
    assert_eq!(append_surely(&mut log, b"two"), Place(2));
}

#[test]
fn a_server_that_stops_for_a_moment_delays_the_answer_and_copies_are_sent() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = cluster.frames();
    let mut reader = log.follow(Place(0));
    assert_eq!(append(&mut log, b"one"), Ok(Place(1)));
    nats.signal(0, Signal::STOP);
    let answer = begin(&mut log, b"two");
    wait_until("a copy is sent", || cluster.status().frames.resent > 0);
    nats.signal(0, Signal::CONT);
    assert_eq!(answer.recv().unwrap(), Ok(Place(2)), "the first landing is answered");
    let entries = take(&mut *reader, 3);
    let bytes: Vec<&[u8]> = entries.iter().map(|entry| &entry.bytes[..]).collect();
    assert_eq!(bytes, [&b"one"[..], b"two", b"two"], "a copy lands, too");
}

/// The log in the stream of this name.
fn log_of(cluster: &Cluster, stream: &str) -> impl Log + use<> {
    if stream == "WEIR" { cluster.frames() } else { cluster.reference() }
}

/// The names of all consumers of the stream.
async fn consumers(stream: &Stream) -> Vec<String> {
    stream.consumer_names().try_collect().await.unwrap()
}

/// A reader of the stream, on one server. `fault` gets the stream and the name of each consumer. The next entry must
/// come by another consumer.
fn another_consumer_goes_on(stream: &str, fault: &impl AsyncFn(&Stream, &str)) {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = log_of(&cluster, stream);
    append_surely(&mut log, b"one");
    let mut reader = log.follow(Place(0));
    next(&mut *reader);
    let admin = admin(&runtime, &nats);
    let stream = runtime.block_on(admin.get_stream(stream)).unwrap();
    // The reader may make a consumer meanwhile, because nothing else is written.
    let broken = until("all consumers are broken", || {
        runtime.block_on(async {
            let names = consumers(&stream).await;
            for name in &names {
                fault(&stream, name).await;
            }
            consumers(&stream).await.iter().all(|name| names.contains(name)).then_some(names)
        })
    });
    append_surely(&mut log, b"two");
    assert_eq!(*next(&mut *reader).bytes, *b"two");
    let is_new = |name: &String| !broken.contains(name);
    assert!(runtime.block_on(consumers(&stream)).iter().any(is_new), "the entry came by another consumer");
}

#[test]
fn a_reader_makes_a_new_consumer_when_its_consumer_is_gone() {
    // The reader may have given up a consumer before.
    another_consumer_goes_on("WEIR", &async |stream, name| _ = stream.delete_consumer(name).await);
}

#[test]
fn a_reader_makes_a_new_consumer_when_its_consumer_is_silent() {
    for stream in ["WEIR", "WEIR_REFERENCE"] {
        // A paused consumer hands over nothing. It still sends heartbeats, so the library sees no error.
        another_consumer_goes_on(stream, &async |stream, name| {
            let in_a_day = stream.cached_info().created + Duration::from_secs(24 * 60 * 60);
            assert!(stream.pause_consumer(name, in_a_day).await.unwrap().paused);
        });
    }
}

#[test]
fn a_stream_that_was_made_anew_is_another_log() {
    for stream in ["WEIR", "WEIR_REFERENCE"] {
        let Some(nats) = Nats::start(1, "") else { return };
        let runtime = runtime();
        let cluster = open(&runtime, &nats, 1);
        let mut log = log_of(&cluster, stream);
        append_surely(&mut log, b"one");
        let mut reader = log.follow(Place(0));
        next(&mut *reader);
        runtime.block_on(admin(&runtime, &nats).delete_stream(stream)).unwrap();
        open(&runtime, &nats, 1);
        let why = lost(&mut *reader);
        assert_eq!(why, format!("the stream {stream} was deleted and created again"));
    }
}

#[test]
fn a_log_that_lost_its_end_is_found_out_by_a_reader_and_by_a_writer() {
    let Some(mut nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = cluster.frames();
    append_surely(&mut log, b"one");
    let copy = nats.copy_store(0);
    append_surely(&mut log, b"two");
    let mut reader = log.follow(Place(0));
    take(&mut *reader, 2);
    nats.kill(0);
    nats.restore_store(0, &copy);
    nats.launch(0);
    assert_eq!(lost(&mut *reader), "the stream WEIR ends at place 1, but 2 was read");
    assert!(cluster.status().frames.went_back.is_some());
    assert_eq!(append(&mut log, b"three"), Err(NotPlaced::Unknown), "place 2 was given away before");
    // A node that has read nothing cannot know. The chain in the frames finds it out.
    let mut fresh = open_again(&runtime, &nats).frames();
    assert_eq!(next(&mut *fresh.follow(Place(0))).place, Place(1));
    wait_until("the node stays stopped", || cluster.status().frames.went_back.is_some());
}

fn open_again(runtime: &Runtime, nats: &Nats) -> Cluster {
    crate::helpers::open_with(runtime, &settings(&nats.url(), 1))
}

#[test]
fn a_quiet_log_is_no_fault_for_a_reader_of_changes() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = cluster.reference();
    let mut reader = log.follow(Place(0));
    assert_eq!(reader.next(Duration::from_millis(4_000)), Ok(None));
    assert_eq!(cluster.status().reference.reader_restarts, 0);
    append_surely(&mut log, b"table");
    assert_eq!(*next(&mut *reader).bytes, *b"table");
}

#[test]
fn an_entry_that_no_stream_took_may_still_be_in_the_log() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let mut log = open(&runtime, &nats, 1).frames();
    append_surely(&mut log, b"one");
    runtime.block_on(admin(&runtime, &nats).delete_stream("WEIR")).unwrap();
    // "No responders" is also the answer while a stream has no leader, so it is not sure.
    assert_eq!(append(&mut log, b"two"), Err(NotPlaced::Unknown));
}
