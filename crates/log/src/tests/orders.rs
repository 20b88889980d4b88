//! What waits for a place: groups, parts, bounds, and one answer for each batch.

use super::sim_log::Random;
use crate::answers::{Answer, NotLogged};
use crate::desk::{Desk, Progress, Work};
use crate::frame::{Frame, FrameBuilder, Head, Judgement, RowRules};
use crate::limits::{TRIM_AFTER_MS, UNAPPLIED_FRAMES_MAX, WAITING_BATCHES_MAX, WAITING_ROWS_MAX};
use crate::order::Submission;
use crate::reader::Reader;
use crate::topic::{Entry, Lost, NotPlaced, Place};
use std::sync::{Arc, Mutex};
use weir::{Clock as _, Engine, EngineConfig, ManualClock, Outcome, Refusal, Reservation, Rows, Secret};

pub(super) const NOW_MS: i64 = 1_760_000_000_123;
const NODE: u64 = 77;

/// A desk and a reader, and a log that the test itself is.
pub(super) struct Table {
    pub(super) desk: Arc<Desk>,
    reader: Reader,
    engine: Arc<Engine>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) uptime: Arc<ManualClock>,
    answers: Arc<Mutex<Vec<(u64, Answer)>>>,
    places: u64,
}

impl Table {
    pub(super) fn new(depth: usize) -> Self {
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let uptime = Arc::new(ManualClock::new(5));
        let secret = Secret::from_bytes([7; 32]);
        let engine = Arc::new(Engine::with_secret(EngineConfig::default(), Arc::clone(&clock), &secret).unwrap());
        let desk = Arc::new(Desk::new(NODE, depth, false, 1, Box::new(Arc::clone(&clock))));
        let mut reader = Reader::new(Arc::clone(&desk), Arc::clone(&engine), Box::new(Arc::clone(&uptime)));
        reader.end_of_log().unwrap();
        Self { desk, reader, engine, clock, uptime, answers: Arc::default(), places: 0 }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Submits rows whose ids are `ids`.
    pub(super) fn submit(&self, ids: std::ops::Range<u32>) -> u64 {
        self.submit_at(ids, NOW_MS)
    }

    pub(super) fn submit_at(&self, ids: std::ops::Range<u32>, received_at_ms: i64) -> u64 {
        let mut rows = Rows::default();
        for id in ids {
            let mut random = Random(id.into());
            let [low, high] = [0; 2].map(|_: u64| random.below(u64::MAX).to_le_bytes());
            let key = [low, high].concat().try_into().unwrap();
            rows.push(key, [0; 16], received_at_ms / 1_000);
        }
        let (answers, number) = (Arc::clone(&self.answers), self.answers.lock().unwrap().len() as u64);
        let ticket = Arc::new(Mutex::new(None));
        let asker = {
            let ticket = Arc::clone(&ticket);
            Box::new(move |answer| {
                let ticket = ticket.lock().unwrap().unwrap_or(1_000 + number);
                answers.lock().unwrap().push((ticket, answer));
            })
        };
        let reservation = Reservation::default();
        let given = self.desk.submit(Submission { rows, reservation, received_at_ms, asker });
        *ticket.lock().unwrap() = Some(given);
        given
    }

    pub(super) fn frame(&self) -> Option<Work> {
        self.desk.next_frame()
    }

    /// The parts of the next frame: tickets and numbers of rows.
    fn parts(work: &Work) -> Vec<(u64, usize)> {
        let frame = Frame::decode(&work.frame.bytes, RowRules::new(&EngineConfig::default())).unwrap();
        frame.parts.iter().map(|part| (part.ticket, part.len())).collect()
    }

    fn place(&self, work: &Work) {
        self.desk.placed(work.frame.number, Ok(Place(0)));
    }

    fn apply(&mut self, work: &Work) -> Result<(), Lost> {
        self.apply_bytes(Arc::clone(&work.frame.bytes))
    }

    pub(super) fn apply_bytes(&mut self, bytes: Arc<[u8]>) -> Result<(), Lost> {
        self.places += 1;
        self.reader.read(Entry { place: Place(self.places), bytes, logged_at_ms: None })
    }

    pub(super) fn place_and_apply(&mut self, work: &Work) {
        self.place(work);
        self.apply(work).unwrap();
    }

    /// The answers since the last call.
    pub(super) fn answers(&self) -> Vec<(u64, Answer)> {
        std::mem::take(&mut self.answers.lock().unwrap())
    }
}

#[test]
fn batches_that_wait_share_a_frame_and_are_answered_when_it_is_applied() {
    let mut table = Table::new(1);
    let (a, b) = (table.submit(0..3), table.submit(2..4));
    let first = table.frame().unwrap();
    assert_eq!(Table::parts(&first), [(a, 3), (b, 2)]);
    let c = table.submit(9..10);
    assert!(table.frame().is_none(), "one frame at a time is on its way");
    table.place(&first);
    assert_eq!(table.answers(), [], "a frame that has a place is not applied yet");
    let second = table.frame().unwrap();
    assert_eq!(Table::parts(&second), [(c, 1)]);
    table.apply(&first).unwrap();
    let mut refused = Outcome::accepted(2);
    refused.refuse(0, Refusal::Duplicate);
    assert_eq!(table.answers(), [(a, Ok(Outcome::accepted(3))), (b, Ok(refused))]);
    table.place_and_apply(&second);
    assert_eq!(table.answers(), [(c, Ok(Outcome::accepted(1)))]);
}

#[test]
fn an_application_before_the_acknowledgement_answers_once() {
    let mut table = Table::new(1);
    let a = table.submit(0..1);
    let work = table.frame().unwrap();
    table.apply(&work).unwrap();
    assert_eq!(table.answers(), [(a, Ok(Outcome::accepted(1)))]);
    table.desk.placed(work.frame.number, Err(NotPlaced::Unknown));
    table.apply(&work).unwrap();
    assert_eq!(table.answers(), []);
}

#[test]
fn a_single_event_does_not_wait_behind_all_parts_of_a_large_batch() {
    let mut table = Table::new(4);
    let large = table.submit(0..20_000);
    let single = table.submit(30_000..30_001);
    let work = table.frame().unwrap();
    let parts = Table::parts(&work);
    assert_eq!((parts[0].0, parts[1]), (large, (single, 1)));
    assert!((1_500..2_500).contains(&parts[0].1), "half of the frame: {parts:?}");
    assert!(table.frame().is_none(), "the other parts wait until the first one has its place");
    table.place_and_apply(&work);
    let mut rows = parts[0].1;
    for _ in 0..10 {
        let Some(work) = table.frame() else { break };
        assert!(Table::parts(&work).iter().all(|(ticket, count)| *ticket == large && *count > 0));
        rows += Table::parts(&work)[0].1;
        table.place_and_apply(&work);
    }
    assert_eq!(rows, 20_000);
    assert_eq!(table.answers(), [(single, Ok(Outcome::accepted(1))), (large, Ok(Outcome::accepted(20_000)))]);
}

#[test]
fn a_part_without_room_is_overloaded_and_the_parts_before_it_count() {
    let mut table = Table::new(1);
    let large = table.submit(0..5_000);
    let first = table.frame().unwrap();
    let rows = Table::parts(&first)[0].1;
    table.place(&first);
    let second = table.frame().unwrap();
    table.desk.placed(second.frame.number, Err(NotPlaced::Full));
    assert_eq!(table.answers(), [], "the first part is not applied yet");
    table.apply(&first).unwrap();
    let mut expected = Outcome::accepted(rows);
    expected.append(&Outcome::refused_all(5_000 - rows, Refusal::Overloaded));
    assert_eq!(table.answers(), [(large, Ok(expected))]);
    let small = table.submit(0..1);
    let work = table.frame().unwrap();
    table.desk.placed(work.frame.number, Err(NotPlaced::Full));
    assert_eq!(table.answers(), [(small, Err(NotLogged::Overloaded))], "nothing of it was taken");
}

#[test]
fn an_unknown_place_is_unavailable_and_a_late_landing_counts_and_answers_nothing() {
    let mut table = Table::new(1);
    let large = table.submit(0..5_000);
    let first = table.frame().unwrap();
    table.desk.placed(first.frame.number, Err(NotPlaced::Unknown));
    assert_eq!(table.answers(), [(large, Err(NotLogged::Unavailable))]);
    assert!(table.frame().is_none(), "no further part of it is logged");
    table.apply(&first).unwrap();
    assert_eq!(table.answers(), []);
    assert_eq!(table.engine.metrics(300).stats.events, Table::parts(&first)[0].1 as u64);
}

#[test]
fn what_waits_is_bounded() {
    let table = Table::new(1);
    let large = table.submit(0..WAITING_ROWS_MAX as u32 + 7);
    assert_eq!(table.answers(), [], "a batch alone may be as large as it is");
    table.submit(0..1);
    assert_eq!(table.answers().len(), 1);
    table.desk.give_up(large);
    assert_eq!(table.answers(), [(large, Err(NotLogged::Overloaded))]);
    (0..WAITING_BATCHES_MAX as u32).for_each(|id| _ = table.submit(id..id + 1));
    assert_eq!(table.answers(), []);
    table.submit(0..1);
    assert_eq!(table.answers().len(), 1);
}

#[test]
fn a_log_that_does_not_answer_takes_no_more() {
    let table = Table::new(1);
    let (a, b) = (table.submit(0..1), table.frame().unwrap());
    let waiting = table.submit(1..2);
    table.clock.advance(2_000);
    table.submit_at(2..3, NOW_MS + 2_000);
    assert_eq!(table.answers(), []);
    table.clock.advance(1);
    table.submit_at(3..4, NOW_MS + 2_001);
    assert_eq!(table.answers().into_iter().map(|(_, answer)| answer).collect::<Vec<_>>(), [Err(NotLogged::Overloaded)]);
    assert!(table.frame().is_none());
    assert_eq!(table.answers(), [(waiting, Err(NotLogged::Overloaded))], "it was in no frame for two seconds");
    table.desk.give_up(a);
    assert_eq!(table.answers(), [(a, Err(NotLogged::Unavailable))], "it is in a frame");
    table.desk.placed(b.frame.number, Ok(Place(1)));
}

#[test]
fn a_batch_that_no_reader_would_count_is_refused() {
    let mut table = Table::new(1);
    let ahead = table.submit_at(0..1, NOW_MS + 5_001);
    let behind = table.submit_at(1..2, NOW_MS - 30_001);
    let timely = table.submit_at(2..3, NOW_MS + 5_000);
    let work = table.frame().unwrap();
    assert_eq!(Table::parts(&work), [(timely, 1)]);
    assert_eq!(table.answers(), [(ahead, Err(NotLogged::Overloaded)), (behind, Err(NotLogged::Overloaded))]);
    table.place_and_apply(&work);
    table.answers();
    table.clock.set(NOW_MS + 5_000 - 60_001);
    let late = table.submit_at(3..4, NOW_MS + 5_000 - 60_001);
    assert!(table.frame().is_none());
    assert_eq!(table.answers(), [(late, Err(NotLogged::Overloaded))], "the clock is behind log time");
    table.desk.close();
    assert!(table.frame().is_none(), "a frame that records outcomes would be void, too");
    table.clock.advance(1);
    assert!(table.frame().is_some());
}

/// What a node with another clock has logged.
#[test]
fn a_void_frame_claims_nothing_and_its_rows_are_overloaded() {
    let mut table = Table::new(1);
    let mut rows = Rows::default();
    rows.push([1; 16], [0; 16], NOW_MS / 1_000);
    for (reading_ms, received_at_ms) in [(NOW_MS, NOW_MS + 5_001), (NOW_MS - 60_001, NOW_MS - 60_001)] {
        let frame = |number, reading_ms, received_at_ms, rows: &Rows| {
            let mut frame = FrameBuilder::new(&Head { node: 5, number, reading_ms, ..Head::default() }, Place(0));
            frame.push(1, received_at_ms, rows, 0..1);
            frame.finish()
        };
        table.apply_bytes(frame(10 + table.places, NOW_MS, NOW_MS, &rows)).unwrap();
        let events = table.engine.metrics(300).stats.events;
        let mut other = Rows::default();
        other.push([2; 16], [0; 16], received_at_ms / 1_000);
        table.apply_bytes(frame(11 + table.places, reading_ms, received_at_ms, &other)).unwrap();
        assert_eq!(table.engine.metrics(300).stats.events, events);
    }
    assert_eq!(table.engine.sizes().dedup_ids, 1);
}

#[test]
fn outcomes_are_recorded_a_second_after_the_last_batch() {
    let mut table = Table::new(1);
    table.submit(0..2);
    table.submit(1..2);
    let work = table.frame().unwrap();
    table.place_and_apply(&work);
    assert!(table.frame().is_none());
    table.clock.advance(999);
    assert!(table.frame().is_none());
    table.clock.advance(1);
    let record = table.frame().unwrap();
    let frame = Frame::decode(&record.frame.bytes, RowRules::new(&EngineConfig::default())).unwrap();
    let expected = Judgement::Refused(vec![(2, Refusal::Duplicate)]);
    assert_eq!(frame.judgements().collect::<Vec<_>>(), [(Place(1), &expected)]);
    assert_eq!(frame.head.applied, Place(1));
    assert_eq!((frame.head.node, frame.head.number, frame.head.log_ms), (NODE, 2, NOW_MS));
    table.place_and_apply(&record);
    table.clock.advance(1_000);
    assert!(table.frame().is_none(), "a frame without rows needs no record");
}

#[test]
fn an_idle_log_has_a_frame_a_minute_until_its_rows_can_be_trimmed() {
    let reach_secs = (1_800 + 240 + 60) * 2;
    for settled_at in [1, 10_000] {
        let mut table = Table::new(1);
        assert!(table.frame().is_none());
        table.clock.advance(60_000);
        assert!(table.frame().is_none(), "a log without rows is left alone");
        table.submit_at(0..1, NOW_MS + 60_000);
        let work = table.frame().unwrap();
        table.place_and_apply(&work);
        let (mut frames, mut last) = (0, 0);
        for second in 1..20_000 {
            table.clock.advance(1_000);
            if second == settled_at {
                table.uptime.advance(TRIM_AFTER_MS);
            }
            if let Some(work) = table.frame() {
                table.place_and_apply(&work);
                (frames, last) = (frames + 1, second);
            }
        }
        let first_end = settled_at.max(reach_secs / 2);
        assert!((first_end / 60..settled_at.max(reach_secs) / 60 + 3).contains(&frames), "{frames} frames");
        assert!(last <= settled_at.max(reach_secs) + 61, "the last one came {last} seconds after the row");
    }
}

#[test]
fn few_frames_are_ahead_of_their_application() {
    let mut table = Table::new(4);
    let mut works = vec![];
    for id in 0..20 {
        table.submit(id..id + 1);
        if let Some(work) = table.frame() {
            table.place(&work);
            works.push(work);
        }
    }
    assert_eq!(works.len(), UNAPPLIED_FRAMES_MAX);
    table.apply(&works[0]).unwrap();
    assert!(table.frame().is_some());
    assert!(table.frame().is_none());
}

#[test]
fn nothing_is_trimmed_in_the_first_ten_minutes() {
    let mut table = Table::new(1);
    let mut trims = vec![];
    for minute in 0..400 {
        table.submit_at(minute..minute + 1, NOW_MS + i64::from(minute) * 60_000);
        let work = table.frame().unwrap();
        trims.push(work.trim_before);
        table.place_and_apply(&work);
        table.clock.advance(60_000);
        if minute == 200 {
            table.uptime.advance(TRIM_AFTER_MS);
        }
    }
    assert!(trims[..=201].iter().all(|trim| *trim == Place(0)));
    assert!(trims[202] > Place(100) && trims[399] > Place(250), "{:?} {:?}", trims[202], trims[399]);
}

#[test]
fn a_failed_log_answers_all_and_takes_no_more() {
    let mut table = Table::new(1);
    let a = table.submit(0..1);
    let _work = table.frame().unwrap();
    let b = table.submit(1..2);
    let lost = Lost::log("gone");
    table.desk.fail(lost.clone());
    assert_eq!(table.answers(), [(a, Err(NotLogged::Unavailable)), (b, Err(NotLogged::Overloaded))]);
    assert_eq!(table.desk.progress(), Progress::Failed(lost));
    table.submit(2..3);
    assert_eq!(table.answers().len(), 1);
    assert!(table.reader.end_of_log().is_ok() && table.frame().is_none());
}

#[test]
fn a_reader_stops_at_a_log_that_is_not_the_one_it_has_read() {
    let frame = |number: u64, applied: u64, chain: u64, recorded: &[Judgement]| {
        let applied = Place(applied);
        let head = Head { node: 5, number, reading_ms: NOW_MS, applied, chain, log_ms: NOW_MS, ..Head::default() };
        let mut frame = FrameBuilder::new(&head, Place(1));
        recorded.iter().for_each(|judgement| assert!(frame.record(judgement)));
        frame.finish()
    };
    let stopped = |bytes: Arc<[u8]>| {
        let mut table = Table::new(1);
        table.submit(0..1);
        let work = table.frame().unwrap();
        table.place_and_apply(&work);
        table.apply_bytes(bytes).err().map(|lost| lost.why)
    };
    let all_accepted = Judgement::Refused(vec![]);
    assert_eq!(stopped(frame(1, 0, 0, &[all_accepted])), None);
    let differs = "the frame at place 1 was judged differently here than the log has recorded";
    assert_eq!(stopped(frame(1, 0, 0, &[Judgement::Void])).as_deref(), Some(differs));
    let other = "the frame at place 2 follows another log: it names another chain at";
    assert_eq!(stopped(frame(1, 1, 3, &[])), Some(format!("{other} 1")));
    assert_eq!(stopped(frame(1, 2, 3, &[])), Some(format!("{other} 2")), "a place that its author cannot know");
    let none = "place 2 has no frame: it is too short";
    assert_eq!(stopped(b"foo".as_slice().into()).as_deref(), Some(none));
    let mut table = Table::new(1);
    table.places = 4;
    table.apply_bytes(frame(1, 0, 0, &[])).unwrap();
    table.places = 7;
    let skips = Lost::log("the log skips from place 5 to 8");
    assert_eq!(table.apply_bytes(frame(2, 0, 0, &[])), Err(skips));
}

/// A frame was judged and not recorded, and log time goes on. A restart would judge the frame again, at its own log
/// time, so the ids that it is judged by are not trimmed yet.
#[test]
fn what_an_unrecorded_frame_is_judged_by_stays_in_the_log() {
    let mut table = Table::new(1);
    table.uptime.advance(TRIM_AFTER_MS);
    let post = |table: &mut Table, now_ms| {
        table.clock.set(now_ms);
        table.submit_at(0..1, now_ms);
        let work = table.frame().unwrap();
        table.place_and_apply(&work);
    };
    post(&mut table, NOW_MS);
    post(&mut table, NOW_MS + 60_000);
    assert_eq!(table.answers().last().unwrap().1, Ok(Outcome::refused_all(1, Refusal::Duplicate)));
    let later_ms = NOW_MS + 8_400_000;
    table.clock.set(later_ms);
    let record = table.frame().unwrap();
    table.desk.placed(record.frame.number, Err(NotPlaced::Unknown));
    let other = Head { node: 5, number: 1, reading_ms: later_ms, ..Head::default() };
    table.apply_bytes(FrameBuilder::new(&other, Place(0)).finish()).unwrap();
    table.clock.advance(1_000);
    let again = table.frame().unwrap();
    assert!(again.trim_before <= Place(1), "{:?}", again.trim_before);
    table.place_and_apply(&again);
    table.clock.advance(60_000);
    post(&mut table, later_ms + 61_000);
    assert!(table.desk.next_frame().is_none());
    table.clock.advance(1_000);
    assert!(table.frame().unwrap().trim_before > Place(2), "once it is recorded, both are trimmed");
}

#[test]
fn the_figures_are_those_of_the_frames_and_the_batches() {
    let mut table = Table::new(1);
    let figures = table.desk.figures();
    assert_eq!((figures.applied, figures.waiting_batches, figures.lag_ms), (Place(0), 0, 0));
    table.submit(0..3);
    let first = table.frame().unwrap();
    table.clock.advance(250);
    let figures = table.desk.figures();
    assert_eq!((figures.waiting_batches, figures.waiting_rows, figures.lag_ms), (1, 3, 250));
    table.place_and_apply(&first);
    table.submit(3..4);
    let second = table.frame().unwrap();
    table.place_and_apply(&second);
    // A copy of the first frame is void, and the second frame has recorded the judgement of the first.
    table.apply(&first).unwrap();
    let figures = table.desk.figures();
    assert_eq!((figures.applied, figures.waiting_rows, figures.lag_ms), (Place(3), 0, 0));
    assert_eq!((figures.judgements_compared, figures.void_frames, figures.judged_in_replay), (1, 1, 0));
}
