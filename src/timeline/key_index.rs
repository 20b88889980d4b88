//! A hash table from users' keys to their indices.

use crate::prefetch::prefetch;

/// Sub-tables, chosen by a part of the hash. Each is small when it grows, so no single event pays for the growth of
/// all.
const TABLES: usize = 256;

/// Cells of a sub-table when it gets its first entry.
const CELLS_MIN: usize = 16;

/// The maximum load: this many of every four cells may be occupied.
const OCCUPIED_OF_FOUR: usize = 3;

/// Open addressing with linear probing (Knuth, TAOCP 6.4, algorithms L and R). Eight cells share a cache line. A cell
/// keeps 32 bits of the hash, so an entry is almost always found without comparing any other key.
pub(crate) struct KeyIndex {
    tables: Box<[CellTable]>,
    /// Cells of all tables.
    cells: usize,
}

impl KeyIndex {
    pub(crate) fn new() -> Self {
        Self { tables: (0..TABLES).map(|_| CellTable::default()).collect(), cells: 0 }
    }

    /// Prefetches what [`probable_index`](Self::probable_index) and [`find`](Self::find) will read.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        let table = self.table(hash);
        prefetch(table.cells.as_ptr().wrapping_add(table.home(tag_of(hash))));
    }

    /// The index of the first entry with this hash. It belongs to another key with odds of one in many million, so the
    /// caller must compare the key.
    #[inline]
    pub(crate) fn probable_index(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// The first index with this hash for which `matches` is true.
    #[inline]
    pub(crate) fn find(&self, hash: u64, matches: impl Fn(u32) -> bool) -> Option<u32> {
        self.table(hash).find(tag_of(hash), matches).map(|(_, index)| index)
    }

    /// Adds the index of a key that is not in the table.
    pub(crate) fn insert(&mut self, hash: u64, index: u32) {
        self.change(hash, |table| table.insert(Cell::new(tag_of(hash), index)));
    }

    /// Removes the index of the key with this hash, if it is in the table.
    pub(crate) fn remove(&mut self, hash: u64, index: u32) {
        self.change(hash, |table| table.remove(tag_of(hash), index));
    }

    /// Memory that the table occupies with `len` keys, or will occupy once all sub-tables have doubled. They double at
    /// nearly the same time.
    pub(crate) fn bytes(&self, len: usize) -> usize {
        let doubled = len * 2 * 4 / OCCUPIED_OF_FOUR;
        self.cells.max(doubled).max(TABLES * CELLS_MIN) * size_of::<Cell>()
    }

    #[cfg(test)]
    pub(crate) fn cells(&self) -> usize {
        self.cells
    }

    #[inline]
    fn table(&self, hash: u64) -> &CellTable {
        &self.tables[hash as u8 as usize]
    }

    fn change(&mut self, hash: u64, change: impl FnOnce(&mut CellTable)) {
        let table = &mut self.tables[hash as u8 as usize];
        let cells = table.cells.len();
        change(table);
        self.cells = self.cells - cells + table.cells.len();
    }
}

/// The part of a hash that a cell keeps. The home position is computed from its upper bits, so a table can grow without
/// the keys.
fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A tag and an index.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cell(u64);

impl Cell {
    /// No user has the largest index.
    const EMPTY: Self = Self(u64::MAX);

    fn new(tag: u32, index: u32) -> Self {
        debug_assert!(index < u32::MAX);
        Self(u64::from(tag) << 32 | u64::from(index))
    }

    #[inline]
    fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    fn index(self) -> u32 {
        self.0 as u32
    }
}

#[derive(Default)]
struct CellTable {
    /// Their number is zero or a power of two.
    cells: Box<[Cell]>,
    /// Occupied cells.
    len: usize,
}

impl CellTable {
    /// The position and the index of the first entry with this tag for which `matches` is true.
    #[inline]
    fn find(&self, tag: u32, matches: impl Fn(u32) -> bool) -> Option<(usize, u32)> {
        let mut at = self.home(tag);
        loop {
            let cell = *self.cells.get(at)?;
            if cell == Cell::EMPTY {
                return None;
            }
            if cell.tag() == tag && matches(cell.index()) {
                return Some((at, cell.index()));
            }
            at = self.next(at);
        }
    }

    fn insert(&mut self, cell: Cell) {
        if (self.len + 1) * 4 > self.cells.len() * OCCUPIED_OF_FOUR {
            self.resize((self.cells.len() * 2).max(CELLS_MIN));
        }
        self.len += 1;
        self.put(cell);
    }

    /// Removes an entry by backward-shift deletion: each later entry of the cluster moves into the gap if the gap is
    /// not before its home.
    fn remove(&mut self, tag: u32, index: u32) {
        let Some((mut gap, _)) = self.find(tag, |other| other == index) else { return };
        let mut at = self.next(gap);
        while self.cells[at] != Cell::EMPTY {
            if self.distance_from_home(self.cells[at], at) >= self.distance(gap, at) {
                self.cells[gap] = self.cells[at];
                gap = at;
            }
            at = self.next(at);
        }
        self.cells[gap] = Cell::EMPTY;
        self.len -= 1;
        if self.cells.len() > CELLS_MIN && self.len < self.cells.len() / 8 {
            self.resize((self.cells.len() / 4).max(CELLS_MIN));
        }
    }

    fn resize(&mut self, cells: usize) {
        let before = std::mem::replace(&mut self.cells, vec![Cell::EMPTY; cells].into());
        before.into_iter().filter(|cell| *cell != Cell::EMPTY).for_each(|cell| self.put(cell));
    }

    /// Stores a cell at the first empty position from its home on.
    fn put(&mut self, cell: Cell) {
        let mut at = self.home(cell.tag());
        while self.cells[at] != Cell::EMPTY {
            at = self.next(at);
        }
        self.cells[at] = cell;
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.cells.len() as u64) >> 32) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }

    /// Forward steps from one position to another, around the end.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.cells.len() - 1)
    }

    /// Forward steps from the home of a cell to its position.
    fn distance_from_home(&self, cell: Cell, at: usize) -> usize {
        self.distance(self.home(cell.tag()), at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A hash in sub-table 0.
    fn hash(tag: u32) -> u64 {
        u64::from(tag) << 32
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let index = KeyIndex::new();
        assert_eq!((index.probable_index(0), index.find(u64::MAX, |_| true), index.cells()), (None, None, 0));
    }

    #[test]
    fn keys_with_the_same_tag_are_distinguished() {
        let mut index = KeyIndex::new();
        (0..10).for_each(|i| index.insert(hash(u32::MAX), i));
        (0..10).for_each(|i| assert_eq!(index.find(hash(u32::MAX), |other| other == i), Some(i)));
        assert_eq!(index.find(hash(u32::MAX), |_| false), None);
        index.remove(hash(u32::MAX), 3);
        assert_eq!(index.find(hash(u32::MAX), |other| other == 3), None);
        index.remove(hash(u32::MAX), 3);
        assert_eq!((0..10).filter(|i| index.find(hash(u32::MAX), |other| other == *i).is_some()).count(), 9);
    }

    #[test]
    fn a_table_is_at_most_three_quarters_full_and_shrinks_below_an_eighth() {
        let mut index = KeyIndex::new();
        let tag = |i: u32| i.wrapping_mul(0x9e37_79b9);
        let mut cells = vec![];
        for i in 0..25 {
            index.insert(hash(tag(i)), i);
            cells.push(index.cells());
        }
        assert_eq!((cells[0], cells[11], cells[12], cells[23], cells[24]), (16, 16, 32, 32, 64));
        (7..25).for_each(|i| index.remove(hash(tag(i)), i));
        assert_eq!(index.cells(), 16, "7 of 64 cells were occupied");
        (0..7).for_each(|i| assert_eq!(index.probable_index(hash(tag(i))), Some(i)));
        (0..7).for_each(|i| index.remove(hash(tag(i)), i));
        assert_eq!(index.cells(), 16);
    }

    proptest! {
        /// The tags come from a few neighbourhoods at both ends of the table, so there are clusters, and some wrap.
        #[test]
        fn the_table_agrees_with_a_map(
            steps in prop::collection::vec(
                (0..40_u32, prop::sample::select(vec![0, 1 << 28, 3 << 29, u32::MAX - 50])),
                1..300,
            ),
        ) {
            let (mut index, mut model) = (KeyIndex::new(), BTreeMap::new());
            for (number, (offset, base)) in steps.into_iter().enumerate() {
                let tag = base + offset;
                match model.remove(&tag) {
                    Some(held) => index.remove(hash(tag), held),
                    None => {
                        index.insert(hash(tag), number as u32);
                        model.insert(tag, number as u32);
                    }
                }
                for (tag, held) in &model {
                    prop_assert_eq!(index.probable_index(hash(*tag)), Some(*held));
                }
                prop_assert_eq!(index.tables[0].cells.iter().filter(|cell| **cell != Cell::EMPTY).count(), model.len());
                prop_assert_eq!(index.tables[0].len, model.len());
            }
        }
    }
}
