//! Which frames are recorded, and what stays in the log until they are.

use super::orders::{NOW_MS, Table};
use crate::apply::Applier;
use crate::frame::{Frame, FrameBuilder, Head, Judgement, RowRules};
use crate::limits::TRIM_AFTER_MS;
use crate::topic::{Entry, Place};
use std::sync::Arc;
use weir::{Engine, EngineConfig, ManualClock, Reservation, Secret};

#[test]
fn what_a_void_frame_was_to_record_is_recorded_again() {
    let mut table = Table::new(1);
    table.submit(0..1);
    let work = table.frame().unwrap();
    table.place_and_apply(&work);
    table.clock.advance(1_000);
    let void = table.frame().unwrap();
    let other = Head { node: 5, number: 1, reading_ms: NOW_MS + 120_000, ..Head::default() };
    table.apply_bytes(FrameBuilder::new(&other, Place(0)).finish()).unwrap();
    table.place_and_apply(&void);
    table.clock.advance(119_000);
    let again = table.frame().unwrap();
    let frame = Frame::decode(&again.frame.bytes, RowRules::new(&EngineConfig::default())).unwrap();
    assert_eq!(frame.judgements().next(), Some((Place(1), &Judgement::Refused(vec![]))));
}

/// The frame may be the copy of one that would be trimmed.
#[test]
fn what_precedes_an_unrecorded_frame_without_rows_stays_in_the_log() {
    let mut table = Table::new(1);
    table.uptime.advance(TRIM_AFTER_MS);
    let frame = |node, reading_ms| {
        let head = Head { node, number: 1, reading_ms, ..Head::default() };
        FrameBuilder::new(&head, Place(1))
    };
    table.submit_at(0..1, NOW_MS);
    let work = table.frame().unwrap();
    table.place_and_apply(&work);
    table.apply_bytes(frame(5, NOW_MS + 5_000).finish()).unwrap();
    let later_ms = NOW_MS + 8_400_000;
    let mut record = frame(6, later_ms);
    assert!(record.record(&Judgement::Refused(vec![])), "the frame at place 1 alone");
    table.apply_bytes(record.finish()).unwrap();
    table.clock.set(later_ms);
    table.submit_at(1..2, later_ms);
    let work = table.frame().unwrap();
    assert!(work.trim_before <= Place(1), "{:?}", work.trim_before);
    table.place_and_apply(&work);
    table.submit_at(2..3, later_ms);
    assert!(table.frame().unwrap().trim_before > Place(2), "once it is recorded, all are trimmed");
}

/// A node whose clock is ahead writes a frame, which is void. Then all nodes stand still, and a copy of it lands. A
/// reader that begins after the first landing would take the copy for the first one, and it would count.
#[test]
fn a_void_frame_ahead_of_log_time_stays_in_the_log_while_a_copy_of_it_would_count() {
    let secret = Secret::from_bytes([7; 32]);
    let engine = Engine::with_secret(EngineConfig::default(), ManualClock::new(0), &secret).unwrap();
    let mut applier = Applier::new(Arc::new(engine));
    let mut place = 0;
    let mut apply = |node, reading_ms, logged_at_ms| {
        place += 1;
        let head = Head { node, number: place, reading_ms, log_ms: i64::MIN, ..Head::default() };
        let bytes = FrameBuilder::new(&head, Place(0)).finish();
        let entry = Entry { place: Place(place), bytes, logged_at_ms: Some(logged_at_ms) };
        applier.apply(&entry, None, |_, _, _| Reservation::default()).unwrap();
        applier.needed_from(None)
    };
    let pause_ms = 9_000_000;
    apply(1, NOW_MS, NOW_MS);
    apply(2, NOW_MS + pause_ms + 6_000, NOW_MS + pause_ms);
    assert_eq!(apply(1, NOW_MS + pause_ms, NOW_MS + pause_ms), Place(1), "the void frame is at place 2");
    let later_ms = NOW_MS + 2 * pause_ms;
    assert_eq!(apply(1, later_ms, later_ms), Place(4));
    // A clock that is far ahead does not keep the log for ever.
    apply(2, later_ms + 100 * pause_ms, later_ms);
    assert_eq!(apply(1, later_ms + pause_ms, later_ms + pause_ms), Place(6));
}
