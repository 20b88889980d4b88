//! Which frames are recorded, and what stays in the log until they are.

use super::orders::{NOW_MS, Table};
use crate::frame::{Frame, FrameBuilder, Head, Judgement, RowRules};
use crate::limits::TRIM_AFTER_MS;
use crate::topic::Place;
use weir::EngineConfig;

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
