//! Frames of the log: the naive parser follows the table at the head of `crates/log/src/frame.rs`, number by number.

use crate::Target;
use weir::{EngineConfig, Refusal, Rows};
use weir_log::frame::{Frame, FrameBuilder, Judgement, RowRules};

/// The bytes of a frame. Few mutations keep its checksum, so each input is also tried with a checksum that fits.
pub const FRAME: Target = Target { name: "frame", words: WORDS, check };

const WORDS: &[&[u8]] = &[
    b"WRF1",
    b"WRF1\x01",
    b"WRF1\x02",
    &[0],
    &[1],
    &[2],
    &[3],
    &[0x7f],
    &[0x80, 0],
    &[0x80, 1],
    &[0xff],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    &[0; 8],
    &[0; 33],
    &[1; 36],
    &[0xff; 8],
    &[0, 0, 0, 0, 0, 0, 0, 0x80],
];

const FRAME_BYTES_MAX: usize = 126 * 1024;

/// The numbers of the head, and of the place that is recorded first.
type Head = [u64; 9];
/// For each row its event key, its record and its second.
type PartRows = Vec<(Vec<u8>, Vec<u8>, i64)>;

#[derive(Debug, PartialEq)]
struct Naive {
    head: Head,
    /// The hash of judgements, the version that the author reads, and whether it has no room.
    peer: Option<(u64, u64, bool)>,
    /// For each judgement the refused rows, each with whether it was overloaded; none for a void frame.
    recorded: Vec<Option<Vec<(u32, bool)>>>,
    /// The ticket, the time and the rows.
    parts: Vec<(u64, i64, PartRows)>,
}

fn check(input: &[u8]) {
    compare(input);
    let content = &input[..input.len().saturating_sub(4)];
    compare(&[content, &crc(content).to_le_bytes()].concat());
}

fn compare(bytes: &[u8]) {
    let config = EngineConfig::default();
    let frame = Frame::decode(bytes, RowRules::new(&config));
    let decoded = frame.as_ref().ok().map(plain);
    assert_eq!(decoded, naive(bytes, &config));
    if let Ok(frame) = frame {
        assert_eq!(&*again(&frame), bytes, "a frame has one form");
    }
}

/// The bytes of the same frame, made from what was decoded.
fn again(frame: &Frame<'_>) -> Vec<u8> {
    let mut builder = FrameBuilder::new(&frame.head, frame.recorded_from);
    let mut rows = Rows::default();
    let is_recorded = frame.recorded.iter().all(|judgement| builder.record(judgement));
    assert!(is_recorded, "an input is too short for more judgements than fit");
    for part in &frame.parts {
        part.read_rows(&mut rows);
        builder.push(part.ticket, part.received_at_ms, &rows, 0..rows.len());
    }
    builder.finish().to_vec()
}

fn plain(frame: &Frame<'_>) -> Naive {
    let head = &frame.head;
    let judgement = |judgement: &Judgement| match judgement {
        Judgement::Void => None,
        Judgement::Refused(refused) => {
            Some(refused.iter().map(|(row, refusal)| (*row, *refusal == Refusal::Overloaded)).collect())
        }
    };
    let mut rows = Rows::default();
    let mut part = |part: &weir_log::frame::Part<'_>| {
        part.read_rows(&mut rows);
        let row = |index| {
            let (key, record, second) = rows.row(index);
            (key.to_vec(), record.to_vec(), second)
        };
        (part.ticket, part.received_at_ms, (0..rows.len()).map(row).collect())
    };
    Naive {
        head: [
            head.node,
            head.number,
            head.reading_ms as u64,
            head.applied.0,
            head.chain,
            head.log_ms as u64,
            head.reference_done.0,
            head.table,
            frame.recorded_from.0,
        ],
        peer: head.peer.map(|peer| (peer.judgements, u64::from(peer.reads_version), peer.has_no_room)),
        recorded: frame.recorded.iter().map(judgement).collect(),
        parts: frame.parts.iter().map(&mut part).collect(),
    }
}

fn naive(bytes: &[u8], config: &EngineConfig) -> Option<Naive> {
    let content = bytes.len().checked_sub(4)?;
    let (mut rest, checksum) = bytes.split_at(content);
    if bytes.len() > FRAME_BYTES_MAX || checksum != crc(rest).to_le_bytes() || take(&mut rest, 4)? != b"WRF1" {
        return None;
    }
    let version = fixed(&mut rest, 1)?;
    let mut head = [0; 9];
    for number in &mut head {
        *number = fixed(&mut rest, 8)?;
    }
    let peer = match version {
        1 => None,
        2 => {
            let (judgements, reads, notes) = (fixed(&mut rest, 8)?, fixed(&mut rest, 1)?, fixed(&mut rest, 1)?);
            (notes < 2).then_some(Some((judgements, reads, notes == 1)))?
        }
        _ => return None,
    };
    let (recorded, parts) = (fixed(&mut rest, 2)?, fixed(&mut rest, 2)?);
    head[8].checked_add(recorded)?;
    let recorded = (0..recorded).map(|_| naive_judgement(&mut rest)).collect::<Option<_>>()?;
    let parts = (0..parts).map(|_| naive_part(&mut rest, head[2] as i64, config)).collect::<Option<_>>()?;
    rest.is_empty().then_some(Naive { head, peer, recorded, parts })
}

fn naive_judgement(rest: &mut &[u8]) -> Option<Option<Vec<(u32, bool)>>> {
    let refused = varint(rest)?;
    if refused == 0 {
        return Some(None);
    }
    let (mut next, mut rows) = (0, vec![]);
    for _ in 1..refused {
        let bits = varint(rest)?;
        let row = u32::try_from(next + u128::from(bits / 2)).ok()?;
        next = u128::from(row) + 1;
        rows.push((row, bits % 2 == 1));
    }
    Some(Some(rows))
}

fn naive_part(rest: &mut &[u8], reading_ms: i64, config: &EngineConfig) -> Option<(u64, i64, PartRows)> {
    let ticket = varint(rest)?;
    let received_at_ms = i64::try_from(i128::from(reading_ms) + signed(rest)?).ok()?;
    let count = varint(rest)?;
    let columns = |rest: &mut &[u8]| (0..count).map(|_| Some(take(rest, 16)?.to_vec())).collect::<Option<Vec<_>>>();
    let (keys, records) = (columns(rest)?, columns(rest)?);
    let mut rows = vec![];
    for (key, record) in keys.into_iter().zip(records) {
        let delta = signed(rest)?;
        let second = i64::try_from(i128::from(received_at_ms.div_euclid(1_000)) + delta).ok()?;
        if delta.abs() > i128::from(config.max_skew_secs) || usize::from(record[0]) >= config.event_types.len() {
            return None;
        }
        rows.push((key, record, second));
    }
    (!rows.is_empty()).then_some((ticket, received_at_ms, rows))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn fixed(rest: &mut &[u8], len: usize) -> Option<u64> {
    Some(take(rest, len)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The shortest form of a number below 2^64.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let (mut number, mut factor) = (0_u128, 1_u128);
    for index in 0..10 {
        let byte = take(rest, 1)?[0];
        number += u128::from(byte % 128) * factor;
        factor *= 128;
        if byte < 128 {
            return u64::try_from(number).ok().filter(|_| index == 0 || byte > 0);
        }
    }
    None
}

/// 0, -1, 1, -2, 2 and so on.
fn signed(rest: &mut &[u8]) -> Option<i128> {
    let number = i128::from(varint(rest)?);
    Some(if number % 2 == 0 { number / 2 } else { -(number + 1) / 2 })
}

/// CRC-32 of IEEE 802.3, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc: u32, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}
