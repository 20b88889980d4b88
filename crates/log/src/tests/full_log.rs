//! A log that has no room for ordinary entries, and clients that go on sending.

use super::orders::{NOW_MS, Table};
use crate::limits::{RECORD_AFTER_MS, TRIM_AFTER_MS};
use crate::order::NotLogged;
use crate::topic::{NotPlaced, Place};

/// One event a second for some time. The log has room for frames without rows only. Returns how many such frames there
/// were, and up to where the last frame trims: also a frame that finds no room does.
fn refused_seconds(table: &mut Table, seconds: u32) -> (u32, Place) {
    let (mut frames, mut trim_before) = (0, Place(0));
    for second in 0..seconds {
        table.clock.advance(1_000);
        table.submit_at(1_000_000 + second..1_000_001 + second, table.now_ms());
        while let Some(work) = table.frame() {
            trim_before = work.trim_before;
            if work.frame.is_necessary {
                frames += 1;
                table.place_and_apply(&work);
            } else {
                table.desk.placed(work.frame.number, Err(NotPlaced::Full));
            }
        }
        assert_eq!(table.answers().pop().unwrap().1, Err(NotLogged::Overloaded), "nothing is taken");
    }
    (frames, trim_before)
}

/// Log time moves on, although no batch has room. So what fills the log leaves the reach, and is trimmed.
#[test]
fn a_full_log_makes_room_while_clients_go_on_sending() {
    let mut table = Table::new(1);
    table.uptime.advance(TRIM_AFTER_MS);
    table.submit_at(0..3, NOW_MS);
    let work = table.frame().unwrap();
    table.place_and_apply(&work);
    table.answers();
    let (frames, trim_before) = refused_seconds(&mut table, 5_000);
    assert!(trim_before > Place(1), "after {frames} frames without rows, nothing can be trimmed");
    table.submit_at(5..6, table.now_ms());
    let work = table.frame().unwrap();
    assert!(!work.frame.is_necessary, "a batch is tried again and again");
    table.place_and_apply(&work);
    assert!(table.answers().pop().unwrap().1.is_ok());
}

/// The outcomes of the batches before are recorded as soon as in a log with room.
#[test]
fn a_full_log_records_outcomes_while_clients_go_on_sending() {
    let mut table = Table::new(1);
    table.submit_at(0..3, NOW_MS);
    let work = table.frame().unwrap();
    table.place_and_apply(&work);
    table.answers();
    let (frames, _) = refused_seconds(&mut table, 2 * RECORD_AFTER_MS as u32 / 1_000 + 1);
    assert!(frames > 0);
}
