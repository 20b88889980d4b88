//! Several nodes over real servers: one order, one answer.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::runtime::Runtime;
use weir::Change;
use weir_log::{NotLogged, Progress};

use crate::helpers::{admin, leader, runtime, settings, until, wait_until};
use crate::nats::Nats;
use crate::node::Node;

/// The ids whose acceptance was acknowledged.
#[derive(Default)]
struct Accepted {
    ids: Mutex<BTreeSet<u64>>,
    count: AtomicU64,
}

/// The ids that clients share: each one comes from many of them, with other users and through other nodes.
const SHARED_IDS: u64 = 500;

/// Ends the load when it is dropped, so that a panic is the end of the test.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Posts batches to the nodes in turn, until `is_over`. The acceptance of an id is acknowledged once.
fn client(number: u64, nodes: &[Node], accepted: &Accepted, is_over: &AtomicBool) {
    let (user, over) = (format!("u{number}"), Over(is_over));
    for round in 0_u64.. {
        let node = &nodes[((round + number) % nodes.len() as u64) as usize];
        let own = 1_000_000 * (number + 1) + round * 10;
        let shared = (round * 7 + number * 13) % SHARED_IDS;
        let ids: Vec<u64> = (own..own + 10).chain([shared, (shared + 1) % SHARED_IDS]).collect();
        match node.post(&user, &ids) {
            Ok(outcome) => {
                let refused: BTreeSet<u32> = outcome.refused().iter().map(|(row, _)| *row).collect();
                let mut ids_accepted = accepted.ids.lock().unwrap();
                for (row, id) in ids.iter().enumerate() {
                    if !refused.contains(&(row as u32)) {
                        assert!(ids_accepted.insert(*id), "{id} was acknowledged twice");
                        accepted.count.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
            // Nothing of it is in the log.
            Err(NotLogged::Overloaded) => {}
            Err(error) => panic!("{error:?}: the fault lasts longer than the log's patience"),
        }
        if is_over.load(Ordering::SeqCst) {
            break;
        }
    }
    drop(over);
}

/// A query on any node, begun after a batch was acknowledged by any other one, shows the batch.
fn reader(nodes: &[Node], accepted: &Accepted, is_over: &AtomicBool) -> usize {
    let (mut answers, over) = (0, Over(is_over));
    for round in 0_usize.. {
        let node = &nodes[round % nodes.len()];
        let (before, as_of) = (accepted.count.load(Ordering::SeqCst), node.engine.now_ms());
        if node.barrier().is_ok() {
            let events = node.engine.metrics(1_800).stats.events;
            assert!(events >= before, "{events} events, but {before} were acknowledged");
            assert!(node.engine.now_ms() >= as_of);
            answers += 1;
        }
        if is_over.load(Ordering::SeqCst) {
            break;
        }
    }
    drop(over);
    answers
}

/// Four clients and a reader, while something happens. Returns the accepted ids, and the number of answers.
fn load(nodes: &[Node], fault: impl FnOnce(&Accepted)) -> (Accepted, usize) {
    let (accepted, is_over) = (Accepted::default(), AtomicBool::new(false));
    let answers = std::thread::scope(|scope| {
        let (accepted, is_over) = (&accepted, &is_over);
        let clients: Vec<_> = (0..4).map(|n| scope.spawn(move || client(n, nodes, accepted, is_over))).collect();
        let reader = scope.spawn(move || reader(nodes, accepted, is_over));
        let over = Over(is_over);
        fault(accepted);
        drop(over);
        clients.into_iter().for_each(|client| client.join().unwrap());
        reader.join().unwrap()
    });
    (accepted, answers)
}

/// All nodes, and a new one, show exactly the accepted events.
fn all_agree(runtime: &Runtime, nats: &Nats, servers: usize, nodes: &[Node], accepted: &Accepted) {
    let accepted = accepted.ids.lock().unwrap().len() as u64;
    let fresh = Node::start(runtime, &settings(&nats.url(), servers));
    for node in nodes.iter().chain([&fresh]) {
        assert_eq!(node.totals(), (accepted, 4));
        assert_eq!(node.logged.progress(), Progress::Ready);
    }
    assert!(nodes.iter().all(|node| node.logged.figures().judgements_compared > 0));
}

/// Waits until more events are accepted.
fn wait_for(accepted: &Accepted, more: u64) {
    let goal = accepted.count.load(Ordering::SeqCst) + more;
    wait_until("events are accepted", || accepted.count.load(Ordering::SeqCst) >= goal);
}

#[test]
fn nodes_count_each_id_once_and_a_read_on_any_node_sees_every_acknowledged_event() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let nodes: Vec<_> = (0..3).map(|_| Node::start(&runtime, &settings(&nats.url(), 1))).collect();
    let (accepted, answers) = load(&nodes, |accepted| wait_for(accepted, 5_000));
    assert!(answers > 0);
    all_agree(&runtime, &nats, 1, &nodes, &accepted);
    assert!(nodes.iter().all(|node| node.logged.figures().void_frames == 0));
}

#[test]
fn a_message_of_another_program_counts_for_nothing_and_stops_no_node() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let nodes: Vec<_> = (0..2).map(|_| Node::start(&runtime, &settings(&nats.url(), 1))).collect();
    nodes[0].post("u", &[1]).unwrap();
    let context = admin(&runtime, &nats);
    for subject in ["WEIR.log", "WEIR.reference", "WEIR.reference"] {
        let garbage = runtime.block_on(async { context.publish(subject, "\0garbage".into()).await.unwrap().await });
        garbage.unwrap();
    }
    nodes[1].change(Change::Merge, r#"{"u":{"plan":"pro","region":"eu"}}"#, 1).unwrap();
    until("the nodes go on", || nodes[1].post("u", &[2]).ok());
    let fresh = Node::start(&runtime, &settings(&nats.url(), 1));
    for node in nodes.iter().chain([&fresh]) {
        assert_eq!(node.totals(), (2, 1));
        assert_eq!((node.engine.reference().number(), node.logged.progress()), (1, Progress::Ready));
    }
    assert!(nodes.iter().all(|node| node.logged.figures().void_frames == 1));
}

#[test]
fn a_node_joins_and_another_one_leaves_under_load() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let nodes: Vec<_> = (0..2).map(|_| Node::start(&runtime, &settings(&nats.url(), 1))).collect();
    let (accepted, _) = load(&nodes, |accepted| {
        wait_for(accepted, 500);
        let joined = Node::start(&runtime, &settings(&nats.url(), 1));
        let before = accepted.count.load(Ordering::SeqCst);
        assert!(joined.totals().0 >= before);
        wait_for(accepted, 500);
        drop(joined);
        wait_for(accepted, 500);
    });
    all_agree(&runtime, &nats, 1, &nodes, &accepted);
}

#[test]
fn a_killed_leader_of_the_log_changes_no_answer() {
    let Some(mut nats) = Nats::start(3, "") else { return };
    let runtime = runtime();
    let nodes: Vec<_> = (0..3).map(|_| Node::start(&runtime, &settings(&nats.url(), 3))).collect();
    let leader = leader(&runtime, &nats);
    let (accepted, _) = load(&nodes, |accepted| {
        wait_for(accepted, 500);
        nats.kill(leader);
        wait_for(accepted, 500);
        nats.launch(leader);
        wait_for(accepted, 500);
    });
    all_agree(&runtime, &nats, 3, &nodes, &accepted);
}

#[test]
fn without_a_quorum_a_node_answers_nothing_and_later_all_is_as_before() {
    let Some(mut nats) = Nats::start(3, "") else { return };
    let runtime = runtime();
    let node = Node::start(&runtime, &settings(&nats.url(), 3));
    let accepted = node.post("u", &[1, 2, 3]).unwrap();
    assert_eq!(accepted.refused(), []);
    let leader = leader(&runtime, &nats);
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    others.iter().for_each(|index| nats.kill(*index));
    assert_eq!(node.barrier(), Err(NotLogged::Unavailable));
    assert!(node.post("u", &[4]).is_err());
    others.iter().for_each(|index| nats.launch(*index));
    // The batch without an answer may be in the log. Sent again, it tells what became of it.
    until("the batch is taken", || node.post("u", &[4]).ok());
    assert_eq!(node.totals(), (4, 1));
    assert_eq!(node.logged.progress(), Progress::Ready);
}
