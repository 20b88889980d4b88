//! After a power cut the journal opens, and has every entry whose place was reported.

use std::collections::BTreeMap;

use weir_log::journal::{Journal, State, Topic};
use weir_log::limits::JOURNAL_ENTRY_OVERHEAD_BYTES;
use weir_log::{Entry, Log, NotPlaced, Place};

use crate::helpers::{Random, append, rest, settings};
use crate::sim_disk::SimDisk;

const CUTS: u64 = 10_000;

/// A journal begins anew after this number of cuts, so that short and long ones are tried.
const CUTS_OF_A_JOURNAL: u64 = 100;

const TOPICS: [Topic; 2] = [Topic::Frames, Topic::Reference];

/// What a topic must hold.
#[derive(Default)]
struct Expected {
    /// The entries whose places were told, or that were read.
    told: BTreeMap<u64, Vec<u8>>,
    /// The entry that perhaps follows: its append was not answered with a place.
    unknown: Option<Vec<u8>>,
    /// Entries before this may be missing.
    trim_before: u64,
    /// How many entries without a told place were there after all.
    kept: u64,
    /// How many were not.
    lost: u64,
}

impl Expected {
    fn next_place(&self) -> u64 {
        self.told.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    /// Compares what was found, and expects it from now on: it was read.
    fn check(&mut self, found: &[Entry], live_bytes: u64) {
        let first = found.first().map_or(self.next_place(), |entry| entry.place.0);
        assert!(first == 1 || first <= self.trim_before, "place {first} is the first, trim {}", self.trim_before);
        if let Some(unknown) = self.unknown.take() {
            self.told.insert(self.next_place(), unknown);
            if found.last().is_none_or(|last| last.place.0 + 1 < self.next_place()) {
                self.told.pop_last();
                self.lost += 1;
            } else {
                self.kept += 1;
            }
        }
        self.told.retain(|place, _| *place >= first);
        let found_places: Vec<u64> = found.iter().map(|entry| entry.place.0).collect();
        assert_eq!(found_places, self.told.keys().copied().collect::<Vec<_>>(), "the places");
        let is_equal = found.iter().zip(self.told.values()).all(|(found, told)| *found.bytes == **told);
        assert!(is_equal, "an entry has other bytes");
        assert_eq!(
            live_bytes,
            found.iter().map(|entry| entry.bytes.len() as u64 + JOURNAL_ENTRY_OVERHEAD_BYTES).sum::<u64>()
        );
    }
}

fn log_of(journal: &Journal, topic: Topic) -> impl Log {
    match topic {
        Topic::Frames => journal.frames(),
        Topic::Reference => journal.reference(),
    }
}

/// Opens the journal and compares it. None if the disk failed before.
fn open_and_check(disk: &SimDisk, expected: &mut [Expected; 2], must_open: bool) -> Option<Journal> {
    let journal = match disk.open(settings()) {
        Ok(journal) => journal,
        Err(error) if must_open => panic!("it does not open: {error}"),
        Err(_) => return None,
    };
    let status = journal.status();
    for (topic, (expected, span)) in TOPICS.into_iter().zip(expected.iter_mut().zip([status.frames, status.reference]))
    {
        let found = rest(&mut *log_of(&journal, topic).follow(Place(0)));
        expected.check(&found, span.bytes);
    }
    Some(journal)
}

/// Appends and trims until the disk fails, or for a while.
fn work(journal: &Journal, expected: &mut [Expected; 2], random: &mut Random) {
    for _ in 0..random.below(24) {
        let topic = usize::from(random.once_in(4));
        let (mut log, expected) = (log_of(journal, TOPICS[topic]), &mut expected[topic]);
        if random.once_in(3) {
            let trim = expected.next_place().saturating_sub(random.below(12));
            log.trim(Place(trim));
            expected.trim_before = expected.trim_before.max(trim);
        }
        let len = if random.once_in(12) { random.below(130_000) } else { random.below(3_000) };
        let bytes = random.bytes(len as usize);
        match append(&mut log, &bytes) {
            Ok(place) => {
                assert_eq!(place.0, expected.next_place());
                expected.told.insert(place.0, bytes);
            }
            Err(NotPlaced::Unknown) => {
                assert!(matches!(journal.state(), State::Failed(_)));
                expected.unknown = Some(bytes);
                assert_eq!(append(&mut log, b"later"), Err(NotPlaced::Unknown));
                return;
            }
            Err(NotPlaced::Full) => panic!("there is room"),
        }
    }
}

/// One journal, until its power was cut that number of times. Between two cuts the process may also be killed, a sync
/// may fail, or the journal is stopped. How many entries without a told place were there after all, and how many were
/// not.
fn live_through_cuts(seed: u64) -> (u64, u64) {
    let mut random = Random(seed);
    let disk = SimDisk::new();
    let mut expected = [Expected::default(), Expected::default()];
    disk.open(settings()).unwrap().stop().unwrap();
    let mut cuts = 0;
    while cuts < CUTS_OF_A_JOURNAL {
        let sync_fails = random.once_in(8);
        if sync_fails {
            disk.fail_sync_after(random.below(12));
        } else if !random.once_in(8) {
            disk.off_after(random.below(150));
        }
        if let Some(journal) = open_and_check(&disk, &mut expected, false) {
            work(&journal, &mut expected, &mut random);
            if random.once_in(4) {
                let _ = journal.stop();
            } else {
                disk.off_after(0);
                drop(journal);
            }
        }
        if random.once_in(3) {
            disk.restart(); // The process was killed; the operating system goes on.
        } else {
            disk.cut(&mut random);
            cuts += 1;
        }
        let journal = open_and_check(&disk, &mut expected, true).expect("it must open");
        // A clean end would sync what the open believed.
        disk.off_after(0);
        drop(journal);
        if random.once_in(2) {
            disk.restart();
        } else {
            disk.cut(&mut random);
            cuts += 1;
        }
    }
    (expected.iter().map(|topic| topic.kept).sum(), expected.iter().map(|topic| topic.lost).sum())
}

#[test]
fn power_cut() {
    // A failure prints the seed of its journal. Seeds are fixed, so a failure comes again.
    let live = |seed| {
        let lived = std::panic::catch_unwind(|| live_through_cuts(seed));
        lived.unwrap_or_else(|_| panic!("the journal with seed {seed} is wrong after a power cut"))
    };
    let live_half = |half| (half..CUTS / CUTS_OF_A_JOURNAL).step_by(2).map(live).collect::<Vec<_>>();
    let lived = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| scope.spawn(move || live_half(half)));
        halves.map(|half| half.join().expect("a journal is wrong, see above")).concat()
    });
    let (kept, lost) = lived.iter().fold((0, 0), |sum, lived| (sum.0 + lived.0, sum.1 + lived.1));
    println!(
        "{CUTS} cuts, seeds 0 to {}; of the entries without a told place, {kept} were kept and {lost} were lost",
        CUTS / CUTS_OF_A_JOURNAL - 1
    );
    assert!(kept > 100 && lost > 1_000, "the cuts must come before and after the entry is on the disk: {kept}, {lost}");
}

/// The simulated disk itself: without a sync, a cut may lose everything; after a sync, nothing.
#[test]
fn a_cut_loses_what_was_not_synced_only() {
    use redb::StorageBackend;
    let mut random = Random(1);
    let (mut lost, mut torn) = (0, 0);
    for _ in 0..200 {
        let disk = SimDisk::new();
        disk.write(0, &[1; 4096]).unwrap();
        disk.sync_data().unwrap();
        disk.write(1000, &[2; 2000]).unwrap();
        disk.cut(&mut random);
        let bytes = disk.bytes();
        assert!(bytes[..1000].iter().chain(&bytes[3000..]).all(|byte| *byte == 1));
        let kept = bytes.iter().filter(|byte| **byte == 2).count();
        lost += usize::from(kept == 0);
        torn += usize::from(kept > 0 && kept < 2000);
    }
    assert!(lost > 5 && torn > 50, "{lost} lost, {torn} torn");
}
