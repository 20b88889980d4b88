//! A log that has no room for ordinary entries, and clients that go on sending.

use super::orders::{NOW_MS, Table};
use super::reference::Changer;
use super::sim_log::{Bounded, Faults, SimLog};
use crate::answers::NotLogged;
use crate::limits::{PATCHES_PER_BASE_MAX, RECORD_AFTER_MS, TRIM_AFTER_MS};
use crate::topic::{NotPlaced, Place};
use weir::Change;

/// A log with one frame of three events, which is answered.
fn table_with_rows() -> Table {
    let mut table = Table::new(1);
    table.submit_at(0..3, NOW_MS);
    let work = table.frame().unwrap();
    table.place_and_apply(&work);
    table.answers();
    table
}

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
    let mut table = table_with_rows();
    table.uptime.advance(TRIM_AFTER_MS);
    let (frames, trim_before) = refused_seconds(&mut table, 5_000);
    assert!(trim_before > Place(1), "after {frames} frames without rows, nothing can be trimmed");
    table.submit_at(5..6, table.now_ms());
    let work = table.frame().unwrap();
    assert!(!work.frame.is_necessary, "a batch is tried again and again");
    table.place_and_apply(&work);
    assert!(table.answers().pop().unwrap().1.is_ok());
}

/// The server was off for longer than anything is needed. Nothing is trimmed in the first ten minutes, but then.
#[test]
fn a_full_log_makes_room_after_a_long_pause() {
    let mut table = table_with_rows();
    table.clock.advance(86_400_000);
    let minutes = TRIM_AFTER_MS as u32 / 60_000 + 2;
    let trimmed: Vec<Place> = (0..minutes)
        .map(|_| {
            let (_, trim_before) = refused_seconds(&mut table, 60);
            table.uptime.advance(60_000);
            trim_before
        })
        .collect();
    assert_eq!(trimmed[..10], [Place(0); 10]);
    assert!(trimmed[minutes as usize - 1] > Place(1), "{trimmed:?}");
}

/// The outcomes of the batches before are recorded as soon as in a log with room.
#[test]
fn a_full_log_records_outcomes_while_clients_go_on_sending() {
    let mut table = table_with_rows();
    let (frames, _) = refused_seconds(&mut table, 2 * RECORD_AFTER_MS as u32 / 1_000 + 1);
    assert!(frames > 0);
}

/// Few patches fill a small log long before there are enough of them for a base.
#[test]
fn a_log_that_is_full_of_patches_makes_room_by_a_base() {
    let log = Bounded::new(SimLog::new(1, 1, Faults::default()), 2_000);
    let mut changer = Changer::start(1, &log);
    let mut refused = 0;
    for patch in 0..200 {
        changer.append(Change::Merge, 1, (patch % 100) as u8, patch, None);
        changer.idle();
        refused += usize::from(changer.told().pop().unwrap().is_err());
    }
    assert!((1..40).contains(&refused), "{refused} of 200 patches found no room");
    assert_eq!(changer.engine.reference().number(), 200 - refused as u64);
    assert_eq!(Changer::start(2, &log).engine.reference().number(), 200 - refused as u64);
}

/// The base of a table needs room beside the table itself.
#[test]
fn a_full_log_has_room_for_a_base() {
    let log = Bounded::new(SimLog::new(1, 1, Faults::default()), 200);
    let mut changer = Changer::start(1, &log);
    for ts_ms in 0..20 {
        changer.append(Change::Replace, 1, ts_ms as u8, ts_ms, None);
        changer.idle();
        assert!(changer.told().pop().unwrap().is_ok(), "table {ts_ms}");
    }
}

/// There is no table, so there is nothing to copy. What was refused is trimmed all the same.
#[test]
fn refused_changes_before_the_first_table_are_trimmed() {
    let log = SimLog::new(1, 1, Faults::default());
    let mut changer = Changer::start(1, &log);
    for patch in 0..=PATCHES_PER_BASE_MAX as i64 {
        changer.append(Change::Merge, 1, 1, patch, Some(7));
        changer.idle();
        assert!(changer.told().pop().unwrap().is_err(), "there is no generation 7");
    }
    assert_eq!(log.trimmed(), PATCHES_PER_BASE_MAX as u64);
    let mut restarted = Changer::start(2, &log);
    assert!(restarted.engine.copy_reference().is_none());
    restarted.append(Change::Replace, 1, 1, 0, Some(0));
    restarted.idle();
    assert_eq!(restarted.told().pop().unwrap().unwrap().number(), 1);
    assert_eq!(Changer::start(3, &log).engine.reference().number(), 1);
}
