//! The window. Each test is one scenario with one invariant.

use crate::harness::check;
use crate::sync::reclaim::{self, pin};
use crate::window::chunk::Record;
use crate::window::slot::Slot;
use crate::window::{Appended, Window, WindowConsumer};
use loom::sync::{Arc, Mutex};
use loom::thread;

fn append(slot: &Slot, second: i64, record: Record) -> Appended {
    slot.append(second, [record].into(), &pin())
}

/// The second and the records of a slot, oldest first.
fn read(slot: &Slot) -> Option<(i64, Vec<Record>)> {
    let guard = pin();
    let list = slot.snapshot(&guard)?;
    let mut records = vec![];
    list.since(0, |chunk| records.extend_from_slice(chunk));
    records.reverse();
    Some((list.second(), records))
}

/// The consumer of a window, and all that it has drained.
struct Reader {
    consumer: WindowConsumer,
    seen: Vec<Record>,
    /// The number of records that are no longer unfolded.
    drained: u64,
}

/// A window of one slot, and its reader.
fn one_slot() -> (Arc<Window>, Mutex<Reader>) {
    let window = Window::new(1);
    let reader = Mutex::new(Reader { consumer: WindowConsumer::new(&window), seen: vec![], drained: 0 });
    (Arc::new(window), reader)
}

fn fold(reader: &Mutex<Reader>, window: &Window, oldest: i64, newest: i64) {
    let Reader { consumer, seen, drained } = &mut *reader.lock().unwrap();
    *drained +=
        consumer.drain(window, &(oldest..=newest), u64::MAX, |_, records| seen.extend_from_slice(records)).records;
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
            window.append(second, [*record].into());
        }
    })
}

/// Two appends to one slot: every later snapshot has both of them, once.
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

/// A snapshot during two appends has all chunks below its head, is never torn, and is never smaller than an earlier
/// one.
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

/// The ring wraps: an old and a new second race for a slot that has an even older one. The slot ends with the newest
/// second, no record of another second is attributed to it, and each list is freed once.
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

/// Two writers of the new second race to unlink the old one. The records of both are kept, and the old list is freed
/// once.
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

/// A snapshot while a wrap recycles its slot: there is no use after free, and the second and the data agree.
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

/// A snapshot while a fold retires its slot and then clears it: there is no use after free, and the list is whole or
/// empty.
#[test]
fn snapshot_and_retire() {
    check("snapshot_and_retire", None, || {
        let slot = Arc::new(Slot::new());
        append(&slot, 1, 10);
        append(&slot, 1, 11);
        let other = {
            let slot = slot.clone();
            thread::spawn(move || {
                let retired = {
                    let guard = pin();
                    let list = slot.snapshot(&guard).unwrap();
                    slot.retire(&list)
                };
                let guard = pin();
                let list = slot.snapshot(&guard).unwrap();
                assert!(retired && list.sequence() == 2 && slot.clear(&list));
            })
        };
        let list = read(&slot).map(|(_, records)| records);
        assert!(matches!(list.as_deref(), None | Some([] | [10, 11])), "{list:?}");
        other.join().unwrap();
        assert_eq!(read(&slot), None);
    });
}

/// A fold that retires its list, and a straggling append: the straggler is folded once, the offset stays correct, and
/// of the folded chunks only the empty one is kept.
#[test]
fn retire_and_straggler() {
    check("retire_and_straggler", None, || {
        let (window, reader) = one_slot();
        window.append(5, [1].into());
        let writer = spawn_append(&window, 5, &[2]);
        fold(&reader, &window, 0, 9);
        writer.join().unwrap();
        fold(&reader, &window, 0, 9);
        assert_eq!((reader.lock().unwrap().drained, reclaim::live()), (2, 1));
        assert_eq!(seen(reader), [1, 2]);
    });
}

/// [`retire_and_straggler`] with two stragglers in one thread, so that a retire can also come between them.
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

/// The janitor and an append of the new second: the append is never lost, the old list is freed once, and every record
/// is accounted for.
#[test]
fn janitor_and_append() {
    check("janitor_and_append", None, || {
        let (window, reader) = one_slot();
        window.append(1, [10].into());
        let writer = spawn_append(&window, 9, &[90]);
        {
            let Reader { consumer, drained, .. } = &mut *reader.lock().unwrap();
            *drained += consumer.clear(&window, 1..=5);
        }
        writer.join().unwrap();
        fold(&reader, &window, 6, 9);
        assert_eq!(reader.lock().unwrap().drained, 2);
        assert_eq!(seen(reader), [90]);
    });
}

/// The janitor and a stalled writer of the second that it clears, with a fold after each. The second of the straggler
/// is over, so its record is dropped and accounted for. A later record of the next second is folded.
#[test]
fn janitor_and_stalled_writer() {
    check("janitor_and_stalled_writer", None, || {
        let (window, reader) = one_slot();
        window.append(1, [10].into());
        fold(&reader, &window, 0, 9);
        let writer = spawn_append(&window, 1, &[11]);
        {
            let Reader { consumer, drained, .. } = &mut *reader.lock().unwrap();
            *drained += consumer.clear(&window, 1..=5);
        }
        writer.join().unwrap();
        fold(&reader, &window, 6, 9);
        window.append(9, [90].into());
        fold(&reader, &window, 6, 9);
        assert_eq!(reader.lock().unwrap().drained, 3);
        assert_eq!(seen(reader), [10, 90]);
    });
}

/// Dirty bits: a reader takes them while a writer publishes. A fold that starts after an acknowledgement has the
/// record.
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

/// [`acknowledged_is_visible`] for a writer that finds the bit of an earlier event still set.
#[test]
fn acknowledged_twice_is_visible_twice() {
    check("acknowledged_twice_is_visible_twice", None, || {
        let (window, reader) = one_slot();
        window.append(5, [1].into());
        let writer = spawn_append(&window, 5, &[2]);
        fold(&reader, &window, 0, 9);
        writer.join().unwrap();
        fold(&reader, &window, 0, 9);
        assert_eq!(seen(reader), [1, 2]);
    });
}

/// Two readers and a writer: the slots of the bits that one reader has taken are folded before the other reader folds.
#[test]
fn two_readers() {
    check("two_readers", Some(3), || {
        let (window, reader) = one_slot();
        let reader = Arc::new(reader);
        let acknowledged = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let writer = {
            let (window, acknowledged) = (window.clone(), acknowledged.clone());
            thread::spawn(move || {
                window.append(5, [1].into());
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

/// A second ahead of the live ones stays pending until it is live.
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

/// The ring wraps during a fold: the new second is folded from its first chunk, although the offset was in the middle
/// of the old one.
#[test]
fn wrap_and_fold() {
    check("wrap_and_fold", None, || {
        let (window, reader) = one_slot();
        window.append(1, [10].into());
        window.append(1, [11].into());
        fold(&reader, &window, 0, 9);
        let writer = spawn_append(&window, 9, &[90]);
        fold(&reader, &window, 5, 9);
        writer.join().unwrap();
        fold(&reader, &window, 5, 9);
        assert_eq!(reader.lock().unwrap().drained, 3);
        assert_eq!(seen(reader), [10, 11, 90]);
    });
}

/// Three threads: a writer of the old second, a writer of the new one, and a reader that folds and retires. No record
/// is folded twice, the record of the new second is folded, and every record is accounted for.
#[test]
fn wrap_retire_and_straggler() {
    check("wrap_retire_and_straggler", Some(2), || {
        let (window, reader) = one_slot();
        window.append(1, [10].into());
        let old = {
            let window = window.clone();
            thread::spawn(move || window.append(1, [11].into()))
        };
        let new = spawn_append(&window, 9, &[90]);
        fold(&reader, &window, 0, 9);
        let stored = 2 + u64::from(old.join().unwrap() == Appended::Stored);
        new.join().unwrap();
        fold(&reader, &window, 0, 9);
        assert_eq!(reader.lock().unwrap().drained, stored);
        let seen = seen(reader);
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "folded twice: {seen:?}");
        assert_eq!(seen.last(), Some(&90));
    });
}
