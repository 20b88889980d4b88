//! Order, readers, trimming and reopening.

use std::time::Duration;

use tempfile::tempdir;
use weir_log::limits::{JOURNAL_ENTRY_OVERHEAD_BYTES, JOURNAL_TAIL_BYTES, JOURNAL_TRIMMED_PER_COMMIT_MAX};
use weir_log::{Log, Place};

use crate::helpers::{append, entries, entry, open, rest};

#[test]
fn two_topics_have_orders_of_their_own() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let (mut frames, mut reference) = (journal.frames(), journal.reference());
    assert_eq!(frames.depth(), 1);
    assert_eq!(append(&mut frames, b"one"), Ok(Place(1)));
    assert_eq!(append(&mut reference, b"table"), Ok(Place(1)));
    assert_eq!(append(&mut frames, b""), Ok(Place(2)));
    assert_eq!(entries(&mut frames, Place(0)), [entry(1, b"one"), entry(2, b"")]);
    assert_eq!(entries(&mut frames, Place(1)), [entry(2, b"")]);
    assert_eq!(entries(&mut reference, Place(0)), [entry(1, b"table")]);
}

#[test]
fn a_reopened_journal_has_all_entries_and_goes_on_counting() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    append(&mut journal.frames(), b"one").unwrap();
    append(&mut journal.reference(), b"table").unwrap();
    let before = journal.status();
    let secret = journal.meta().secret;
    assert!(journal.is_new());
    journal.stop().unwrap();

    let journal = open(dir.path());
    assert_eq!((journal.status().frames, journal.status().reference), (before.frames, before.reference));
    assert_eq!(journal.meta().secret, secret);
    assert_eq!(journal.meta().created_ms, 1_700_000_000_000);
    assert!(!journal.is_new() && journal.meta().stopped);
    assert_eq!(append(&mut journal.frames(), b"two"), Ok(Place(2)));
    assert_eq!(entries(&mut journal.frames(), Place(0)), [entry(1, b"one"), entry(2, b"two")]);
    drop(journal);
    assert!(!open(dir.path()).meta().stopped, "a dropped journal is not a stopped one");
}

#[test]
fn each_journal_has_a_secret_of_its_own_that_its_debug_output_hides() {
    let (one, other) = (tempdir().unwrap(), tempdir().unwrap());
    let (one, other) = (open(one.path()), open(other.path()));
    assert_ne!(one.meta().secret, other.meta().secret);
    assert!(!format!("{:?}", one.meta()).contains("secret"));
}

#[test]
fn a_waiting_reader_gets_an_entry_when_it_is_appended() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let mut reader = journal.frames().follow(Place(0));
    assert_eq!(reader.next(Duration::ZERO), Ok(None));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || reader.next(Duration::from_secs(600)));
        append(&mut journal.frames(), b"one").unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(Some(entry(1, b"one"))));
    });
}

#[test]
fn a_reader_far_behind_gets_every_entry_from_the_disk_and_then_from_memory() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let mut log = journal.frames();
    let written: Vec<_> = (1..=3 * JOURNAL_TAIL_BYTES / (100 << 10)).map(|n| vec![n as u8; 100 << 10]).collect();
    for bytes in &written {
        append(&mut log, bytes).unwrap();
    }
    let mut reader = log.follow(Place(0));
    for (n, bytes) in written.iter().enumerate() {
        assert_eq!(reader.next(Duration::ZERO), Ok(Some(entry(n as u64 + 1, bytes))));
    }
    let larger_than_the_memory = vec![1; JOURNAL_TAIL_BYTES + 1];
    for bytes in [&b"new"[..], &larger_than_the_memory, b"newer"] {
        let place = append(&mut log, bytes).unwrap();
        assert_eq!(reader.next(Duration::ZERO), Ok(Some(entry(place.0, bytes))));
    }
}

#[test]
fn a_reader_beyond_the_end_is_lost() {
    let dir = tempdir().unwrap();
    let mut log = open(dir.path()).frames();
    assert!(log.follow(Place(1)).next(Duration::ZERO).is_err());
}

#[test]
fn each_append_trims_a_bounded_number_of_entries() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let mut log = journal.frames();
    for n in 1..=100_u8 {
        append(&mut log, &[n]).unwrap();
    }
    let mut slow = log.follow(Place(0));
    log.trim(Place(90));
    log.trim(Place(80)); // A lower place takes nothing back.
    assert_eq!(journal.status().frames.first, Place(1), "an idle log trims with the next append");
    append(&mut log, &[101]).unwrap();
    let trimmed_to = Place(1 + JOURNAL_TRIMMED_PER_COMMIT_MAX as u64);
    assert_eq!(journal.status().frames.first, trimmed_to);
    append(&mut log, &[102]).unwrap();
    assert_eq!(journal.status().frames.first, Place(90));
    assert_eq!(journal.status().frames.bytes, 13 * (1 + JOURNAL_ENTRY_OVERHEAD_BYTES));

    let expected: Vec<_> = (90..=102).map(|n| entry(n, &[n as u8])).collect();
    assert_eq!(entries(&mut log, Place(0)), expected, "a new reader begins with the first entry that is kept");
    assert!(slow.next(Duration::ZERO).is_err(), "a reader that was overtaken is lost");
    journal.stop().unwrap();
    let journal = open(dir.path());
    assert_eq!(entries(&mut journal.frames(), Place(0)), expected);
    assert_eq!(journal.status().frames.bytes, 13 * (1 + JOURNAL_ENTRY_OVERHEAD_BYTES));
}

#[test]
fn the_last_entry_is_never_trimmed() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let mut log = journal.frames();
    append(&mut log, b"one").unwrap();
    log.trim(Place(1_000));
    append(&mut log, b"two").unwrap();
    assert_eq!(entries(&mut log, Place(0)), [entry(2, b"two")]);
    journal.stop().unwrap();
    let journal = open(dir.path());
    assert_eq!(append(&mut journal.frames(), b"three"), Ok(Place(3)));
}

#[test]
fn a_stopped_journal_takes_nothing_and_shows_what_is_in_memory() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let mut log = journal.frames();
    append(&mut log, b"one").unwrap();
    let mut reader = log.follow(Place(0));
    journal.stop().unwrap();
    assert_eq!(append(&mut log, b"two"), Err(weir_log::NotPlaced::Unknown));
    assert_eq!(rest(&mut *reader), [entry(1, b"one")]);
    assert_eq!(entries(&mut open(dir.path()).frames(), Place(0)), [entry(1, b"one")]);
}
