//! A real process that has the journal open, and is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::tempdir;
use weir_log::Place;
use weir_log::journal::{Journal, JournalError, Topic};

use crate::directory::contents;
use crate::helpers::{append, entries, open, refusal, settings};

/// The directory that the child opens.
const DIR: &str = "WEIR_LOG_TEST_JOURNAL";

/// The bytes of the entry that the child appends at a place.
fn bytes_of(place: u64) -> Vec<u8> {
    place.to_le_bytes().repeat(1 + place as usize % 500)
}

/// The child: appends until it is killed, and prints each place that it got. Without the variable it does nothing.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let journal = open(Path::new(&dir));
    for place in 1.. {
        assert_eq!(append(&mut journal.frames(), &bytes_of(place)), Ok(Place(place)));
        println!("\ntold {place}");
    }
}

/// Starts the child, and returns after it got `places` places.
fn start(dir: &Path, places: u64) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child::child_appends_until_it_is_killed", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let told = lines.map(Result::unwrap).filter_map(|line| line.strip_prefix("told ")?.parse::<u64>().ok());
    assert!(told.take_while(|place| *place <= places).any(|place| place == places), "the child ended early");
    child
}

#[test]
fn a_killed_process_loses_no_entry_whose_place_it_was_told() {
    let dir = tempdir().unwrap();
    let mut child = start(dir.path(), 100);
    assert!(refusal(dir.path(), settings()).contains("another process has the journal"));
    assert!(matches!(Journal::open_read_only(dir.path()), Err(JournalError::InUse { .. })));
    child.kill().unwrap();
    child.wait().unwrap();

    // Read as it was left, without a repair on the disk.
    let before = contents(dir.path());
    let read = Journal::open_read_only(dir.path()).unwrap();
    assert!(!read.meta().stopped);
    read.verify().unwrap();
    let found: Vec<_> = read.entries(Topic::Frames).map(Result::unwrap).collect();
    drop(read);
    assert_eq!(contents(dir.path()), before);
    assert!(found.len() >= 100);

    let journal = open(dir.path());
    assert!(!journal.meta().stopped);
    assert_eq!(entries(&mut journal.frames(), Place(0)), found);
    for (place, entry) in (1..).zip(&found) {
        assert_eq!((entry.place, &*entry.bytes), (Place(place), &*bytes_of(place)));
    }
}
