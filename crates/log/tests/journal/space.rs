//! Bounds: the live bytes, and the free bytes of the disk.

use weir::{EngineConfig, Refusal};
use weir_log::journal::{Settings, State};
use weir_log::limits::{
    FRAME_BYTES_MAX, JOURNAL_BYTES, JOURNAL_ENTRY_OVERHEAD_BYTES, JOURNAL_FREE_BYTES_MIN,
    JOURNAL_FREE_BYTES_NECESSARY_MIN, JOURNAL_TRIMMED_PER_COMMIT_MAX,
};
use weir_log::{Log, NotLogged, NotPlaced, Place};

use crate::helpers::{append, append_necessary, settings};
use crate::node::Node;
use crate::sim_disk::SimDisk;

const MIB: usize = 1 << 20;
const NOW_MS: i64 = 1_760_000_000_000;

#[test]
fn a_full_journal_refuses_ordinary_entries_and_recovers_by_trimming() {
    let disk = SimDisk::new();
    let journal = disk.open(settings()).unwrap();
    let (mut frames, mut reference) = (journal.frames(), journal.reference());
    let entry = vec![7; MIB];
    append(&mut reference, &entry).unwrap();
    let mut placed = 1;
    while append(&mut frames, &entry).is_ok() {
        placed += 1;
    }
    let max_bytes = *JOURNAL_BYTES.start();
    assert_eq!(placed, max_bytes * 9 / 10 / (MIB as u64 + JOURNAL_ENTRY_OVERHEAD_BYTES), "both topics count");
    let full = journal.status();
    let before = disk.bytes();
    assert_eq!(append(&mut frames, &entry), Err(NotPlaced::Full));
    assert_eq!(append(&mut reference, &entry), Err(NotPlaced::Full));
    assert!(disk.bytes() == before, "nothing is written");
    assert_eq!(journal.status(), full);
    assert_eq!(append(&mut frames, &[1; 1000]), Ok(Place(placed)), "a smaller entry has room");

    // Without necessary entries nothing is trimmed, so they have room in any case.
    while journal.status().live_bytes() <= max_bytes {
        append_necessary(&mut frames, &entry).unwrap();
    }

    // A refused entry still trims, so the next ones have room.
    frames.trim(Place(40));
    assert!(append(&mut frames, &entry).is_ok());
    assert_eq!(journal.status().frames.first, Place(40));
    assert_eq!(journal.state(), State::Open);
}

#[test]
fn a_journal_with_a_lower_bound_than_its_live_bytes_recovers_by_trimming() {
    let disk = SimDisk::new();
    let larger = || Settings { max_bytes: 4 * *JOURNAL_BYTES.start(), ..settings() };
    let journal = disk.open(larger()).unwrap();
    let entry = vec![7; MIB];
    (0..100).for_each(|_| _ = append(&mut journal.frames(), &entry).unwrap());
    journal.stop().unwrap();
    let journal = disk.open(settings()).unwrap();
    let mut frames = journal.frames();
    assert_eq!(append(&mut frames, b"rows"), Err(NotPlaced::Full));
    assert_eq!(append_necessary(&mut frames, b"outcomes"), Ok(Place(101)));
    frames.trim(Place(100));
    assert!((0..3).any(|_| append(&mut frames, b"rows").is_ok()));
}

#[test]
fn a_full_journal_trims_the_idle_topic_too() {
    let disk = SimDisk::new();
    let journal = disk.open(settings()).unwrap();
    let (mut frames, mut reference) = (journal.frames(), journal.reference());
    append(&mut reference, &[1; 8 * MIB]).unwrap();
    append(&mut reference, b"base").unwrap();
    while append(&mut frames, &[7; MIB]).is_ok() {}
    reference.trim(Place(2));
    assert!(append(&mut frames, &[7; MIB]).is_ok());
    assert_eq!(journal.status().reference.first, Place(2));
}

#[test]
fn a_trim_larger_than_one_commit_makes_room_over_several_appends() {
    let disk = SimDisk::new();
    let journal = disk.open(settings()).unwrap();
    let mut frames = journal.frames();
    let entry = vec![7; 128 << 10];
    let mut placed = 0;
    while append(&mut frames, &entry).is_ok() {
        placed += 1;
    }
    frames.trim(Place(placed));
    let mut appends = 0;
    while journal.status().frames.first < Place(placed) && appends < placed {
        let _ = append(&mut frames, &entry);
        appends += 1;
    }
    // The first append trims twice: to get room, and with its entry.
    assert_eq!(appends, (placed - 1).div_ceil(JOURNAL_TRIMMED_PER_COMMIT_MAX as u64) - 1);
}

#[test]
fn a_full_disk_refuses_entries_before_anything_is_written() {
    let disk = SimDisk::new();
    disk.set_free_bytes(JOURNAL_FREE_BYTES_MIN);
    let journal = disk.open(settings()).unwrap();
    let mut frames = journal.frames();
    let before = disk.bytes();
    assert_eq!(append(&mut frames, b"one"), Err(NotPlaced::Full));
    assert!(disk.bytes() == before);
    assert_eq!(append_necessary(&mut frames, b"one"), Ok(Place(1)));
    disk.set_free_bytes(JOURNAL_FREE_BYTES_NECESSARY_MIN);
    assert_eq!(append_necessary(&mut frames, b"two"), Err(NotPlaced::Full));
    assert_eq!(journal.status().free_bytes, Some(JOURNAL_FREE_BYTES_NECESSARY_MIN));
    // Space comes back, and the journal goes on by itself.
    disk.set_free_bytes(1 << 40);
    assert_eq!(append(&mut frames, b"two"), Ok(Place(2)));
    assert_eq!(journal.state(), State::Open);
}

#[test]
fn a_disk_that_another_program_fills_is_noticed_at_once() {
    let disk = SimDisk::new();
    let journal = disk.open(settings()).unwrap();
    let mut frames = journal.frames();
    append(&mut frames, b"one").unwrap();
    disk.set_free_bytes(JOURNAL_FREE_BYTES_MIN);
    assert_eq!(append(&mut frames, b"two"), Err(NotPlaced::Full));
    assert_eq!(journal.state(), State::Open);
}

/// A journal that is full of rows takes events again once the rows have left the horizon: without a restart, and
/// although producers repeat their requests all the time. Frames without rows have the reserve, and raise log time.
#[test]
fn a_journal_that_is_full_of_rows_recovers_by_itself() {
    let (dir, config) = (tempfile::tempdir().unwrap(), EngineConfig::default());
    let node = Node::start(dir.path(), &config, NOW_MS);
    let mut events_posted = 0;
    let mut post = |count| -> Result<bool, NotLogged> {
        let ids: Vec<String> = (0..count).map(|event| (events_posted + event).to_string()).collect();
        events_posted += count;
        let events: Vec<_> = ids.iter().map(|id| (id.as_str(), "ann", "click", 0)).collect();
        let outcome = node.try_post(&events)?;
        assert!(outcome.refused().iter().all(|(_, refusal)| *refusal == Refusal::Overloaded));
        Ok(outcome.refused().is_empty())
    };
    let refused = loop {
        match post(20_000) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(refused, NotLogged::Overloaded);
    assert!(node.engine.metrics(1_800).stats.events > 1_000_000);
    while post(1).is_ok_and(|is_accepted| is_accepted) {}
    let secs = (0..3 * 3_600).find(|_| {
        node.clock.advance(1_000);
        post(1).is_ok_and(|is_accepted| is_accepted)
    });
    assert!(secs.is_some(), "it does not recover");
    let (expected, now_ms) = (node.engine.metrics(1_800).stats, node.engine.now_ms());
    assert_eq!(expected.events, 1);
    node.kill();
    assert_eq!(Node::start(dir.path(), &config, now_ms).engine.metrics(1_800).stats, expected);
}

/// Entries fill their pages, and pages of trimmed entries are used again. The log of an engine trims a turn of entries
/// at a time, so the live bytes fall by half and rise again.
#[test]
fn the_file_takes_at_most_one_and_a_half_times_the_most_live_bytes() {
    const TURN: u64 = 500;
    for entry_bytes in [300, 10_000, 34_000, 40_000, 100_000, FRAME_BYTES_MAX] {
        let disk = SimDisk::new();
        let journal = disk.open(Settings { max_bytes: 1 << 30, ..settings() }).unwrap();
        let mut frames = journal.frames();
        let mut live_bytes_max = 0;
        for n in 1..=8 * TURN {
            if n % TURN == 0 {
                frames.trim(Place(n.saturating_sub(TURN)));
            }
            append(&mut frames, &vec![n as u8; entry_bytes - n as usize % 100]).unwrap();
            live_bytes_max = live_bytes_max.max(journal.status().live_bytes());
        }
        let status = journal.status();
        assert!(status.frames.first >= Place(6 * TURN), "six turns are trimmed");
        let file_bytes = status.file_bytes.unwrap();
        assert!(2 * file_bytes <= 3 * live_bytes_max, "{file_bytes} for {live_bytes_max}, entries of {entry_bytes}");
    }
}
