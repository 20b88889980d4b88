//! Reading a journal without changing it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use tempfile::tempdir;
use weir_log::Place;
use weir_log::journal::{Journal, JournalError, Topic};

use crate::directory::contents;
use crate::helpers::{append, entry, one_line, open};

#[test]
fn a_stopped_journal_is_read_and_stays_as_it_is() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let secret = journal.meta().secret;
    for n in 1..=3000_u64 {
        append(&mut journal.frames(), &n.to_le_bytes()).unwrap();
    }
    append(&mut journal.reference(), b"table").unwrap();
    let status = journal.status();
    journal.stop().unwrap();

    let before = contents(dir.path());
    let read = Journal::open_read_only(dir.path()).unwrap();
    assert_eq!((read.span(Topic::Frames), read.span(Topic::Reference)), (status.frames, status.reference));
    assert_eq!((read.meta().secret, read.meta().stopped), (secret, true));
    let file = fs::metadata(dir.path().join("journal.redb")).unwrap();
    assert_eq!(read.file_bytes(), file.blocks() * 512);
    for (n, found) in (1_u64..).zip(read.entries(Topic::Frames)) {
        assert_eq!(found.unwrap(), entry(n, &n.to_le_bytes()));
    }
    assert_eq!(read.entries(Topic::Frames).count(), 3000);
    assert_eq!(read.entries(Topic::Reference).map(Result::unwrap).collect::<Vec<_>>(), [entry(1, b"table")]);
    read.verify().unwrap();
    drop(read);
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn a_journal_in_use_is_not_read_and_a_journal_that_is_read_is_not_opened() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    assert!(matches!(Journal::open_read_only(dir.path()), Err(JournalError::InUse { .. })));
    journal.stop().unwrap();
    let (_one, _other) = (Journal::open_read_only(dir.path()).unwrap(), Journal::open_read_only(dir.path()).unwrap());
    assert!(matches!(Journal::open(dir.path(), crate::helpers::settings()), Err(JournalError::InUse { .. })));
}

#[test]
fn a_copy_without_a_lock_file_is_read_and_gets_none() {
    let dir = tempdir().unwrap();
    open(dir.path()).stop().unwrap();
    fs::remove_file(dir.path().join("lock")).unwrap();
    Journal::open_read_only(dir.path()).unwrap().verify().unwrap();
    assert!(!dir.path().join("lock").exists());
}

#[test]
fn a_directory_without_a_journal_is_an_error() {
    let dir = tempdir().unwrap();
    let text = one_line(&Journal::open_read_only(dir.path()).err().unwrap());
    assert!(text.contains("holds no journal"), "{text}");
    assert!(contents(dir.path()).is_empty());
}

/// The checksums of pages cannot see an entry, or a piece of one, that was never there.
#[test]
fn verify_sees_a_missing_piece() {
    // Each entry has three pieces.
    for missing in [(3, 0), (3, 1), (3, 2), (5, 2)] {
        let dir = tempdir().unwrap();
        let journal = open(dir.path());
        for n in 1..=5_u8 {
            append(&mut journal.frames(), &[n; 100_000]).unwrap();
        }
        journal.stop().unwrap();
        let database = redb::Database::open(dir.path().join("journal.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        let frames = redb::TableDefinition::<(u64, u32), &[u8]>::new("frames");
        assert!(transaction.open_table(frames).unwrap().remove(missing).unwrap().is_some());
        transaction.commit().unwrap();
        drop(database);
        let read = Journal::open_read_only(dir.path()).unwrap();
        assert!(one_line(&read.verify().unwrap_err()).contains("is damaged"), "{missing:?}");
        let good: Vec<_> = read.entries(Topic::Frames).map_while(Result::ok).map(|found| found.place).collect();
        assert!(!good.contains(&Place(missing.0)) && !good.contains(&Place(missing.0 + 1)), "{missing:?}: {good:?}");
    }
}
