//! A disk that fails while the journal is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use weir_log::journal::{Settings, State};
use weir_log::limits::JOURNAL_TAIL_BYTES;
use weir_log::{Log, NotPlaced, Place};

use crate::helpers::{Random, append, append_necessary, entries, entry, rest, settings};
use crate::sim_disk::SimDisk;

/// Lets the append of an entry of `len` bytes fail by `fault`, and checks that the journal is closed for good.
fn closes_for_good(len: usize, fault: impl FnOnce(&SimDisk)) -> SimDisk {
    let disk = SimDisk::new();
    let journal = disk.open(settings()).unwrap();
    let mut log = journal.frames();
    append(&mut log, b"one").unwrap();
    let mut reader = log.follow(Place(0));
    fault(&disk);
    assert_eq!(append(&mut log, &vec![2; len]), Err(NotPlaced::Unknown));
    let State::Failed(why) = journal.state() else { panic!("it must have failed") };
    assert!(!why.is_empty() && !why.contains('\n'), "{why}");

    disk.restart();
    let before = disk.bytes();
    assert_eq!(append(&mut log, b"three"), Err(NotPlaced::Unknown));
    assert_eq!(append_necessary(&mut journal.reference(), b"table"), Err(NotPlaced::Unknown));
    assert!(disk.bytes() == before, "nothing is tried again, also if the disk works again");
    assert_eq!(rest(&mut *reader), [entry(1, b"one")], "readers of what is in memory go on");
    let text = crate::helpers::one_line(&journal.stop().unwrap_err());
    assert!(text.contains(&why) && text.contains("start again"), "there is no clean stop: {text}");
    disk
}

#[test]
fn a_failed_sync_closes_the_journal_for_good() {
    let disk = closes_for_good(10, |disk| disk.fail_sync_after(0));
    // The copies in memory have the entry, the disk does not.
    let journal = disk.open(settings()).unwrap();
    assert_eq!(entries(&mut journal.frames(), Place(0)), [entry(1, b"one")]);
    assert!(!journal.meta().stopped);
    assert_eq!(append(&mut journal.frames(), b"two"), Ok(Place(2)));
    drop(journal);
    disk.cut(&mut Random(3));
    let journal = disk.open(settings()).unwrap();
    assert_eq!(entries(&mut journal.frames(), Place(0)), [entry(1, b"one"), entry(2, b"two")]);
}

#[test]
fn a_disk_that_cannot_grow_closes_the_journal_for_good() {
    let disk = closes_for_good(300_000, SimDisk::fill);
    let journal = disk.open(settings()).unwrap();
    assert_eq!(entries(&mut journal.frames(), Place(0)), [entry(1, b"one")]);
}

#[test]
fn a_reader_of_the_disk_is_lost_after_a_failure_or_has_every_entry() {
    let disk = SimDisk::new();
    let journal = disk.open(settings()).unwrap();
    let mut log = journal.frames();
    let count = JOURNAL_TAIL_BYTES / 100_000 * 2;
    for n in 0..count {
        append(&mut log, &vec![n as u8; 100_000]).unwrap();
    }
    disk.fail_sync_after(0);
    assert_eq!(append(&mut log, b"last"), Err(NotPlaced::Unknown));
    let mut reader = log.follow(Place(0));
    let mut place = 1;
    let last = loop {
        match reader.next(Duration::ZERO) {
            Ok(Some(found)) => assert_eq!(found, entry(place, &vec![place as u8 - 1; 100_000])),
            other => break other,
        }
        place += 1;
    };
    assert!(last.is_err() || place == count as u64 + 1, "it ended at {place} with {last:?}");
}

/// The copies of the operating system are good after a clean end, and they make a restart fast.
#[test]
fn only_an_end_that_was_not_clean_drops_the_cached_pages() {
    let disk = SimDisk::new();
    let journal = disk.open(settings()).unwrap();
    append(&mut journal.frames(), b"one").unwrap();
    journal.stop().unwrap();
    let journal = disk.open(settings()).unwrap();
    assert_eq!(disk.drops(), 0);
    disk.off_after(0);
    drop(journal);
    disk.restart();
    disk.open(settings()).unwrap();
    assert_eq!(disk.drops(), 1);
}

#[test]
fn a_disk_that_fails_while_opening_is_an_error() {
    let disk = SimDisk::new();
    disk.open(settings()).unwrap().stop().unwrap();
    disk.fail_sync_after(0);
    let text = crate::helpers::one_line(&disk.open(settings()).err().unwrap());
    assert!(text.contains("check the disk"), "{text}");
    disk.restart();
    disk.open(settings()).unwrap();
}

#[test]
fn each_commit_is_reported() {
    let commits = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&commits);
    let count = move |_: Duration| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let disk = SimDisk::new();
    let journal = disk.open(Settings { on_commit: Some(Arc::new(count)), ..settings() }).unwrap();
    append(&mut journal.frames(), b"one").unwrap();
    append(&mut journal.reference(), b"table").unwrap();
    disk.fail_sync_after(0);
    append(&mut journal.frames(), b"two").unwrap_err();
    assert_eq!(commits.load(Ordering::Relaxed), 2);
}
