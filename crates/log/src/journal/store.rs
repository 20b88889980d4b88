//! The database of a journal: its tables and its transactions. The other files of the journal know nothing of redb but
//! its storage and its errors.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{
    Builder, Database, Durability, Range, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, Table,
    TableDefinition,
};

use super::meta::Meta;
use super::pieces::pieces;
use crate::limits::{
    JOURNAL_CACHE_BYTES, JOURNAL_ENTRY_BYTES_MAX, JOURNAL_ENTRY_OVERHEAD_BYTES, JOURNAL_READ_BYTES,
    JOURNAL_READ_ENTRIES, JOURNAL_TRIMMED_PER_COMMIT_MAX,
};
use crate::topic::{Entry, Place};

/// One of the two orders that a journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The frames of batches.
    Frames,
    /// The changes of the reference table.
    Reference,
}

/// The place of an entry, and the number of a piece.
type Key = (u64, u32);

/// The pieces of entries. The first piece of an entry begins with the header.
type Entries = TableDefinition<'static, Key, &'static [u8]>;

const FRAMES: Entries = TableDefinition::new("frames");
const REFERENCE: Entries = TableDefinition::new("reference");
const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");
const FINGERPRINT: TableDefinition<'static, &'static str, &'static str> = TableDefinition::new("fingerprint");

/// The header of an entry.
#[derive(Clone, Copy)]
struct Header {
    /// The cost of all entries before this one, trimmed ones included. So the cost of all live entries is known from
    /// the first and the last, and a lost entry is noticed.
    start: u64,
    /// The bytes of the entry, in all its pieces.
    len: u64,
}

const HEADER_BYTES: usize = 16;

/// The places of a topic's entries, and what the entries cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first entry. If there is none, the place after `last`.
    pub first: Place,
    /// The last entry; 0 if there never was one.
    pub last: Place,
    /// The live bytes: the entries, with their keys and headers.
    pub bytes: u64,
}

impl Default for Span {
    fn default() -> Self {
        Self { first: Place(1), last: Place(0), bytes: 0 }
    }
}

/// What one commit changes in a topic.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) topic: Topic,
    /// Entries before this place are removed, up to the limit of a commit. The last entry always stays: it says which
    /// place comes next.
    pub(super) trim_before: Place,
    /// The new last entry.
    pub(super) entry: Option<&'a [u8]>,
}

/// The database of a journal.
#[derive(Debug)]
pub(super) struct Store(Database);

impl Store {
    /// Makes a new database on an empty disk, and closes it.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) fn create(disk: impl StorageBackend, meta: &Meta) -> Result<(), redb::Error> {
        let database = Builder::new().set_cache_size(JOURNAL_CACHE_BYTES).create_with_backend(disk)?;
        let transaction = database.begin_write()?;
        transaction.open_table(FRAMES)?;
        transaction.open_table(REFERENCE)?;
        {
            let mut table = transaction.open_table(META)?;
            table.insert("format", meta.format.to_le_bytes().as_slice())?;
            table.insert("secret", meta.secret.as_slice())?;
            table.insert("created_ms", meta.created_ms.to_le_bytes().as_slice())?;
            table.insert("stopped", [u8::from(meta.stopped)].as_slice())?;
            let mut table = transaction.open_table(FINGERPRINT)?;
            for (name, value) in &meta.fingerprint {
                table.insert(name.as_str(), value.as_str())?;
            }
        }
        transaction.commit()?;
        Ok(database.close()?)
    }

    /// Opens the database. Reads the whole of it once and compares each page with its checksum, also after a clean end:
    /// redb may panic on a damaged page that it did not check.
    ///
    /// # Errors
    /// If the disk fails, or the bytes are not those of a database.
    pub(super) fn open(disk: impl StorageBackend) -> Result<Self, redb::Error> {
        let mut builder = Builder::new();
        builder.set_cache_size(JOURNAL_CACHE_BYTES).set_check_integrity_on_open(true);
        Ok(Self(builder.create_with_backend(disk)?))
    }

    /// The version of the journal's format. Every format says it in this way.
    ///
    /// # Errors
    /// If the disk fails, or this is not a journal.
    pub(super) fn format(&self) -> Result<u32, redb::Error> {
        let transaction = self.0.begin_read()?;
        Ok(u32::from_le_bytes(exact(&transaction.open_table(META)?, "format")?))
    }

    /// What the journal says of itself.
    ///
    /// # Errors
    /// If the disk fails, or a part is missing.
    pub(super) fn meta(&self) -> Result<Meta, redb::Error> {
        let transaction = self.0.begin_read()?;
        let table = transaction.open_table(META)?;
        let mut fingerprint = BTreeMap::new();
        for entry in transaction.open_table(FINGERPRINT)?.iter()? {
            let (name, value) = entry?;
            fingerprint.insert(name.value().to_owned(), value.value().to_owned());
        }
        Ok(Meta {
            format: u32::from_le_bytes(exact(&table, "format")?),
            fingerprint,
            secret: exact(&table, "secret")?,
            created_ms: i64::from_le_bytes(exact(&table, "created_ms")?),
            stopped: exact::<1>(&table, "stopped")? != [0],
        })
    }

    /// Says whether the process that has the journal open stopped it, and with which settings.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) fn set_stopped(&self, stopped: bool, fingerprint: &BTreeMap<String, String>) -> Result<(), redb::Error> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(META)?.insert("stopped", [u8::from(stopped)].as_slice())?;
        {
            let mut table = transaction.open_table(FINGERPRINT)?;
            for (name, value) in fingerprint {
                table.insert(name.as_str(), value.as_str())?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// The places and the cost of a topic's entries.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) fn span(&self, topic: Topic) -> Result<Span, redb::Error> {
        span(&self.0.begin_read()?.open_table(topic.table())?)
    }

    /// Changes a topic. All of the change is on the disk when this returns.
    ///
    /// # Errors
    /// If the disk fails. All of the change may be on the disk, or nothing of it.
    pub(super) fn commit(&self, change: &Change<'_>) -> Result<Span, redb::Error> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let span = {
            let mut table = transaction.open_table(change.topic.table())?;
            let before = span(&table)?;
            let mut last = before.last;
            if let Some(bytes) = change.entry {
                last = Place(last.0 + 1);
                let start = next_start(&table)?;
                put(&mut table, last, start, bytes)?;
            }
            let end = change.trim_before.min(last).min(Place(before.first.0 + JOURNAL_TRIMMED_PER_COMMIT_MAX as u64));
            if before.first < end {
                table.retain_in((before.first.0, 0)..(end.0, 0), |_, _| false)?;
            }
            span(&table)?
        };
        transaction.commit()?;
        Ok(span)
    }

    /// Appends many entries in one commit. A journal that is in use takes entries by [`commit`](Self::commit).
    ///
    /// # Errors
    /// If the disk fails. All of the entries may be on the disk, or none of them.
    pub(super) fn append_all(&self, topic: Topic, entries: &[Arc<[u8]>]) -> Result<(), redb::Error> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(topic.table())?;
            let (mut start, Span { last: Place(mut place), .. }) = (next_start(&table)?, span(&table)?);
            for bytes in entries {
                place += 1;
                put(&mut table, Place(place), start, bytes)?;
                start += cost(bytes.len());
            }
        }
        Ok(transaction.commit()?)
    }

    /// Some of the entries from `from` on, in their order and without a gap. None if there is none.
    ///
    /// # Errors
    /// If the disk fails, or what it has is not what was written.
    pub(super) fn read(&self, topic: Topic, from: Place) -> Result<Vec<Entry>, redb::Error> {
        let transaction: ReadTransaction = self.0.begin_read()?;
        let table = transaction.open_table(topic.table())?;
        let mut found = table.range((from.0, 0)..)?;
        let mut entries = Vec::new();
        let mut bytes_read = 0;
        let mut expected: Option<(u64, u64)> = None;
        while let Some(first) = found.next().transpose()? {
            let (place, piece) = first.0.value();
            let (header, bytes) = split(first.1.value())?;
            if piece != 0 || expected.is_some_and(|expected| expected != (place, header.start)) {
                return Err(corrupted(format!("the entry before place {place} is missing")));
            }
            bytes_read += header.len as usize;
            if bytes_read > JOURNAL_READ_BYTES && !entries.is_empty() {
                break;
            }
            expected = Some((place + 1, header.start + cost(header.len as usize)));
            let bytes = join(place, header, bytes, &mut found)?;
            entries.push(Entry { place: Place(place), bytes, logged_at_ms: None });
            if entries.len() == JOURNAL_READ_ENTRIES {
                break;
            }
        }
        Ok(entries)
    }

    /// Closes the database.
    ///
    /// # Errors
    /// If the disk fails.
    pub(super) fn close(self) -> Result<(), redb::Error> {
        Ok(self.0.close()?)
    }
}

impl Topic {
    fn table(self) -> Entries {
        match self {
            Self::Frames => FRAMES,
            Self::Reference => REFERENCE,
        }
    }
}

/// What an entry counts for.
pub(super) fn cost(len: usize) -> u64 {
    len as u64 + JOURNAL_ENTRY_OVERHEAD_BYTES
}

fn corrupted(what: impl Into<String>) -> redb::Error {
    redb::Error::Corrupted(what.into())
}

/// Writes an entry, in its pieces.
fn put(table: &mut Table<'_, Key, &'static [u8]>, place: Place, start: u64, bytes: &[u8]) -> Result<(), redb::Error> {
    for (number, piece) in pieces(bytes.len()).enumerate() {
        let header_bytes = if number == 0 { HEADER_BYTES } else { 0 };
        let mut value = table.insert_reserve((place.0, number as u32), header_bytes + piece.len())?;
        let (header, body) = value.as_mut().split_at_mut(header_bytes);
        if number == 0 {
            header[..8].copy_from_slice(&start.to_le_bytes());
            header[8..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        }
        body.copy_from_slice(&bytes[piece]);
    }
    Ok(())
}

/// The bytes of an entry: those of its first piece, and those of the further pieces, which `found` gives next.
fn join(
    place: u64,
    header: Header,
    first: &[u8],
    found: &mut Range<'_, Key, &'static [u8]>,
) -> Result<Arc<[u8]>, redb::Error> {
    let len = header.len as usize;
    if first.len() == len {
        return Ok(first.into());
    }
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(first);
    for number in 1..pieces(len).count() as u32 {
        let piece = found.next().transpose()?.filter(|(key, _)| key.value() == (place, number));
        let (_, piece) = piece.ok_or_else(|| corrupted(format!("piece {number} of place {place} is missing")))?;
        bytes.extend_from_slice(piece.value());
    }
    if bytes.len() != len {
        return Err(corrupted(format!("the entry at place {place} has a wrong length")));
    }
    Ok(bytes.into())
}

/// The header and the bytes of a first piece.
fn split(value: &[u8]) -> Result<(Header, &[u8]), redb::Error> {
    let (header, bytes) = value.split_at_checked(HEADER_BYTES).ok_or_else(|| corrupted("an entry has no header"))?;
    let [start, len] = [0, 8].map(|at| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes")));
    let header = Header { start, len };
    if header.len > JOURNAL_ENTRY_BYTES_MAX as u64 {
        return Err(corrupted("an entry has a wrong length"));
    }
    Ok((header, bytes))
}

/// The header of the entry at a place.
fn header(table: &impl ReadableTable<Key, &'static [u8]>, place: u64) -> Result<Header, redb::Error> {
    let first = table.get((place, 0))?.ok_or_else(|| corrupted(format!("the entry at place {place} has no header")))?;
    Ok(split(first.value())?.0)
}

/// The cost of all entries up to the last one.
fn next_start(table: &impl ReadableTable<Key, &'static [u8]>) -> Result<u64, redb::Error> {
    let Some((last, _)) = table.last()? else { return Ok(0) };
    let Header { start, len } = header(table, last.value().0)?;
    Ok(start + cost(len as usize))
}

fn span(table: &impl ReadableTable<Key, &'static [u8]>) -> Result<Span, redb::Error> {
    let (Some(first), Some(last)) = (table.first()?, table.last()?) else { return Ok(Span::default()) };
    let (first, last) = (first.0.value().0, last.0.value().0);
    let start = header(table, first)?.start;
    let bytes = next_start(table)?.checked_sub(start).ok_or_else(|| corrupted("the entries are out of order"))?;
    Ok(Span { first: Place(first), last: Place(last), bytes })
}

/// A value of the meta table that has a fixed length.
fn exact<const N: usize>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<[u8; N], redb::Error> {
    let found = table.get(name)?.ok_or_else(|| corrupted(format!("it has no {name}")))?;
    found.value().try_into().map_err(|_| corrupted(format!("its {name} has a wrong length")))
}

#[cfg(test)]
mod tests {
    use super::super::disk::{Disk, FileDisk};
    use super::super::overlay::Overlay;
    use super::*;

    #[test]
    fn a_read_takes_a_bounded_number_of_bytes_and_of_entries() {
        let disk: Arc<dyn Disk> = Arc::new(FileDisk(tempfile::tempfile().unwrap()));
        Store::create(Overlay::released(Arc::clone(&disk)), &Meta::new(BTreeMap::new(), 0).unwrap()).unwrap();
        let store = Store::open(Overlay::released(disk)).unwrap();
        let append = |topic, bytes: &[u8]| {
            store.commit(&Change { topic, trim_before: Place(0), entry: Some(bytes) }).unwrap();
        };
        let len = JOURNAL_READ_BYTES / 4;
        append(Topic::Frames, &vec![0; 2 * JOURNAL_READ_BYTES]);
        (0..6).for_each(|_| append(Topic::Frames, &vec![0; len]));
        (0..=JOURNAL_READ_ENTRIES).for_each(|_| append(Topic::Reference, b""));

        let read = |topic, from| store.read(topic, Place(from)).unwrap().len();
        assert_eq!(read(Topic::Frames, 1), 1, "a larger entry comes alone");
        assert_eq!(read(Topic::Frames, 2), 4);
        assert_eq!(read(Topic::Frames, 6), 2);
        assert_eq!(read(Topic::Reference, 1), JOURNAL_READ_ENTRIES);
        assert_eq!(read(Topic::Reference, JOURNAL_READ_ENTRIES as u64 + 2), 0);
    }
}
