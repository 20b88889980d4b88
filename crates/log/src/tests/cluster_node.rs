//! One node of a cluster: barriers, heartbeats, its clock, and which judgements it records.

use crate::answers::{Answer, NotLogged};
use crate::desk::{Desk, Work};
use crate::frame::{FRAME_VERSION, Frame, FrameBuilder, Head, Judgement, RowRules};
use crate::limits::{
    AUTHOR_RECORDS_MS, BARRIER_EVERY_MS, BARRIER_MS_MAX, CLOCK_OFFSET_MS_MAX, CLOCK_OFFSETS_KEPT, HEARTBEAT_MS,
    UNPLACED_MS_MAX, WAITING_BARRIERS_MAX,
};
use crate::order::Submission;
use crate::reader::Reader;
use crate::topic::{Entry, NotPlaced, Place};
use std::sync::{Arc, Mutex};
use weir::{Engine, EngineConfig, ManualClock, Outcome, Reservation, Rows, Secret};

pub(super) const NOW_MS: i64 = 1_760_000_000_123;
const NODE: u64 = 77;
pub(super) const OTHER: u64 = 5;

/// A barrier and its answer.
type Released = (u32, Result<(), NotLogged>);

/// A node of a cluster; the test is its log. The clock of the log is the one of the node, `log_ahead_ms` ahead.
pub(super) struct Node {
    pub(super) desk: Arc<Desk>,
    pub(super) reader: Reader,
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<ManualClock>,
    log_ahead_ms: i64,
    released: Arc<Mutex<Vec<Released>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
    pub(super) places: u64,
}

impl Node {
    pub(super) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let secret = Secret::from_bytes([7; 32]);
        // The engine's clock is log time alone.
        let engine = Engine::with_secret(EngineConfig::default(), ManualClock::new(0), &secret).unwrap();
        let engine = Arc::new(engine);
        let desk = Arc::new(Desk::new(NODE, 4, true, 1, Box::new(Arc::clone(&clock))));
        let mut reader = Reader::new(Arc::clone(&desk), Arc::clone(&engine), Box::new(ManualClock::new(0)));
        reader.end_of_log().unwrap();
        let (released, answers) = (Arc::default(), Arc::default());
        Self { desk, reader, engine, clock, log_ahead_ms: 0, released, answers, places: 0 }
    }

    pub(super) fn ask(&self, name: u32) {
        let released = Arc::clone(&self.released);
        self.desk.barrier(Box::new(move |answer| released.lock().unwrap().push((name, answer))));
    }

    /// The barriers that were answered since the last call.
    fn released(&self) -> Vec<Released> {
        std::mem::take(&mut self.released.lock().unwrap())
    }

    pub(super) fn submit(&self, id: u8) {
        let mut rows = Rows::default();
        rows.push([id; 16], [0; 16], NOW_MS / 1_000);
        let answers = Arc::clone(&self.answers);
        let asker = Box::new(move |answer| answers.lock().unwrap().push(answer));
        let reservation = Reservation::default();
        self.desk.submit(Submission { rows, reservation, received_at_ms: NOW_MS, asker });
    }

    pub(super) fn answers(&self) -> Vec<Answer> {
        std::mem::take(&mut self.answers.lock().unwrap())
    }

    pub(super) fn apply(&mut self, bytes: &Arc<[u8]>) {
        use weir::Clock;
        self.places += 1;
        let logged_at_ms = Some(self.clock.now_ms() + self.log_ahead_ms);
        let entry = Entry { place: Place(self.places), bytes: Arc::clone(bytes), logged_at_ms };
        self.reader.read(entry).unwrap();
    }

    pub(super) fn place_and_apply(&mut self, work: &Work) {
        self.desk.placed(work.frame.number, Ok(Place(self.places + 1)));
        self.apply(&work.frame.bytes);
    }

    /// A frame of another node, made now, with one row if there is an id.
    fn frame_of_other(&self, number: u64, id: Option<u8>) -> Arc<[u8]> {
        self.frame_that_names(0, number, id)
    }

    /// A frame of another node that has prepared the generation `table`.
    fn frame_that_names(&self, table: u64, number: u64, id: Option<u8>) -> Arc<[u8]> {
        use weir::Clock;
        let reading_ms = self.clock.now_ms();
        let head = Head { node: OTHER, number, reading_ms, table, log_ms: i64::MIN, ..Head::default() };
        let mut frame = FrameBuilder::new(&head, Place(0));
        if let Some(id) = id {
            let mut rows = Rows::default();
            rows.push([id; 16], [0; 16], reading_ms / 1_000);
            frame.push(1, reading_ms, &rows, 0..1);
        }
        frame.finish()
    }
}

fn recorded(work: &Work) -> Vec<(u64, Judgement)> {
    let frame = Frame::decode(&work.frame.bytes, RowRules::new(&EngineConfig::default())).unwrap();
    frame.judgements().map(|(place, judgement)| (place.0, judgement.clone())).collect()
}

#[test]
fn a_barrier_is_released_when_its_frame_is_applied_and_not_before() {
    let mut node = Node::new();
    let earlier = node.frame_of_other(1, Some(1));
    (1..=3).for_each(|name| node.ask(name));
    let work = node.desk.next_frame().unwrap();
    assert!(work.frame.is_necessary, "reads go on while the log is full for rows");
    node.ask(4);
    assert!(node.desk.next_frame().is_none(), "the next frame for barriers alone comes later");
    node.desk.placed(work.frame.number, Ok(Place(2)));
    assert_eq!(node.released(), [], "a frame with a place is not applied yet");
    node.apply(&earlier);
    assert_eq!(node.released(), []);
    node.apply(&work.frame.bytes);
    assert_eq!(node.released(), [(1, Ok(())), (2, Ok(())), (3, Ok(()))]);
    assert_eq!(node.engine.metrics(60).stats.events, 1, "what came before it is applied");

    node.clock.advance(BARRIER_EVERY_MS - 1);
    assert!(node.desk.next_frame().is_none());
    node.clock.advance(1);
    let work = node.desk.next_frame().unwrap();
    node.place_and_apply(&work);
    assert_eq!(node.released(), [(4, Ok(()))]);
    node.apply(&work.frame.bytes);
    assert_eq!(node.released(), [], "a copy releases nothing");
}

#[test]
fn a_frame_with_rows_releases_barriers_without_delay() {
    let mut node = Node::new();
    node.ask(1);
    let first = node.desk.next_frame().unwrap();
    node.ask(2);
    node.submit(9);
    let second = node.desk.next_frame().expect("rows do not wait for the next barrier");
    node.place_and_apply(&first);
    node.place_and_apply(&second);
    assert_eq!(node.released(), [(1, Ok(())), (2, Ok(()))]);
    assert_eq!(node.answers(), [Ok(Outcome::accepted(1))]);
}

#[test]
fn a_barrier_of_a_void_frame_gets_one_more_frame() {
    let mut node = Node::new();
    node.ask(1);
    let work = node.desk.next_frame().unwrap();
    node.log_ahead_ms = 31_000;
    node.place_and_apply(&work);
    assert_eq!(node.released(), []);
    node.clock.advance(BARRIER_EVERY_MS);
    let work = node.desk.next_frame().unwrap();
    node.place_and_apply(&work);
    assert_eq!(node.released(), [(1, Err(NotLogged::Unavailable))]);
    assert_eq!(node.desk.figures().waiting_barriers, 0);

    node.log_ahead_ms = 0;
    node.ask(2);
    node.clock.advance(BARRIER_EVERY_MS);
    let void = node.desk.next_frame().unwrap();
    node.log_ahead_ms = 31_000;
    node.place_and_apply(&void);
    node.log_ahead_ms = 0;
    node.clock.advance(BARRIER_EVERY_MS);
    let work = node.desk.next_frame().unwrap();
    node.place_and_apply(&work);
    assert_eq!(node.released(), [(2, Ok(()))]);
}

#[test]
fn a_barrier_without_an_answer_is_refused_after_two_seconds() {
    let mut node = Node::new();
    node.ask(1);
    let lost = node.desk.next_frame().unwrap();
    // Its frame has no place, so it joins the next one.
    node.desk.placed(lost.frame.number, Err(NotPlaced::Unknown));
    node.clock.advance(BARRIER_EVERY_MS);
    let silent = node.desk.next_frame().unwrap();
    assert!(silent.frame.number > lost.frame.number);
    node.clock.advance(BARRIER_MS_MAX - BARRIER_EVERY_MS);
    node.desk.next_frame();
    assert_eq!(node.released(), []);
    node.clock.advance(1);
    node.desk.next_frame();
    assert_eq!(node.released(), [(1, Err(NotLogged::Unavailable))]);
    // While a frame waits too long for its place, barriers are refused at once.
    node.clock.advance(UNPLACED_MS_MAX);
    node.ask(2);
    assert_eq!(node.released(), [(2, Err(NotLogged::Unavailable))]);
    node.place_and_apply(&silent);
    assert_eq!(node.released(), [], "each barrier is answered once");
}

#[test]
fn the_number_of_barriers_is_bounded() {
    let node = Node::new();
    (0..=WAITING_BARRIERS_MAX as u32).for_each(|name| node.ask(name));
    assert_eq!(node.released(), [(WAITING_BARRIERS_MAX as u32, Err(NotLogged::Overloaded))]);
    node.desk.close();
    node.ask(0);
    assert_eq!(node.released(), [(0, Err(NotLogged::Unavailable))]);
}

#[test]
fn a_log_of_one_process_needs_no_barrier() {
    let clock = ManualClock::new(NOW_MS);
    let desk = Desk::new(NODE, 1, false, 1, Box::new(clock));
    let released = Arc::new(Mutex::new(vec![]));
    let asker = Box::new({
        let released = Arc::clone(&released);
        move |answer| released.lock().unwrap().push(answer)
    });
    desk.barrier(asker);
    assert_eq!(*released.lock().unwrap(), [Ok(())]);
    assert!(desk.next_frame().is_none());
}

#[test]
fn a_node_of_a_cluster_writes_heartbeats() {
    let mut node = Node::new();
    assert!(node.desk.next_frame().is_none());
    for _ in 0..3 {
        node.clock.advance(HEARTBEAT_MS - 1);
        assert!(node.desk.next_frame().is_none());
        node.clock.advance(1);
        let work = node.desk.next_frame().unwrap();
        node.place_and_apply(&work);
    }
    node.clock.advance(-10_000);
    assert!(node.desk.next_frame().is_some(), "also after its clock was set back");
    node.desk.close();
    node.clock.advance(20_000);
    assert!(node.desk.next_frame().is_none(), "but not when it stops");
}

#[test]
fn queries_see_log_time_and_nothing_else() {
    let mut node = Node::new();
    let before = node.engine.now_ms();
    node.clock.advance(1_000);
    assert_eq!(node.engine.now_ms(), before);
    let frame = node.frame_of_other(1, None);
    node.apply(&frame);
    assert_eq!(node.engine.now_ms(), NOW_MS + 1_000);
}

#[test]
fn a_frame_is_void_if_its_readings_are_far_from_the_clock_of_the_log() {
    for (ahead_ms, is_void) in [(30_000, false), (30_001, true), (-5_000, false), (-5_001, true)] {
        let mut node = Node::new();
        node.log_ahead_ms = ahead_ms;
        let frame = node.frame_of_other(1, Some(1));
        node.apply(&frame);
        assert_eq!(node.desk.figures().void_frames, u64::from(is_void), "{ahead_ms}");
        assert_eq!(node.engine.metrics(60).stats.events, u64::from(!is_void), "{ahead_ms}");
    }
}

#[test]
fn a_node_whose_clock_is_off_takes_no_batches_until_it_is_right_again() {
    for sign in [1, -1] {
        let mut node = Node::new();
        let heartbeat = |node: &mut Node, log_ahead_ms| {
            node.log_ahead_ms = log_ahead_ms;
            node.clock.advance(HEARTBEAT_MS);
            let work = node.desk.next_frame().unwrap();
            node.place_and_apply(&work);
        };
        heartbeat(&mut node, sign * CLOCK_OFFSET_MS_MAX);
        assert_eq!(node.desk.figures().clock_offset_ms, Some(sign * CLOCK_OFFSET_MS_MAX));
        assert!(!node.desk.figures().is_clock_off);
        let mut node = Node::new();
        (0..CLOCK_OFFSETS_KEPT).for_each(|_| heartbeat(&mut node, sign * (CLOCK_OFFSET_MS_MAX + 1)));
        assert!(node.desk.figures().is_clock_off);
        node.submit(1);
        assert_eq!(node.answers(), [Err(NotLogged::Overloaded)]);
        (0..CLOCK_OFFSETS_KEPT).for_each(|_| heartbeat(&mut node, 3));
        assert_eq!(node.desk.figures().clock_offset_ms, Some(3));
        node.submit(1);
        assert_eq!(node.answers(), []);
    }
}

#[test]
fn a_slow_answer_is_no_wrong_clock() {
    let mut node = Node::new();
    for log_ahead_ms in [9_000, 4, 7_000] {
        node.clock.advance(HEARTBEAT_MS);
        let work = node.desk.next_frame().unwrap();
        node.log_ahead_ms = log_ahead_ms;
        node.place_and_apply(&work);
    }
    assert_eq!(node.desk.figures().clock_offset_ms, Some(4));
}

#[test]
fn the_author_of_a_frame_records_it_and_others_only_after_a_while() {
    let mut node = Node::new();
    let accepted = Judgement::Refused(vec![]);
    let other = node.frame_of_other(1, Some(1));
    node.submit(2);
    let own = node.desk.next_frame().unwrap();
    node.apply(&other);
    node.place_and_apply(&own);
    node.ask(1);
    let next = node.desk.next_frame().unwrap();
    assert_eq!(recorded(&next), [(2, accepted.clone())], "the frame of the other node is at place 1");
    node.place_and_apply(&next);
    node.clock.advance(AUTHOR_RECORDS_MS);
    let beat = node.desk.next_frame().unwrap();
    assert_eq!(recorded(&beat), [(3, accepted.clone())]);
    node.place_and_apply(&beat);
    node.clock.advance(HEARTBEAT_MS);
    let beat = node.desk.next_frame().unwrap();
    assert_eq!(recorded(&beat), [(4, accepted.clone())], "exactly that time is not longer than it");
    node.clock.advance(1);
    node.place_and_apply(&beat);
    node.clock.advance(HEARTBEAT_MS);
    let tick = node.frame_of_other(2, None);
    node.apply(&tick);
    let beat = node.desk.next_frame().unwrap();
    assert_eq!(recorded(&beat), [(1, accepted)], "its author may be gone");
}

#[test]
fn a_node_that_stops_waits_for_its_own_judgements_alone() {
    let mut node = Node::new();
    let other = node.frame_of_other(1, Some(1));
    node.apply(&other);
    node.desk.close();
    assert!(node.desk.next_frame().is_none() && node.desk.is_done());

    let mut node = Node::new();
    node.submit(2);
    let own = node.desk.next_frame().unwrap();
    node.place_and_apply(&own);
    node.desk.close();
    let last = node.desk.next_frame().unwrap();
    assert_eq!(recorded(&last).len(), 1);
    node.place_and_apply(&last);
    assert!(node.desk.next_frame().is_none() && node.desk.is_done());
}

#[test]
fn a_barrier_waits_for_the_generation_that_the_log_has_put_in_force() {
    let mut node = Node::new();
    let in_force = |node: &Node, prepared| node.desk.set_reference(Place(1), prepared);
    assert_eq!(in_force(&node, 3), 0, "what is prepared here is not in force");
    node.ask(1);
    let early = node.desk.next_frame().unwrap();
    let other = node.frame_that_names(5, 1, None);
    node.apply(&other);
    assert_eq!(in_force(&node, 3), 5);
    node.place_and_apply(&early);
    assert_eq!(node.released(), [], "another node may have answered by generation 5 before");
    node.desk.set_table(3);
    node.desk.set_table(4);
    assert_eq!(node.released(), []);
    node.desk.set_table(5);
    assert_eq!(node.released(), [(1, Ok(()))]);

    // A frame that is void puts nothing in force.
    node.log_ahead_ms = 31_000;
    let void = node.frame_that_names(9, 2, None);
    node.apply(&void);
    node.log_ahead_ms = 0;
    assert_eq!(in_force(&node, 5), 5);
    node.ask(2);
    node.clock.advance(BARRIER_EVERY_MS);
    let work = node.desk.next_frame().unwrap();
    let other = node.frame_that_names(6, 3, None);
    node.place_and_apply(&work);
    assert_eq!(node.released(), [(2, Ok(()))], "what comes later does not concern it");
    node.apply(&other);
    node.ask(3);
    node.clock.advance(BARRIER_EVERY_MS);
    let work = node.desk.next_frame().unwrap();
    node.place_and_apply(&work);
    node.clock.advance(BARRIER_MS_MAX + 1);
    node.desk.next_frame();
    assert_eq!(node.released(), [(3, Err(NotLogged::Unavailable))], "a table that takes too long to read");
}

#[test]
fn foreign_bytes_are_void_in_a_log_of_several_nodes_and_an_error_in_a_log_of_one() {
    let mut node = Node::new();
    let (earlier, later) = (node.frame_of_other(1, Some(1)), node.frame_of_other(2, Some(2)));
    node.apply(&earlier);
    node.apply(&Arc::from(*b"hello"));
    node.apply(&Arc::from(*b""));
    node.apply(&later);
    assert_eq!(node.engine.metrics(60).stats.events, 2);
    assert_eq!(node.desk.figures().void_frames, 2);
    // A frame of another version is no foreign one. It is never skipped.
    let mut newer = later.to_vec();
    newer[4] = FRAME_VERSION + 1;
    newer.truncate(later.len() - 4);
    let crc = crc32fast::hash(&newer);
    newer.extend_from_slice(&crc.to_le_bytes());
    let entry = Entry { place: Place(5), bytes: newer.into(), logged_at_ms: Some(NOW_MS) };
    let lost = node.reader.read(entry).unwrap_err();
    assert!(lost.why.contains("its version is unknown"), "{lost:?}");

    let mut node = Node::new();
    let entry = Entry { place: Place(1), bytes: Arc::from(*b"hello"), logged_at_ms: None };
    assert!(node.reader.read(entry).is_err());
}

#[test]
fn a_full_log_releases_barriers_while_batches_wait_for_room() {
    let mut node = Node::new();
    node.submit(1);
    let full = node.desk.next_frame().unwrap();
    node.desk.placed(full.frame.number, Err(NotPlaced::Full));
    assert_eq!(node.answers(), [Err(NotLogged::Overloaded)]);
    node.submit(2);
    node.ask(1);
    let barrier = node.desk.next_frame().unwrap();
    assert!(barrier.frame.is_necessary, "the log would refuse it with the rows");
    node.ask(2);
    let rows = node.desk.next_frame().unwrap();
    assert!(!rows.frame.is_necessary, "rows are tried between two barriers");
    node.desk.placed(rows.frame.number, Err(NotPlaced::Full));
    node.place_and_apply(&barrier);
    assert_eq!(node.released(), [(1, Ok(()))]);
    node.clock.advance(BARRIER_EVERY_MS);
    let barrier = node.desk.next_frame().unwrap();
    node.place_and_apply(&barrier);
    assert_eq!(node.released(), [(2, Ok(()))]);
}
