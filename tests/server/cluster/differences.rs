//! Nodes that have judged a batch otherwise than the log has recorded.

use super::{Cluster, counted};
use crate::common::requests::{now_ms, post, samples};
use crate::common::{Running, event, eventually};
use weir::{Refusal, Rows};
use weir_log::Place;
use weir_log::frame::{FrameBuilder, Head, Judgement};

/// Appends a frame of a node that does not exist, and returns its place.
fn forge(cluster: &Cluster, node: u64, number: u64, recorded_from: u64, fill: impl FnOnce(&mut FrameBuilder)) -> u64 {
    let head = Head { node, number, reading_ms: now_ms(), ..Head::default() };
    let mut frame = FrameBuilder::new(&head, Place(recorded_from));
    fill(&mut frame);
    let answer = cluster.ask_nats("WEIR.log", frame.finish());
    serde_json::from_str::<serde_json::Value>(&answer).unwrap()["seq"].as_u64().unwrap()
}

fn disputed(node: &Running) -> f64 {
    samples(node).get("weir_log_disputed_total")
}

/// Every node accepts the row of a forged frame. The log then says that it was refused.
#[test]
fn a_node_that_differs_from_two_others_ends_and_goes_on_by_what_is_recorded() {
    let Some(cluster) = Cluster::start(1) else { return };
    let node = cluster.node("n1", &[]);
    assert_eq!(post(&node, event("a").at_ms(now_ms())).tally(), [1, 0, 0]);
    let mut rows = Rows::default();
    rows.push([7; 16], [0; 16], now_ms() / 1_000);
    let place = forge(&cluster, 1, 1, 0, |frame| frame.push(1, now_ms(), &rows, 0..1));
    let record = |frame: &mut FrameBuilder| assert!(frame.record(&Judgement::Refused(vec![(0, Refusal::Duplicate)])));
    forge(&cluster, 1, 2, place, record);
    // One node that says otherwise is an alarm.
    eventually("the dispute is noticed", || disputed(&node) == 1.0);
    assert_eq!(counted(&node), 2);
    forge(&cluster, 2, 1, place, record);
    let (code, log) = node.end();
    assert_eq!(code, Some(1), "{log}");
    let line = log.lines().last().unwrap();
    let cause = format!("the frame at place {place} was judged differently here than by two other nodes");
    assert!(line.starts_with("weir: outcomes_differ: ") && line.contains(&cause), "{log}");
    // A new process believes what is recorded.
    let again = cluster.node("n1", &[]);
    assert_eq!((counted(&again), disputed(&again)), (1, 0.0));
}
