//! What nodes of a cluster tell each other, and who stops when they do not agree.

use super::cluster_node::{NOW_MS, Node, OTHER};
use crate::agreement::Agreement;
use crate::answers::NotLogged;
use crate::chain::{Chain, frame_link};
use crate::desk::Work;
use crate::frame::{FRAME_VERSION, Frame, FrameBuilder, Head, Judgement, PeerHead, RowRules};
use crate::limits::{HEARTBEAT_MS, PEER_ROOM_MS, SUSPECT_AGAIN_MS};
use crate::suspect::Suspects;
use crate::topic::{Allowed, Entry, Follow, Lost, LostKind, Place};
use std::sync::Arc;
use std::time::Duration;
use weir::{Clock, EngineConfig, Refusal, Rows};

const THIRD: u64 = 6;
const ALL: Allowed = Allowed { frame_version: FRAME_VERSION, event_types: usize::MAX };

fn rules() -> RowRules {
    RowRules::new(&EngineConfig::default())
}

fn head_of(work: &Work) -> Head {
    Frame::decode(&work.frame.bytes, rules()).unwrap().head
}

fn heartbeat(node: &mut Node) -> Work {
    node.clock.advance(HEARTBEAT_MS);
    let work = node.desk.next_frame().unwrap();
    node.place_and_apply(&work);
    work
}

/// A frame of another node, which says this of itself after it has applied a place.
fn frame(node: &Node, author: u64, applied: u64, peer: PeerHead) -> FrameBuilder {
    let (reading_ms, number) = (node.clock.now_ms(), node.places + 1);
    let chain = chain_of(node).value_at(Place(applied)).unwrap();
    let applied = Place(applied);
    let head = Head { node: author, number, reading_ms, applied, chain, peer: Some(peer), ..Head::default() };
    FrameBuilder::new(&head, Place(applied.0))
}

fn peer(judgements: u64) -> PeerHead {
    PeerHead { judgements, reads_version: FRAME_VERSION, has_no_room: false }
}

/// The chain of what the node has applied.
fn chain_of(node: &Node) -> Chain {
    let mut chain = Chain::new(Place(0));
    (1..=node.places).for_each(|place| chain.push(node.reader.link_at(Place(place)).unwrap()));
    chain
}

fn read(node: &mut Node, bytes: Arc<[u8]>) -> Result<(), Lost> {
    node.places += 1;
    node.reader.read(Entry { place: Place(node.places), bytes, logged_at_ms: Some(node.clock.now_ms()) })
}

#[test]
fn a_node_says_of_itself_only_what_all_nodes_can_read() {
    let mut node = Node::new();
    assert_eq!(head_of(&heartbeat(&mut node)).peer, None);
    node.desk.set_allowed(ALL);
    let mut agreement = Agreement::new();
    agreement.judged(Place(1), &Judgement::Refused(vec![]));
    let expected = peer(agreement.hash());
    assert_eq!(head_of(&heartbeat(&mut node)).peer, Some(expected));
    node.desk.set_no_room(true);
    assert!(head_of(&heartbeat(&mut node)).peer.unwrap().has_no_room);
}

#[test]
fn the_versions_that_all_nodes_read_are_known() {
    let mut node = Node::new();
    assert_eq!((node.desk.figures().peers, node.desk.figures().version_read_by_all), (0, FRAME_VERSION));
    let older = FrameBuilder::new(&Head { node: OTHER, number: 1, reading_ms: NOW_MS, ..Head::default() }, Place(0));
    read(&mut node, older.finish()).unwrap();
    assert_eq!((node.desk.figures().peers, node.desk.figures().version_read_by_all), (1, 1));
    node.clock.advance(10_001);
    let newer = frame(&node, THIRD, 0, PeerHead { reads_version: 9, ..peer(0) });
    read(&mut node, newer.finish()).unwrap();
    assert_eq!((node.desk.figures().peers, node.desk.figures().version_read_by_all), (1, FRAME_VERSION));
}

#[test]
fn no_node_takes_events_while_one_has_no_room_for_them() {
    let mut node = Node::new();
    let full = frame(&node, OTHER, 0, PeerHead { has_no_room: true, ..peer(0) });
    read(&mut node, full.finish()).unwrap();
    node.submit(1);
    assert_eq!(node.answers(), [Err(NotLogged::Overloaded)]);
    assert!(node.desk.figures().is_peer_full);
    let has_room = frame(&node, OTHER, 0, peer(0));
    read(&mut node, has_room.finish()).unwrap();
    node.submit(2);
    assert_eq!(node.answers(), [], "it has room again");

    let full = frame(&node, OTHER, 0, PeerHead { has_no_room: true, ..peer(0) });
    read(&mut node, full.finish()).unwrap();
    node.clock.advance(PEER_ROOM_MS);
    let third = frame(&node, THIRD, 0, peer(0));
    read(&mut node, third.finish()).unwrap();
    node.submit(3);
    assert_eq!(node.answers(), [Err(NotLogged::Overloaded)]);
    node.clock.advance(1);
    let third = frame(&node, THIRD, 0, peer(0));
    read(&mut node, third.finish()).unwrap();
    node.submit(4);
    assert_eq!(node.answers(), [], "a node that is gone keeps no other one back");
}

#[test]
fn an_event_type_that_not_all_nodes_know_is_refused_until_they_do() {
    let node = Node::new();
    let types = |event_types, kind: u8| {
        node.desk.set_allowed(Allowed { frame_version: 1, event_types });
        let (mut rows, answers) = (Rows::default(), Arc::new(std::sync::Mutex::new(vec![])));
        rows.push([kind; 16], [0; 16], NOW_MS / 1_000);
        rows.push([kind + 100; 16], [kind; 16], NOW_MS / 1_000);
        let asker = {
            let answers = Arc::clone(&answers);
            Box::new(move |answer| answers.lock().unwrap().push(answer))
        };
        let reservation = weir::Reservation::default();
        node.desk.submit(crate::Submission { rows, reservation, received_at_ms: NOW_MS, asker });
        std::mem::take(&mut *answers.lock().unwrap())
    };
    assert_eq!(types(2, 2), [Err(NotLogged::Overloaded)]);
    assert_eq!(types(2, 1), []);
    assert_eq!(types(3, 2), []);
}

/// Places 1 and 2: frames of the other node, each with one row that is accepted here. The second one's author records
/// that row as a duplicate.
fn with_a_dispute() -> Node {
    let mut node = Node::new();
    for id in [1, 2] {
        let mut rows = Rows::default();
        rows.push([id; 16], [0; 16], NOW_MS / 1_000);
        let mut frame = frame(&node, OTHER, 0, peer(0));
        frame.push(1, NOW_MS, &rows, 0..1);
        read(&mut node, frame.finish()).unwrap();
    }
    let mut record = frame(&node, OTHER, 2, peer(0));
    assert!(record.record(&Judgement::Refused(vec![(0, Refusal::Duplicate)])), "the frame at place 2");
    read(&mut node, record.finish()).unwrap();
    node
}

/// The hash of a node that has judged these two frames, and one without rows.
fn hash_of(second: Judgement) -> u64 {
    let mut agreement = Agreement::new();
    let judgements = [Judgement::Refused(vec![]), second, Judgement::Refused(vec![])];
    (1..).zip(judgements).for_each(|(place, judgement)| agreement.judged(Place(place), &judgement));
    agreement.hash()
}

#[test]
fn a_record_that_one_node_alone_makes_is_an_alarm_and_stops_no_node() {
    let mut node = with_a_dispute();
    assert_eq!(node.desk.figures().judgements_disputed, 1);
    let of_the_log = hash_of(Judgement::Refused(vec![(0, Refusal::Duplicate)]));
    let author = frame(&node, OTHER, 3, peer(of_the_log));
    read(&mut node, author.finish()).unwrap();
    let same_as_here = frame(&node, THIRD, 3, peer(hash_of(Judgement::Refused(vec![]))));
    read(&mut node, same_as_here.finish()).unwrap();
    let neither = frame(&node, THIRD, 3, peer(5));
    read(&mut node, neither.finish()).unwrap();
    let unknown = frame(&node, THIRD, 3, peer(0));
    read(&mut node, unknown.finish()).unwrap();
    assert_eq!(node.engine.metrics(60).stats.events, 2, "this node stays with its own judgement");
    assert_eq!(node.desk.figures().differing_frames, 2, "those of the author and of the one that is neither");
}

#[test]
fn a_node_stops_when_a_second_node_agrees_with_the_log() {
    let duplicate = || Judgement::Refused(vec![(0, Refusal::Duplicate)]);
    let mut node = with_a_dispute();
    let second = frame(&node, THIRD, 3, peer(hash_of(duplicate())));
    let lost = read(&mut node, second.finish()).unwrap_err();
    assert_eq!(lost.kind, LostKind::JudgedDifferently);
    assert!(lost.why.contains("place 2 was judged differently here than by two other nodes"), "{lost:?}");

    let mut node = with_a_dispute();
    let mut again = frame(&node, OTHER, 2, peer(0));
    again.record(&duplicate());
    read(&mut node, again.finish()).unwrap();
    let mut other = frame(&node, THIRD, 2, peer(0));
    other.record(&Judgement::Refused(vec![]));
    read(&mut node, other.finish()).unwrap();
    let mut second = frame(&node, THIRD, 2, peer(0));
    second.record(&duplicate());
    assert!(read(&mut node, second.finish()).is_err(), "it has recorded the same");
}

/// A log that the test changes.
struct Changed {
    entries: Vec<Arc<[u8]>>,
    reads: usize,
    went_back: Option<String>,
}

impl Follow for Changed {
    fn next(&mut self, _: Duration) -> Result<Option<Entry>, Lost> {
        Ok(None)
    }

    fn read_again(&mut self, place: Place) -> Result<Arc<[u8]>, Lost> {
        self.reads += 1;
        self.entries.get(place.0 as usize - 1).cloned().ok_or_else(|| Lost::log("not there"))
    }

    fn log_went_back(&mut self, why: &str) {
        self.went_back = Some(why.to_owned());
    }
}

/// A node with some frames, and their log.
fn with_frames() -> (Node, Changed) {
    let (mut node, mut entries) = (Node::new(), vec![]);
    for _ in 0..5 {
        entries.push(heartbeat(&mut node).frame.bytes);
    }
    (node, Changed { entries, reads: 0, went_back: None })
}

fn frame_of_another_log(node: &Node, author: u64, named: u64) -> Arc<[u8]> {
    let (reading_ms, number, applied) = (node.clock.now_ms(), node.places + 1, Place(named));
    FrameBuilder::new(&Head { node: author, number, reading_ms, applied, chain: 1, ..Head::default() }, Place(0))
        .finish()
}

#[test]
fn an_author_that_is_wrong_stops_no_node() {
    let (mut node, mut log) = with_frames();
    let mut suspects = Suspects::default();
    for _ in 0..3 {
        let wrong = frame_of_another_log(&node, OTHER, 4);
        read(&mut node, wrong).unwrap();
        let suspect = node.reader.take_suspect().unwrap();
        suspects.check(suspect, &node.reader, &mut log).unwrap();
        assert_eq!(log.reads, 4, "the log is read again once");
    }
    assert_eq!((node.reader.take_suspect(), log.went_back.is_none()), (None, true));
    node.clock.advance(SUSPECT_AGAIN_MS + 1);
    let wrong = frame_of_another_log(&node, OTHER, 4);
    read(&mut node, wrong).unwrap();
    suspects.check(node.reader.take_suspect().unwrap(), &node.reader, &mut log).unwrap();
    assert_eq!(log.reads, 8, "and after a while once more");
}

#[test]
fn a_log_that_has_changed_stops_the_node() {
    for changed in [1, 4] {
        let (mut node, mut log) = with_frames();
        log.entries[changed] = frame_of_another_log(&node, THIRD, 0);
        let other = frame_of_another_log(&node, OTHER, 5);
        read(&mut node, other).unwrap();
        let suspect = node.reader.take_suspect().unwrap();
        let lost = Suspects::default().check(suspect, &node.reader, &mut log).unwrap_err();
        assert!(lost.why.contains(&format!("place {} of the log has changed", changed + 1)), "{lost:?}");
        assert_eq!(log.went_back, Some(lost.why));
    }
}

#[test]
fn a_frame_that_follows_a_later_place_than_its_own_shows_that_the_log_went_back() {
    for ahead in [1, 2] {
        let (mut node, mut log) = with_frames();
        let other = frame_of_another_log(&node, OTHER, 5 + ahead);
        read(&mut node, other).unwrap();
        let suspect = node.reader.take_suspect().unwrap();
        let lost = Suspects::default().check(suspect, &node.reader, &mut log).unwrap_err();
        assert!(lost.why.contains("which the log has lost"), "{lost:?}");
        assert_eq!((lost.kind, log.reads), (LostKind::Log, 0));
        assert_eq!(log.went_back, Some(lost.why));
    }
}

#[test]
fn the_links_of_a_chain_are_those_of_its_frames() {
    let (node, log) = with_frames();
    for (place, bytes) in (1..).zip(&log.entries) {
        let frame = Frame::decode(bytes, rules()).unwrap();
        assert_eq!(node.reader.link_at(Place(place)), Some(frame_link(&frame, bytes.len())));
    }
    assert_eq!((node.reader.link_at(Place(0)), node.reader.link_at(Place(6))), (None, None));
}
