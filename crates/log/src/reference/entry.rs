//! The bytes of an entry of the reference log, both ways.
//!
//! ```text
//! "WRR1", kind                             5 bytes; 1 replaces the table, 2 merges a patch, 3 is a base
//! a change: node, number, received_at, preconditions, body
//! a base:   as_of, number, ts, received_at, groups with their values, users with their groups, landings
//! CRC-32 of all of this                    4 bytes
//! ```
//!
//! Node and number are 8 bytes, a user key is 16 bytes, and all other numbers are varints.

use crate::bytes::{Reader, is_sealed, put_signed, put_varint};
use crate::landings::{Landed, Landings};
use crate::limits::PRECONDITION_GENERATIONS_MAX;
use crate::topic::Place;
use std::sync::Arc;
use weir::{Change, Generations, Preconditions, ReferenceCopy};

const MAGIC: &[u8; 4] = b"WRR1";
const REPLACE: u8 = 1;
const MERGE: u8 = 2;
const BASE: u8 = 3;

/// A decoded entry.
pub(super) enum ReferenceEntry<'a> {
    Change(LoggedChange<'a>),
    Base(Base),
}

/// What all changes up to a place have made.
pub(super) struct Base {
    pub(super) as_of: Place,
    pub(super) copy: ReferenceCopy,
    /// Which changes have landed. A copy of one of them may land after the base.
    pub(super) landings: Landings,
}

/// A change and its author.
pub(super) struct LoggedChange<'a> {
    pub(super) node: u64,
    /// The number of the change among those of its author.
    pub(super) number: u64,
    pub(super) received_at_ms: i64,
    pub(super) change: Change,
    pub(super) preconditions: Preconditions,
    pub(super) body: &'a [u8],
}

impl LoggedChange<'_> {
    pub(super) fn encode(&self) -> Arc<[u8]> {
        let kind = if self.change == Change::Merge { MERGE } else { REPLACE };
        let mut bytes = Vec::with_capacity(self.body.len() + 64);
        begin(&mut bytes, kind);
        bytes.extend_from_slice(&self.node.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        put_signed(&mut bytes, self.received_at_ms);
        put_generations(&mut bytes, self.preconditions.if_match.as_ref());
        put_generations(&mut bytes, self.preconditions.if_none_match.as_ref());
        bytes.extend_from_slice(self.body);
        seal(bytes)
    }
}

impl Base {
    pub(super) fn encode(&self) -> Arc<[u8]> {
        let copy = &self.copy;
        let mut bytes = Vec::with_capacity(copy.users.len() * 18 + 64);
        begin(&mut bytes, BASE);
        put_varint(&mut bytes, self.as_of.0);
        put_table(&mut bytes, copy);
        put_varint(&mut bytes, self.landings.nodes.len() as u64);
        for (node, landed) in &self.landings.nodes {
            bytes.extend_from_slice(&node.to_le_bytes());
            bytes.extend_from_slice(&landed.greatest.to_le_bytes());
            bytes.extend_from_slice(&landed.last.to_le_bytes());
            put_signed(&mut bytes, landed.heard_ms);
        }
        seal(bytes)
    }
}

fn put_table(bytes: &mut Vec<u8>, copy: &ReferenceCopy) {
    put_varint(bytes, copy.number);
    put_signed(bytes, copy.ts_ms);
    put_signed(bytes, copy.received_at_ms);
    put_varint(bytes, copy.groups.len() as u64);
    for values in &copy.groups {
        put_varint(bytes, values.len() as u64);
        for value in values {
            put_varint(bytes, value.len() as u64);
            bytes.extend_from_slice(value.as_bytes());
        }
    }
    put_varint(bytes, copy.users.len() as u64);
    for (key, group) in &copy.users {
        bytes.extend_from_slice(key);
        put_varint(bytes, u64::from(*group));
    }
}

/// Whether the bytes are an entry, of whatever kind and content.
pub(super) fn is_intact(bytes: &[u8]) -> bool {
    is_sealed(bytes, MAGIC)
}

/// Decodes an entry; the error says why it is none.
pub(super) fn decode(bytes: &[u8]) -> Result<ReferenceEntry<'_>, &'static str> {
    let (content, crc) = bytes.split_last_chunk().ok_or("it is too short")?;
    if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
        return Err("the checksum is wrong");
    }
    let mut reader = Reader::new(content);
    if reader.take(MAGIC.len()) != Some(MAGIC) {
        return Err("it does not begin with WRR1");
    }
    let entry = match reader.byte() {
        Some(REPLACE) => change(&mut reader, Change::Replace),
        Some(MERGE) => change(&mut reader, Change::Merge),
        Some(BASE) => base(&mut reader),
        _ => return Err("its kind is unknown"),
    };
    entry.ok_or("its content is malformed")
}

fn change<'a>(reader: &mut Reader<'a>, change: Change) -> Option<ReferenceEntry<'a>> {
    let (node, number, received_at_ms) = (reader.u64()?, reader.u64()?, reader.signed()?);
    let preconditions = Preconditions { if_match: generations(reader)?, if_none_match: generations(reader)? };
    let body = reader.rest();
    Some(ReferenceEntry::Change(LoggedChange { node, number, received_at_ms, change, preconditions, body }))
}

fn base<'a>(reader: &mut Reader<'a>) -> Option<ReferenceEntry<'a>> {
    let as_of = Place(reader.varint()?);
    let (number, ts_ms, received_at_ms) = (reader.varint()?, reader.signed()?, reader.signed()?);
    let groups = list(reader, 1, |reader| list(reader, 1, text))?;
    let users = list(reader, 17, |reader| Some((reader.array()?, u32::try_from(reader.varint()?).ok()?)))?;
    let copy = ReferenceCopy { number, ts_ms, received_at_ms, groups, users };
    let nodes = list(reader, 25, landed)?.into_iter().collect();
    reader.rest().is_empty().then_some(ReferenceEntry::Base(Base { as_of, copy, landings: Landings { nodes } }))
}

fn landed(reader: &mut Reader<'_>) -> Option<(u64, Landed)> {
    Some((reader.u64()?, Landed { greatest: reader.u64()?, last: reader.u64()?, heard_ms: reader.signed()? }))
}

/// A number of items of at least `bytes_min` bytes each.
fn list<'a, T>(
    reader: &mut Reader<'a>,
    bytes_min: usize,
    mut item: impl FnMut(&mut Reader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let len = reader.len()?;
    if len > reader.rest().len() / bytes_min {
        return None;
    }
    (0..len).map(|_| item(reader)).collect()
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    let len = reader.len()?;
    Some(str::from_utf8(reader.take(len)?).ok()?.to_owned())
}

/// 0 for none, 1 for any, and for a list 2 more than its length.
fn put_generations(bytes: &mut Vec<u8>, generations: Option<&Generations>) {
    match generations {
        None => put_varint(bytes, 0),
        Some(Generations::OneOf(numbers)) => {
            put_varint(bytes, numbers.len() as u64 + 2);
            numbers.iter().for_each(|number| put_varint(bytes, *number));
        }
        Some(_) => put_varint(bytes, 1),
    }
}

fn generations(reader: &mut Reader<'_>) -> Option<Option<Generations>> {
    Some(match reader.len()? {
        0 => None,
        1 => Some(Generations::Any),
        len if len - 2 > PRECONDITION_GENERATIONS_MAX => return None,
        len => Some(Generations::OneOf((2..len).map(|_| reader.varint()).collect::<Option<_>>()?)),
    })
}

fn begin(bytes: &mut Vec<u8>, kind: u8) {
    bytes.extend_from_slice(MAGIC);
    bytes.push(kind);
}

fn seal(mut bytes: Vec<u8>) -> Arc<[u8]> {
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base_of(copy: ReferenceCopy) -> Base {
        let landed = Landed { greatest: 9, last: 5, heard_ms: -1 };
        Base { as_of: Place(4), copy, landings: Landings { nodes: [(3, landed), (u64::MAX, landed)].into() } }
    }

    fn copy() -> ReferenceCopy {
        let groups = vec![vec!["pro".to_owned(), "eu".to_owned()], vec!["free".to_owned(), "é".to_owned()]];
        let users = vec![([1; 16], 0), ([2; 16], 1), ([3; 16], 0)];
        ReferenceCopy { number: 7, ts_ms: -3, received_at_ms: 1 << 41, groups, users }
    }

    #[test]
    fn a_change_comes_back() {
        let lists =
            [None, Some(Generations::Any), Some(Generations::OneOf(vec![])), Some(Generations::OneOf(vec![0, 9]))];
        for (if_match, if_none_match) in lists.iter().zip(lists.iter().rev()) {
            let preconditions = Preconditions { if_match: if_match.clone(), if_none_match: if_none_match.clone() };
            let change = Change::Merge;
            let entry = LoggedChange { node: 5, number: 6, received_at_ms: -7, change, preconditions, body: b"{}" };
            let bytes = entry.encode();
            let Ok(ReferenceEntry::Change(decoded)) = decode(&bytes) else { panic!("not a change") };
            assert_eq!((decoded.node, decoded.number, decoded.received_at_ms), (5, 6, -7));
            assert_eq!((decoded.change, decoded.preconditions), (change, entry.preconditions));
            assert_eq!(decoded.body, b"{}");
        }
    }

    #[test]
    fn a_base_comes_back() {
        let bytes = base_of(copy()).encode();
        let Ok(ReferenceEntry::Base(decoded)) = decode(&bytes) else { panic!("not a base") };
        assert_eq!((decoded.as_of, decoded.copy, decoded.landings), (Place(4), copy(), base_of(copy()).landings));
    }

    #[test]
    fn damaged_bytes_are_no_entry_and_cause_no_panic() {
        let bytes = base_of(copy()).encode();
        for index in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[index] ^= 1;
            assert!(decode(&damaged).is_err() && decode(&bytes[..index]).is_err(), "{index}");
            // With a checksum that fits, the content is checked all the same.
            let content = damaged.len() - 4;
            damaged.truncate(content);
            let _ = decode(&seal(damaged));
            let _ = decode(&seal(bytes[..index].to_vec()));
        }
        assert_eq!(decode(&seal(b"WRR1\x04".to_vec())).err(), Some("its kind is unknown"));
        let huge = seal([&b"WRR1\x03\x00\x01\x00\x00"[..], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat());
        assert_eq!(decode(&huge).err(), Some("its content is malformed"), "no memory for a list that cannot be there");
    }
}
