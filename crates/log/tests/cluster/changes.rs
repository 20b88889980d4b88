//! Changes of the reference table through several nodes: one order, and one generation everywhere.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use weir::{Change, ReferenceError};
use weir_log::NotChanged;

use crate::helpers::{runtime, settings, wait_until};
use crate::nats::Nats;
use crate::node::Node;

fn start(runtime: &tokio::runtime::Runtime, nats: &Nats, count: usize) -> Vec<Node> {
    (0..count).map(|_| Node::start(runtime, &settings(&nats.url(), 1))).collect()
}

fn table(user: &str, plan: &str) -> String {
    format!(r#"{{"{user}":{{"plan":"{plan}","region":"eu"}}}}"#)
}

#[test]
fn the_generation_never_goes_back_from_node_to_node() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let nodes = start(&runtime, &nats, 3);
    let (newest, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (nodes, newest, is_over) = (&nodes, &newest, &is_over);
        for first in 0..3 {
            scope.spawn(move || {
                for round in first.. {
                    let (node, before) = (&nodes[round % 3], newest.load(Ordering::SeqCst));
                    if node.barrier().is_ok() {
                        let number = node.engine.reference().number();
                        assert!(number >= before, "generation {number} after an answer of {before}");
                        newest.fetch_max(number, Ordering::SeqCst);
                    }
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        for round in 0..60_u64 {
            let node = &nodes[(round % 3) as usize];
            let answer = node.change(Change::Merge, &table(&format!("u{round}"), "pro"), round as i64);
            let number = answer.unwrap().number();
            assert_eq!(number, round + 1, "a node judges by what the other ones have changed");
            newest.fetch_max(number, Ordering::SeqCst);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let fresh = Node::start(&runtime, &settings(&nats.url(), 1));
    fresh.barrier().unwrap();
    let copy = fresh.engine.copy_reference().unwrap();
    assert_eq!((copy.number, copy.users.len()), (60, 60));
}

#[test]
fn of_two_tables_with_one_timestamp_every_node_takes_the_same() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let nodes = start(&runtime, &nats, 2);
    for round in 1..=10 {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let put = |index: usize| {
                let node = &nodes[index];
                scope.spawn(move || node.change(Change::Replace, &table("u", &format!("plan{index}")), round))
            };
            let threads: Vec<_> = (0..2).map(put).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<_> = (0..2).filter(|index| answers[*index].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        let loser = answers[1 - winners[0]].as_ref().unwrap_err();
        assert!(matches!(loser, NotChanged::Refused(ReferenceError::Stale { .. })), "{loser:?}");
        for node in &nodes {
            node.barrier().unwrap();
            assert_eq!(node.engine.user("u").unwrap()[0], format!("plan{}", winners[0]));
        }
    }
}

#[test]
fn a_copy_of_the_table_stands_for_the_changes_before_it() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let nodes = start(&runtime, &nats, 2);
    nodes[0].change(Change::Merge, &table("u1", "pro"), 1).unwrap();
    nodes[1].change(Change::Replace, &table("u2", "free"), 2).unwrap();
    // The author of the table copies it; then what the copy stands for is removed.
    wait_until("the changes are removed", || nodes[1].status().reference.first == 3);
    nodes[0].change(Change::Merge, &table("u3", "pro"), 3).unwrap();
    let last = nodes[0].status().reference.last;
    assert_eq!(last, 4, "one copy by one node: two changes, the copy, and a change");
    let fresh = Node::start(&runtime, &settings(&nats.url(), 1));
    fresh.barrier().unwrap();
    let copy = fresh.engine.copy_reference().unwrap();
    assert_eq!((copy.number, copy.users.len()), (3, 2));
}

#[test]
fn a_large_table_goes_through_the_store_of_bodies() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let nodes = start(&runtime, &nats, 2);
    let users: Vec<_> = (0..20_000).map(|n| format!(r#""user-{n}":{{"plan":"pro","region":"eu"}}"#)).collect();
    nodes[0].change(Change::Replace, &format!("{{{}}}", users.join(",")), 1).unwrap();
    nodes[1].barrier().unwrap();
    assert_eq!(nodes[1].engine.reference().users(), 20_000);
}
