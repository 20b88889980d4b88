//! Entries of the reference log that are too large for a message.

use weir_log::limits::{CLUSTER_ENTRY_BYTES_MAX, INLINE_BYTES_MAX};
use weir_log::{Log, NotPlaced, Place};

use crate::helpers::{admin, append, append_surely, contents, lost, open, runtime, take};
use crate::nats::Nats;

#[test]
fn entries_of_any_size_come_back() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = cluster.reference();
    let sizes = [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 5_000_000, 7];
    let entries: Vec<Vec<u8>> = sizes.iter().map(|size| (0..*size).map(|n| (n % 251) as u8).collect()).collect();
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(append(&mut log, entry), Ok(Place(index as u64 + 1)));
    }
    let read = take(&mut *log.follow(Place(0)), sizes.len());
    for (found, (index, entry)) in contents(&read).into_iter().zip(entries.iter().enumerate()) {
        assert!(found == (index as u64 + 1, &entry[..]), "the entry of {} bytes", entry.len());
    }
    assert_eq!(append(&mut log, &vec![0; CLUSTER_ENTRY_BYTES_MAX + 1]), Err(NotPlaced::Full));
}

#[test]
fn a_missing_body_is_never_skipped() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let cluster = open(&runtime, &nats, 1);
    let mut log = cluster.reference();
    append_surely(&mut log, &vec![1; INLINE_BYTES_MAX + 1]);
    append_surely(&mut log, b"later");
    let context = admin(&runtime, &nats);
    let stream = runtime.block_on(context.get_stream("OBJ_WEIR_BODIES")).unwrap();
    runtime.block_on(async { stream.purge().await }).unwrap();
    let why = lost(&mut *log.follow(Place(0)));
    assert!(why.starts_with("place 1 of the stream WEIR_REFERENCE cannot be read: there is no object"), "{why}");
}
