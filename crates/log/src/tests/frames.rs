//! Frames and bytes, both ways.

use crate::frame::{FRAME_VERSION, Frame, FrameBuilder, Head, Judgement, NotAFrame, PeerHead, RowRules};
use crate::limits::{FRAME_BYTES_MAX, FRAME_OUTCOME_BYTES_MAX};
use crate::topic::Place;
use proptest::prelude::*;
use weir::{EngineConfig, Refusal, Rows};

const NOW_MS: i64 = 1_760_000_000_123;

fn rules() -> RowRules {
    RowRules::new(&EngineConfig::default())
}

fn rows(seconds: &[i64]) -> Rows {
    let mut rows = Rows::default();
    for (index, second) in seconds.iter().enumerate() {
        let mut record = [index as u8; 16];
        record[0] = index as u8 % 3;
        rows.push([index as u8 ^ 0x5a; 16], record, NOW_MS / 1_000 + second);
    }
    rows
}

fn head() -> Head {
    Head { node: 1, number: 2, reading_ms: NOW_MS, ..Head::default() }
}

fn seal(mut content: Vec<u8>) -> Vec<u8> {
    content.extend_from_slice(&crc32fast::hash(&content).to_le_bytes());
    content
}

fn judgement() -> impl Strategy<Value = Judgement> {
    let refusal = prop::sample::select(vec![Refusal::Duplicate, Refusal::Overloaded]);
    let refused = prop::collection::btree_map(0..u32::MAX, refusal, 0..20);
    prop_oneof![
        1 => Just(Judgement::Void),
        4 => refused.prop_map(|refused| Judgement::Refused(refused.into_iter().collect())),
    ]
}

/// A ticket, how far the batch is behind its frame, and the seconds of its rows.
fn batch() -> impl Strategy<Value = (u64, i64, Vec<i64>)> {
    (any::<u64>(), -90_000_i64..90_000, prop::collection::vec(-120_i64..120, 1..40))
}

proptest! {
    #[test]
    fn a_frame_comes_back(
        numbers: [u64; 8],
        peer in prop::option::of((any::<u64>(), any::<u8>(), any::<bool>())),
        reading_ms in i64::MIN / 2..i64::MAX / 2,
        judgements in prop::collection::vec(judgement(), 0..20),
        batches in prop::collection::vec(batch(), 0..8),
    ) {
        let [node, number, applied, chain, log_ms, reference_done, table, from] = numbers;
        let (applied, reference_done) = (Place(applied), Place(reference_done));
        let peer = peer.map(|(judgements, reads_version, has_no_room)| {
            PeerHead { judgements, reads_version, has_no_room }
        });
        let log_ms = log_ms as i64;
        let head = Head { node, number, reading_ms, applied, chain, log_ms, reference_done, table, peer };
        let from = Place(from >> 1);
        let mut builder = FrameBuilder::new(&head, from);
        judgements.iter().for_each(|judgement| assert!(builder.record(judgement)));
        let batches: Vec<_> = batches.into_iter().map(|(ticket, behind_ms, seconds)| {
            let received_at_ms = reading_ms - behind_ms;
            let mut rows = Rows::default();
            let second = received_at_ms.div_euclid(1_000);
            seconds.iter().for_each(|delta| rows.push([7; 16], [2; 16], second + delta));
            builder.push(ticket, received_at_ms, &rows, 0..rows.len());
            (ticket, received_at_ms, rows)
        }).collect();
        let bytes = builder.finish();
        let frame = Frame::decode(&bytes, rules()).unwrap();
        prop_assert_eq!(frame.head, head);
        prop_assert_eq!((frame.recorded_from, &frame.recorded), (from, &judgements));
        let places: Vec<_> = frame.judgements().map(|(place, _)| place.0).collect();
        prop_assert_eq!(places, (from.0..from.0 + judgements.len() as u64).collect::<Vec<_>>());
        let mut copy = Rows::default();
        let parts: Vec<_> = frame.parts.iter().map(|part| {
            part.read_rows(&mut copy);
            assert_eq!((part.len(), part.is_empty()), (copy.len(), false));
            (part.ticket, part.received_at_ms, copy.clone())
        }).collect();
        prop_assert_eq!(parts, batches);
    }
}

#[test]
fn some_rows_of_a_batch_can_be_taken() {
    let mut builder = FrameBuilder::new(&head(), Place(0));
    builder.push(9, NOW_MS, &rows(&[0, 1, 2, 3]), 1..3);
    let bytes = builder.finish();
    let frame = Frame::decode(&bytes, rules()).unwrap();
    let mut part = Rows::default();
    frame.parts[0].read_rows(&mut part);
    assert_eq!((part.row(0), part.row(1), part.len()), (rows(&[0, 1, 2, 3]).row(1), rows(&[0, 1, 2, 3]).row(2), 2));
}

#[test]
fn any_damage_is_found() {
    let mut builder = FrameBuilder::new(&head(), Place(5));
    builder.record(&Judgement::Refused(vec![(3, Refusal::Duplicate)]));
    builder.push(9, NOW_MS, &rows(&[0, 1]), 0..2);
    let bytes = builder.finish();
    assert!(Frame::decode(&bytes, rules()).is_ok());
    for index in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[index] ^= 0x10;
        let expected = Some(NotAFrame("the checksum is wrong"));
        assert_eq!(Frame::decode(&damaged, rules()).err(), expected, "byte {index}");
        assert!(Frame::decode(&bytes[..index], rules()).is_err(), "cut at {index}");
        let cut = seal(bytes[..index].to_vec());
        assert!(index == bytes.len() - 4 || Frame::decode(&cut, rules()).is_err(), "cut at {index} with a checksum");
    }
    let longer = seal([&bytes[..bytes.len() - 4], &[0]].concat());
    assert_eq!(Frame::decode(&longer, rules()).err(), Some(NotAFrame("its content is malformed")));
    let long = seal(vec![0; FRAME_BYTES_MAX]);
    assert_eq!(Frame::decode(&long, rules()).err(), Some(NotAFrame("it is longer than a frame can be")));
    let mut version = bytes[..bytes.len() - 4].to_vec();
    for unknown in [0, FRAME_VERSION + 1, 255] {
        version[4] = unknown;
        let error = Frame::decode(&seal(version.clone()), rules()).err();
        assert_eq!(error, Some(NotAFrame("its version is unknown; use a newer weir")));
    }
    version[0] = b'X';
    assert_eq!(Frame::decode(&seal(version), rules()).err(), Some(NotAFrame("it does not begin with WRF1")));
}

#[test]
fn an_unknown_note_is_no_frame() {
    let peer = Some(PeerHead { judgements: 7, reads_version: 2, has_no_room: true });
    let bytes = FrameBuilder::new(&Head { peer, ..head() }, Place(0)).finish();
    assert_eq!(Frame::decode(&bytes, rules()).unwrap().head.peer, peer);
    let mut content = bytes[..bytes.len() - 4].to_vec();
    let notes = content.len() - 5;
    content[notes] = 2;
    assert_eq!(Frame::decode(&seal(content), rules()).err(), Some(NotAFrame("its content is malformed")));
}

/// A row of an unknown kind would index beyond the counters of the engine.
#[test]
fn rows_are_checked_when_they_are_decoded() {
    let frame = |kind: u8, second: i64| {
        let mut rows = Rows::default();
        rows.push([1; 16], [kind; 16], NOW_MS / 1_000 + second);
        let mut builder = FrameBuilder::new(&head(), Place(0));
        builder.push(1, NOW_MS, &rows, 0..1);
        builder.finish()
    };
    let is_frame = |kind, second| Frame::decode(&frame(kind, second), rules()).is_ok();
    assert!(is_frame(0, 0) && is_frame(2, 0) && !is_frame(3, 0) && !is_frame(255, 0));
    assert!(is_frame(0, 120) && is_frame(0, -120) && !is_frame(0, 121) && !is_frame(0, -121));
}

#[test]
fn a_full_frame_is_within_its_bounds() {
    let refused = Judgement::Refused((0..4_000).map(|row| (row, Refusal::Duplicate)).collect());
    let mut builder = FrameBuilder::new(&head(), Place(0));
    let recorded = (0..1_000).take_while(|_| builder.record(&refused)).count();
    assert_eq!(recorded, FRAME_OUTCOME_BYTES_MAX / 4_002, "what does not fit is left to the next frame");
    let far = rows(&vec![86_000; 5_000]);
    let count = builder.rows_left();
    assert!(count > 2_000 && count < 5_000);
    builder.push(u64::MAX, NOW_MS, &far, 0..count);
    assert!(builder.rows_left() < 10);
    let bytes = builder.finish();
    assert!((FRAME_BYTES_MAX - 4_000..=FRAME_BYTES_MAX).contains(&bytes.len()));
    let mut config = EngineConfig::default();
    config.max_skew_secs = 86_400;
    let frame = Frame::decode(&bytes, RowRules::new(&config)).unwrap();
    assert_eq!((frame.recorded.len(), frame.parts[0].len()), (recorded, count));
}
