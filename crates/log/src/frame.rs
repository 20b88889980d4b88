//! The bytes of a frame, both ways.
//!
//! ```text
//! "WRF1", version                                        5 bytes
//! head                                                   9 numbers of 8 bytes
//! version 2: hash of outcomes, version read, notes       8 bytes, 1 byte, 1 byte
//! number of outcomes, number of batches                  2 numbers of 2 bytes
//! for each outcome: 0 if the frame was void, or 1 + refused rows
//!                   for each refused row: its distance from the one before, with a bit for the reason
//! for each batch:   ticket, received_at (from the reading), rows
//!                   event keys, records                  16 bytes for each row, each
//!                   seconds (from that of received_at)   a varint for each row
//! CRC-32 of all of this                                  4 bytes
//! ```
//!
//! Numbers of a fixed size are little-endian; all others are varints. Decoding borrows. It checks all that an engine
//! relies on, so that no frame can make one panic. Each frame has one form only.
//!
//! A log on one machine has frames of version 1. In a log of several nodes, version 2 says more of its author.

use crate::bytes::{Reader, is_sealed, put_signed, put_varint};
use crate::limits::{FRAME_BYTES_MAX, FRAME_OUTCOME_BYTES_MAX};
use crate::topic::Place;
use std::ops::Range;
use std::sync::Arc;
use weir::{EngineConfig, Refusal, Rows, second_of};

const MAGIC: &[u8; 4] = b"WRF1";
/// The newest version of a frame that this weir reads and writes.
pub const FRAME_VERSION: u8 = 2;
const CRC_BYTES: usize = 4;
/// The bytes of the two numbers of parts.
const COUNTS_BYTES: usize = 4;
/// The note that the author has no room for more events.
const NO_ROOM: u8 = 1;
/// The most bytes of the ticket, the time and the number of rows of a batch.
const BATCH_HEAD_BYTES_MAX: usize = 24;
/// The fewest bytes of a batch: the three numbers, and one row.
const BATCH_BYTES_MIN: usize = 3 + 33;
/// The most bytes of a row. Its second is at most a day from that of its batch, so it takes three bytes.
const ROW_BYTES_MAX: usize = 16 + 16 + 3;

/// What a frame says of its author.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The author: random bits that a process draws at its start.
    pub node: u64,
    /// The number of the frame among those of its author, from 1 on.
    pub number: u64,
    /// The author's clock, in milliseconds.
    pub reading_ms: i64,
    /// The newest place that the author had applied.
    pub applied: Place,
    /// The author's chain value at that place.
    pub chain: u64,
    /// The author's log time at that place; `i64::MIN` if it had applied no frame.
    pub log_ms: i64,
    /// The newest place of the reference log that the author had applied.
    pub reference_done: Place,
    /// The newest generation of the reference table that the author had prepared.
    pub table: u64,
    /// What only the nodes of a cluster tell each other. A frame of version 1 has none of it.
    pub peer: Option<PeerHead>,
}

/// What a node of a cluster says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerHead {
    /// The author's hash of the judgements of all frames up to the place that it had applied; 0 if it does not know
    /// it.
    pub judgements: u64,
    /// The newest version of a frame that the author reads.
    pub reads_version: u8,
    /// Whether the author has no room for more events.
    pub has_no_room: bool,
}

/// What became of a frame: void as a whole, or judged row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing of the frame counts.
    Void,
    /// The refused rows, counted over all batches of the frame. All others were accepted.
    Refused(Vec<(u32, Refusal)>),
}

/// What decoding checks the rows against.
#[derive(Clone, Copy, Debug)]
pub struct RowRules {
    event_types: usize,
    max_skew_secs: u64,
}

/// Why some bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAFrame(pub &'static str);

/// A decoded frame.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// What the frame says of its author.
    pub head: Head,
    /// The place of the first frame whose judgement is recorded here; the others follow it.
    pub recorded_from: Place,
    /// Judgements of successive frames.
    pub recorded: Vec<Judgement>,
    /// Parts of batches, each of one batch.
    pub parts: Vec<Part<'a>>,
    /// The checksum of the frame.
    pub crc: u32,
}

/// Successive rows of one batch.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The author's number for the batch.
    pub ticket: u64,
    /// The clock reading of the batch, in milliseconds.
    pub received_at_ms: i64,
    event_keys: &'a [u8],
    records: &'a [u8],
    seconds: &'a [u8],
}

impl RowRules {
    /// The rules of an engine with these settings.
    #[must_use]
    pub fn new(config: &EngineConfig) -> Self {
        Self { event_types: config.event_types.len(), max_skew_secs: u64::from(config.max_skew_secs) }
    }
}

impl<'a> Frame<'a> {
    /// Decodes a frame, and checks each row.
    ///
    /// # Errors
    /// The bytes are no frame, or a frame of another engine.
    pub fn decode(bytes: &'a [u8], rules: RowRules) -> Result<Self, NotAFrame> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(NotAFrame("it is longer than a frame can be"));
        }
        let (content, crc) = bytes.split_last_chunk().ok_or(NotAFrame("it is too short"))?;
        let crc = u32::from_le_bytes(*crc);
        if crc32fast::hash(content) != crc {
            return Err(NotAFrame("the checksum is wrong"));
        }
        let mut reader = Reader::new(content);
        if reader.take(MAGIC.len()) != Some(MAGIC) {
            return Err(NotAFrame("it does not begin with WRF1"));
        }
        let version = reader.byte().ok_or(NotAFrame("it is too short"))?;
        if !(1..=FRAME_VERSION).contains(&version) {
            return Err(NotAFrame("its version is unknown; use a newer weir"));
        }
        let frame = Self::content(&mut reader, version, rules, crc).ok_or(NotAFrame("its content is malformed"))?;
        if !frame.parts.iter().all(|part| part.has_known_types(rules)) {
            return Err(NotAFrame("it has an event type that this process does not know; give all --event-types"));
        }
        Ok(frame)
    }

    fn content(reader: &mut Reader<'a>, version: u8, rules: RowRules, crc: u32) -> Option<Self> {
        let mut head = Head {
            node: reader.u64()?,
            number: reader.u64()?,
            reading_ms: reader.i64()?,
            applied: Place(reader.u64()?),
            chain: reader.u64()?,
            log_ms: reader.i64()?,
            reference_done: Place(reader.u64()?),
            table: reader.u64()?,
            peer: None,
        };
        let recorded_from = Place(reader.u64()?);
        if version >= 2 {
            head.peer = Some(PeerHead::read(reader)?);
        }
        let (recorded, parts) = (reader.u16()?, reader.u16()?);
        // So the numbers of parts and judgements allocate no more than a few times the frame.
        let is_plausible = reader.rest().len() >= usize::from(recorded) + usize::from(parts) * BATCH_BYTES_MIN;
        if !is_plausible || recorded_from.0.checked_add(u64::from(recorded)).is_none() {
            return None;
        }
        let recorded = (0..recorded).map(|_| judgement(reader)).collect::<Option<_>>()?;
        let parts = (0..parts).map(|_| Part::read(reader, head.reading_ms, rules)).collect::<Option<_>>()?;
        reader.rest().is_empty().then_some(Self { head, recorded_from, recorded, parts, crc })
    }

    /// Whether the bytes are a frame, of whatever version and content.
    pub(crate) fn is_intact(bytes: &[u8]) -> bool {
        is_sealed(bytes, MAGIC)
    }

    /// Stands for bytes that weir has not written. No node has the number 0, and no frame.
    pub(crate) fn foreign(bytes: &[u8]) -> Self {
        let (recorded, parts) = (vec![], vec![]);
        Self { head: Head::default(), recorded_from: Place(0), recorded, parts, crc: crc32fast::hash(bytes) }
    }

    /// Whether this stands for bytes that weir has not written.
    pub(crate) fn is_foreign(&self) -> bool {
        self.head.number == 0
    }

    /// The judgements in this frame, each with the place of its frame.
    pub fn judgements(&self) -> impl Iterator<Item = (Place, &Judgement)> {
        (self.recorded_from.0..).map(Place).zip(&self.recorded)
    }
}

impl PeerHead {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (judgements, reads_version, notes) = (reader.u64()?, reader.byte()?, reader.byte()?);
        // A note that this version does not know comes with a newer version.
        let has_no_room = notes & NO_ROOM != 0;
        (notes & !NO_ROOM == 0).then_some(Self { judgements, reads_version, has_no_room })
    }
}

fn judgement(reader: &mut Reader<'_>) -> Option<Judgement> {
    let Some(refused) = reader.len()?.checked_sub(1) else { return Some(Judgement::Void) };
    if refused > reader.rest().len() {
        return None;
    }
    let mut next_row = 0_u64;
    let mut row = || {
        let bits = reader.varint()?;
        let row = u32::try_from(next_row.checked_add(bits >> 1)?).ok()?;
        next_row = u64::from(row) + 1;
        Some((row, if bits & 1 == 1 { Refusal::Overloaded } else { Refusal::Duplicate }))
    };
    (0..refused).map(|_| row()).collect::<Option<_>>().map(Judgement::Refused)
}

impl<'a> Part<'a> {
    fn read(reader: &mut Reader<'a>, reading_ms: i64, rules: RowRules) -> Option<Self> {
        let ticket = reader.varint()?;
        let received_at_ms = reading_ms.checked_add(reader.signed()?)?;
        let rows = reader.len()?;
        let event_keys = reader.take(rows.checked_mul(16)?)?;
        let records = reader.take(rows.checked_mul(16)?)?;
        let rest = reader.rest();
        let second = second_of(received_at_ms);
        for _ in 0..rows {
            let delta = reader.signed()?;
            if delta.unsigned_abs() > rules.max_skew_secs || second.checked_add(delta).is_none() {
                return None;
            }
        }
        let seconds = &rest[..rest.len() - reader.rest().len()];
        (rows > 0).then_some(Self { ticket, received_at_ms, event_keys, records, seconds })
    }

    fn has_known_types(&self, rules: RowRules) -> bool {
        self.records.chunks_exact(16).all(|record| usize::from(record[0]) < rules.event_types)
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.event_keys.len() / 16
    }

    /// Whether there is no row. A decoded part has rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.event_keys.is_empty()
    }

    /// Replaces what is in `rows` by the rows of this part.
    pub fn read_rows(&self, rows: &mut Rows) {
        rows.clear();
        let second = second_of(self.received_at_ms);
        let mut seconds = Reader::new(self.seconds);
        let (keys, _) = self.event_keys.as_chunks();
        let (records, _) = self.records.as_chunks();
        for (key, record) in keys.iter().zip(records) {
            let delta = seconds.signed().expect("decoding has checked the seconds");
            rows.push(*key, *record, second + delta);
        }
    }
}

/// A frame that is being made.
pub struct FrameBuilder {
    bytes: Vec<u8>,
    reading_ms: i64,
    /// The position of the two numbers of parts.
    counts: usize,
    /// The bytes of the judgements so far.
    recorded_bytes: usize,
    recorded: u16,
    parts: u16,
}

impl FrameBuilder {
    /// A frame without judgements and rows. The judgements come first; the first of them is that of `recorded_from`.
    #[must_use]
    pub fn new(head: &Head, recorded_from: Place) -> Self {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(MAGIC);
        bytes.push(if head.peer.is_some() { 2 } else { 1 });
        for number in [
            head.node,
            head.number,
            head.reading_ms.cast_unsigned(),
            head.applied.0,
            head.chain,
            head.log_ms.cast_unsigned(),
            head.reference_done.0,
            head.table,
            recorded_from.0,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        if let Some(PeerHead { judgements, reads_version, has_no_room }) = head.peer {
            bytes.extend_from_slice(&judgements.to_le_bytes());
            bytes.extend_from_slice(&[reads_version, if has_no_room { NO_ROOM } else { 0 }]);
        }
        let counts = bytes.len();
        bytes.extend_from_slice(&[0; COUNTS_BYTES]);
        Self { bytes, reading_ms: head.reading_ms, counts, recorded_bytes: 0, recorded: 0, parts: 0 }
    }

    /// Adds the judgement of the next frame, unless there is no room left for judgements.
    pub fn record(&mut self, judgement: &Judgement) -> bool {
        let start = self.bytes.len();
        match judgement {
            Judgement::Void => put_varint(&mut self.bytes, 0),
            Judgement::Refused(refused) => {
                put_varint(&mut self.bytes, refused.len() as u64 + 1);
                let mut next_row = 0;
                for (row, refusal) in refused {
                    let is_overloaded = u64::from(*refusal == Refusal::Overloaded);
                    put_varint(&mut self.bytes, u64::from(row - next_row) << 1 | is_overloaded);
                    next_row = row + 1;
                }
            }
        }
        let recorded_bytes = self.recorded_bytes + self.bytes.len() - start;
        if recorded_bytes > FRAME_OUTCOME_BYTES_MAX || self.recorded == u16::MAX {
            self.bytes.truncate(start);
            return false;
        }
        self.recorded_bytes = recorded_bytes;
        self.recorded += 1;
        true
    }

    /// The number of rows of one more batch that certainly fit.
    #[must_use]
    pub fn rows_left(&self) -> usize {
        if self.parts == u16::MAX {
            return 0;
        }
        FRAME_BYTES_MAX.saturating_sub(self.bytes.len() + CRC_BYTES + BATCH_HEAD_BYTES_MAX) / ROW_BYTES_MAX
    }

    /// Adds some rows of a batch, at least one and at most as many as [fit](Self::rows_left).
    pub fn push(&mut self, ticket: u64, received_at_ms: i64, rows: &Rows, range: Range<usize>) {
        debug_assert!(!range.is_empty() && range.len() <= self.rows_left(), "{range:?} of {} rows", self.rows_left());
        let bytes = &mut self.bytes;
        put_varint(bytes, ticket);
        put_signed(bytes, received_at_ms - self.reading_ms);
        put_varint(bytes, range.len() as u64);
        range.clone().for_each(|row| bytes.extend_from_slice(&rows.row(row).0));
        range.clone().for_each(|row| bytes.extend_from_slice(&rows.row(row).1));
        let second = second_of(received_at_ms);
        range.for_each(|row| put_signed(bytes, rows.row(row).2 - second));
        self.parts += 1;
    }

    /// The bytes of the frame.
    #[must_use]
    pub fn finish(mut self) -> Arc<[u8]> {
        let [recorded, parts] = [self.recorded, self.parts].map(u16::to_le_bytes);
        self.bytes[self.counts..self.counts + COUNTS_BYTES].copy_from_slice(&[recorded, parts].concat());
        self.bytes.extend_from_slice(&crc32fast::hash(&self.bytes).to_le_bytes());
        debug_assert!(self.bytes.len() <= FRAME_BYTES_MAX, "a frame of {} bytes", self.bytes.len());
        self.bytes.into()
    }
}
