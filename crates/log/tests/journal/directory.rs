//! Which directories are taken, which are refused, and that a refusal changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::tempdir;
use weir_log::Place;
use weir_log::journal::{Journal, JournalError, Settings};

use crate::helpers::{Random, append, entries, open, refusal, settings};

const FILE: &str = "journal.redb";

/// The name, the bytes and the mode of each file but the lock, which has no bytes.
pub(crate) fn contents(dir: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap()).filter(|file| file.file_name() != "lock");
    let content = |path: &Path| if path.is_dir() { Vec::new() } else { fs::read(path).unwrap() };
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
    files.map(|file| (file.file_name().into_string().unwrap(), (content(&file.path()), mode(&file.path())))).collect()
}

/// A stopped journal with some entries.
fn stopped(dir: &Path, entries: u64) {
    let journal = open(dir);
    for n in 1..=entries {
        append(&mut journal.frames(), &n.to_le_bytes().repeat(200)).unwrap();
    }
    journal.stop().unwrap();
}

#[test]
fn only_the_owner_can_read_a_journal() {
    let parent = tempdir().unwrap();
    let dir = parent.path().join("journal");
    let journal = open(&dir);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in fs::read_dir(&dir).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    journal.stop().unwrap();
    // As a copy may have left it.
    fs::set_permissions(dir.join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    let _journal = open(&dir);
    assert_eq!(mode(&dir.join(FILE)), 0o600);
}

#[test]
fn a_foreign_directory_is_refused() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let before = contents(dir.path());
    let text = refusal(dir.path(), settings());
    assert!(text.contains("it contains letter.txt") && text.contains("name an empty directory"), "{text}");
    assert_eq!(contents(dir.path()), before);
    assert!(!dir.path().join("lock").exists());
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "").unwrap();
    assert!(refusal(&path, settings()).contains("it is a file"));
}

#[test]
fn a_database_that_is_no_regular_file_is_refused() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join(FILE)).unwrap();
    assert!(refusal(dir.path(), settings()).contains("journal.redb is not a regular file"));
    fs::remove_dir(dir.path().join(FILE)).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(dir.path().join(FILE)).status().unwrap().success());
    assert!(refusal(dir.path(), settings()).contains("journal.redb is not a regular file"));
    let error = Journal::open_read_only(dir.path()).err().unwrap();
    assert!(error.to_string().contains("journal.redb is not a regular file"), "{error}");
}

#[test]
fn a_missing_parent_is_an_error_and_not_created() {
    let dir = tempdir().unwrap();
    let text = refusal(&dir.path().join("volume/journal"), settings());
    assert!(text.contains("cannot create the directory"), "{text}");
    assert!(contents(dir.path()).is_empty());
}

#[test]
fn a_new_file_system_is_no_foreign_directory() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    assert!(open(dir.path()).is_new());
}

#[test]
fn a_crash_during_the_creation_leaves_no_journal() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("journal.redb.new"), "half").unwrap();
    assert!(open(dir.path()).is_new());
    assert!(!dir.path().join("journal.redb.new").exists());
}

#[test]
fn a_journal_that_must_exist_is_not_created() {
    let dir = tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        let error = Journal::open(&path, Settings { must_exist: true, ..settings() });
        assert!(matches!(error, Err(JournalError::Missing { .. })));
    }
    assert!(contents(dir.path()).is_empty() && !dir.path().join("lock").exists());
    stopped(dir.path(), 1);
    Journal::open(dir.path(), Settings { must_exist: true, ..settings() }).unwrap();
}

#[test]
fn another_configuration_is_refused_by_name_and_changes_nothing() {
    let dir = tempdir().unwrap();
    stopped(dir.path(), 3);
    let before = contents(dir.path());
    let mut other = settings();
    other.fingerprint.insert("retention_secs".to_owned(), "900".to_owned());
    other.fingerprint.remove("types");
    other.fingerprint.insert("attributes".to_owned(), "plan".to_owned());
    let text = refusal(dir.path(), other);
    for part in [
        "attributes is not set in the journal and plan now",
        "retention_secs is 1800 in the journal and 900 now",
        "types is click,view in the journal and not set now",
        "use the settings of the journal",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(contents(dir.path()), before);
    assert_eq!(entries(&mut open(dir.path()).frames(), Place(0)).len(), 3);
}

/// Settings with these event types.
fn with_types(types: &str) -> Settings {
    let mut settings = settings();
    settings.fingerprint.insert("event_types".to_owned(), types.to_owned());
    settings
}

#[test]
fn event_types_may_be_appended_and_stay() {
    let dir = tempdir().unwrap();
    drop(Journal::open(dir.path(), with_types("click,view")).unwrap());
    for types in ["click,viewed", "click", "view,click,buy", "buy,click,view"] {
        let text = refusal(dir.path(), with_types(types));
        assert!(text.contains(&format!("event_types is click,view in the journal and {types} now")), "{text}");
    }
    drop(Journal::open(dir.path(), with_types("click,view,buy,sell")).unwrap());
    let text = refusal(dir.path(), with_types("click,view,buy"));
    assert!(text.contains("event_types is click,view,buy,sell in the journal and click,view,buy now"), "{text}");
    let again = Journal::open(dir.path(), with_types("click,view,buy,sell")).unwrap();
    assert_eq!(again.meta().fingerprint, with_types("click,view,buy,sell").fingerprint);
}

#[test]
fn a_journal_that_is_put_back_says_what_it_said_before() {
    let dir = tempdir().unwrap();
    drop(Journal::open(dir.path(), with_types("click,view")).unwrap());
    for stopped in [false, true] {
        Journal::open(dir.path(), with_types("click,view,buy")).unwrap().put_back().unwrap();
        let journal = Journal::open(dir.path(), with_types("click,view")).unwrap();
        assert_eq!(journal.meta().stopped, stopped, "of a process that was killed, and of one that was stopped");
        journal.stop().unwrap();
    }
}

#[test]
fn a_newer_format_is_refused_and_changes_nothing() {
    let dir = tempdir().unwrap();
    stopped(dir.path(), 1);
    set_meta(dir.path(), "format", &2_u32.to_le_bytes());
    let before = contents(dir.path());
    assert!(refusal(dir.path(), settings()).contains("has format 2, and this version knows up to 1"));
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn a_database_of_another_program_is_refused_and_changes_nothing() {
    let dir = tempdir().unwrap();
    redb::Database::create(dir.path().join(FILE)).unwrap();
    let before = contents(dir.path());
    assert!(refusal(dir.path(), settings()).contains("a database of another program"));
    assert_eq!(contents(dir.path()), before);
    fs::write(dir.path().join(FILE), "not a database at all").unwrap();
    assert!(refusal(dir.path(), settings()).contains("is damaged"));
    fs::write(dir.path().join(FILE), "").unwrap();
    assert!(refusal(dir.path(), settings()).contains("the file is empty"));
}

#[test]
fn a_second_handle_on_the_directory_is_refused() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    assert!(refusal(dir.path(), settings()).contains("another process has the journal"));
    append(&mut journal.frames(), b"one").unwrap();
    drop(journal);
    open(dir.path());
}

/// An operator may take the lock file for the rest of a crash.
#[test]
fn a_removed_lock_file_lets_no_second_handle_in() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    append(&mut journal.frames(), b"one").unwrap();
    for _ in 0..2 {
        fs::remove_file(dir.path().join("lock")).unwrap();
        assert!(matches!(Journal::open_read_only(dir.path()), Err(JournalError::InUse { .. })));
        assert!(refusal(dir.path(), settings()).contains("another process has the journal"));
    }
    append(&mut journal.frames(), b"two").unwrap();
    drop(journal);
    assert_eq!(entries(&mut open(dir.path()).frames(), Place(0)).len(), 2);
}

#[test]
fn settings_out_of_range_are_refused_before_anything_is_created() {
    let dir = tempdir().unwrap();
    let text = refusal(dir.path(), Settings { max_bytes: 1, ..settings() });
    assert!(text.contains("give 67108864 to"), "{text}");
    assert!(contents(dir.path()).is_empty());
}

/// After a clean stop, a damaged journal is refused, or it has every entry: a flipped byte may be in a free page.
#[test]
fn flipped_bytes_and_cut_files_are_refused_and_change_nothing() {
    let dir = tempdir().unwrap();
    stopped(dir.path(), 60);
    let sound = fs::read(dir.path().join(FILE)).unwrap();
    let expected = entries(&mut open(dir.path()).frames(), Place(0));
    let seed = 7;
    let mut random = Random(seed);
    let mut refused = 0;
    for round in 0..400 {
        let mut bytes = sound.clone();
        if round % 4 == 0 {
            bytes.truncate(random.below(sound.len() as u64) as usize);
        } else {
            let at = if round % 4 == 1 { random.below(320) } else { random.below(sound.len() as u64) };
            bytes[at as usize] ^= 1 << random.below(8);
        }
        fs::write(dir.path().join(FILE), &bytes).unwrap();
        match Journal::open(dir.path(), settings()) {
            Ok(journal) => assert_eq!(entries(&mut journal.frames(), Place(0)), expected, "seed {seed} round {round}"),
            Err(JournalError::Damaged { .. }) => {
                assert!(fs::read(dir.path().join(FILE)).unwrap() == bytes, "seed {seed} round {round}: changed");
                refused += 1;
            }
            Err(other) => panic!("seed {seed} round {round}: {other}"),
        }
    }
    assert!(refused > 150, "{refused} of 400 were refused");
}

/// Changes a value of the meta table.
fn set_meta(dir: &Path, name: &str, value: &[u8]) {
    let table = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let database = redb::Database::open(dir.join(FILE)).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(name, value).unwrap();
    transaction.commit().unwrap();
}
