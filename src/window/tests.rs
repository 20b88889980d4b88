//! The window on real threads and real epochs.

use crate::sync::reclaim::pin;
use crate::window::chunk::Record;
use crate::window::slot::Slot;
use crate::window::{Appended, Drained, Unlinked, Window, WindowConsumer};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const ALL: std::ops::RangeInclusive<i64> = i64::MIN..=i64::MAX;

fn append(window: &Window, second: i64, records: &[Record]) -> Appended {
    window.append(second, records.into())
}

/// The records of one drain by second, sorted.
fn drain(
    consumer: &mut WindowConsumer,
    window: &Window,
    live: std::ops::RangeInclusive<i64>,
) -> BTreeMap<i64, Vec<Record>> {
    let mut seen: BTreeMap<i64, Vec<Record>> = BTreeMap::new();
    consumer.drain(window, &live, u64::MAX, |second, records| seen.entry(second).or_default().extend(records));
    seen.values_mut().for_each(|records| records.sort_unstable());
    seen
}

#[test]
fn each_record_is_drained_once_with_its_second() {
    let window = Window::new(8);
    let mut consumer = WindowConsumer::new(&window);
    append(&window, 5, &[1, 2]);
    append(&window, 5, &[3]);
    append(&window, 6, &[4]);
    assert_eq!(drain(&mut consumer, &window, ALL), [(5, vec![1, 2, 3]), (6, vec![4])].into());
    assert_eq!(drain(&mut consumer, &window, ALL), BTreeMap::new());
    append(&window, 5, &[5]);
    assert_eq!(drain(&mut consumer, &window, ALL), [(5, vec![5])].into());
}

#[test]
fn a_wrap_replaces_the_old_second_and_refuses_it_afterwards() {
    let window = Window::new(4);
    let mut consumer = WindowConsumer::new(&window);
    assert_eq!(append(&window, 3, &[1]), Appended::Stored);
    assert_eq!(append(&window, 7, &[2]), Appended::Stored);
    assert_eq!(append(&window, 3, &[3]), Appended::Expired);
    assert_eq!(drain(&mut consumer, &window, ALL), [(7, vec![2])].into());
    assert_eq!(append(&window, 11, &[4]), Appended::Stored);
    assert_eq!(drain(&mut consumer, &window, ALL), [(11, vec![4])].into());
}

#[test]
fn seconds_before_the_epoch_have_slots_too() {
    let window = Window::new(4);
    let mut consumer = WindowConsumer::new(&window);
    for second in -2..2 {
        assert_eq!(append(&window, second, &[second as u128]), Appended::Stored);
    }
    let seen = drain(&mut consumer, &window, ALL);
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [-2, -1, 0, 1]);
}

#[test]
fn every_published_record_is_accounted_for_once() {
    let window = Window::new(4);
    let mut consumer = WindowConsumer::new(&window);
    let mut drain = |live| consumer.drain(&window, &live, u64::MAX, |_, _| {});
    append(&window, 3, &[1, 2]);
    append(&window, 7, &[3]); // unlinks second 3, which was never folded
    assert_eq!(drain(0..=9), Drained { records: 3, ..Drained::default() });
    append(&window, 7, &[4]);
    assert_eq!(
        drain(8..=12),
        Drained { records: 1, ..Drained::default() },
        "a second that is over is dropped and counted"
    );
    append(&window, 12, &[5, 6]);
    append(&window, 11, &[7]);
    assert_eq!(drain(8..=11), Drained { records: 1, far_ahead_secs: Some(12), ..Drained::default() }, "12 waits");
    assert_eq!(consumer.clear(&window, 8..=11), 0, "11 was folded");
    assert_eq!(consumer.clear(&window, 12..=12), 2, "12 was not");
    append(&window, 12, &[8]);
    assert_eq!(consumer.drain(&window, &(8..=12), u64::MAX, |_, _| {}), Drained { records: 1, ..Drained::default() });
}

#[test]
fn a_drain_says_when_a_second_may_have_taken_the_slot_of_a_live_one() {
    let live = 8..=10;
    for (ahead, expected) in
        [(vec![11], None), (vec![12], Some(12)), (vec![16, 13], Some(13)), (vec![1_000], Some(1_000))]
    {
        let window = Window::new(4);
        let mut consumer = WindowConsumer::new(&window);
        ahead.iter().for_each(|second| _ = append(&window, *second, &[1]));
        for _ in 0..2 {
            let drained = consumer.drain(&window, &live, u64::MAX, |_, _| unreachable!());
            assert_eq!(drained, Drained { far_ahead_secs: expected, ..Drained::default() }, "{ahead:?}");
        }
    }
}

#[test]
fn a_list_that_was_read_is_unlinked_and_its_second_and_sequence_stay() {
    for chunks in 1..=3 {
        let slot = Slot::new();
        let guard = pin();
        (0..chunks).for_each(|_| assert_eq!(slot.append(5, [7, 8].into(), &guard), Appended::Stored));
        assert!(slot.retire(&slot.snapshot(&guard).unwrap()));
        let left = slot.snapshot(&guard).unwrap();
        left.since(0, |records| assert!(records.is_empty(), "{chunks}"));
        assert_eq!((left.second(), left.sequence()), (5, 2 * chunks));
    }
}

#[test]
fn a_list_is_unlinked_only_if_no_chunk_was_appended_since_it_was_read() {
    let (slot, guard) = (Slot::new(), pin());
    slot.append(5, [1].into(), &guard);
    let read = slot.snapshot(&guard).unwrap();
    slot.append(5, [2].into(), &guard);
    assert!(!slot.retire(&read) && !slot.clear(&read));
    let now = slot.snapshot(&guard).unwrap();
    let mut seen = vec![];
    now.since(0, |records| seen.extend_from_slice(records));
    assert_eq!((seen, now.sequence()), (vec![2, 1], 2));
    assert!(slot.clear(&now) && slot.snapshot(&guard).is_none());
}

#[test]
fn a_second_ahead_of_the_live_ones_stays_pending() {
    let window = Window::new(8);
    let mut consumer = WindowConsumer::new(&window);
    append(&window, 5, &[1]);
    assert_eq!(drain(&mut consumer, &window, 0..=4), BTreeMap::new());
    assert_eq!(drain(&mut consumer, &window, 0..=4), BTreeMap::new());
    assert_eq!(drain(&mut consumer, &window, 0..=5), [(5, vec![1])].into());
}

#[test]
fn a_limit_ends_a_drain_and_loses_no_record() {
    for limit in [4, 6] {
        let window = Window::new(8);
        let mut consumer = WindowConsumer::new(&window);
        for second in 0..6 {
            window.append(second, [1, 2, 3].into());
        }
        let mut seen = vec![];
        let mut drains = 0;
        loop {
            let drained = consumer.drain(&window, &ALL, limit, |second, records| seen.push((second, records.len())));
            drains += 1;
            if !drained.has_more {
                break;
            }
            assert_eq!(drained.records, 6, "a drain ends after the slot in which the limit is reached");
        }
        seen.sort_unstable();
        assert_eq!((drains, seen), (3, (0..6).map(|second| (second, 3)).collect()), "limit {limit}");
    }
}

#[test]
fn a_jump_of_the_clock_clears_every_slot_and_leaves_no_mark() {
    let window = Window::new(4);
    let mut consumer = WindowConsumer::new(&window);
    for second in 0..4 {
        window.append(second, [1].into());
    }
    assert_eq!(consumer.clear(&window, -1_000..=3), 4);
    assert_eq!(consumer.drain(&window, &ALL, u64::MAX, |_, _| unreachable!()), Drained::default());
    assert_eq!(consumer.drain(&window, &ALL, 0, |_, _| {}), Drained::default(), "no slot is marked any more");
}

#[test]
fn the_memory_of_a_window_is_known_before_it_exists() {
    // A slot has 8 bytes, an empty chunk of 40 and a bit; for the consumer, two sequences of 8 bytes and a bit.
    assert_eq!([64, 2_048].map(Window::bytes_for), [64 * 48 + 8, 2_048 * 48 + 256]);
    assert_eq!([64, 2_048].map(WindowConsumer::bytes_for), [64 * 16 + 8, 2_048 * 16 + 256]);
}

#[test]
fn folded_records_are_reported_as_unlinked_when_no_slot_has_them_any_more() {
    let window = Window::new(4);
    let mut consumer = WindowConsumer::new(&window);
    append(&window, 1, &[1, 2]);
    append(&window, 2, &[3]);
    assert_eq!(drain(&mut consumer, &window, ALL).len(), 2);
    assert_eq!(consumer.take_unlinked(), Unlinked { records: 3, lists: 2 });
    assert_eq!(consumer.take_unlinked(), Unlinked::default(), "once");
    drain(&mut consumer, &window, ALL);
    assert_eq!(consumer.take_unlinked(), Unlinked::default(), "there is nothing new");
    assert_eq!(consumer.clear(&window, 2..=2), 0);
    assert_eq!(consumer.take_unlinked(), Unlinked { records: 0, lists: 1 }, "the empty chunk of the fold");

    // An append in the middle of a fold keeps the list.
    append(&window, 1, &[4, 5]);
    let drained = consumer.drain(&window, &ALL, u64::MAX, |second, _| _ = append(&window, second, &[6]));
    assert_eq!(drained.records, 2, "those that were not folded before");
    assert_eq!(consumer.take_unlinked(), Unlinked::default());
    assert_eq!(drain(&mut consumer, &window, ALL), [(1, vec![6])].into());
    assert_eq!(consumer.take_unlinked(), Unlinked { records: 3, lists: 1 });

    // A fold reads records before their slot is marked. The next fold finds nothing new.
    append(&window, 1, &[12]);
    let mut appends = window.begin_appends();
    appends.append(1, [13].into());
    assert_eq!(drain(&mut consumer, &window, ALL), [(1, vec![12, 13])].into());
    assert_eq!(consumer.take_unlinked(), Unlinked { records: 2, lists: 1 });
    drop(appends);
    assert_eq!(drain(&mut consumer, &window, ALL), BTreeMap::new());
    assert_eq!(consumer.take_unlinked(), Unlinked::default());

    // A wrap, and a janitor that drops a second unfolded: nothing is left, and nothing is reported twice.
    append(&window, 1, &[7]);
    append(&window, 5, &[8, 9]);
    drain(&mut consumer, &window, ALL);
    assert_eq!(consumer.take_unlinked(), Unlinked { records: 3, lists: 1 }, "with the record that the wrap unlinked");
    append(&window, 5, &[10]);
    assert_eq!(consumer.clear(&window, 5..=5), 1);
    assert_eq!(consumer.take_unlinked(), Unlinked { records: 1, lists: 1 });
    append(&window, 5, &[11]);
    drain(&mut consumer, &window, ALL);
    assert_eq!(consumer.take_unlinked(), Unlinked { records: 1, lists: 1 }, "an empty slot starts again");
}

#[test]
fn a_million_chunks_are_dropped_without_recursion() {
    let window = Window::new(1);
    for record in 0..1_000_000 {
        append(&window, 1, &[record]);
    }
    drop(window);
    let window = Window::new(1);
    for record in 0..1_000_000 {
        append(&window, 1, &[record]);
    }
    append(&window, 2, &[7]); // retires the list of second 1
    assert_eq!(drain(&mut WindowConsumer::new(&window), &window, ALL), [(2, vec![7])].into());
    for _ in 0..10_000 {
        crate::sync::reclaim::flush();
    }
}

/// Four writers near a common clock, which follows the slowest of them, and two threads that fold. The writers are at
/// most a few seconds ahead of the folds, and the ring wraps eight times. Every record is drained once, in its own
/// second.
#[test]
fn no_record_is_lost_or_doubled_under_concurrent_folds() {
    const WRITERS: usize = 4;
    const BATCHES: i64 = 50_000;
    const BATCHES_A_SECOND: i64 = 100;
    let window = Window::new(64);
    let folded = Mutex::new((WindowConsumer::new(&window), BTreeMap::<(i64, Record), u32>::new()));
    let progress: Vec<AtomicI64> = (0..WRITERS).map(|_| AtomicI64::new(0)).collect();
    let now = || progress.iter().map(|batches| batches.load(Ordering::Acquire)).min().unwrap() / BATCHES_A_SECOND;
    let folded_now = AtomicI64::new(0);
    let done = AtomicBool::new(false);
    let fold = || {
        let mut folded = folded.lock().unwrap();
        let (consumer, seen) = &mut *folded;
        let now = now();
        consumer.clear(&window, now - 20..=now - 11);
        consumer.drain(&window, &(now - 10..=now + 30), u64::MAX, |second, records| {
            records.iter().for_each(|record| *seen.entry((second, *record)).or_default() += 1);
        });
        folded_now.store(now, Ordering::Release);
    };
    let write = &|writer: usize| {
        let mut stored = vec![];
        for batch in 0..BATCHES {
            let second = batch / BATCHES_A_SECOND;
            while second > folded_now.load(Ordering::Acquire) + 4 {
                std::thread::yield_now();
            }
            let second = second + batch % 8 - 4;
            let records: Vec<Record> =
                (0..batch % 3 + 1).map(|i| ((writer as i64) << 40 | batch << 2 | i) as u128).collect();
            assert_eq!(window.append(second, records.clone().into()), Appended::Stored);
            stored.extend(records.into_iter().map(|record| (second, record)));
            progress[writer].store(batch + 1, Ordering::Release);
        }
        stored
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        fold();
                    }
                })
            })
            .collect();
        let stored: BTreeMap<_, _> =
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).map(|record| (record, 1)).collect();
        done.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        fold();
        let seen = &folded.lock().unwrap().1;
        assert_eq!(seen.len(), stored.len());
        assert!(*seen == stored, "a record was drained twice, or in another second");
    });
}
