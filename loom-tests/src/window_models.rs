//! The window: one scenario a test, one invariant each.

use crate::harness::check;
use crate::sync::reclaim::{self, pin};
use crate::window::chunk::Record;
use crate::window::slot::Slot;
use crate::window::{Appended, Folder, Window};
use loom::sync::{Arc, Mutex};
use loom::thread;

fn append(slot: &Slot, second: i64, record: Record) -> Appended {
    slot.append(second, [record].into(), &pin())
}

/// The slot's second and records, oldest first.
fn read(slot: &Slot) -> Option<(i64, Vec<Record>)> {
    let guard = pin();
    let list = slot.snapshot(&guard)?;
    let mut records = vec![];
    list.since(0, |chunk| records.extend_from_slice(chunk));
    records.reverse();
    Some((list.second(), records))
}

/// A window of one slot, and the one reader's state.
struct Reader {
    folder: Folder,
    seen: Vec<Record>,
    consumed: u64,
}

fn one_slot() -> (Arc<Window>, Mutex<Reader>) {
    let window = Window::new(1, 1);
    let reader = Mutex::new(Reader { folder: Folder::new(&window), seen: vec![], consumed: 0 });
    (Arc::new(window), reader)
}

fn fold(reader: &Mutex<Reader>, window: &Window, oldest: i64, newest: i64) {
    let Reader { folder, seen, consumed } = &mut *reader.lock().unwrap();
    *consumed +=
        folder.catch_up(window, &(oldest..=newest), u64::MAX, |_, records| seen.extend_from_slice(records)).records;
}

fn seen(reader: Mutex<Reader>) -> Vec<Record> {
    let mut seen = reader.into_inner().unwrap().seen;
    seen.sort_unstable();
    seen
}

fn spawn_append(window: &Arc<Window>, second: i64, records: &'static [Record]) -> thread::JoinHandle<()> {
    let window = window.clone();
    thread::spawn(move || {
        for record in records {
            window.append(0, second, [*record].into());
        }
    })
}

/// Two appends to one slot are both in every later snapshot, once.
#[test]
fn two_appends() {
    check("two_appends", None, || {
        let slot = Arc::new(Slot::new());
        let other = {
            let slot = slot.clone();
            thread::spawn(move || assert_eq!(append(&slot, 5, 1), Appended::Stored))
        };
        assert_eq!(append(&slot, 5, 2), Appended::Stored);
        other.join().unwrap();
        let (second, mut records) = read(&slot).unwrap();
        records.sort_unstable();
        assert_eq!((second, records), (5, vec![1, 2]));
    });
}

/// A snapshot beside two appends is complete downwards, never torn, and never smaller than an earlier one.
#[test]
fn append_and_snapshot() {
    check("append_and_snapshot", None, || {
        let slot = Arc::new(Slot::new());
        let writer = {
            let slot = slot.clone();
            thread::spawn(move || {
                append(&slot, 5, 1);
                append(&slot, 5, 2);
            })
        };
        let snapshots = [read(&slot), read(&slot)].map(|list| list.map_or(vec![], |(_, records)| records));
        for records in &snapshots {
            assert!(matches!(records[..], [] | [1] | [1, 2]), "{records:?}");
        }
        assert!(snapshots[0].len() <= snapshots[1].len());
        writer.join().unwrap();
    });
}

/// The ring wraps: an old and a new second race for a slot that holds an even older one. The newest wins, nothing of
/// another second is attributed to it, each list is freed once.
#[test]
fn wrap() {
    check("wrap", None, || {
        let slot = Arc::new(Slot::new());
        append(&slot, 1, 10);
        let old = {
            let slot = slot.clone();
            thread::spawn(move || append(&slot, 5, 50))
        };
        assert_eq!(append(&slot, 9, 90), Appended::Stored);
        old.join().unwrap();
        assert_eq!(read(&slot), Some((9, vec![90])));
    });
}

/// Two writers of the new second race to reclaim the old one; neither's records are lost, the old list is freed once.
#[test]
fn two_reclaimers() {
    check("two_reclaimers", None, || {
        let slot = Arc::new(Slot::new());
        append(&slot, 1, 10);
        let other = {
            let slot = slot.clone();
            thread::spawn(move || assert_eq!(append(&slot, 9, 1), Appended::Stored))
        };
        assert_eq!(append(&slot, 9, 2), Appended::Stored);
        other.join().unwrap();
        let (second, mut records) = read(&slot).unwrap();
        records.sort_unstable();
        assert_eq!((second, records), (9, vec![1, 2]));
    });
}

/// A snapshot while its slot is reclaimed by a wrap: no use after free, second and data agree.
#[test]
fn snapshot_and_wrap() {
    check("snapshot_and_wrap", None, || {
        let slot = Arc::new(Slot::new());
        append(&slot, 1, 10);
        append(&slot, 1, 11);
        let writer = {
            let slot = slot.clone();
            thread::spawn(move || append(&slot, 9, 90))
        };
        let list = read(&slot).unwrap();
        assert!(list == (1, vec![10, 11]) || list == (9, vec![90]), "{list:?}");
        writer.join().unwrap();
    });
}

/// A snapshot while its slot is retired by a fold, and then cleared: no use after free, the list is whole or empty.
#[test]
fn snapshot_and_retire() {
    check("snapshot_and_retire", None, || {
        let slot = Arc::new(Slot::new());
        append(&slot, 1, 10);
        append(&slot, 1, 11);
        let folder = {
            let slot = slot.clone();
            thread::spawn(move || {
                let retired = {
                    let guard = pin();
                    let list = slot.snapshot(&guard).unwrap();
                    slot.retire(&list)
                };
                let guard = pin();
                let list = slot.snapshot(&guard).unwrap();
                assert!(retired && list.depth() == 2 && slot.clear(&list));
            })
        };
        let list = read(&slot).map(|(_, records)| records);
        assert!(matches!(list.as_deref(), None | Some([] | [10, 11])), "{list:?}");
        folder.join().unwrap();
        assert_eq!(read(&slot), None);
    });
}

/// Fold and retire beside a straggling append: the straggler is folded once, the cursor stays right, and of what was
/// folded only the empty chunk is kept.
#[test]
fn retire_and_straggler() {
    check("retire_and_straggler", None, || {
        let (window, reader) = one_slot();
        window.append(0, 5, [1].into());
        let writer = spawn_append(&window, 5, &[2]);
        fold(&reader, &window, 0, 9);
        writer.join().unwrap();
        fold(&reader, &window, 0, 9);
        assert_eq!((reader.lock().unwrap().consumed, reclaim::live()), (2, 1));
        assert_eq!(seen(reader), [1, 2]);
    });
}

/// The same with two stragglers in one thread, so that a retire falls between them too.
#[test]
fn retire_and_two_stragglers() {
    check("retire_and_two_stragglers", Some(3), || {
        let (window, reader) = one_slot();
        let writer = spawn_append(&window, 5, &[1, 2]);
        fold(&reader, &window, 0, 9);
        fold(&reader, &window, 0, 9);
        writer.join().unwrap();
        fold(&reader, &window, 0, 9);
        assert_eq!(seen(reader), [1, 2]);
    });
}

/// The janitor beside an append of the new second: the append is never lost, the old list is freed once, and every
/// record is accounted for.
#[test]
fn janitor_and_append() {
    check("janitor_and_append", None, || {
        let (window, reader) = one_slot();
        window.append(0, 1, [10].into());
        let writer = spawn_append(&window, 9, &[90]);
        {
            let Reader { folder, consumed, .. } = &mut *reader.lock().unwrap();
            *consumed += folder.clear(&window, 1..=5);
        }
        writer.join().unwrap();
        fold(&reader, &window, 6, 9);
        assert_eq!(reader.lock().unwrap().consumed, 2);
        assert_eq!(seen(reader), [90]);
    });
}

/// The janitor beside a stalled writer of the second that it clears, with a fold after each: the straggler's second is
/// over, so it is dropped, but accounted for; and what the next second gets afterwards is folded.
#[test]
fn janitor_and_stalled_writer() {
    check("janitor_and_stalled_writer", None, || {
        let (window, reader) = one_slot();
        window.append(0, 1, [10].into());
        fold(&reader, &window, 0, 9);
        let writer = spawn_append(&window, 1, &[11]);
        {
            let Reader { folder, consumed, .. } = &mut *reader.lock().unwrap();
            *consumed += folder.clear(&window, 1..=5);
        }
        writer.join().unwrap();
        fold(&reader, &window, 6, 9);
        window.append(0, 9, [90].into());
        fold(&reader, &window, 6, 9);
        assert_eq!(reader.lock().unwrap().consumed, 3);
        assert_eq!(seen(reader), [10, 90]);
    });
}

/// Dirty bits: a reader takes them while a writer publishes; what was acknowledged is folded by a read that starts later.
#[test]
fn acknowledged_is_visible() {
    check("acknowledged_is_visible", None, || {
        let (window, reader) = one_slot();
        let writer = spawn_append(&window, 5, &[1]);
        fold(&reader, &window, 0, 9);
        writer.join().unwrap(); // the 200
        fold(&reader, &window, 0, 9);
        assert_eq!(seen(reader), [1]);
    });
}

/// The same when the writer finds the bit of an earlier event still set.
#[test]
fn acknowledged_twice_is_visible_twice() {
    check("acknowledged_twice_is_visible_twice", None, || {
        let (window, reader) = one_slot();
        window.append(0, 5, [1].into());
        let writer = spawn_append(&window, 5, &[2]);
        fold(&reader, &window, 0, 9);
        writer.join().unwrap();
        fold(&reader, &window, 0, 9);
        assert_eq!(seen(reader), [1, 2]);
    });
}

/// Two readers and a writer: bits that one reader has taken are folded before the other may look.
#[test]
fn two_readers() {
    check("two_readers", Some(3), || {
        let (window, reader) = one_slot();
        let reader = Arc::new(reader);
        let acknowledged = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let writer = {
            let (window, acknowledged) = (window.clone(), acknowledged.clone());
            thread::spawn(move || {
                window.append(0, 5, [1].into());
                acknowledged.store(true, loom::sync::atomic::Ordering::Release);
            })
        };
        let other = {
            let (window, reader) = (window.clone(), reader.clone());
            thread::spawn(move || fold(&reader, &window, 0, 9))
        };
        let started_after = acknowledged.load(loom::sync::atomic::Ordering::Acquire);
        fold(&reader, &window, 0, 9);
        if started_after {
            assert_eq!(reader.lock().unwrap().seen, [1]);
        }
        writer.join().unwrap();
        other.join().unwrap();
        fold(&reader, &window, 0, 9);
        assert_eq!(reader.lock().unwrap().seen, [1]);
    });
}

/// A second ahead of the live ones stays pending until they reach it.
#[test]
fn future_second() {
    check("future_second", None, || {
        let (window, reader) = one_slot();
        let writer = spawn_append(&window, 5, &[1]);
        fold(&reader, &window, 0, 4);
        assert_eq!(reader.lock().unwrap().seen, []);
        writer.join().unwrap();
        fold(&reader, &window, 0, 4);
        fold(&reader, &window, 0, 5);
        assert_eq!(seen(reader), [1]);
    });
}

/// The ring wraps under the reader: the new second is folded from its first chunk, though the cursor stood deep in the
/// old one.
#[test]
fn wrap_and_fold() {
    check("wrap_and_fold", None, || {
        let (window, reader) = one_slot();
        window.append(0, 1, [10].into());
        window.append(0, 1, [11].into());
        fold(&reader, &window, 0, 9);
        let writer = spawn_append(&window, 9, &[90]);
        fold(&reader, &window, 5, 9);
        writer.join().unwrap();
        fold(&reader, &window, 5, 9);
        assert_eq!(reader.lock().unwrap().consumed, 3);
        assert_eq!(seen(reader), [10, 11, 90]);
    });
}

/// Three threads: a writer of the old second, a writer of the new one, and a reader that folds and retires. Nothing is
/// folded twice, the new second's record is folded, and every record is accounted for.
#[test]
fn wrap_retire_and_straggler() {
    check("wrap_retire_and_straggler", Some(2), || {
        let (window, reader) = one_slot();
        window.append(0, 1, [10].into());
        let old = {
            let window = window.clone();
            thread::spawn(move || window.append(0, 1, [11].into()))
        };
        let new = spawn_append(&window, 9, &[90]);
        fold(&reader, &window, 0, 9);
        let stored = 2 + u64::from(old.join().unwrap() == Appended::Stored);
        new.join().unwrap();
        fold(&reader, &window, 0, 9);
        assert_eq!(reader.lock().unwrap().consumed, stored);
        let seen = seen(reader);
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "folded twice: {seen:?}");
        assert_eq!(seen.last(), Some(&90));
    });
}
